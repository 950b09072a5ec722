/** Reads the batches of an iterable once and keeps inputs, targets and values computed from them in memory. */
import { allocate, sizeOf, type TypedArray } from '../core/dtype.js'
import { ArgumentError, DataError, describe, ShapeError } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import type { Batch, BatchSource } from '../data/loader.js'
import type { ArrayData } from '../io/element-types.js'
import { type Shape, Tensor } from '../ops/tensor.js'
import { batchesOf } from '../train/batches.js'

/** Maximum number of bytes that are kept of data that can be read only once. */
const maxBytes = 2 ** 30

/** An array that grows batch by batch. */
class GrowingArray {
  readonly #pieces: TypedArray[] = []
  #length = 0

  constructor(
    readonly dtype: Tensor['dtype'],
    /** Shape of one row. */
    readonly shape: Shape,
  ) {}

  add(piece: TypedArray): void {
    this.#pieces.push(piece)
    this.#length += piece.length
  }

  /** All batches, concatenated in turns of the event loop. */
  async joined(): Promise<ArrayData> {
    const data = allocate(this.dtype, this.#length)
    let at = 0
    let moved = 0
    for (const piece of this.#pieces) {
      data.set(piece as never, at)
      at += piece.length
      moved += piece.byteLength
      if (moved < 1 << 22) continue
      moved = 0
      await nextTurn()
    }
    return { dtype: this.dtype, shape: [this.#length / sizeOf(this.shape), ...this.shape], data } as ArrayData
  }
}

/** Result of {@link collected}. */
export interface Collected {
  readonly x: ArrayData
  readonly y: ArrayData
  /** Values computed from the batches, by name. */
  readonly made: ReadonlyMap<string, ArrayData>
}

/**
 * Reads all batches once.
 *
 * @param inputShape shape of one input; @param make computes values `[batch, ...]` of a batch, by name; the tensors are disposed of
 * @throws DataError if there is no batch or the values take more than 1 GiB; ArgumentError, ShapeError for batches that do not fit
 */
export async function collected(
  source: BatchSource,
  inputShape: Shape,
  dtype: Tensor['dtype'],
  make: (x: Tensor) => Promise<ReadonlyMap<string, Tensor>>,
  signal: AbortSignal | undefined,
): Promise<Collected> {
  const parts = new Map<string, GrowingArray>()
  let bytes = 0
  let batches = 0
  const add = async (name: string, value: Tensor) => {
    const known = parts.get(name) ?? new GrowingArray(value.dtype, value.shape.slice(1))
    parts.set(name, known)
    if (String(known.shape) !== String(value.shape.slice(1)) || known.dtype !== value.dtype) {
      throw new ShapeError(
        `activations: ${name} of batch ${batches} is ${value.dtype} [${value.shape}], of those before ${known.dtype} [batch, ${known.shape}]`,
      )
    }
    const data = await value.data()
    bytes += data.byteLength
    if (bytes > maxBytes) {
      throw new DataError(
        'activations: this dataset can be read only once, and its activations take more than 1 GiB; give arrays or an ArrayDataset, whose activations are computed when they are read, or fewer layers',
      )
    }
    known.add(data)
  }
  for await (const batch of batchesOf(source, signal)) {
    signal?.throwIfAborted()
    checkBatch(batch, inputShape, batches)
    using x = batch.x.dtype === dtype ? batch.x.add(0) : batch.x.cast(dtype)
    await add('x', x)
    await add('y', batch.y)
    for (const [name, value] of await make(x)) {
      await add(`layer ${name}`, value)
      value.dispose()
    }
    batches++
  }
  if (batches === 0) throw new DataError('activations: the data have no batches')
  const made = new Map<string, ArrayData>()
  for (const [name, part] of parts)
    if (name.startsWith('layer ')) made.set(name.slice(6), await part.joined())
  return {
    x: await (parts.get('x') as GrowingArray).joined(),
    y: await (parts.get('y') as GrowingArray).joined(),
    made,
  }
}

function checkBatch(batch: Batch, inputShape: Shape, index: number): void {
  const { x, y } = Object(batch) as Partial<Batch>
  if (!(x instanceof Tensor) || !(y instanceof Tensor)) {
    throw new ArgumentError(`activations: batch ${index} is ${describe(batch)}, expected { x, y } of tensors`)
  }
  if (String(x.shape.slice(1)) === String(inputShape) && x.shape[0] === y.shape[0]) return
  throw new ShapeError(
    `activations: batch ${index} has inputs [${x.shape}] and targets [${y.shape}], expected [batch, ${inputShape}] and as many targets`,
  )
}
