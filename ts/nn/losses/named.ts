import { ArgumentError, unknownName } from '../../core/errors.js'
import { type Checks, checkOptions, isPlainObject } from '../../core/options.js'
import type { Tensor } from '../../ops/tensor.js'
import {
  type CrossEntropyOptions,
  crossEntropy,
  crossEntropyChecks,
  nll,
  nllChecks,
} from './cross-entropy.js'
import {
  type SigmoidFocalOptions,
  type SoftmaxFocalOptions,
  sigmoidFocal,
  sigmoidFocalChecks,
  softmaxFocal,
  softmaxFocalChecks,
} from './focal.js'
import { type PoissonNllOptions, poissonNll, poissonNllChecks } from './likelihood.js'
import {
  type HingeOptions,
  hinge,
  hingeChecks,
  type MultiMarginOptions,
  multiMargin,
  multiMarginChecks,
  squaredHinge,
} from './margin.js'
import {
  type BceWithLogitsOptions,
  bce,
  bceWithLogits,
  bceWithLogitsChecks,
  type KlDivOptions,
  klDiv,
  klDivChecks,
} from './probability.js'
import { type Loss, lossChecks } from './reduction.js'
import {
  type HuberOptions,
  huber,
  huberChecks,
  l1,
  mse,
  type SmoothL1Options,
  smoothL1,
  smoothL1Checks,
} from './regression.js'
import { cosineDistance } from './similarity.js'

const LOSSES = {
  crossEntropy,
  nll,
  mse,
  l1,
  smoothL1,
  huber,
  bce,
  bceWithLogits,
  klDiv,
  sigmoidFocal,
  softmaxFocal,
  hinge,
  squaredHinge,
  multiMargin,
  cosineDistance,
  poissonNll,
}

/** Options of a loss, its third argument. */
type OptionsOfLoss<N extends LossName> = NonNullable<Parameters<(typeof LOSSES)[N]>[2]>

/** The checks of the options of each loss. */
const CHECKS: { readonly [N in LossName]: Checks<OptionsOfLoss<N>> } = {
  crossEntropy: crossEntropyChecks,
  nll: nllChecks,
  mse: lossChecks,
  l1: lossChecks,
  smoothL1: smoothL1Checks,
  huber: huberChecks,
  bce: lossChecks,
  bceWithLogits: bceWithLogitsChecks,
  klDiv: klDivChecks,
  sigmoidFocal: sigmoidFocalChecks,
  softmaxFocal: softmaxFocalChecks,
  hinge: hingeChecks,
  squaredHinge: hingeChecks,
  multiMargin: multiMarginChecks,
  cosineDistance: lossChecks,
  poissonNll: poissonNllChecks,
}

/** Aliases of losses. */
const ALIASES: Record<string, LossName> = { cross_entropy: 'crossEntropy', NLLLoss: 'nll' }

/** Losses by name. */
export type LossName = keyof typeof LOSSES

/** The names that `loss` accepts. */
export const lossNames = Object.keys(LOSSES) as readonly LossName[]

/** Options of any loss; each loss refuses the options of others. */
export type AnyLossOptions = Omit<CrossEntropyOptions, 'reduction'> &
  Omit<SmoothL1Options, 'reduction'> &
  Omit<HuberOptions, 'reduction'> &
  Omit<BceWithLogitsOptions, 'reduction'> &
  KlDivOptions &
  Omit<SigmoidFocalOptions, 'reduction' | 'alpha'> &
  Omit<SoftmaxFocalOptions, 'reduction' | 'alpha'> &
  Omit<HingeOptions, 'reduction'> &
  Omit<MultiMarginOptions, 'reduction'> &
  Omit<PoissonNllOptions, 'reduction'> & {
    /** A number for 'sigmoidFocal', a weight for each class for 'softmaxFocal'. */
    alpha?: number | Tensor
  }

/** Canonical name of a loss or alias. Throws UnknownNameError for another name. */
export function lossName(name: string): LossName {
  if (typeof name !== 'string') throw unknownName('loss', name, lossNames)
  const canonical = Object.hasOwn(ALIASES, name) ? (ALIASES[name] as LossName) : name
  if (!Object.hasOwn(LOSSES, canonical)) throw unknownName('loss', name, lossNames)
  return canonical as LossName
}

/**
 * The loss of that name with its options fixed, or the function itself.
 *
 * @throws UnknownNameError for an unknown loss or option; ArgumentError for options of a function
 */
export function createLoss(loss: LossName | (string & {}) | Loss, options: AnyLossOptions = {}): Loss {
  if (typeof loss === 'function') {
    if (isPlainObject(options) && Object.keys(options).length === 0) return loss
    throw new ArgumentError(
      `compile: lossOptions were given for a loss that is a function, which takes none; use them inside the function`,
    )
  }
  const name = lossName(loss)
  const given: AnyLossOptions = { ...checkOptions<object>(name, options, CHECKS[name]) }
  const fn = LOSSES[name] as (pred: Tensor, target: Tensor, options: AnyLossOptions) => Tensor
  return (pred, target) => fn(pred, target, given)
}
