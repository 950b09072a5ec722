/** The program of a worker thread: makes batches by a function from a user's module, one task at a time. */

import { parentPort, workerData } from 'node:worker_threads'
import { type DType, sizeOf, type TypedArray } from '../core/dtype.js'
import { DataError, describe } from '../core/errors.js'
import { dtypeOfArray, flattening, type NestedInput } from '../core/nested.js'
import { isPlainObject } from '../core/options.js'
import { atOnce } from '../core/turns.js'
import type { PackedArray, WorkerAnswer, WorkerFailure, WorkerSetup, WorkerTask } from './worker-protocol.js'

/** Result of the user's function. */
interface Made {
  readonly x: unknown
  readonly y: unknown
}

type Make = (
  wanted: number | readonly number[],
  context: { epoch: number; data: unknown },
) => Made | Promise<Made>

const { url, name, call, labels, data } = workerData as WorkerSetup

/** The user's function; the module is imported once. */
const imported: Promise<Make> = import(url).then((module: Record<string, unknown>) => {
  const made = module[name]
  if (typeof made === 'function') return made as Make
  throw new DataError(
    `it exports ${Object.keys(module).join(', ') || 'nothing'}, and no function ${JSON.stringify(name)}; export one, or name it in the option export`,
  )
})
// The first task reports a failure.
imported.catch(() => {})

parentPort?.on('message', (task: WorkerTask) => {
  void answer(task).then((answered) => {
    const buffers = 'failed' in answered ? [] : [answered.x.data.buffer, answered.y.data.buffer]
    parentPort?.postMessage(answered, [...new Set(buffers)] as ArrayBuffer[])
  })
})

async function answer({ id, epoch, indices }: WorkerTask): Promise<WorkerAnswer> {
  try {
    const make = await imported
    const context = { epoch, data }
    if (call === 'batch') {
      const { x, y } = checked(await make(indices, context))
      return { id, x: batchOf('x', x, indices.length), y: batchOf('y', y, indices.length) }
    }
    const made: Made[] = []
    for (const index of indices) made.push(checked(await make(index, context)))
    return {
      id,
      x: stacked(
        'x',
        made.map(({ x }) => x),
        indices,
      ),
      y: stacked(
        'y',
        made.map(({ y }) => y),
        indices,
      ),
    }
  } catch (error) {
    return { id, failed: failureOf(error) }
  }
}

function failureOf(error: unknown): WorkerFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: describe(error), stack: undefined }
  return { name: error.name, message: error.message, stack: error.stack }
}

function checked(made: unknown): Made {
  if (typeof made === 'object' && made !== null && 'x' in made && 'y' in made) return made as Made
  throw new DataError(`the function returned ${describe(made)}, expected { x, y }`)
}

/** A batch in separate memory. */
function batchOf(what: 'x' | 'y', value: unknown, count: number): PackedArray {
  const packed = pack(what, value)
  if (packed.shape[0] === count) return { ...packed, data: packed.data.slice() }
  throw new DataError(
    `the function returned a batch whose ${what} has shape (${packed.shape.join(', ')}), expected ${count} samples along the first axis`,
  )
}

/** Stacked samples, in separate memory. */
function stacked(what: 'x' | 'y', values: readonly unknown[], indices: readonly number[]): PackedArray {
  let all: TypedArray | undefined
  let first: PackedArray | undefined
  for (const [i, value] of values.entries()) {
    const packed = pack(what, value)
    first ??= packed
    const size = sizeOf(first.shape)
    all ??= new (packed.data.constructor as new (length: number) => TypedArray)(size * values.length)
    if (packed.dtype !== first.dtype || `${packed.shape}` !== `${first.shape}`) {
      throw new DataError(
        `${what} of sample ${indices[i]} is ${packed.dtype} (${packed.shape.join(', ')}), ${what} of sample ${indices[0]} is ${first.dtype} (${first.shape.join(', ')}); give all samples one shape and type`,
      )
    }
    all.set(packed.data as never, i * size)
  }
  const { dtype, shape } = first as PackedArray
  return { dtype, shape: [values.length, ...shape], data: all as TypedArray }
}

/** Values of any form as an array: `{ dtype, shape, data }`, a typed array, or numbers, nested or not. */
function pack(what: 'x' | 'y', value: unknown): PackedArray {
  if (isPlainObject(value)) {
    const { dtype, shape, data } = value as Partial<PackedArray>
    if (Array.isArray(shape) && ArrayBuffer.isView(data)) {
      const own = dtypeOfArray(data as TypedArray)
      if (sizeOf(shape) === (data as TypedArray).length) {
        return { dtype: dtype ?? own, shape: [...shape], data: data as TypedArray }
      }
    }
    throw new DataError(
      `${what} is an object, expected { dtype, shape, data } whose shape has as many elements as data`,
    )
  }
  if (ArrayBuffer.isView(value)) {
    return {
      dtype: dtypeOfArray(value as TypedArray),
      shape: [(value as TypedArray).length],
      data: value as TypedArray,
    }
  }
  const dtype: DType | undefined = what === 'y' && labels ? 'int32' : undefined
  const { values, shape, dtype: found } = atOnce(flattening(value as NestedInput, dtype))
  return { dtype: found, shape, data: values }
}
