/** Writes tensors to a safetensors file. */
import { evaluate } from '../core/transforms.js'
import type { Tensor } from '../ops/tensor.js'
import { replaceFile } from './atomic.js'
import { bytesOf } from './element-types.js'
import { planFile } from './safetensors-header.js'

/** Replaces a file by one with these tensors by name; the caller keeps the tensors alive until then. */
export async function writeTensors(
  path: string,
  tensors: Iterable<readonly [name: string, value: Tensor]>,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const arrays = Array.from(tensors, ([name, value]) => ({
    name,
    dtype: value.dtype,
    shape: value.shape,
    value,
  }))
  const { header, arrays: inOrder, length } = planFile(arrays, metadata)
  await replaceFile(path, piecesOf(header, inOrder), length)
}

/** The bytes of a file, array by array: at most one is in memory twice, and none blocks the event loop. */
async function* piecesOf(
  header: Uint8Array,
  arrays: readonly { value: Tensor }[],
): AsyncGenerator<Uint8Array> {
  await evaluate(arrays.map(({ value }) => value))
  yield header
  for (const { value } of arrays) yield bytesOf(await value.data())
}
