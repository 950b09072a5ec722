/** Samples copied as a whole. */
import { literal } from '../core/create.js'
import { tidy } from '../core/memory.js'
import { concat } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { countsOf } from './counts.js'
import type { Findings } from './details.js'
import { isLabels, toleratedOf } from './samples.js'
import { areEven, repeatedValues } from './spacing.js'

/** Smallest share of different samples for the others to be copies; below it they are the values of a discrete distribution. */
const leastDifferent = 0.05
/** Number of copied samples below which nothing changes. */
const fewest = 10
/** A sample with more than this multiple of the usual count is an atom, not a copy. */
const atomRatio = 10

/**
 * The samples without copies: one of each. A copy of a draw from a density (a bootstrap, rows loaded twice) has no new information, and
 * nearest neighbors at distance 0 count as information. Equal samples of a discrete distribution are kept. Samples are copies if some
 * column of x or y lies on no grid, and equal values in it occur only in equal samples.
 *
 * @param x labels `[n]` or float64 rows `[n, d]`
 * @param y likewise
 */
export async function withoutCopies(x: Tensor, y: Tensor): Promise<{ x: Tensor; y: Tensor }> {
  const kept = await originals(x, y)
  return kept === undefined ? { x, y } : { x: x.take(kept), y: y.take(kept) }
}

/** Share of copied samples from which a warning is given. */
const worthAWord = 0.05

/**
 * Warning about samples copied as a whole, by the rule of {@link withoutCopies}; undefined if they are 5 % or fewer.
 *
 * @param x labels `[n]` or float64 rows `[n, d]`
 * @param y likewise
 */
async function adviceOnCopies(name: string, x: Tensor, y: Tensor): Promise<string | undefined> {
  const n = x.shape[0] as number
  using kept = await originals(x, y)
  if (kept === undefined) return undefined
  const copies = n - kept.size
  if (copies <= worthAWord * n) return undefined
  return (
    `${name}: ${copies} of ${n} samples are copies of others, the same x with the same y, though values hardly repeat otherwise (rows loaded twice, a bootstrap); ` +
    'they look like dependence that does not exist: give each once, or use mutualInformation(), which counts them once'
  )
}

/** Notes {@link adviceOnCopies}. */
export async function noteCopies(name: string, x: Tensor, y: Tensor, findings: Findings): Promise<void> {
  const advice = await adviceOnCopies(name, x, y)
  if (advice !== undefined) findings.warn(advice, 'HYPERGLOW_REPEATED_SAMPLES')
}

const advised = new Set<string>()

/** Warns of copies once for each test: shuffles separate the copies, so copies count as dependence. */
export async function adviseOnCopies(name: string, x: Tensor, y: Tensor): Promise<void> {
  if (advised.has(name) || x.shape[0] !== y.shape[0]) return
  const advice = await adviceOnCopies(name, x, y)
  if (advice === undefined) return
  advised.add(name)
  process.emitWarning(advice, { type: 'HyperglowWarning', code: 'HYPERGLOW_REPEATED_SAMPLES' })
}

/** Indices of the samples to keep, int32 `[m]`; undefined if none was copied. */
async function originals(x: Tensor, y: Tensor): Promise<Tensor | undefined> {
  const n = x.shape[0] as number
  using rows = tidy(() => concat([columnsOf(x), columnsOf(y)], 1))
  using numbers = rows.uniqueRows()
  const classes = (await numbers.data()) as Int32Array
  const counts = countsOf(classes)
  const different = counts.length
  if (n - different < fewest || different < leastDifferent * n) return undefined
  const limit = Math.max(fewest, atomRatio * medianOf(counts))
  const seen = new Uint8Array(different)
  const kept: number[] = []
  const others: number[] = []
  let repeated = 0
  for (let i = 0; i < n; i++) {
    const sample = classes[i] as number
    const count = counts[sample] as number
    if (count > limit) {
      kept.push(i)
      continue
    }
    if (seen[sample] === 1) continue
    seen[sample] = 1
    kept.push(i)
    others.push(i)
    if (count > 1) repeated++
  }
  if (repeated < fewest || others.length < fewest) return undefined
  using once = tidy(() => rows.take(literal(Int32Array.from(others))))
  return (await hasDensity(once)) ? literal(Int32Array.from(kept)) : undefined
}

/** Whether some column hardly repeats a value, and does not lie on a grid. */
async function hasDensity(rows: Tensor): Promise<boolean> {
  using isDense = tidy(() =>
    repeatedValues(rows)
      .lessEqual(toleratedOf(rows.shape[0] as number))
      .logicalAnd(areEven(rows).logicalNot())
      .any(),
  )
  return Boolean(await isDense.item())
}

function columnsOf(x: Tensor): Tensor {
  return isLabels(x) ? x.cast('float64').expandDims(1) : x
}

function medianOf(counts: Int32Array): number {
  return Int32Array.from(counts).sort()[counts.length >> 1] as number
}
