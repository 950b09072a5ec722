/** The information plane of discrete layers, exact by counting. */
import { ArgumentError, DataError, DTypeError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions } from '../core/options.js'
import { logarithmBase } from '../estimators/check.js'
import { entropyOf, jointClasses, occupied } from '../estimators/counts.js'
import { type SampleData, samplesFrom } from '../estimators/data.js'
import { classCounts, classesOf, isLabels } from '../estimators/samples.js'
import { quantizationCodes, where } from '../ops/index.js'
import { type QuantizeOptions, quantizeChecks } from '../ops/quantize.js'
import { type Tensor, zeros } from '../ops/tensor.js'
import { rowsFrom, sameCount, scalarsOf } from './read.js'

/**
 * Options of {@link quantizedPlane}. Without `levels` the values are counted as they are. With `levels` they are quantized first: `range` is
 * 'data' (of all units together) and `rule` is 'floor' by default.
 */
export interface QuantizedPlaneOptions extends Omit<QuantizeOptions, 'levels'> {
  /** Number of levels of a quantization before counting. Default: none, each different value is a level. */
  levels?: number
  /** Base of the logarithm: Math.E for nats (default), 2 for bits. */
  base?: number
}

const checks: Checks<QuantizedPlaneOptions> = { ...quantizeChecks, base: logarithmBase }

/** Entropies of relative frequencies, and the same with the correction of Miller 1955, each entropy + (symbols - 1) / (2n). */
export interface QuantizedPlane {
  /** Different rows of levels. */
  readonly occupied: number
  /** H(T). */
  readonly entropy: number
  /** I(T; X) = H(T): the layer is a function of its input, and every input is different. */
  readonly withInput: number
  /** I(T; Y). */
  readonly withTarget: number
  /** H(Y). */
  readonly targetEntropy: number
  /** H(T | Y). */
  readonly conditionalEntropy: number
  readonly entropyCorrected: number
  readonly withInputCorrected: number
  readonly withTargetCorrected: number
  readonly targetEntropyCorrected: number
}

/** Largest number of different values of a unit that are counted as they are. */
const mostValues = 8

/**
 * The coordinates of a layer in the information plane by counting. A row of levels is one symbol. Counting is exact for a network whose
 * activations really have these levels ({@link quantize}; Lorenzen, Igel and Nielsen 2022). At most ln n.
 *
 * Without `levels` the values are counted as they are, and no unit may have more than 8 different ones. With `levels` the activations are
 * quantized first, which can only lose information.
 *
 *     await quantizedPlane(outputs, labels) // of a layer with 2 to 8 levels
 *     await quantizedPlane(h, labels, { levels: 4, range: [-1, 1] }) // of tanh units, cut to 4 levels
 *
 * @param t activations `[n, units]`
 * @param labels class labels of the same samples, or one-hot rows
 * @returns nats, or the unit of `base`
 * @throws DTypeError for class labels as t; ShapeError for different numbers of samples; DataError without `levels` for a unit of more than 8
 *   different values; ArgumentError for `range` or `rule` without `levels`
 */
export async function quantizedPlane(
  t: SampleData,
  labels: SampleData,
  options: QuantizedPlaneOptions = {},
): Promise<QuantizedPlane> {
  const name = 'quantizedPlane'
  const { base = Math.E, ...quantization } = checkOptions(name, options, checks)
  const { levels } = quantization
  if (levels === undefined) checkUncut(name, quantization)
  const [rows, y] = [await rowsFrom(`${name}: t`, t), await samplesFrom(`${name}: labels`, labels)]
  sameCount(name, rows, y)
  if (levels === undefined) await checkFewValues(name, rows)
  // Adding 0 makes 0 of -0, the same value.
  const symbols = () => (levels === undefined ? rows.add(0) : quantizationCodes(rows, quantization))
  const h = await scalarsOf(() => entropies(symbols().uniqueRows(), classesOf(`${name}: labels`, y)))
  return { occupied: h.symbols, ...coordinates(h, rows.shape[0] as number, Math.log(base)) }
}

