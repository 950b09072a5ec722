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

/** How far a formula may come out above the limit by chance alone: relative, and in nats. */
const byChance = { part: 0.05, nats: 0.05 }

/** Notes what the place of an estimate, in nats, relative to the limit means. */
export function judge(name: string, nats: number, findings: Findings): void {
  const { limit, limitedBy } = findings
  if (!findings.isSaturated(nats)) return
  const number = (value: number) => String(Number(value.toPrecision(4)))
  const meaning = findings.isOfSamples
    ? 'x and y look like functions of each other, of which the information is infinite for numbers without noise, or they have too many columns for so few samples'
    : 'in these samples one argument all but determines the other'
  if (nats > limit + Math.max(byChance.nats, byChance.part * limit)) {
    findings.warn(
      `${name}: the formula gives ${number(nats)} nats, more than the ${number(limit)} that the samples can carry (${limitedBy}), and is capped there; ${meaning}`,
      'HYPERGLOW_CAPPED',
    )
    return
  }
  findings.warn(
    `${name}: ${number(Math.min(nats, limit))} of at most ${number(limit)} nats (${limitedBy}): ${meaning}`,
    findings.isOfSamples ? 'HYPERGLOW_SATURATED' : undefined,
  )
}
