/** Agreement of two labelings of the same samples. */
import { settled } from '../core/turns.js'
import { entropyOf, jointClasses } from '../estimators/counts.js'
import { type SampleData, samplesFrom } from '../estimators/data.js'
import { classCounts, classesOf } from '../estimators/samples.js'
import { logGamma } from '../estimators/special.js'
import { entriesOf, sameCount } from './read.js'

/** Quotients by each mean of H(a) and H(b). */
export interface ByMean {
  readonly arithmetic: number
  readonly geometric: number
  readonly max: number
  readonly min: number
}

/** Result of {@link labelAgreement}; entropies in nats. */
export interface LabelAgreement {
  readonly mutualInformation: number
  readonly entropyA: number
  readonly entropyB: number
  /** The mean of the information over all labelings with the same class sizes. */
  readonly expected: number
  /** H(a) + H(b) - 2 I (Meila 2007), a metric. */
  readonly variationOfInformation: number
  /** The same over H(a, b), from 0 to 1. */
  readonly normalizedVariation: number
  /** I over a mean of the entropies, from 0 to 1. */
  readonly normalized: ByMean
  /** (I - expected) over (mean - expected): 0 by chance, 1 for equal labelings (Vinh, Epps and Bailey 2010). */
  readonly adjusted: ByMean
}

/**
 * Agreement of two labelings, independent of their class numbers: mutual information, normalized and adjusted for chance, and variation of
 * information. Two labelings of a single class each agree fully: the quotients are 1.
 *
 * @param a n labels, or rows of which equal ones are one class
 * @param b the same samples
 * @throws ShapeError for different numbers of samples
 */
export async function labelAgreement(a: SampleData, b: SampleData): Promise<LabelAgreement> {
  const name = 'labelAgreement'
  const [x, y] = [await samplesFrom(`${name}: a`, a), await samplesFrom(`${name}: b`, b)]
  const n = sameCount(name, x, y)
  const found = await entriesOf(() => {
    const [p, q] = [classesOf(`${name}: a`, x), classesOf(`${name}: b`, y)]
    const [countsA, countsB] = [classCounts(p), classCounts(q)]
    const joint = entropyOf(classCounts(jointClasses(p, q)), n)
    return { countsA, countsB, ofA: entropyOf(countsA, n), ofB: entropyOf(countsB, n), joint }
  })
  const [entropyA, entropyB, joint] = [found.ofA, found.ofB, found.joint].map(([value]) => value) as [
    number,
    number,
    number,
  ]
  const information = Math.max(0, entropyA + entropyB - joint)
  const expected = await expectedInformation(found.countsA, found.countsB, n)
  const variation = Math.max(0, joint - information)
  const means = {
    arithmetic: (entropyA + entropyB) / 2,
    geometric: Math.sqrt(entropyA * entropyB),
    max: Math.max(entropyA, entropyB),
    min: Math.min(entropyA, entropyB),
  }
  const isTrivial = means.max === 0
  const over = (less: number): ByMean => {
    const of = (mean: number) => (isTrivial ? 1 : mean === less ? 0 : (information - less) / (mean - less))
    return {
      arithmetic: of(means.arithmetic),
      geometric: of(means.geometric),
      max: of(means.max),
      min: of(means.min),
    }
  }
  return {
    mutualInformation: information,
    entropyA,
    entropyB,
    expected,
    variationOfInformation: variation,
    normalizedVariation: joint === 0 ? 0 : variation / joint,
    normalized: over(0),
    adjusted: over(expected),
  }
}

/** The mean of the information over labelings with these class sizes: hypergeometric counts (Vinh, Epps and Bailey 2010, eq. 24a). */
async function expectedInformation(a: readonly number[], b: readonly number[], n: number): Promise<number> {
  const [sizesA, sizesB] = [sizesOf(a), sizesOf(b)]
  const fact = (count: number) => logGamma(count + 1)
  let total = 0
  let work = 0
  for (const [p, timesP] of sizesA) {
    for (const [q, timesQ] of sizesB) {
      const fixed = fact(p) + fact(q) + fact(n - p) + fact(n - q) - fact(n)
      let sum = 0
      for (let both = Math.max(1, p + q - n); both <= Math.min(p, q); both++) {
        const chance = fixed - fact(both) - fact(p - both) - fact(q - both) - fact(n - p - q + both)
        sum += (both / n) * Math.log((n * both) / (p * q)) * Math.exp(chance)
        if (++work % 4096 === 0) await settled()
      }
      total += timesP * timesQ * sum
    }
  }
  return total
}

/** Number of classes of each size. */
function sizesOf(counts: readonly number[]): Map<number, number> {
  const sizes = new Map<number, number>()
  for (const count of counts) if (count > 0) sizes.set(count, (sizes.get(count) ?? 0) + 1)
  return sizes
}
