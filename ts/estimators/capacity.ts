/** What n samples can show of the information of two arguments. */
import type { Findings } from './details.js'
import type { Side } from './kinds.js'
import { toleratedOf } from './samples.js'

/**
 * Notes the limits that hold for any estimate of these samples:
 *
 * - the entropies of x and of y in the samples, where their values repeat: I(X; Y) <= H(X), H(Y);
 * - ln n for each dimension of the narrower side: n samples resolve a coordinate to n ranks;
 * - 2 ln n + 5: no lower bound that n samples give with confidence, whatever the distribution, exceeds it (McAllester and Stratos 2020, theorem 1.1).
 */
export function noteCapacity(x: Side, y: Side, findings: Findings): void {
  const n = x.classes.length
  const dimensions = Math.min(x.rows.shape[1] as number, y.rows.shape[1] as number)
  const each = dimensions === 1 ? '' : ` in each of ${dimensions} dimensions`
  findings.limitTo(dimensions * Math.log(n), `ln n of ${n} samples${each}`)
  findings.limitTo(
    2 * Math.log(n) + 5,
    `ln n of ${n} samples, twice, plus 5: what they can show of any distribution`,
  )
  if (hasEntropy(x)) findings.limitTo(x.entropy, 'the entropy of x in the samples')
  if (hasEntropy(y)) findings.limitTo(y.entropy, 'the entropy of y in the samples')
}

/** Whether the values repeat: the entropy of a density in its samples, ln n, says nothing of it. */
function hasEntropy({ counts, classes, kind }: Side): boolean {
  return kind === 'classes' || classes.length - counts.length > toleratedOf(classes.length)
}
