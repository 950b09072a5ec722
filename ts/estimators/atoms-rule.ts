/** Mutual information of variables with atoms and a density, by the rule of {@link MutualInformation}. */
import { literal } from '../core/create.js'
import type { Tensor } from '../ops/tensor.js'
import { ofNumbersAndClasses } from './classes-rule.js'
import { DiscreteMI } from './discrete.js'
import { type Estimate, natsOf, orZero } from './estimates.js'
import type { Side } from './kinds.js'
import { ofNumbers } from './numbers-rule.js'

/** Smallest number of samples for an estimate of a term. */
const fewest = 20

/**
 * The chain rule over atoms: with A the atom of x (or none) and B that of y,
 *
 *   I(X; Y) = I(A; B) + I(X; B | A) + I(A; Y | B) + I(X; Y | A, B)
 *
 * each term by the rule of its kind on the samples without an atom there, at least 0, and 0 without an answer.
 */
export async function ofAtoms(x: Side, y: Side, seed: number): Promise<Estimate> {
  const n = x.classes.length
  const [a, b] = [x.atoms, y.atoms]
  const among = (rows: Int32Array, ask: (take: (side: Side) => Tensor) => Promise<Estimate>) =>
    term(rows.length, n, () => ask((side) => side.rows.take(literal(rows))))
  const given = (side: Side, other: Int32Array, rows: Int32Array) => {
    const labels = rows.map((i) => other[i] as number)
    if (labels.every((one) => one === labels[0])) return 0
    return among(rows, (take) => ofNumbersAndClasses(take(side), literal(labels), seed))
  }
  const ofBoth = await natsOf(new DiscreteMI(), literal(a), literal(b))
  const ofY = await given(y, a, withoutAtom(b))
  const ofX = await given(x, b, withoutAtom(a))
  const rest = await among(withoutAtom(a, b), (take) => ofNumbers(take(x), take(y), seed))
  return { nats: Math.max(0, ofBoth) + ofY + ofX + rest, method: 'chain rule over atoms' }
}

/** Indices of the samples without an atom in any of the vectors. */
function withoutAtom(first: Int32Array, second = first): Int32Array {
  const rows = new Int32Array(first.length)
  let count = 0
  // A loop: filter() would call back a million times for a million samples and block the event loop.
  for (let i = 0; i < first.length; i++) {
    if (first[i] === -1 && second[i] === -1) rows[count++] = i
  }
  return rows.slice(0, count)
}

/** The contribution of `count` of n samples to a sum of information. */
async function term(count: number, n: number, ask: () => Promise<Estimate>): Promise<number> {
  if (count < fewest) return 0
  const { nats } = await orZero(ask)
  return (Math.max(0, nats) * count) / n
}
