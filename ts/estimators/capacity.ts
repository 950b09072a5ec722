/** The limit of the mutual information that n samples can show. */

import type { Findings } from './details.js'
import type { Estimate } from './estimates.js'
import type { Side } from './kinds.js'
import { noteExtrapolation, rankCapacity } from './limits.js'
import { toleratedOf } from './samples.js'

/** Formulas of values, not of ranks. */
const linearMethods: ReadonlySet<string> = new Set(['ResidualMI', 'GaussianMI'])

/**
 * Notes the limits of an answer for these samples:
 *
 * - the entropies of x and of y in the samples, if their values repeat: I(X; Y) <= H(X), H(Y);
 * - ln n for each dimension of the narrower side, except for {@link ResidualMI} and {@link GaussianMI}, which extrapolate linear relations;
 * - 2 ln n + 5: no lower bound from n samples with high confidence exceeds it, for any distribution (McAllester and Stratos 2020).
 */
export function noteCapacity(x: Side, y: Side, { nats, method }: Estimate, findings: Findings): void {
  const n = x.classes.length
  const [dx, dy] = [x.rows.shape[1] as number, y.rows.shape[1] as number]
  const ofRanks = rankCapacity(n, dx, dy)
  findings.limitToSamples(
    2 * Math.log(n) + 5,
    `${findings.formula('2 ln n + 5')} of ${n} samples, the limit for any distribution`,
  )
  if (hasEntropy(x)) findings.limitTo(x.entropy, 'the entropy of x in the samples')
  if (hasEntropy(y)) findings.limitTo(y.entropy, 'the entropy of y in the samples')
  if (!linearMethods.has(method)) {
    const each = Math.min(dx, dy) === 1 ? '' : ` in each of ${Math.min(dx, dy)} dimensions`
    findings.limitToSamples(ofRanks, `${findings.formula('ln n')} of ${n} samples${each}`)
  } else noteExtrapolation('MutualInformation', nats, ofRanks, findings)
}

/** Whether the values repeat. For a density the entropy of the samples is ln n, which is no limit. */
function hasEntropy({ counts, classes, kind }: Side): boolean {
  return kind === 'classes' || classes.length - counts.length > toleratedOf(classes.length)
}
