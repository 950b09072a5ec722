/** The loss of a model for training and reports: a number of each batch, and the batch's weight. */
import { literal } from '../core/create.js'
import { ArgumentError, DataError, describe } from '../core/errors.js'
import type { CrossEntropyOptions } from '../nn/losses/cross-entropy.js'
import { weightOfLabels, weightsOfLabels } from '../nn/losses/label-weights.js'
import { type AnyLossOptions, createLoss, type LossName, lossName } from '../nn/losses/named.js'
import type { Loss } from '../nn/losses/reduction.js'
import { where } from '../ops/index.js'
import { Tensor } from '../ops/tensor.js'

/** A model's loss, resolved. */
export interface Objective {
  /** Scalar of a batch; for a batch of total weight 0 the sum, which is 0 if all labels are ignored. */
  readonly loss: Loss
  /** Canonical name; undefined for a function of your own. */
  readonly lossName: LossName | undefined
  /** Label of samples that are left out. */
  readonly ignoreIndex: number | undefined
  /** Whether the loss of the data set is the sum over batches (reduction 'sum') instead of a mean. */
  readonly sums: boolean
  /**
   * The denominator of a batch's mean, a float64 scalar: the sum of the weights of labels that are not ignored. Undefined for the number of
   * samples. With it the mean over an epoch is the mean over the whole data set, whatever the size of batches.
   */
  weightOf(target: Tensor, output: Tensor): Tensor | undefined
  /**
   * The same where samples count differently: the mean of all entries, weighted by their samples (and by the weights of labels), and what it is over. Undefined for a
   * function of one's own, of which only the mean is known.
   */
  readonly weighted: WeightedLoss | undefined
  /** The same loss with other weights of the classes; undefined for losses that take none. */
  reweighted(weight: Tensor): Objective | undefined
}

/** Loss of a batch, and what its mean is over, both scalars. @param weights float `[batch]` of at least 0 */
export type WeightedLoss = (
  output: Tensor,
  target: Tensor,
  weights: Tensor,
) => { readonly value: Tensor; readonly weight: Tensor }

/** Losses whose targets are class labels. */
const labelLosses: readonly (LossName | undefined)[] = ['crossEntropy', 'nll', 'softmaxFocal', 'multiMargin']

/** Losses of log-probabilities: for positive predictions they would be finite and negative. */
const logLosses: readonly LossName[] = ['nll', 'klDiv']

/** Tolerance for a rounded logarithm of 1. */
const slack = 1e-5

/** The loss, NaN for a loss of log-probabilities with outputs that are not log-probabilities. */
function guarded(loss: Loss, name: LossName): Loss {
  if (!logLosses.includes(name)) return loss
  return (output, target) => loss(where(output.lessEqual(slack), output, Number.NaN), target)
}

/** Whether a loss takes class labels: true or false for named losses, undefined for functions. */
export function takesLabels(name: LossName | undefined): boolean | undefined {
  return name === undefined ? undefined : labelLosses.includes(name)
}

/**
 * Resolves the loss of `compile`.
 *
 * @throws UnknownNameError for an unknown loss or option; ArgumentError, DataError for options that cannot work
 */
