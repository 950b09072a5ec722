/** Estimates of the parts of a rule, and the choice among them. */
import { DataError } from '../core/errors.js'
import type { Tensor } from '../ops/tensor.js'
import { type Estimator, isUnanswered } from './estimator.js'

/** An estimate in nats, and the name of the formula that gave it. */
export interface Answer {
  readonly nats: number
  readonly method: string
}

/** Zero information. */
export const nothing = (method: string): Answer => ({ nats: 0, method })

/** The larger of two estimates. */
export function larger(a: Answer, b: Answer): Answer {
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
export async function answerOf(estimator: Estimator, x: Tensor, y: Tensor): Promise<Answer> {
  return { nats: await natsOf(estimator, x, y), method: estimator.name }
}

/**
 * The largest of several estimates that are all biased downward. An estimate without an answer is skipped.
 *
 * @throws DataError, with the reasons, if none has an answer
 */
export async function largest(asked: readonly (() => Promise<Answer>)[]): Promise<Answer> {
  const answers: Answer[] = []
  const reasons: string[] = []
  for (const ask of asked) {
    try {
      answers.push(await ask())
    } catch (error) {
      if (!isUnanswered(error)) throw error
      reasons.push(error.message)
    }
  }
  if (answers.length > 0) return answers.reduce(larger)
  throw new DataError(
    `MutualInformation: no estimator has an answer for these samples. ${reasons.join('. ')}`,
  )
}

/** A term of a sum or of a comparison; zero if it has no answer. */
export async function orNothing(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    if (isUnanswered(error)) return nothing('none')
    throw error
  }
}
