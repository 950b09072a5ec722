/** Writes lazy arrays to files, with a few rows in memory at a time. */
import { statSync } from 'node:fs'
import type { DType } from '../core/dtype.js'
import { nextTurn } from '../core/turns.js'
import { replaceFile } from './atomic.js'
import { bytesOf, elementCount, elementTypes } from './element-types.js'
import { blocksOf, type LazyArray } from './lazy-array.js'
import { npyHeader, openNpy } from './npy.js'
import { planFile } from './safetensors-header.js'

/** Bytes of a block. */
const blockBytes = 1 << 23
/** Bytes that are compared in one turn of the event loop. */
const turnBytes = 1 << 22

/** The type and shape of an array with an element type of the library. */
const specOf = ({ dtype, shape }: LazyArray) => ({ dtype: dtype as DType, shape })

/** Replaces a safetensors file by one with these arrays in this order, wider types first. */
export async function writeLazySafetensors(
  path: string,
  arrays: readonly (readonly [name: string, array: LazyArray])[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const given = arrays.map(([name, array]) => ({ name, ...specOf(array), array }))
  const { header, arrays: inOrder, length } = planFile(given, metadata, 'given')
  await replaceFile(
    path,
    piecesOf(
      header,
      inOrder.map(({ array }) => array),
    ),
    length,
  )
}

/** Replaces an .npy file by one with the array. */
export async function writeLazyNpy(path: string, array: LazyArray): Promise<void> {
  const spec = specOf(array)
  const header = npyHeader(spec)
  const length = header.length + elementCount(spec.shape) * elementTypes[spec.dtype].bytes
  await replaceFile(path, piecesOf(header, [array]), length)
}

async function* piecesOf(header: Uint8Array, arrays: readonly LazyArray[]): AsyncGenerator<Uint8Array> {
  yield header
  for (const array of arrays) for await (const { data } of blocksOf(array, blockBytes)) yield bytesOf(data)
}

/** Whether an .npy file exists and holds the same array, value by value. */
export async function holdsArray(path: string, array: LazyArray): Promise<boolean> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return false
  const there = await openNpy(path)
  if (there.dtype !== array.dtype || String(there.shape) !== String(array.shape)) return false
  const others = blocksOf(there, blockBytes)
  for await (const { data } of blocksOf(array, blockBytes)) {
    const other = (await others.next()).value?.data
    if (other === undefined || !(await sameBytes(bytesOf(data), bytesOf(other)))) return false
  }
  return true
}

async function sameBytes(a: Uint8Array, b: Uint8Array): Promise<boolean> {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at += turnBytes) {
    if (at > 0) await nextTurn()
    if (Buffer.compare(a.subarray(at, at + turnBytes), b.subarray(at, at + turnBytes)) !== 0) return false
  }
  return true
}
