/**
 * The analysis topic of the golden files in our API. Everything is computed in float64, so inputs are read unchanged in either precision.
 */

import type { ConditionalOptions, Statistic, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import { type Case, numbersOf, type Params, tensorOf } from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'

type Value = number | readonly number[] | readonly (readonly number[])[]

/** Numbers as tensors of their shape. */
function outputs(values: Readonly<Record<string, Value | undefined>>): Outputs {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, hg.tensor(value as number[], { dtype: 'float64' })]],
    ),
  )
}

type Run = (inputs: Tensors, p: Params, c: Case) => Promise<Outputs> | Outputs

const operation =
  (run: Run): Operation =>
  (_, c) => {
    const exact = Object.fromEntries(
      Object.entries(c.inputs).map(([name, stored]) => [name, tensorOf(stored, 'float64')]),
    )
    return run(exact, c.params, c)
  }

const at = (inputs: Tensors, name: string) => inputs[name] as Tensor
/** The inputs x0, x1, ... of a letter. */
const series = (inputs: Tensors, letter: string) =>
  Object.keys(inputs)
    .filter((name) => new RegExp(`^${letter}\\d+$`).test(name))
    .map((name) => at(inputs, name))
/** An integer input as rows of numbers. */
function rounds(c: Case, name: string): number[][] {
  const stored = c.inputs[name] as Case['inputs'][string]
  const [, width] = stored.shape as [number, number]
  const flat = numbersOf(stored)
  return Array.from({ length: flat.length / width }, (__, i) => flat.slice(i * width, (i + 1) * width))
}

const corrections = { plugin: 'none', miller_madow: 'millerMadow' } as const

const discrete = async (of: (options: ConditionalOptions) => Promise<number>) => ({
  plugin: await of({ estimator: 'discrete' }),
  miller_madow: await of({ estimator: 'discrete', correction: corrections.miller_madow }),
})

const interaction =
  (estimator: 'gaussian' | 'discrete'): Run =>
  async ({ x, y, z }) => {
    const found = await hg.interactionInformation(x as Tensor, y as Tensor, z as Tensor, { estimator })
    return outputs({
      mi: found.mutualInformation,
      cmi: found.conditional,
      co_information: found.coInformation,
      interaction_information: found.interactionInformation,
    })
  }

const transfer = (p: Params) => ({ history: p.k, sourceHistory: p.l, delay: p.delay })

/** An estimator with the widths that the case wants. */
async function similarityMatrices(
  inputs: Tensors,
  p: Params,
  make: (unbiased: boolean) => hg.Estimator,
): Promise<Outputs> {
  const [rows, columns] = [series(inputs, 'h'), series(inputs, 'g')]
  const options = columns.length === 0 ? {} : { others: columns }
  const sigmas = async (layers: Tensor[]) => {
    const widths: number[] = []
    for (const layer of layers) widths.push((await hg.medianSigma(layer).item()) * p.fraction)
    return widths
  }
  return outputs({
    biased: await hg.layerSimilarity(make(false), rows, options),
    unbiased: await hg.layerSimilarity(make(true), rows, options),
    ...(p.kernel === 'gaussian' && { sigma_h: await sigmas(rows), sigma_g: await sigmas(columns) }),
  })
}

const spread = (x: Tensor) => x.sub(x.mean()).square().sum()
const pearson = (x: Tensor, y: Tensor) =>
  x
    .sub(x.mean())
    .mul(y.sub(y.mean()))
    .sum()
    .div(spread(x).mul(spread(y)).sqrt())

const statistics: Readonly<Record<string, Statistic>> = {
  mean: (x) => (x as Tensor).mean(),
  median: (x) => {
    const sorted = (x as Tensor).flatten(0).sort()
    const n = sorted.size
    return sorted.slice([Math.floor((n - 1) / 2)], [Math.floor(n / 2) + 1]).mean()
  },
  sd: (x) =>
    spread(x as Tensor)
      .div((x as Tensor).size - 1)
      .sqrt(),
  pearson: (x, y) => pearson(x as Tensor, y as Tensor),
  abs_pearson: (x, y) => pearson(x as Tensor, y as Tensor).abs(),
  gaussian_mi: (x, y) =>
    pearson(x as Tensor, y as Tensor)
      .square()
      .neg()
      .log1p()
      .div(-2),
  dcor: new hg.DistanceCorrelation(),
  hsic_linear: new hg.HSIC({ kernel: 'linear' }),
  plugin_mi: new hg.DiscreteMI({ correction: 'none' }),
}

