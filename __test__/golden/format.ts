/** The format of golden files: reference values, gradients and second-order gradients, a list of cases a file. */

import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type DType, type Tensor, tensor } from '../../ts/index.js'

/** A tensor as it is written: numbers row-major, or a formula for large ones. */
export interface Stored {
  readonly shape: readonly number[]
  readonly data?: readonly number[]
  readonly dtype?: 'i64' | 'bool'
  readonly gen?: { readonly kind: 'lcg'; readonly add: number; readonly amp: number; readonly off: number }
}

/** How near a result must come: |got - expected| <= atol + rtol |expected|. */
export interface Tolerance {
  readonly rtol: number
  readonly atol: number
}

// biome-ignore lint/suspicious/noExplicitAny: parameters are whatever the case's operation takes
export type Params = Readonly<Record<string, any>>

/** One case. */
export interface Case {
  readonly name: string
  readonly op: string
  readonly params: Params
  readonly dtype?: 'f32' | 'f64'
  readonly diff?: readonly string[]
  readonly order?: number
  readonly loss?: 'wsum' | 'wsumsq'
  readonly inputs: Readonly<Record<string, Stored>>
  readonly expected: Readonly<Record<string, Stored & { value?: unknown }>>
  readonly tol: Tolerance
  readonly tol_f32?: Tolerance
}

/** The precision a case is run in. */
export type Precision = 'float32' | 'float64'

/** The cases of a folder by topic (the file's name without its extension). */
export function readFolder(folder: string): Map<string, readonly Case[]> {
  const topics = new Map<string, readonly Case[]>()
  for (const file of readdirSync(folder).sort()) {
    if (!/\.json(\.gz)?$/.test(file)) continue
    const bytes = readFileSync(join(folder, file))
    const text = file.endsWith('.gz') ? gunzipSync(bytes).toString('utf8') : bytes.toString('utf8')
    topics.set(basename(file).replace(/\.json(\.gz)?$/, ''), JSON.parse(text) as readonly Case[])
  }
  return topics
}

/** The numbers of a stored tensor. */
export function numbersOf(stored: Stored): readonly number[] {
  if (stored.data !== undefined) return stored.data
  const { gen } = stored
  if (gen === undefined) throw new Error('a stored tensor has neither data nor a formula')
  const size = stored.shape.reduce((a, b) => a * b, 1)
  return Array.from({ length: size }, (_, k) => gen.off + gen.amp * (((k * 48271 + gen.add) % 65536) / 32768 - 1))
}

/** A stored tensor in the precision of the run; indices as int32, masks as bool. */
export function tensorOf(stored: Stored, precision: Precision): Tensor {
  const dtype: DType = stored.dtype === 'i64' ? 'int32' : stored.dtype === 'bool' ? 'bool' : precision
  const numbers = numbersOf(stored)
  const shape = [...stored.shape]
  switch (dtype) {
    case 'int32':
      return tensor(Int32Array.from(numbers), { shape })
    case 'bool':
      return tensor(Uint8Array.from(numbers), { shape, dtype: 'bool' })
    case 'float64':
      return tensor(Float64Array.from(numbers), { shape })
    default:
      return tensor(Float32Array.from(numbers), { shape })
  }
}

/** Why two lists of numbers differ by more than the tolerance; `undefined` when they do not. */
export function difference(got: ArrayLike<number | bigint>, expected: ArrayLike<number>, tol: Tolerance): string | undefined {
  if (got.length !== expected.length) return `${got.length} numbers, expected ${expected.length}`
  for (let i = 0; i < expected.length; i++) {
    const g = Number(got[i])
    const e = expected[i] as number
    const near = Math.abs(g - e) <= tol.atol + tol.rtol * Math.abs(e)
    if (!near && g !== e && !(Number.isNaN(g) && Number.isNaN(e))) return `[${i}] is ${g}, expected ${e}`
  }
  return undefined
}
