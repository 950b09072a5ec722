/** Mutual information of variables with atoms beside a density, by the rule of {@link MutualInformation}. */
import { type Tensor, tensor } from '../tensor.js'
import { type Answer, answerOf, orNothing } from './answers.js'
import { ofNumbersAndClasses } from './classes-rule.js'
import { DiscreteMI } from './discrete.js'
import type { Side } from './kinds.js'
import { ofNumbers } from './numbers-rule.js'

/** Samples that a term needs to be estimated at all. */
const fewest = 20

/**
 * The chain rule over atoms: with A the atom of x (or that it has none) and B that of y,
 *
 *   I(X; Y) = I(A; B) + I(X; B | A) + I(A; Y | B) + I(X; Y | A, B)
 *
 * each term by the rule of its kind on the samples that have no atom there, not below 0, and 0 where it has no answer.
 */
export async function ofAtoms(x: Side, y: Side, seed: number): Promise<Answer> {
  const n = x.classes.length
  const [a, b] = [x.atoms, y.atoms]
  const all = Int32Array.from({ length: n }, (_, i) => i)
  const without = (atoms: Int32Array, rows = all) => rows.filter((i) => atoms[i] === -1)
  const among = (rows: Int32Array, ask: (take: (side: Side) => Tensor) => Promise<Answer>) =>
    term(rows.length, n, () => ask((side) => side.rows.take(tensor(rows))))
  const given = (side: Side, other: Int32Array, rows: Int32Array) => {
    const labels = rows.map((i) => other[i] as number)
    if (labels.every((one) => one === labels[0])) return 0
    return among(rows, (take) => ofNumbersAndClasses(take(side), tensor(labels), seed))
  }
  const ofBoth = await answerOf(new DiscreteMI(), tensor(a), tensor(b))
  const ofY = await given(y, a, without(b))
  const ofX = await given(x, b, without(a))
  const rest = await among(without(b, without(a)), (take) => ofNumbers(take(x), take(y), seed))
  return { nats: Math.max(0, ofBoth.nats) + ofY + ofX + rest, method: 'chain rule over atoms' }
}

/** The part that `count` of n samples have in a sum of information. */
async function term(count: number, n: number, ask: () => Promise<Answer>): Promise<number> {
  if (count < fewest) return 0
  const { nats } = await orNothing(ask)
  return (Math.max(0, nats) * count) / n
}
