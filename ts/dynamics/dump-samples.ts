/** The measured samples of a dump: their row indices, and the arrays of an epoch as tensors. */

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

/** Input and target of the samples, in the form that estimators take. */
export interface EndTensors {
  /** float64 `[n, d]`; undefined if the dump has no input samples. */
  readonly x: Tensor | undefined
  /** An index of each distinct input, int32 `[n]`, for estimators that only compare inputs for equality. */
  readonly symbols: Tensor | undefined
  /** Whether all inputs are different. */
  readonly areDistinct: boolean
  /** Classes int32 `[n]`, or numbers float64 `[n, k]`; undefined if there are none. */
  readonly y: Tensor | undefined
  readonly target: Target | undefined
}

/** Reads the samples of a dump epoch by epoch; arrays shared by several epochs are read and uploaded once. */
export class DumpSamples {
  readonly #most: number | undefined
  readonly #seed: number
  /** The selected rows, by the number of samples they are selected from. */
  readonly #rows = new Map<number, Int32Array>()
  #ends: { x: EndOf; y: EndOf; tensors: EndTensors } | undefined

  /** @param most maximum number of samples; from more, a random subset is measured */
  constructor(most: number | undefined, seed: number) {
    this.#most = most
    this.#seed = seed
  }

  /** The selected rows of n; undefined for all. */
  async rows(n: number): Promise<Int32Array | undefined> {
    if (this.#most === undefined || n <= this.#most) return undefined
    const known = this.#rows.get(n)
    if (known !== undefined) return known
    const order = await inTurns(new HostRandom(this.#seed).permuting(n))
    const chosen = order.slice(0, this.#most).sort()
    this.#rows.set(n, chosen)
    return chosen
  }

  /** The selected rows of an array. */
  async read(array: LazyArray): Promise<ArrayData> {
    const rows = await this.rows(rowsOf(array))
    return rows === undefined ? array.read() : takeRows(array, rows)
  }

  /** Input and target of an epoch. The tensors are valid until the next call, or {@link dispose}. */
  async ends(run: ActivationRun, epoch: number): Promise<EndTensors> {
    const before = this.#ends
    const [x, y] = [await this.#end(run.x(epoch), before?.x), await this.#end(run.y(epoch), before?.y)]
    if (before !== undefined && before.x === x && before.y === y) return before.tensors
    this.dispose()
    const tensors = await tensorsOf(run, x.data, y.data)
    this.#ends = { x, y, tensors }
    return tensors
  }

  /** Reuses the previous tensors if the array is the same or has the same values. */
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
      `run '${run.name}': the input samples (x) have values that are NaN or infinite; remove or replace such samples`,
    )
  }
  const target = y === undefined ? undefined : await targetOf(`run '${run.name}': y`, y)
  const n = numbers?.length ?? 0
  return {
    x: input,
    symbols,
    // Indices are given in order of first appearance.
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
