/** Mutual information of classes, with numbers and with each other, by the rule of {@link MutualInformation}. */
import { literal } from '../core/create.js'
import { foldIn, key, permutation } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { areCounted } from './counts.js'
import { DiscreteMI } from './discrete.js'
import { type Estimate, estimateOf, larger, largest, natsOf } from './estimates.js'
import type { Side } from './kinds.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { ofNeighbors } from './numbers-rule.js'
import { normalScores } from './ranks.js'
import { Ross } from './ross.js'
import { repeatedValues } from './spacing.js'
import { overTieBreakings, withTiesBroken } from './tie-breaking.js'

/** Random orders of y for the information by chance. */
const shuffles = 5

/**
 * The larger of Ross on normal scores, ties broken at random, and the discriminant bound. @param x `[n, d]` float64; @param labels int32
 * `[n]`
 */
export async function ofNumbersAndClasses(x: Tensor, labels: Tensor, seed: number): Promise<Estimate> {
  const hasTies = (await repeatedValues(x).max().item()) > 0
  const ross = new Ross()
  const near = async () => {
    const nats = await overTieBreakings(seed, hasTies, (noise) =>
      natsOf(ross, normalScores(withTiesBroken(x, noise)), labels),
    )
    return { nats, method: ross.name }
  }
  return largest([near, () => estimateOf(new DiscriminantMI({ seed }), x, labels)])
}

/** Whether there are enough samples to count every pair of values. */
export function isSmallTable(x: Side, y: Side): boolean {
  return areCounted(x.counts.length, y.counts.length, x.classes.length)
}

/**
 * From the table of counts. For a table that is large relative to the samples: adjusted for chance, or from the values as numbers if that
 * is more. Labels have no order, but no numbering of labels changes information, and a meaningless numbering is biased downward.
 */
export async function ofClasses(x: Side, y: Side, seed: number): Promise<Estimate> {
  if (isSmallTable(x, y)) return estimateOf(new DiscreteMI(), literal(x.classes), literal(y.classes))
  return larger(await adjustedForChance(x, y, seed), await ofNeighbors(x.rows, y.rows, seed, true))
}

/**
 * Adjustment for chance (Vinh, Epps and Bailey 2010): with E the plug-in information of x with y in random order and H the smaller entropy,
 * H (I - E) / (H - E). 0 on average for independent x and y, H if one is a function of the other.
 */
async function adjustedForChance(x: Side, y: Side, seed: number): Promise<Estimate> {
  const plugin = new DiscreteMI({ correction: 'none' })
  const [a, b] = [literal(x.classes), literal(y.classes)]
  const found = await natsOf(plugin, a, b)
  let chance = 0
  for (let round = 0; round < shuffles; round++) {
    const order = permutation(foldIn(key(seed), round), x.classes.length)
    chance += (await natsOf(plugin, a, b.take(order))) / shuffles
  }
  const most = Math.min(x.entropy, y.entropy)
  const method = 'DiscreteMI adjusted for chance'
  return { nats: most > chance ? (most * (found - chance)) / (most - chance) : 0, method }
}
