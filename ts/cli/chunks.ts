/** A measurement in chunks that are stored when done, so that an interrupted one can be resumed. */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { version } from '../core/version.js'
import type { ActivationRun, Activations } from '../data/activations/types.js'
import { type Measured, type MeasureOptions, measure } from '../dynamics/measure.js'
import type { Measurement } from '../dynamics/measured-run.js'
import { RunSet } from '../dynamics/run-set.js'
import type { DynamicsLike } from '../dynamics/source.js'
import type { Estimator } from '../estimators/estimator.js'
import { writeAtomic } from '../io/atomic.js'

/** Epochs of a chunk: enough to share work between epochs, few enough to lose little. */
const chunkEpochs = 16

/** Epochs of a chunk with halves or shuffles, which share nothing and take long. */
const slowChunkEpochs = 1

/** A stored chunk: NaN is null. */
interface Chunk {
  readonly dynamics: DynamicsLike
  readonly measurements: readonly Measurement[]
  readonly notes: readonly string[]
}

/** Storage and progress of a measurement. */
export interface ChunksOptions {
  /** Folder of the chunks; without it they are not stored. */
  readonly folder: string | undefined
  /** Whether existing chunks are reused. */
  readonly isResumed: boolean
  /** Paths of the dump: chunks of files that have changed are measured again. */
  readonly dumps: readonly string[]
  /** Called with the number of completed epochs over all runs. */
  readonly onProgress: (done: number, total: number) => void
}

/** Measures activations as `measure` does, run by run, 16 epochs at a time, or one epoch with intervals or p-values. */
export async function measureInChunks(
  activations: Activations,
  estimators: readonly Estimator[],
  options: MeasureOptions & { epochs: readonly number[] },
  { folder, isResumed, dumps, onProgress }: ChunksOptions,
): Promise<Measured> {
  const { signal, ...settings } = options
  const told = estimators.map(({ name, unit, settings }) => ({ name, unit, settings }))
  const files = folder === undefined ? [] : await fingerprint(dumps)
  const { bootstrap = 0, permutations = 0 } = settings
  const length = bootstrap + permutations > 0 ? slowChunkEpochs : chunkEpochs
  const parts = activations.runs.flatMap((run) => partsOf(run, options.epochs, length))
  const total = parts.reduce((sum, { epochs }) => sum + epochs.length, 0)
  let before = 0
  const done: (Chunk & { readonly run: string })[] = []
  for (const { run, epochs } of parts) {
    const key = createHash('sha256')
      .update(JSON.stringify([version, told, settings, files, run.name, epochs]))
      .digest('hex')
    const path = folder === undefined ? undefined : join(folder, `${key.slice(0, 24)}.json`)
    const known = isResumed && path !== undefined ? await readChunk(path) : undefined
    const part =
      known ??
      (await measurePart({ ...activations, runs: [run], notes: [] }, estimators, {
        ...options,
        epochs,
        onProgress: (within) =>
          onProgress(before + Math.floor((epochs.length * within.done) / within.total), total),
      }))
    if (known === undefined && path !== undefined) await writeAtomic(path, JSON.stringify(part))
    done.push({ ...part, run: run.name })
    before += epochs.length
    onProgress(before, total)
    signal?.throwIfAborted()
  }
  const runs = RunSet.of(
    activations.runs.map(({ name }) => ({
      name,
      dynamics: joined(done.filter(({ run }) => run === name).map(({ dynamics }) => dynamics)),
    })),
  )
  return {
    runs,
    measurements: done.flatMap(({ measurements }) => measurements),
    notes: [...activations.notes, ...new Set(done.flatMap(({ notes }) => notes))],
  }
}

/** Removes the chunks of a complete measurement. */
export async function removeChunks(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

function partsOf(
  run: ActivationRun,
  wanted: readonly number[],
  length: number,
): { run: ActivationRun; epochs: number[] }[] {
  const epochs = run.epochs.filter((epoch) => wanted.includes(epoch))
  const starts = Array.from({ length: Math.ceil(epochs.length / length) }, (_, i) => i * length)
  return starts.map((start) => ({ run, epochs: epochs.slice(start, start + length) }))
}

async function measurePart(
  activations: Activations,
  estimators: readonly Estimator[],
  options: MeasureOptions,
): Promise<Chunk> {
  const { runs, measurements, notes } = await measure(activations, estimators, options)
  return { dynamics: (runs.runs()[0] as { dynamics: DynamicsLike }).dynamics, measurements, notes }
}

async function readChunk(path: string): Promise<Chunk | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Chunk
  } catch {
    return undefined
  }
}

/** Dynamics of consecutive epochs as one. */
function joined(parts: readonly DynamicsLike[]): DynamicsLike {
  const [first] = parts as [DynamicsLike]
  const epochs = parts.flatMap((part) => part.epochs ?? [])
  return {
    ...first,
    epochs: epochs.length === 0 ? null : epochs,
    values: parts.flatMap(({ values }) => values),
  }
}

/** Identifies the contents of files by their paths, sizes and times. */
async function fingerprint(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    const { isDirectory, size, mtimeMs } = await stat(path).then((info) => ({
      isDirectory: info.isDirectory(),
      size: info.size,
      mtimeMs: info.mtimeMs,
    }))
    if (!isDirectory) found.push(`${path} ${size} ${mtimeMs}`)
    else {
      const names = await readdir(path)
      found.push(...(await fingerprint(names.sort().map((name) => join(path, name)))))
    }
  }
  return found
}