/** Refuses options of a quantization that is not asked for. */
function checkUncut(name: string, { range, rule }: QuantizeOptions): void {
  const given = range === undefined ? 'rule' : 'range'
  if (range === undefined && rule === undefined) return
  throw new ArgumentError(
    `${name}: ${given} is given without levels, but without levels the values are counted as they are; give levels too, for instance { levels: 2, ${given} }, or leave ${given} out`,
  )
}

/** Refuses rows `[n, units]` whose values are too many to be levels. */
async function checkFewValues(name: string, rows: Tensor): Promise<void> {
  const n = rows.shape[0] as number
  const { most, unit } = await scalarsOf(() => {
    const sorted = rows.sort(0)
    const steps = sorted.slice([1]).notEqual(sorted.slice([0], [n - 1]))
    const different = steps.cast('float64').sum(0).add(1)
    return { most: different.max(), unit: different.argMax(0) }
  })
  if (most <= mostValues) return
  throw new DataError(
    `${name}: unit ${unit} of t has ${most} different values, expected at most ${mostValues} to be counted as they are; ` +
      'say how to quantize them: { levels: 4, range: [-1, 1] } for tanh units, or { levels: 4 } for the range of the data',
  )
}

/** Entropies in nats of symbols t and classes y, and the numbers of symbols; lazy. */
function entropies(t: Tensor, y: Tensor) {
  const n = t.shape[0] as number
  const [a, b, ab] = [classCounts(t), classCounts(y), classCounts(jointClasses(t, y))]
  return {
    ofT: entropyOf(a, n),
    ofY: entropyOf(b, n),
    joint: entropyOf(ab, n),
    symbols: occupied(a),
    classes: occupied(b),
    pairs: occupied(ab),
  }
}

type Counted = Record<keyof ReturnType<typeof entropies>, number>

function coordinates({ ofT, ofY, joint, symbols, classes, pairs }: Counted, n: number, unit: number) {
  const correction = (occupied: number) => (occupied - 1) / (2 * n)
  const corrected = ofT + correction(symbols)
  const told = ofT + ofY - joint
  return {
    entropy: ofT / unit,
    withInput: ofT / unit,
    withTarget: told / unit,
    targetEntropy: ofY / unit,
    conditionalEntropy: (joint - ofY) / unit,
    entropyCorrected: corrected / unit,
    withInputCorrected: corrected / unit,
    withTargetCorrected: (told + correction(symbols) + correction(classes) - correction(pairs)) / unit,
    targetEntropyCorrected: (ofY + correction(classes)) / unit,
  }
}

/** Options of {@link argmaxPlane}. */
export interface ArgmaxPlaneOptions {
  /** Base of the logarithm. Default Math.E. */
  base?: number
}

const baseChecks: Checks<ArgmaxPlaneOptions> = { base: logarithmBase }

/** Result of {@link argmaxPlane}. */
export interface ArgmaxPlane {
  /** H of the predicted class. */
  readonly entropy: number
  /** I(predicted class; Y). */
  readonly withTarget: number
  /** The same with the correction of Miller 1955. */
  readonly withTargetCorrected: number
  /** H(Y). */
  readonly targetEntropy: number
  /** Share of samples whose predicted class is the label. */
  readonly accuracy: number
}

/**
 * Information of a classifier's decision: entropy of the class of the largest score (the first of equal ones) and its information about the
 * label.
 *
 * @param scores `[n, classes]`
 * @param labels class indices
 * @returns nats, or the unit of `base`
 * @throws DTypeError unless labels are class indices; ShapeError for different numbers of samples
 */
