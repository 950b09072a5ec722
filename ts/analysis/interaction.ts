/** Information among three or more variables. */
import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, isList, oneOf } from '../core/options.js'
import { logarithmBase } from '../estimators/check.js'
import type { SampleData } from '../estimators/data.js'
import type { Tensor } from '../ops/tensor.js'
import {
  type ConditionalOptions,
  conditionalChecks,
  conditionalOf,
  informationOf,
  logDetOf,
  symbolEntropy,
  variablesFrom,
} from './conditional.js'
import { scalarsOf } from './read.js'

/** Result of {@link interactionInformation}. */
export interface Interaction {
  /** I(X; Y). */
  readonly mutualInformation: number
  /** I(X; Y | Z). */
  readonly conditional: number
  /** I(X; Y) - I(X; Y | Z) (Bell 2003): positive for redundancy, negative for synergy. */
  readonly coInformation: number
  /** I(X; Y | Z) - I(X; Y) (McGill 1954): positive for synergy; the negative of the co-information. */
  readonly interactionInformation: number
}

/**
 * Interaction of three variables: the change of the information between x and y when z is given. For y = x XOR z of fair bits the
 * interaction information is ln 2, for three copies of a bit -ln 2. In the literature both names occur with both signs: here the signs are
 * those of McGill and of Bell.
 *
 * Estimators and errors as for {@link conditionalMutualInformation}; `knn` computes I(X; Y) by KSG 1.
 */
export async function interactionInformation(
  x: SampleData,
  y: SampleData,
  z: SampleData,
  options: ConditionalOptions = {},
): Promise<Interaction> {
  const name = 'interactionInformation'
  const given = checkOptions(name, options, conditionalChecks)
  const variables = await variablesFrom(name, { x, y, z }, given)
  const nats = await scalarsOf(() => ({
    mi: informationOf(variables, given),
    cmi: conditionalOf(variables, given),
  }))
  const unit = Math.log(given.base ?? Math.E)
  const [mi, cmi] = [nats.mi / unit, nats.cmi / unit]
  return {
    mutualInformation: mi,
    conditional: cmi,
    coInformation: mi - cmi,
    interactionInformation: cmi - mi,
  }
}

/** Options of {@link totalCorrelation}. */
export interface TotalCorrelationOptions {
  /** `gaussian` (default) or `discrete`, the default for class labels. */
  estimator?: 'gaussian' | 'discrete'
  /** discrete: `none` (default) or `millerMadow`. */
  correction?: 'none' | 'millerMadow'
  /** Base of the logarithm. Default Math.E. */
  base?: number
}

const totalChecks: Checks<TotalCorrelationOptions> = {
  estimator: oneOf('gaussian', 'discrete'),
  correction: oneOf('none', 'millerMadow'),
  base: logarithmBase,
}

/** Result of {@link totalCorrelation}. */
export interface TotalCorrelation {
  /** Watanabe 1960: sum of H(X_i) - H(X_1, ..., X_m), at least 0, in nats or the unit of `base`. Constant columns add 0. */
  readonly totalCorrelation: number
  /** Han 1978: H(X_1, ..., X_m) - sum of H(X_i | the others), at least 0, in the same unit. */
  readonly dualTotalCorrelation: number
}

/**
 * Dependence among several variables: total correlation and dual total correlation. For two variables both are the mutual information. In
 * nats, or the unit of `base`.
 *
 * @param blocks at least two variables; one variable may have several columns
 * @throws ArgumentError for fewer than two; others as for {@link conditionalMutualInformation}
 */
export async function totalCorrelation(
  blocks: readonly SampleData[],
  options: TotalCorrelationOptions = {},
): Promise<TotalCorrelation> {
  const name = 'totalCorrelation'
  const { estimator, correction, base = Math.E } = checkOptions(name, options, totalChecks)
  if (!isList(blocks) || blocks.length < 2) {
    throw new ArgumentError(
      `${name}: blocks is ${describe(blocks)}, expected an array of at least 2 variables`,
    )
  }
  const named = Object.fromEntries(Array.from(blocks, (block, i) => [`block ${i}`, block]))
  const { kind, parts } = await variablesFrom(
    name,
    named,
    estimator === undefined ? {} : { estimator },
    'gaussian',
  )
  const entropy = (of: readonly Tensor[]) =>
    kind === 'gaussian' ? logDetOf(...of).div(2) : symbolEntropy(of, correction)
  const found = await scalarsOf(() => {
    const whole = entropy(parts)
    const total = (terms: readonly Tensor[]) => terms.reduce((sum, term) => sum.add(term))
    const alone = total(parts.map((part) => entropy([part])))
    const others = total(parts.map((_, i) => entropy(parts.filter((__, j) => j !== i))))
    return { total: alone.sub(whole), dual: others.sub(whole.mul(parts.length - 1)) }
  })
  const unit = Math.log(base)
  return { totalCorrelation: found.total / unit, dualTotalCorrelation: found.dual / unit }
}
