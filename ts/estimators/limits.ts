/** The limit of the information of n samples, and warnings for estimates near it. */
import { tidy } from '../core/memory.js'
import { stack } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { entropyOf } from './counts.js'
import type { Findings } from './details.js'
import { classCounts, classesOf, isLabels } from './samples.js'

/** Entropy in nats of samples, equal rows being one symbol: H(Y) of class labels, ln n if all rows differ. Scalar float64. */
export function entropyOfSamples(x: Tensor): Tensor {
  return entropyOf(classCounts(classesOf('samples', x)), x.shape[0] as number).maximum(0)
}

/** Notes both entropies as limits. @param x the samples as a formula takes them; @param y likewise */
export async function noteEntropies(x: Tensor, y: Tensor, findings: Findings): Promise<void> {
  using both = tidy(() => stack([entropyOfSamples(x), entropyOfSamples(y)]))
  const [ofX, ofY] = (await both.data()) as unknown as [number, number]
  const n = x.shape[0] as number
  const areDifferent = Math.min(ofX, ofY) > Math.log(n) - 1e-9
  if (areDifferent && !isLabels(x) && !isLabels(y))
    findings.limitToSamples(Math.log(n), `${findings.formula('ln n')} of ${n} samples`)
  else {
    findings.limitTo(ofX, 'the entropy of x in the samples')
    findings.limitTo(ofY, 'the entropy of y in the samples')
  }
}

/** Meaning of an estimate near the value for noiseless samples. */
const ofFunctions =
  'x and y look like functions of each other, whose information is infinite for numbers without noise, or they have too many columns for so few samples'

/** Notes an estimate, in nats, near the value of an unlimited formula for functions. @param by the source of that value, as text */
export function noteFunctions(
  name: string,
  nats: number,
  most: number,
  by: string,
  findings: Findings,
): void {
  if (nats < 0.9 * most) return
  findings.warn(
    `${name}: ${findings.withUnit(nats)}; for functions of each other it is ${findings.inUnit(most)} (${by}): ${ofFunctions}`,
    'HYPERGLOW_SATURATED',
  )
}

/**
 * Notes an estimate, in nats, of a closed form that exceeds the resolution of n samples by ranks.
 *
 * @param most that resolution in nats
 */
export function noteExtrapolation(name: string, nats: number, most: number, findings: Findings): void {
  if (nats <= most) return
  findings.warn(
    `${name}: ${findings.withUnit(nats)}, more than the ${findings.inUnit(most)} of ${findings.formula('ln n')} per dimension, come from a linear relation with hardly any noise; ` +
      'the information of an exact relation is infinite, and this is the resolution of the numbers',
    'HYPERGLOW_SATURATED',
  )
}

/** Resolution in nats of n samples for the narrower side: n ranks per coordinate. */
export function rankCapacity(n: number, dx: number, dy: number): number {
  return Math.min(dx, dy) * Math.log(n)
}

/** How far a formula may exceed the limit by chance: relative, and in nats. */
const byChance = { part: 0.05, nats: 0.05 }

/** Warns of an estimate, in nats, at or above the limit. */
export function judge(name: string, nats: number, findings: Findings): void {
  const { limit, limitedBy } = findings
  if (!findings.isSaturated(nats)) return
  const meaning = findings.isOfSamples
    ? ofFunctions
    : 'in these samples one argument all but determines the other'
  if (nats > limit + Math.max(byChance.nats, byChance.part * limit)) {
    findings.warn(
      `${name}: the formula gives ${findings.withUnit(nats)}, more than the ${findings.inUnit(limit)} that the samples can carry (${limitedBy}), and is capped there; ${meaning}`,
      'HYPERGLOW_CAPPED',
    )
    return
  }
  findings.warn(
    `${name}: ${findings.withUnit(Math.min(nats, limit))}, the maximum is ${findings.inUnit(limit)} (${limitedBy}): ${meaning}`,
    findings.isOfSamples ? 'HYPERGLOW_SATURATED' : undefined,
  )
}
