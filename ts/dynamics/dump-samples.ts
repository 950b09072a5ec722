/** The samples of a dump that are measured: which rows, and the arrays of an epoch as tensors. */

import { DataError } from '../core/errors.js'
import { evaluate, tidy } from '../core/memory.js'
import { inTurns, nextTurn } from '../core/turns.js'
import type { ActivationRun } from '../data/activations/types.js'
import { type ArrayData, bytesOf } from '../io/element-types.js'
import { type LazyArray, rowsOf, takeRows } from '../io/lazy-array.js'
import { tensorInTurns } from '../io/uploads.js'
import { isFinite as finite } from '../ops/index.js'
import { HostRandom } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import { type Target, targetOf } from './target.js'

/** Input and target of the samples, as estimators take them. */
export interface EndTensors {
  /** float64 `[n, d]`; undefined where the dump has no input samples. */
  readonly x: Tensor | undefined
  /** A number for each different input, int32 `[n]`: what only asks whether inputs are equal reads it in place of them. */
  readonly symbols: Tensor | undefined
  /** Whether no two inputs are equal. */
  readonly areDistinct: boolean
  /** Classes int32 `[n]`, or numbers float64 `[n, k]`; undefined where there are none. */
  readonly y: Tensor | undefined
  readonly target: Target | undefined
}

/** Reads the samples of one dump after the other epoch; what is the same in several is read and uploaded once. */
export class DumpSamples {
  readonly #most: number | undefined
  readonly #seed: number
  /** The chosen rows by the number of samples they are chosen from. */
  readonly #rows = new Map<number, Int32Array>()
  #ends: { x: EndOf; y: EndOf; tensors: EndTensors } | undefined

  /** @param most samples that are measured, where there are more a part chosen by chance */
  constructor(most: number | undefined, seed: number) {
    this.#most = most
    this.#seed = seed
  }

  /** The rows that are measured of n; undefined for all. */
  async rows(n: number): Promise<Int32Array | undefined> {
    if (this.#most === undefined || n <= this.#most) return undefined
    const known = this.#rows.get(n)
    if (known !== undefined) return known
    const order = await inTurns(new HostRandom(this.#seed).permuting(n))
    const chosen = order.slice(0, this.#most).sort()
    this.#rows.set(n, chosen)
    return chosen
  }

  /** An array with the rows that are measured. */
  async read(array: LazyArray): Promise<ArrayData> {
    const rows = await this.rows(rowsOf(array))
    return rows === undefined ? array.read() : takeRows(array, rows)
  }

  /** Both ends of an epoch. The tensors stay good until other ends are read, or {@link dispose}. */
  async ends(run: ActivationRun, epoch: number): Promise<EndTensors> {
    const before = this.#ends
    const [x, y] = [await this.#end(run.x(epoch), before?.x), await this.#end(run.y(epoch), before?.y)]
    if (before !== undefined && before.x === x && before.y === y) return before.tensors
    this.dispose()
    const tensors = await tensorsOf(run, x.data, y.data)
    this.#ends = { x, y, tensors }
    return tensors
  }

  /** An end: the one before, where it is the same array or holds the same values. */
  async #end(array: LazyArray | undefined, before: EndOf | undefined): Promise<EndOf> {
    if (before !== undefined && before.array === array) return before
    if (array === undefined) return { array, data: undefined }
    const data = await this.read(array)
    return before?.data !== undefined && (await areEqual(before.data, data)) ? before : { array, data }
  }

  dispose(): void {
    const { x, symbols, y } = this.#ends?.tensors ?? {}
    for (const tensor of [x, symbols, y]) tensor?.dispose()
    this.#ends = undefined
  }
}

interface EndOf {
  readonly array: LazyArray | undefined
  readonly data: ArrayData | undefined
}

const compared = 1 << 22

async function areEqual(a: ArrayData, b: ArrayData): Promise<boolean> {
  if (a.dtype !== b.dtype || String(a.shape) !== String(b.shape)) return false
  const [p, q] = [bytesOf(a.data), bytesOf(b.data)]
  for (let at = 0; at < p.length; at += compared) {
    if (at > 0) await nextTurn()
    if (Buffer.compare(p.subarray(at, at + compared), q.subarray(at, at + compared)) !== 0) return false
  }
  return true
}

async function tensorsOf(
  run: ActivationRun,
  x: ArrayData | undefined,
  y: ArrayData | undefined,
): Promise<EndTensors> {
  const input = x === undefined ? undefined : await floatRows(x)
  const symbols = input?.uniqueRows()
  const numbers = (await symbols?.data()) as Int32Array | undefined
  if (input !== undefined && !(await areFinite(input))) {
    throw new DataError(
      `run '${run.name}': the input samples (x) have values that are NaN or infinite; remove such samples, or mend them`,
    )
  }
  const target = y === undefined ? undefined : await targetOf(`run '${run.name}': y`, y)
  const n = numbers?.length ?? 0
  return {
    x: input,
    symbols,
    // Numbers are given by first appearance.
    areDistinct: numbers !== undefined && numbers[n - 1] === n - 1,
    y: target === undefined ? undefined : await tensorInTurns(target.data),
    target,
  }
}

async function areFinite(rows: Tensor): Promise<boolean> {
  using sound = tidy(() => finite(rows).all())
  return (await sound.item()) !== 0
}

/** Samples as rows of numbers float64 `[n, d]`, computed. */
export async function floatRows(array: ArrayData): Promise<Tensor> {
  const [n = 1] = array.shape
  if (n === 0) throw new DataError('the dump has no samples; write at least two')
  const given = await tensorInTurns(array)
  const rows = tidy(() => given.reshape([n, given.size / n]).cast('float64'))
  await evaluate(rows)
  if (rows !== given) given.dispose()
  return rows
}
