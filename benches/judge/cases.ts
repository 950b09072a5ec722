/** Samples with a known mutual information: a folder of .npy files (or .npy.gz) with truth.json, and peers.json if there is one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type ArrayData, readNpy, type SampleData } from '../../ts/index.js'

const kinds = ['cc', 'cd', 'dd', 'mixed'] as const

/** cc: both continuous; cd: y a class label; dd: both discrete; mixed: atoms and densities. */
export type Kind = (typeof kinds)[number]

/** An entry of truth.json. */
export interface Truth {
  readonly name: string
  readonly kind: Kind
  readonly n: number
  /** Columns of x, which come first, and of y. */
  readonly dx: number
  readonly dy: number
  /** Mutual information in nats. */
  readonly mi_nats: number
  /** Tolerance in nats of a correct estimate. Default 0.05. */
  readonly tolerance?: number
  readonly file: string
}

/** A case with its samples. */
export interface Case extends Truth {
  readonly x: SampleData
  readonly y: SampleData
}

/** Results of other packages: case -> estimator -> absolute error, if there is one. */
export type Peers = ReadonlyMap<string, ReadonlyMap<string, number>>

/** An invalid folder; the message says why. */
export class FolderError extends Error {}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new FolderError(`${path}: ${(error as Error).message}`, { cause: error })
  }
}

export function readTruths(folder: string): readonly Truth[] {
  const { cases } = readJson(join(folder, 'truth.json')) as { cases?: readonly Truth[] }
  if (!Array.isArray(cases) || cases.length === 0) {
    throw new FolderError(`${folder}/truth.json lists no cases`)
  }
  for (const [index, one] of cases.entries()) checkTruth(`${folder}/truth.json: case ${index}`, one)
  return cases
}

function checkTruth(what: string, truth: Truth): void {
  const { name, kind, n, dx, dy, mi_nats: nats, file } = truth ?? {}
  const isWhole = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1
  const wrong = (key: string, value: unknown, expected: string) => {
    throw new FolderError(`${what}: ${key} is ${JSON.stringify(value)}, expected ${expected}`)
  }
  if (typeof name !== 'string') wrong('name', name, 'a string')
  if (typeof file !== 'string') wrong('file', file, 'the name of an .npy file')
  if (!kinds.includes(kind)) wrong('kind', kind, `one of ${kinds.join(', ')}`)
  for (const [key, value] of Object.entries({ n, dx, dy })) {
    if (!isWhole(value)) wrong(key, value, 'a whole number of at least 1')
  }
  if (!Number.isFinite(nats)) wrong('mi_nats', nats, 'the mutual information in nats')
}

export function readPeers(folder: string): Peers {
  let read: unknown
  try {
    read = readJson(join(folder, 'peers.json'))
  } catch (error) {
    if (((error as FolderError).cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw error
  }
  type Estimates = Record<string, { abs_error: number | null }>
  const { rows } = read as { rows: readonly { case: string; estimates: Estimates }[] }
  const errors = (estimates: Estimates) =>
    Object.entries(estimates).flatMap(([name, { abs_error: error }]): [string, number][] =>
      error === null || name.startsWith('ref.') ? [] : [[name, error]],
    )
  return new Map(rows.map((row) => [row.case, new Map(errors(row.estimates))]))
}

/** The samples of a case: labels and discrete values as integers, others as numbers. */
export async function load(folder: string, truth: Truth): Promise<Case> {
  const { data, shape } = await readArray(folder, truth.file)
  const { n, dx, dy, kind } = truth
  if (shape.length !== 2 || shape[0] !== n || shape[1] !== dx + dy) {
    throw new FolderError(`${truth.file} is [${shape.join(', ')}], truth.json says [${n}, ${dx + dy}]`)
  }
  const part = (from: number, columns: number, discrete: boolean): SampleData => {
    const values = Float64Array.from({ length: n * columns }, (_, i) =>
      Number(data[Math.floor(i / columns) * (dx + dy) + from + (i % columns)]),
    )
    if (discrete && columns === 1) return Int32Array.from(values)
    return { data: values, shape: [n, columns], dtype: 'float64' }
  }
  return { ...truth, x: part(0, dx, kind === 'dd'), y: part(dx, dy, kind === 'dd' || kind === 'cd') }
}

async function readArray(folder: string, file: string): Promise<ArrayData> {
  const path = join(folder, file)
  if (!path.endsWith('.gz')) return readNpy(path)
  const temporary = mkdtempSync(join(tmpdir(), 'judge-'))
  try {
    const plain = join(temporary, 'case.npy')
    writeFileSync(plain, gunzipSync(readFileSync(path)))
    return await readNpy(plain)
  } finally {
    rmSync(temporary, { recursive: true })
  }
}
