import { unknownName } from '../errors.js'
import type { Tensor } from '../tensor.js'
import { type CrossEntropyOptions, crossEntropy, nll } from './cross-entropy.js'
import { type BceWithLogitsOptions, bce, bceWithLogits, type KlDivOptions, klDiv } from './probability.js'
import type { Loss } from './reduction.js'
import { type HuberOptions, huber, l1, mse, type SmoothL1Options, smoothL1 } from './regression.js'

const LOSSES = { crossEntropy, nll, mse, l1, smoothL1, huber, bce, bceWithLogits, klDiv }

/** Other names under which a loss is known. */
const ALIASES: Record<string, LossName> = { cross_entropy: 'crossEntropy', NLLLoss: 'nll' }

/** Losses that can be asked for by name. */
export type LossName = keyof typeof LOSSES

/** The names that `loss` accepts. */
export const lossNames = Object.keys(LOSSES) as readonly LossName[]

/** Options of any loss; each takes those of its own. */
export type AnyLossOptions = Omit<CrossEntropyOptions, 'reduction'> &
  SmoothL1Options &
  HuberOptions &
  Omit<BceWithLogitsOptions, 'reduction'> &
  Omit<KlDivOptions, 'reduction'>

/** Canonical name of a loss or alias. Throws UnknownNameError for another name. */
export function lossName(name: string): LossName {
  const canonical = Object.hasOwn(ALIASES, name) ? (ALIASES[name] as LossName) : name
  if (!Object.hasOwn(LOSSES, canonical)) throw unknownName('loss', name, lossNames)
  return canonical as LossName
}

/** The loss of that name with its options fixed, or the function itself. */
export function createLoss(loss: LossName | (string & {}) | Loss, options: AnyLossOptions = {}): Loss {
  if (typeof loss === 'function') return loss
  const fn = LOSSES[lossName(loss)] as (pred: Tensor, target: Tensor, options: AnyLossOptions) => Tensor
  return (pred, target) => fn(pred, target, options)
}
