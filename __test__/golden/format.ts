/** The format of golden files: reference values, gradients and second-order gradients, a list of cases a file. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type DType, type Tensor, tensor } from '../../ts/index.js'

/** A stored tensor: numbers row-major, or a formula for large ones. */
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
  const files = readdirSync(folder).filter((file) => /\.json(\.gz)?$/.test(file))
  const topics = files
    .sort()
    .map((file) => [file.replace(/\.json(\.gz)?$/, ''), readCases(join(folder, file))] as const)
  return new Map(topics)
}

function readCases(path: string): readonly Case[] {
  const bytes = readFileSync(path)
  let cases: unknown
  try {
    cases = JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'))
  } catch (cause) {
    throw new Error(`${path} is not JSON: ${(cause as Error).message}`, { cause })
  }
  const isCase = (c: Partial<Case> | null) => [c?.name, c?.op].every((text) => typeof text === 'string')
  if (!Array.isArray(cases) || !cases.every(isCase)) {
    throw new Error(`${path} is not a list of cases, each with a name and an op`)
  }
  return cases as readonly Case[]
}

/** The numbers of a stored tensor. */
export function numbersOf(stored: Stored): readonly number[] {
  if (stored.data !== undefined) return stored.data
  const { gen } = stored
  if (gen === undefined) throw new Error('a stored tensor has neither data nor a formula')
  const size = stored.shape.reduce((a, b) => a * b, 1)
  return Array.from(
    { length: size },
    (_, k) => gen.off + gen.amp * (((k * 48271 + gen.add) % 65536) / 32768 - 1),
  )
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

/**
 * The tolerance for one expected tensor of a case. Some cases give none for float32; there, an error of 1e-3 of the
 * largest entry is allowed (the largest that was seen is 5e-4): small entries are what is left of terms that cancel.
 */
export function toleranceOf(c: Case, precision: Precision, expected: Partial<Stored>): Tolerance {
  if (precision === 'float64' || c.dtype === 'f32' || Object.keys(c.inputs).length === 0) return c.tol
  if (c.tol_f32 !== undefined) return c.tol_f32
  const largest = (expected.data ?? []).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return { rtol: 0, atol: Math.max(c.tol.atol, 1e-3 * largest) }
}

/** Why two lists of numbers differ by more than the tolerance; `undefined` when they do not. */
export function difference(
  got: ArrayLike<number | bigint>,
  expected: ArrayLike<number>,
  tol: Tolerance,
): string | undefined {
  if (got.length !== expected.length) return `${got.length} numbers, expected ${expected.length}`
  for (let i = 0; i < expected.length; i++) {
    const g = Number(got[i])
    const e = expected[i] as number
    const near = Math.abs(g - e) <= tol.atol + tol.rtol * Math.abs(e)
    if (!near && g !== e && !(Number.isNaN(g) && Number.isNaN(e))) return `[${i}] is ${g}, expected ${e}`
  }
  return undefined
}

/** The same for plain JSON; `undefined` when both agree. */
export function plainDifference(got: unknown, expected: unknown, tol: Tolerance): string | undefined {
  if (Array.isArray(expected) && Array.isArray(got)) {
    if (got.length !== expected.length) return ` has ${got.length} entries, expected ${expected.length}`
    for (let i = 0; i < expected.length; i++) {
      const why = plainDifference(got[i], expected[i], tol)
      if (why !== undefined) return `[${i}]${why}`
    }
    return undefined
  }
  if (typeof expected === 'number' && typeof got === 'number') {
    const near = Math.abs(got - expected) <= tol.atol + tol.rtol * Math.abs(expected)
    return near ? undefined : ` is ${got}, expected ${expected}`
  }
  return Object.is(got, expected) ? undefined : ` is ${String(got)}, expected ${String(expected)}`
}
