/** Fingerprints of samples, which tell whether two runs saw the same data. */
import { createHash } from 'node:crypto'
import { sizeOf } from '../core/dtype.js'
import type { Tensor } from '../ops/tensor.js'
import type { ArrayDataset } from './array-dataset.js'

/** Maximum number of rows that are read of each array. */
const mostRows = 256
/** Maximum number of elements that are read of each array, except that a row is read as a whole. */
const mostElements = 1 << 18

/**
 * A fingerprint of arrays with a row for each sample: SHA-256 of the shapes, the dtypes and a spread of up to 256 rows, as 16 hexadecimal
 * digits. The first and the last row are in the spread; a change of other single rows may stay unseen.
 *
 * @param leaves `[n, ...]`; @param rows the rows of the samples in order; @param facts further text that identifies the data
 */
export async function fingerprintOfRows(
  leaves: readonly Tensor[],
  rows: Int32Array,
  facts = '',
): Promise<string> {
  const hash = createHash('sha256').update(`${rows.length} ${facts}`)
  for (const leaf of leaves) {
    hash.update(`${leaf.dtype}[${leaf.shape.slice(1)}]`)
    const fitting = Math.floor(mostElements / Math.max(1, sizeOf(leaf.shape.slice(1))))
    const chosen = spread(rows, Math.min(mostRows, Math.max(2, fitting)))
    using part = leaf.take(chosen)
    const { buffer, byteOffset, byteLength } = await part.data()
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex').slice(0, 16)
}

/** The fingerprint of a dataset: of its samples in order, and of the scale of the inputs. */
export function fingerprintOf({ source, indices }: ArrayDataset): Promise<string> {
  return fingerprintOfRows([source.x, source.y], indices, `${source.scale} ${source.offset}`)
}

/** At most `count` of the rows at equal distances, the first and the last included. */
function spread(rows: Int32Array, count: number): Int32Array {
  if (rows.length <= count) return rows
  const step = (rows.length - 1) / (count - 1)
  return Int32Array.from({ length: count }, (_, i) => rows[Math.round(i * step)] as number)
}
