import { ArgumentError, unknownName } from '../errors.js'
import { checkOptions } from '../options.js'
import type { Tensor } from '../tensor.js'
import {
  type CrossEntropyOptions,
  crossEntropy,
  crossEntropyOptionNames,
  nll,
  nllOptionNames,
} from './cross-entropy.js'
import {
  type BceWithLogitsOptions,
  bce,
  bceWithLogits,
  bceWithLogitsOptionNames,
  type KlDivOptions,
  klDiv,
  klDivOptionNames,
} from './probability.js'
import { type Loss, lossOptionNames } from './reduction.js'
import {
  type HuberOptions,
  huber,
  huberOptionNames,
  l1,
  mse,
  type SmoothL1Options,
  smoothL1,
  smoothL1OptionNames,
} from './regression.js'

const LOSSES = { crossEntropy, nll, mse, l1, smoothL1, huber, bce, bceWithLogits, klDiv }

/** Names of the options of each loss. */
const OPTIONS: Readonly<Record<LossName, readonly string[]>> = {
  crossEntropy: crossEntropyOptionNames,
  nll: nllOptionNames,
  mse: lossOptionNames,
  l1: lossOptionNames,
  smoothL1: smoothL1OptionNames,
  huber: huberOptionNames,
  bce: lossOptionNames,
  bceWithLogits: bceWithLogitsOptionNames,
  klDiv: klDivOptionNames,
}

/** Other names under which a loss is known. */
const ALIASES: Record<string, LossName> = { cross_entropy: 'crossEntropy', NLLLoss: 'nll' }

/** Losses that can be asked for by name. */
export type LossName = keyof typeof LOSSES

/** The names that `loss` accepts. */
export const lossNames = Object.keys(LOSSES) as readonly LossName[]

/** Options of any loss; each takes those of its own. */
export type AnyLossOptions = Omit<CrossEntropyOptions, 'reduction'> &
  Omit<SmoothL1Options, 'reduction'> &
  Omit<HuberOptions, 'reduction'> &
  Omit<BceWithLogitsOptions, 'reduction'> &
  KlDivOptions

/** Canonical name of a loss or alias. Throws UnknownNameError for another name. */
export function lossName(name: string): LossName {
  const canonical = Object.hasOwn(ALIASES, name) ? (ALIASES[name] as LossName) : name
  if (!Object.hasOwn(LOSSES, canonical)) throw unknownName('loss', name, lossNames)
  return canonical as LossName
}

/**
 * The loss of that name with its options fixed, or the function itself.
 *
 * @throws UnknownNameError for a loss, or an option of it, that there is not; ArgumentError for options of a function
 */
export function createLoss(loss: LossName | (string & {}) | Loss, options: AnyLossOptions = {}): Loss {
  if (typeof loss === 'function') {
    if (Object.keys(options).length === 0) return loss
    throw new ArgumentError(
      `compile: lossOptions were given for a loss that is a function, which takes none; use them inside the function`,
    )
  }
  const name = lossName(loss)
  checkOptions(name, options, OPTIONS[name])
  const fn = LOSSES[name] as (pred: Tensor, target: Tensor, options: AnyLossOptions) => Tensor
  return (pred, target) => fn(pred, target, options)
}
