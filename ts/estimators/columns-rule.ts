/** Mutual information of arguments with discrete and continuous columns, by the rule of {@link MutualInformation}. */
import { literal } from '../core/create.js'
import { tidy } from '../core/memory.js'
import { foldIn, key, uniform } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { ofClasses, ofNumbersAndClasses } from './classes-rule.js'
import { countsOf, jointClasses } from './counts.js'
import { type Estimate, orZero, zeroEstimate } from './estimates.js'
import { areFew, kindOfSamples, type Side } from './kinds.js'
import { byKind } from './kinds-rule.js'
import { ofRanks } from './numbers-rule.js'
import { doubledRanks } from './ranks.js'
import { classCounts } from './samples.js'
import { withTiesBroken } from './tie-breaking.js'

/** Smallest size of a cell that is estimated separately: in smaller cells the positive bias is about 0.05 nats. */
const fewest = 100
/** Smallest share of such a cell among all samples, which bounds the number of cells. */
const leastPart = 0.02

/** One argument, by its columns. */
export interface Columns {
  /** The columns of few values, equal rows being one class. */
  readonly discrete: Side
  /** The other columns, float64 `[n, d]`; undefined if there are none. */
  readonly numbers: Tensor | undefined
}

/** An argument by its columns; undefined if none has few values. */
export async function columnsOf({ rows }: Side): Promise<Columns | undefined> {
  const n = rows.shape[0] as number
  using different = tidy(() => differentOf(rows))
  const isFew = Array.from((await different.data()) as Float64Array, (count) => areFew(count, n))
  const numbered = (wanted: boolean) => isFew.flatMap((few, c) => (few === wanted ? [c] : []))
  const [few, many] = [numbered(true), numbered(false)]
  if (few.length === 0) return undefined
  return {
    discrete: await kindOfSamples(rows.take(few, 1), 'classes'),
    numbers: many.length === 0 ? undefined : rows.take(many, 1),
  }
}

/** Number of different values of each column, float64 `[d]`. */
function differentOf(rows: Tensor): Tensor {
  const sorted = rows.sort(0)
  const before = sorted.slice([0], [(rows.shape[0] as number) - 1])
  return sorted.slice([1]).notEqual(before).cast('float64').sum(0).add(1)
}

/**
 * The chain rule over columns: with A and B the discrete columns of x and y, and U and V the others,
 *
 *   I(X; Y) = I(A; B) + I(U; B | A) + I(A; V | B) + I(U; V | A, B)
 *
 * each term by the rule of its kind, at least 0, and 0 without an answer.
 */
export async function ofColumns(x: Columns, y: Columns, seed: number): Promise<Estimate> {
  const ofBoth = await ofClasses(x.discrete, y.discrete, seed)
  const ofX = await numbersAndClasses(x.numbers, y.discrete.classes, x.discrete.classes, seed)
  const ofY = await numbersAndClasses(y.numbers, x.discrete.classes, y.discrete.classes, seed)
  const rest = await numbersWithin(x, y, seed)
  return {
    nats: [ofBoth.nats, ofX, ofY, rest].reduce((sum, nats) => sum + Math.max(0, nats), 0),
    method: 'chain rule over columns',
  }
}

/** I(U; B | A): the mean over the values of A. */
async function numbersAndClasses(
  numbers: Tensor | undefined,
  labels: Int32Array,
  given: Int32Array,
  seed: number,
): Promise<number> {
  if (numbers === undefined) return 0
  return meanOver(given, async (samples) => {
    const own = samples.map((i) => labels[i] as number)
    if (own.every((one) => one === own[0])) return zeroEstimate('none')
    return ofNumbersAndClasses(numbers.take(literal(samples)), literal(own), seed)
  })
}

/**
 * I(U; V | A, B), the larger of two estimates that are biased downward. The first uses the ranks of all samples within their cells of (A,
 * B): the ranks are independent of the cells, so their mutual information is part of the term (all of it, if the copula is the same in
 * every cell). The second is the mean over the cells with enough samples.
 */
async function numbersWithin(x: Columns, y: Columns, seed: number): Promise<number> {
  const [u, v] = [x.numbers, y.numbers]
  if (u === undefined || v === undefined) return 0
  const cells = jointClasses(literal(x.discrete.classes), literal(y.discrete.classes))
  const noise = foldIn(key(seed), 2)
  const pooled = await orZero(() =>
    ofRanks(ranksWithin(u, cells, foldIn(noise, 0)), ranksWithin(v, cells, foldIn(noise, 1)), seed),
  )
  const apart = await meanOver((await cells.data()) as Int32Array, async (samples) => {
    const rows = literal(samples)
    return byKind(await kindOfSamples(u.take(rows)), await kindOfSamples(v.take(rows)), seed)
  })
  return Math.max(pooled.nats, apart)
}

/**
 * For each column the relative rank of a sample within its cell, between 0 and 1, drawn at random within the interval of its rank: uniform
 * in every cell.
 *
 * @param x `[n, d]` float64
 * @param cells int32 `[n]`, class indices
 */
function ranksWithin(x: Tensor, cells: Tensor, noise: Tensor): Tensor {
  const n = x.shape[0] as number
  const counts = classCounts(cells)
  const [size, end] = [counts, counts.cumsum(0)].map((of) => of.take(cells).expandDims(1)) as [Tensor, Tensor]
  // Ranks with ties broken are below 2 n + 2, so each cell has a separate range.
  const apart = withTiesBroken(x, foldIn(noise, 0)).add(
    cells
      .cast('float64')
      .mul(2 * n + 2)
      .expandDims(1),
  )
  const before = doubledRanks(apart).div(2).sub(1).sub(end.sub(size))
  return before.add(uniform(foldIn(noise, 1), x.shape, { dtype: 'float64' })).div(size)
}

/** The mean over the cells; cells with too few samples count as 0. */
async function meanOver(cells: Int32Array, ask: (samples: Int32Array) => Promise<Estimate>): Promise<number> {
  const least = Math.max(fewest, leastPart * cells.length)
  let sum = 0
  for (const samples of membersOf(cells)) {
    if (samples.length < least) continue
    const { nats } = await orZero(() => ask(samples))
    sum += nats * samples.length
  }
  return sum / cells.length
}

/** The indices of the samples of each cell. */
function membersOf(cells: Int32Array): Int32Array[] {
  const counts = countsOf(cells)
  const members = Array.from(counts, (count) => new Int32Array(count))
  const filled = new Int32Array(counts.length)
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] as number
    const place = filled[cell] as number
    const own = members[cell] as Int32Array
    own[place] = i
    filled[cell] = place + 1
  }
  return members
}