/** A statistic as a function: the bootstrap refuses estimators for which copies count, and a case gives its resamples. */
function plain(statistic: Statistic): Statistic {
  if (!(statistic instanceof hg.Estimator)) return statistic
  return (...parts) => {
    const [x, y] = parts.map((part) => (part as Tensor).cast('float64')) as [Tensor, Tensor]
    return statistic.criterion(x, y)
  }
}

const planeNames = {
  H_T: 'entropy',
  I_TX: 'withInput',
  I_TY: 'withTarget',
  H_Y: 'targetEntropy',
  H_T_given_Y: 'conditionalEntropy',
  H_T_mm: 'entropyCorrected',
  I_TX_mm: 'withInputCorrected',
  I_TY_mm: 'withTargetCorrected',
  H_Y_mm: 'targetEntropyCorrected',
  occupied: 'occupied',
} as const

const scales: Readonly<Record<string, hg.NormalizedInformationOptions['scale']>> = {
  volume: 'volume',
  volume_stable: 'volume',
  radius: 'radius',
  radius_median: 'radiusMedian',
  kraskov: 'none',
}

const byOp: Readonly<Record<string, Run>> = {
  cmi_knn: async ({ x, y, z }, p) =>
    outputs({
      value: await hg.conditionalMutualInformation(x as Tensor, y as Tensor, z as Tensor, {
        estimator: 'knn',
        k: p.k,
        standardize: p.standardize,
      }),
    }),
  cmi_gaussian: async ({ x, y, z }, _, c) => {
    const [a, b, d] = [x, y, z] as [Tensor, Tensor, Tensor]
    return outputs({
      value: await hg.conditionalMutualInformation(a, b, d, { estimator: 'gaussian' }),
      ...('partial_correlation' in c.expected && {
        partial_correlation: await hg.partialCorrelation(a, b, d),
      }),
    })
  },
  cmi_discrete: async ({ x, y, z }) =>
    outputs(
      await discrete((options) =>
        hg.conditionalMutualInformation(x as Tensor, y as Tensor, z as Tensor, options),
      ),
    ),
  interaction_gaussian: interaction('gaussian'),
  interaction_discrete: interaction('discrete'),
  total_correlation_gaussian: async (inputs) => {
    const found = await hg.totalCorrelation(series(inputs, 'x'), { estimator: 'gaussian' })
    return outputs({
      total_correlation: found.totalCorrelation,
      dual_total_correlation: found.dualTotalCorrelation,
    })
  },
  total_correlation_discrete: async (inputs) =>
    outputs({ value: (await hg.totalCorrelation(series(inputs, 'x'))).totalCorrelation }),
  te_gaussian: async ({ x, y }, p) =>
    outputs({
      ...(await hg.transferEntropy(x as Tensor, y as Tensor, { ...transfer(p), estimator: 'gaussian' })),
    }),
  te_knn: async ({ x, y }, p) =>
    outputs({
      ...(await hg.transferEntropy(x as Tensor, y as Tensor, {
        ...transfer(p),
        k: p.neighbours,
        standardize: p.standardize,
      })),
    }),
  te_discrete: async ({ x, y }, p) => {
    const of = (options: ConditionalOptions) =>
      hg.transferEntropy(x as Tensor, y as Tensor, { ...transfer(p), ...options })
    return outputs({
      ...(await discrete(async (options) => (await of(options)).value)),
      rows: (await of({})).rows,
    })
  },
  cka_matrix: (inputs, p) =>
    similarityMatrices(inputs, p, (unbiased) =>
      p.kernel === 'linear'
        ? new hg.CKA({ unbiased })
        : new hg.CKA({ kernel: 'rbf', fraction: p.fraction, unbiased }),
    ),
  hsic_matrix: (inputs, p) =>
    similarityMatrices(inputs, p, (unbiased) => {
      const estimator = unbiased ? 'unbiased' : 'biased'
      return p.kernel === 'linear'
        ? new hg.HSIC({ kernel: 'linear', estimator })
        : new hg.HSIC({ sigma: 'median', estimator })
    }),
  rv: async ({ x, y }) => {
    const found = await hg.rvCoefficients(x as Tensor, y as Tensor)
    return outputs({
      rv: found.rv,
      rv2: found.rv2,
      rv_adjusted_mayer: found.adjustedMayer,
      rv_adjusted_ghaziri: found.adjustedGhaziri,
      rv_expected: found.expected,
    })
  },
  procrustes: async ({ x, y }) => {
    const { squaredUnscaled, disparity, ...found } = await hg.procrustes(x as Tensor, y as Tensor)
    return outputs({ ...found, squared_unscaled: squaredUnscaled, scipy_disparity: disparity })
  },
  procrustes_matrix: async (inputs) =>
    outputs({ distance: await hg.layerSimilarity('procrustes', series(inputs, 'h')) }),
  rsa: async ({ x, y }) => {
    const found = await hg.representationalSimilarity(x as Tensor, y as Tensor)
    return outputs({
      correlation_pearson: found.correlationPearson,
      correlation_spearman: found.correlationSpearman,
      euclidean_pearson: found.euclideanPearson,
      euclidean_spearman: found.euclideanSpearman,
    })
  },
  cca: async ({ x, y }, { variance }) => {
    const found = await hg.canonicalCorrelations(x as Tensor, y as Tensor, { variance })
    return outputs({
      rho: found.correlations,
      mean: found.mean,
      mean_sq: found.meanSquare,
      svcca_mean: found.svcca,
      svcca_rho: found.svccaCorrelations,
      svcca_dims: found.svccaDirections,
      pwcca_x: found.pwcca,
      pwcca_y: found.pwccaOfY,
    })
  },
  svcca_matrix: async (inputs, { variance }) => {
    const layers = series(inputs, 'h')
    const directions: number[] = []
    for (const layer of layers) {
      const { svccaDirections } = await hg.canonicalCorrelations(layer, layer, { variance })
      directions.push(svccaDirections[0])
    }
    return outputs({ mean: await hg.layerSimilarity('svcca', layers, { variance }), dims: directions })
  },
  dcor: async ({ x, y }) => {
    const found = await hg.distanceCorrelationTest(x as Tensor, y as Tensor)
    return outputs({
      dcor: found.correlation,
      dcov_sq: found.covarianceSquared,
      dcor_sq_u: found.correlationSquaredUnbiased,
      dcov_sq_u: found.covarianceSquaredUnbiased,
      t: found.t,
      t_pvalue: found.pValue,
    })
  },
  spectrum: async ({ x }, { center, rtol }) => {
    const found = await hg.spectrum(x as Tensor, { center, tolerance: rtol })
    return outputs({
      effective_rank: found.effectiveRank,
      effective_rank_eigenvalues: found.effectiveRankOfVariance,
      participation_ratio: found.participationRatio,
      stable_rank: found.stableRank,
      nuclear_rank: found.nuclearRank,
      numerical_rank: found.numericalRank,
      rank_rtol: found.rank,
      singular_values: found.singularValues,
    })
  },
  twonn: async ({ x }, { discard }) => {
    const { mleUnbiased, mleCensored, ...found } = await hg.twoNN(x as Tensor, { discard })
    return outputs({ ...found, mle_unbiased: mleUnbiased, mle_censored: mleCensored })
  },
  levina_bickel: async ({ x }, { k, k1, k2 }) => {
    const found = await hg.levinaBickel(x as Tensor, { k, range: [k1, k2] })
    return outputs({
      mean: found.mean,
      mackay: found.inverseMean,
      unbiased_mean: found.unbiasedMean,
      median: found.median,
      mean_k_range: found.meanOverRange,
    })
  },
  sparsity: async ({ x }) => {
    const found = await hg.sparsity(x as Tensor)
    return outputs({
      hoyer_samples: found.hoyerSamples,
      hoyer_samples_mean: found.hoyerSamplesMean,
      hoyer_units_mean: found.hoyerUnitsMean,
      hoyer_all: found.hoyerAll,
      treves_rolls_units: found.trevesRollsUnits,
      treves_rolls_units_mean: found.trevesRollsUnitsMean,
      treves_rolls_samples_mean: found.trevesRollsSamplesMean,
      lifetime_sparseness_mean: found.lifetimeSparseness,
      population_sparseness_mean: found.populationSparseness,
      zero_share: found.zeroShare,
    })
  },
  layer_statistics: async ({ x }, p) => {
    const found = await hg.layerStatistics(x as Tensor, { deadValue: p.dead_value, saturation: p.saturation })
    return outputs({
      mean: found.mean,
      variance: found.variance,
      variance_unbiased: found.varianceUnbiased,
      skewness: found.skewness,
      kurtosis: found.kurtosis,
      excess_kurtosis: found.excessKurtosis,
      min: found.min,
      max: found.max,
      unit_mean: found.unitMean,
      unit_variance: found.unitVariance,
      mean_unit_variance: found.meanUnitVariance,
      mean_abs: found.meanAbs,
      norm_mean: found.meanNorm,
      zero_share: found.zeroShare,
      dead_share: found.deadShare,
      constant_share: found.constantShare,
      saturated_share: found.saturatedShare,
    })
  },
  quantized_plane: async ({ t, labels }, { levels, range, rule }) => {
    const options = { levels, rule, range: range === 'layer' ? 'data' : range } as const
    const found = await hg.quantizedPlane(t as Tensor, labels as Tensor, options)
    const plane = Object.entries(planeNames).map(([name, own]) => [name, found[own]] as const)
    return {
      ...outputs(Object.fromEntries(plane)),
      codes: hg.quantizationCodes(t as Tensor, options),
      quantized: hg.quantize(t as Tensor, options),
    }
  },
  argmax_plane: async ({ logits, labels }) => {
    const found = await hg.argmaxPlane(logits as Tensor, labels as Tensor)
    return {
      ...outputs({
        H_argmax: found.entropy,
        I_argmax_Y: found.withTarget,
        I_argmax_Y_mm: found.withTargetCorrected,
        H_Y: found.targetEntropy,
        accuracy: found.accuracy,
      }),
      argmax: (logits as Tensor).argMax(1),
    }
  },
  label_entropy: async ({ labels, weights }) => {
    const given = labels as Tensor
    const found = await hg.labelEntropy(given, weights === undefined ? {} : { weights })
    return outputs({
      H_Y: found.value,
      H_Y_mm: found.corrected,
      H_Y_bits: (await hg.labelEntropy(given, { base: 2 })).value,
      perplexity: found.perplexity,
      H_Y_weighted: found.weighted,
    })
  },
  bootstrap: async ({ x, y }, p, c) => {
    const values: Record<string, Value | undefined> = {}
    for (const name of p.statistics as string[]) {
      const isPair = y !== undefined && !['mean', 'sd'].includes(name)
      const data = isPair ? [x as Tensor, y as Tensor] : [x as Tensor]
      const found = await hg.bootstrap(data, plain(statistics[name] as Statistic), {
        level: p.level,
        indices: rounds(c, 'indices'),
      })
      for (const part of ['value', 'percentile', 'bca', 'z0', 'acceleration', 'basic', 'bias'] as const) {
        values[`${name}.${part}`] = found[part]
      }
      values[`${name}.se`] = found.standardError
    }
    return outputs(values)
  },
  runs_summary: async ({ values }, { level }) => {
    const { mean, deviation, standardError, low, high } = await hg.summarizeRuns(values as Tensor, { level })
    return outputs({ mean, sd: deviation, se: standardError, low, high })
  },
  paired_difference: async ({ a, b }, { level }, c) => {
    const found = await hg.comparePaired(a as Tensor, b as Tensor, {
      level,
      indices: rounds(c, 'indices'),
      signs: rounds(c, 'signs'),
    })
    return outputs({
      mean: found.difference,
      sd: found.deviation,
      se: found.standardError,
      t: found.t,
      df: found.degrees,
      p: found.pValue,
      t_interval: found.interval,
      bootstrap_percentile: found.bootstrapInterval,
      effect_size_dz: found.effectSize,
      sign_flip_count: found.signFlipCount,
      sign_flip_p: found.signFlipPValue,
    })
  },
  permutation_test: async ({ x, y }, p, c) => {
    const values: Record<string, Value | undefined> = {}
    for (const name of p.statistics as string[]) {
      const found = await hg.permutationTest(x as Tensor, y as Tensor, statistics[name] as Statistic, {
        orders: rounds(c, 'permutations'),
        alternative: p.alternative ?? 'greater',
      })
      values[`${name}.value`] = found.value
      values[`${name}.count`] = found.count
      values[`${name}.p`] = found.pValue
      values[`${name}.null_mean`] = found.nullMean
      values[`${name}.null_sd`] = found.nullDeviation
      values[`${name}.first`] = [...found.nullValues.slice(0, 5)]
    }
    return outputs(values)
  },
  multiple_testing: (_, { alpha }, c) => {
    const p = numbersOf(c.inputs.pvalues as Case['inputs'][string])
    const of = (method: NonNullable<hg.MultipleTestingOptions['method']>) =>
      hg.adjustPValues(p, { method, alpha })
    const numbers = (given: readonly boolean[]) => given.map(Number)
    return outputs({
      bh: of('benjaminiHochberg').adjusted,
      holm: of('holm').adjusted,
      by: of('benjaminiYekutieli').adjusted,
      bonferroni: of('bonferroni').adjusted,
      bh_rejected: numbers(of('benjaminiHochberg').rejected),
      holm_rejected: numbers(of('holm').rejected),
    })
  },
  normi: async ({ x, y }, p) => {
    const scale = scales[p.invariant_measure as string] ?? 'volume'
    const found = await hg.normalizedInformation(x as Tensor, y as Tensor, { k: p.k, scale })
    return outputs({
      mi: found.mutualInformation,
      hx: found.entropyX,
      hy: found.entropyY,
      hxy: found.jointEntropy,
      nmi_joint: found.joint,
      nmi_geometric: found.geometric,
      nmi_arithmetic: found.arithmetic,
      nmi_min: found.min,
      nmi_max: found.max,
    })
  },
  label_agreement: async ({ a, b }) => {
    const found = await hg.labelAgreement(a as Tensor, b as Tensor)
    const by = (name: string, of: hg.ByMean) =>
      Object.fromEntries(Object.entries(of).map(([mean, value]) => [`${name}_${mean}`, value as number]))
    return outputs({
      mi: found.mutualInformation,
      H_a: found.entropyA,
      H_b: found.entropyB,
      expected_mi: found.expected,
      variation_of_information: found.variationOfInformation,
      nvi_joint: found.normalizedVariation,
      ...by('nmi', found.normalized),
      ...by('ami', found.adjusted),
    })
  },
  logistic_probe: async (inputs, { C }) => {
    const test = { x: at(inputs, 'x_test'), y: at(inputs, 'y_test') }
    const found = await hg.logisticProbe(at(inputs, 'x_train'), at(inputs, 'y_train'), { strength: C, test })
    const isBinary = found.weights.length === 1
    return outputs({
      objective: found.objective,
      train_accuracy: found.train.accuracy,
      train_cross_entropy: found.train.crossEntropy,
      test_accuracy: found.test?.accuracy,
      test_cross_entropy: found.test?.crossEntropy,
      H_Y_test: found.test?.targetEntropy,
      information_bound_test: found.test?.informationBound,
      weights: isBinary ? (found.weights[0] as readonly number[]) : found.weights,
      intercept: isBinary ? (found.intercept[0] as number) : found.intercept,
    })
  },
  ridge_probe: async (inputs, { alpha }) => {
    const test = { x: at(inputs, 'x_test'), y: at(inputs, 'y_test') }
    const found = await hg.ridgeProbe(at(inputs, 'x_train'), at(inputs, 'y_train'), { penalty: alpha, test })
    return outputs({
      weights: found.weights,
      intercept: found.intercept,
      train_r2_targets: found.train.targets,
      train_r2: found.train.mean,
      train_r2_weighted: found.train.weighted,
      test_r2_targets: found.test?.targets,
      test_r2: found.test?.mean,
      test_r2_weighted: found.test?.weighted,
    })
  },
  log_schedule: (_, { N, K }) => ({ epochs: { value: hg.logSchedule(N, K) } }),
}

export const analysisOperations: Readonly<Record<string, Operation>> = Object.fromEntries(
  Object.entries(byOp).map(([op, run]) => [op, operation(run)]),
)