export async function argmaxPlane(
  scores: SampleData,
  labels: SampleData,
  options: ArgmaxPlaneOptions = {},
): Promise<ArgmaxPlane> {
  const name = 'argmaxPlane'
  const { base = Math.E } = checkOptions(name, options, baseChecks)
  const [rows, y] = [await rowsFrom(`${name}: scores`, scores), await samplesFrom(`${name}: labels`, labels)]
  const n = sameCount(name, rows, y)
  if (!isLabels(y)) {
    throw new DTypeError(
      `${name}: labels has shape [${y.shape}] of ${y.dtype}, expected class indices (Int32Array)`,
    )
  }
  const { accuracy, ...h } = await scalarsOf(() => {
    const chosen = rows.argMax(1).cast('int32')
    return {
      accuracy: chosen.equal(y.cast('int32')).cast('float64').mean(),
      ...entropies(chosen.reshape([n, 1]).uniqueRows(), classesOf(`${name}: labels`, y)),
    }
  })
  const { entropy, withTarget, withTargetCorrected, targetEntropy } = coordinates(h, n, Math.log(base))
  return { entropy, withTarget, withTargetCorrected, targetEntropy, accuracy }
}

/** Options of {@link labelEntropy}. */
export interface LabelEntropyOptions {
  /** Weights of the samples, at least 0. Default 1. */
  weights?: SampleData
  /** Base of the logarithm. Default Math.E. */
  base?: number
}

const entropyChecks: Checks<LabelEntropyOptions> = {
  weights: { expected: 'samples', accepts: () => true },
  base: logarithmBase,
}

/** Result of {@link labelEntropy}. */
export interface LabelEntropy {
  /** Plug-in entropy of the classes, without weights. */
  readonly value: number
  /** The same with the correction of Miller 1955. */
  readonly corrected: number
  /** exp of the entropy in nats: the number of equally frequent classes with that entropy. */
  readonly perplexity: number
  /** The entropy of sums of weights instead of counts; equal to `value` without weights. */
  readonly weighted: number
}

/**
 * Entropy H(Y) of class labels: the upper bound of any information about them.
 *
 * @param labels class indices, which may have gaps, or rows of which equal ones are one class
 * @returns nats, or the unit of `base`
 * @throws ShapeError unless there is one weight per sample; ArgumentError for weights below 0, or all 0
 */
export async function labelEntropy(
  labels: SampleData,
  options: LabelEntropyOptions = {},
): Promise<LabelEntropy> {
  const name = 'labelEntropy'
  const { weights, base = Math.E } = checkOptions(name, options, entropyChecks)
  const classes = classesOf(name, await samplesFrom(`${name}: labels`, labels))
  const n = classes.shape[0] as number
  const given = weights === undefined ? undefined : await weightsFrom(`${name}: weights`, weights, n)
  const found = await scalarsOf(() => {
    const counts = classCounts(classes)
    const sums = given === undefined ? counts : zeros([n], { dtype: 'float64' }).indexAdd(0, classes, given)
    const p = sums.div(sums.sum())
    const value = entropyOf(counts, n)
    return {
      value,
      occupied: occupied(counts),
      weighted: p
        .mul(where(p.greater(0), p, 1).log())
        .sum()
        .neg(),
    }
  })
  const unit = Math.log(base)
  return {
    value: found.value / unit,
    corrected: (found.value + (found.occupied - 1) / (2 * n)) / unit,
    perplexity: Math.exp(found.value),
    weighted: (given === undefined ? found.value : found.weighted) / unit,
  }
}

/** Weights of samples, float64 `[n]`. */
async function weightsFrom(what: string, data: SampleData, n: number): Promise<Tensor> {
  const given = await samplesFrom(what, data)
  if (given.size !== n)
    throw new ShapeError(`${what} has shape [${given.shape}], expected one number for each of ${n} samples`)
  const weights = given.cast('float64').reshape([n])
  const { least, total } = await scalarsOf(() => ({ least: weights.min(), total: weights.sum() }))
  if (least < 0 || total === 0) {
    throw new ArgumentError(
      `${what} has ${least < 0 ? `a weight of ${least}` : 'only weights of 0'}, expected numbers of at least 0, not all 0`,
    )
  }
  return weights
}
