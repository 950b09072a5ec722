/** What n samples can carry, and what to say of estimates that reach it. */
import { tidy } from '../core/memory.js'
import { stack } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { entropyOf } from './counts.js'
import type { Findings } from './details.js'
import { classCounts, classesOf, isLabels } from './samples.js'

/** Entropy in nats of samples of which equal rows are one symbol: of class labels H(Y), ln n where all rows differ. Scalar of float64. */
export function entropyOfSamples(x: Tensor): Tensor {
  return entropyOf(classCounts(classesOf('samples', x)), x.shape[0] as number).maximum(0)
}

/** Notes both entropies as limits. @param x the samples as a formula takes them; @param y alike */
export async function noteEntropies(x: Tensor, y: Tensor, findings: Findings): Promise<void> {
  using both = tidy(() => stack([entropyOfSamples(x), entropyOfSamples(y)]))
  const [ofX, ofY] = (await both.data()) as unknown as [number, number]
  const n = x.shape[0] as number
  const areDifferent = Math.min(ofX, ofY) > Math.log(n) - 1e-9
  if (areDifferent && !isLabels(x) && !isLabels(y))
    findings.limitToSamples(Math.log(n), `ln n of ${n} samples`)
  else {
    findings.limitTo(ofX, 'the entropy of x in the samples')
    findings.limitTo(ofY, 'the entropy of y in the samples')
  }
}

/** What an estimate means that comes near what samples without noise give. */
const ofFunctions =
  'x and y look like functions of each other, of which the information is infinite for numbers without noise, or they have too many columns for so few samples'

/** Notes an estimate, in nats, that comes near the one that a formula without a limit gives of functions. @param by what gives it, in words */
export function noteFunctions(
  name: string,
  nats: number,
  most: number,
  by: string,
  findings: Findings,
): void {
  if (nats < 0.9 * most) return
  findings.warn(
    `${name}: ${short(nats)} nats, of functions it is ${short(most)} (${by}): ${ofFunctions}`,
    'HYPERGLOW_SATURATED',
  )
}

/**
 * Notes an estimate, in nats, of a closed form that exceeds what n samples resolve by ranks.
 *
 * @param most nats that they resolve
 */
export function noteExtrapolation(name: string, nats: number, most: number, findings: Findings): void {
  if (nats <= most) return
  findings.warn(
    `${name}: ${short(nats)} nats, more than the ${short(most)} of ln n a dimension, rest on a linear relation that leaves hardly any noise; ` +
      'of an exact one the information is infinite, and this is what the numbers resolve',
    'HYPERGLOW_SATURATED',
  )
}

/** Nats that n samples resolve of the narrower side: a coordinate to n ranks. */
export function rankCapacity(n: number, dx: number, dy: number): number {
  return Math.min(dx, dy) * Math.log(n)
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)))
}

/** How far a formula may come out above the limit by chance alone: relative, and in nats. */
const byChance = { part: 0.05, nats: 0.05 }

/** Notes what the place of an estimate, in nats, relative to the limit means. */
export function judge(name: string, nats: number, findings: Findings): void {
  const { limit, limitedBy } = findings
  if (!findings.isSaturated(nats)) return
  const meaning = findings.isOfSamples
    ? ofFunctions
    : 'in these samples one argument all but determines the other'
  if (nats > limit + Math.max(byChance.nats, byChance.part * limit)) {
    findings.warn(
      `${name}: the formula gives ${short(nats)} nats, more than the ${short(limit)} that the samples can carry (${limitedBy}), and is capped there; ${meaning}`,
      'HYPERGLOW_CAPPED',
    )
    return
  }
  findings.warn(
    `${name}: ${short(Math.min(nats, limit))} of at most ${short(limit)} nats (${limitedBy}): ${meaning}`,
    findings.isOfSamples ? 'HYPERGLOW_SATURATED' : undefined,
  )
}
