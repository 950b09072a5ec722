/**
 * The data of Shwartz-Ziv and Tishby 2017: all 4096 patterns of 12 bits, with a label that depends only on the pattern.
 *
 * The bits are the vertices of an icosahedron. With w the number of ones, e the number of edges with both ends 1 and a the number of
 * antipodal pairs with both ends 1, the label is 1 if 52 w - 5 w^2 + 11 e - 6 a > 196; this gives the published table exactly, as the hash
 * of the labels confirms.
 */
import { createHash } from 'node:crypto'

/** The neighbors of each vertex. */
const neighbors = [
  [1, 3, 5, 10, 11],
  [0, 2, 3, 4, 11],
  [1, 3, 4, 8, 9],
  [0, 1, 2, 8, 10],
  [1, 2, 6, 9, 11],
  [0, 6, 7, 10, 11],
  [4, 5, 7, 9, 11],
  [5, 6, 8, 9, 10],
  [2, 3, 7, 9, 10],
  [2, 4, 6, 7, 8],
  [0, 3, 5, 7, 8],
  [0, 1, 4, 5, 6],
] as const
/** The vertex opposite each vertex. */
const antipodes = [9, 7, 5, 6, 10, 2, 3, 1, 11, 0, 4, 8] as const

export const bits = 12
export const patterns = 4096
const labelsHash = '77732f16f85e91b49d3997196b56163b3bd362d8cf631468a8de3f986e88359f'

/** Bits `[4096, 12]`, row i the bits of i, most significant first, and labels `[4096]`. */
export interface TwelveBits {
  readonly x: Float32Array
  readonly labels: Int32Array
}

/** The patterns and their labels; throws if the hash of the labels is not the published one. */
export function twelveBits(): TwelveBits {
  const x = new Float32Array(patterns * bits)
  const labels = new Int32Array(patterns)
  for (let i = 0; i < patterns; i++) {
    const row = Array.from({ length: bits }, (_, bit) => (i >> (bits - 1 - bit)) & 1)
    x.set(row, i * bits)
    labels[i] = labelOf(row)
  }
  const hash = createHash('sha256').update(Uint8Array.from(labels)).digest('hex')
  if (hash !== labelsHash) throw new Error(`the labels hash to ${hash}, expected ${labelsHash}`)
  return { x, labels }
}

function labelOf(row: readonly number[]): 0 | 1 {
  const both = (i: number, j: number) => (row[i] === 1 && row[j] === 1 ? 1 : 0)
  const ones = row.reduce((sum, bit) => sum + bit, 0)
  let edges = 0
  let opposite = 0
  for (let i = 0; i < bits; i++) {
    for (const j of neighbors[i] as readonly number[]) edges += both(i, j) / 2
    opposite += both(i, antipodes[i] as number) / 2
  }
  return 52 * ones - 5 * ones * ones + 11 * edges - 6 * opposite > 196 ? 1 : 0
}
