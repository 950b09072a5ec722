/** Estimates of the parts of a rule, and the choice among them. */
import { DataError } from '../core/errors.js'
import type { Tensor } from '../ops/tensor.js'
import { type Estimator, isUnanswered } from './estimator.js'

/** An estimate in nats, and the name of the formula that gave it. */
export interface Estimate {
  readonly nats: number
  readonly method: string
}

/** Zero information. */
export const zeroEstimate = (method: string): Estimate => ({ nats: 0, method })

/** The larger of two estimates. */
export function larger(a: Estimate, b: Estimate): Estimate {
  return b.nats > a.nats ? b : a
}

/**
 * The estimate of one part of a rule. A record is requested so that no warnings are emitted: they would be about a part that may not be
 * chosen.
 */
export async function natsOf(estimator: Estimator, x: Tensor, y: Tensor): Promise<number> {
  const { value } = await estimator.estimate(x, y, { details: true })
  return value
}

/** The estimate of an estimator with the estimator's name. */
export async function estimateOf(estimator: Estimator, x: Tensor, y: Tensor): Promise<Estimate> {
  return { nats: await natsOf(estimator, x, y), method: estimator.name }
}

/**
 * The largest of several estimates that are all biased downward. An estimate without an answer is skipped.
 *
 * @throws DataError, with the reasons, if none has an answer
 */
export async function largest(asked: readonly (() => Promise<Estimate>)[]): Promise<Estimate> {
  const estimates: Estimate[] = []
  const reasons: string[] = []
  for (const ask of asked) {
    try {
      estimates.push(await ask())
    } catch (error) {
      if (!isUnanswered(error)) throw error
      reasons.push(error.message)
    }
  }
  if (estimates.length > 0) return estimates.reduce(larger)
  throw new DataError(
    `MutualInformation: no estimator has an answer for these samples. ${reasons.join('. ')}`,
  )
}

/** A term of a sum or of a comparison; zero if it has no answer. */
export async function orZero(ask: () => Promise<Estimate>): Promise<Estimate> {
  try {
    return await ask()
  } catch (error) {
    if (isUnanswered(error)) return zeroEstimate('none')
    throw error
  }
}