export function resolveObjective(given: LossName | (string & {}) | Loss, options: AnyLossOptions): Objective {
  if (typeof given === 'function') {
    const loss = createLoss(given, options)
    return {
      loss,
      lossName: undefined,
      ignoreIndex: undefined,
      sums: false,
      weightOf: () => undefined,
      weighted: undefined,
      reweighted: () => undefined,
    }
  }
  const name = lossName(given)
  // Throws for invalid options.
  createLoss(given, options)
  const { reduction = 'mean', ignoreIndex, weight, posWeight } = options
  if (reduction !== 'mean' && reduction !== 'sum' && !(name === 'klDiv' && reduction === 'batchmean')) {
    throw new ArgumentError(
      `compile: reduction is ${describe(reduction)}, but training needs one number a batch: give 'mean' or 'sum'`,
    )
  }
  checkWeights('weight', weight)
  checkWeights('posWeight', posWeight)
  const sums = reduction === 'sum'
  const fresh = freshOptions(options)
  const loss = guarded(lossAnew(name, fresh), name)
  const common = {
    lossName: name,
    ignoreIndex,
    sums,
    weighted: weightedLoss(name, fresh, sums),
    reweighted: (other: Tensor) =>
      classWeighted.includes(name) ? resolveObjective(name, { ...options, weight: other }) : undefined,
  }
  if (!takesLabels(name) || (weight === undefined && ignoreIndex === undefined)) {
    return { ...common, loss, weightOf: () => undefined }
  }
  // Rows of probabilities are averaged over samples.
  const weightOf = (target: Tensor, output: Tensor) =>
    target.rank === output.rank ? undefined : weightOfLabels(target, fresh() as CrossEntropyOptions)
  if (common.sums) return { ...common, loss, weightOf }
  const sum = guarded(
    lossAnew(name, () => ({ ...fresh(), reduction: 'sum' })),
    name,
  )
  const safe = (output: Tensor, target: Tensor) => {
    const total = weightOf(target, output)
    if (total === undefined) return loss(output, target)
    return sum(output, target).div(where(total.greater(0), total, 1).cast(output.dtype))
  }
  return { ...common, loss: safe, weightOf }
}

/** The options of a loss with new tensors at each call: a tensor would stay on the device that it had at `compile`. */
function freshOptions(options: AnyLossOptions): () => AnyLossOptions {
  const held = Object.entries(options).flatMap(([name, value]) =>
    value instanceof Tensor ? [{ name, values: value.dataSync(), shape: value.shape }] : [],
  )
  if (held.length === 0) return () => options
  return () => {
    const anew = held.map(({ name, values, shape }) => [name, literal(values, shape)])
    return { ...options, ...Object.fromEntries(anew) }
  }
}

/** A loss that reads its options at each call. */
function lossAnew(name: LossName, options: () => AnyLossOptions): Loss {
  return (output, target) => createLoss(name, options())(output, target)
}

/** Losses with a weight for each class. */
const classWeighted: readonly LossName[] = ['crossEntropy', 'nll']

/** A loss whose samples count differently. */
function weightedLoss(name: LossName, fresh: () => AnyLossOptions, sums: boolean): WeightedLoss {
  const each = guarded(
    lossAnew(name, () => ({ ...fresh(), reduction: 'none' })),
    name,
  )
  return (output, target, weights) => {
    const options = fresh()
    const losses = each(output, target)
    const batch = losses.shape[0] as number
    const ofSample = weights.cast('float64').reshape([batch, ...losses.shape.slice(1).map(() => 1)])
    // The mean of 'batchmean' is over samples, however many entries they have.
    const isPerSample = options.reduction === 'batchmean'
    const areLabels = takesLabels(name) && target.rank !== output.rank
    const ofLabels = areLabels ? weightsOfLabels(target, options as CrossEntropyOptions) : undefined
    const counted = ofLabels === undefined ? ofSample : ofSample.mul(ofLabels.reshape(losses.shape))
    const total = isPerSample ? ofSample.sum() : counted.broadcastTo(losses.shape).sum()
    // What counts for nothing may be no number.
    const shares = ofSample.cast(losses.dtype).broadcastTo(losses.shape)
    const sum = where(shares.equal(0), 0, losses).mul(shares).sum()
    const value = sums ? sum : sum.div(where(total.greater(0), total, 1).cast(sum.dtype))
    return { value, weight: ofLabels === undefined ? ofSample.sum() : total }
  }
}

function checkWeights(name: string, given: unknown): void {
  if (given === undefined) return
  if (!(given instanceof Tensor)) {
    throw new ArgumentError(
      `compile: ${name} is ${describe(given)}, expected a tensor; make one with tensor([...])`,
    )
  }
  const values = given.dataSync()
  const bad = values.findIndex(
    (value: number | bigint) => !(Number.isFinite(Number(value)) && Number(value) >= 0),
  )
  if (bad < 0) return
  throw new DataError(
    `compile: ${name} holds ${values[bad]} at index ${bad}, expected finite numbers of at least 0`,
  )
}
