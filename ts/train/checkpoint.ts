/**
 * Checkpoints: a run between two batches, as one safetensors file. Arrays are parameters, state, the optimizers' state, the random key,
 * the values of dynamics and the callbacks' tensors; everything else is JSON in the metadata.
 *
 * The file is replaced in one step, so a reader finds a complete checkpoint, the new one or the old one. A checkpoint suffices to continue
 * with the same bits: the order of the data is a function of the epoch's number, random numbers are a function of the key.
 */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Device } from '../core/devices.js'
import { showShape } from '../core/dtype.js'
import { DataError, describe, IOError, StateError } from '../core/errors.js'
import { evaluate } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { version } from '../core/version.js'
import type { TrackerSnapshot } from '../dynamics/tracker.js'
import { checkPath, reason, systemCode } from '../io/atomic.js'
import type { ArrayData } from '../io/element-types.js'
import type { Json } from '../io/json.js'
import { readSafetensors } from '../io/safetensors.js'
import { writeTensors } from '../io/tensor-file.js'
import { tensorInTurns } from '../io/uploads.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import type { Callback } from './callbacks/callback.js'
import type { Held } from './held.js'
import type { Means, MeterSnapshot } from './meter.js'
import type { NumberedLogs } from './results.js'

const formatName = 'hyperglow-checkpoint'
/** Version of the layout that this code writes and reads. */
const formatVersion = 1
const descriptionKey = 'description'

/** Position of a run. */
export interface Place {
  /** The current or next epoch, as callbacks count. */
  readonly epoch: number
  /** Finished batches of the epoch; 0 between epochs. */
  readonly batch: number
  /** Whether the epoch has begun. */
  readonly isBegun: boolean
  /** Whether a callback stopped the run. */
  readonly isStopped: boolean
  /** First epoch of the run. */
  readonly first: number
  /** Batches of an epoch, if the data define the number. */
  readonly batches: number | null
  /** Description of samples, batch size and order, if the data define them. Missing in files of older versions. */
  readonly division?: string | null
}

/** The description of a run, without arrays. */
interface Description {
  readonly format: typeof formatName
  readonly version: number
  /** Version of hyperglow that wrote the file. */
  readonly hyperglow: string
  readonly place: Place
  /** Epochs and steps of the task, over all training. */
  readonly epochs: number
  readonly steps: number
  readonly logs: readonly NumberedLogs[]
  readonly meter: { readonly means: Means | null } | null
  /** Kinds of the optimizers, by name. */
  readonly optimizers: Readonly<Record<string, { readonly kind: string; readonly learningRate: number }>>
  readonly tracker:
    | (Omit<TrackerSnapshot, 'record'> & { record: Omit<TrackerSnapshot['record'], 'values'> })
    | null
  readonly callbacks: readonly { readonly name: string; readonly data: unknown }[]
  /** Fingerprint of the training data, null if the data are made batch by batch. Missing in files of older versions. */
  readonly data?: string | null | undefined
  /** The settings of the training. Missing in files of older versions. */
  readonly settings?: Json | undefined
}

/** A run between two batches. */
export interface RunSnapshot {
  readonly place: Place
  readonly epochs: number
  readonly steps: number
  readonly logs: readonly NumberedLogs[]
  readonly meter: MeterSnapshot | undefined
  readonly tracker: TrackerSnapshot | undefined
  /** Fingerprint of the training data, null if they have none; undefined if it is not known. */
  readonly data: string | null | undefined
  /** Settings of optimizers and of the task; undefined if they are not known. */
  readonly settings: Json | undefined
}

const dynamicsName = 'dynamics.values'
const rngName = 'rng'

/** Prefixes of the arrays of a kind. */
const prefixes = {
  parameters: 'parameters.',
  state: 'state.',
  optimizers: 'optimizers.',
  callbacks: 'callbacks.',
  meter: 'meter.',
}

/** The Variables of a task without its optimizers, by their names in the file. */
function ownOf({ parameters, state, rng }: Omit<Held, 'optimizers' | 'device'>): [string, Variable][] {
  return [
    ...named(prefixes.parameters, Object.entries(parameters)),
    ...named(prefixes.state, Object.entries(state)),
    ...(rng === undefined ? [] : [[rngName, rng] as [string, Variable]]),
  ]
}

/** Every Variable of a run, by its name in the file. */
function variablesOf(held: Held): [string, Variable][] {
  return [
    ...ownOf(held),
    ...Object.entries(held.optimizers).flatMap(([name, optimizer]) =>
      named(`${prefixes.optimizers}${name}.`, optimizer.stateVariables()),
    ),
  ]
}

function named<T>(prefix: string, entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].map(([name, value]) => [prefix + name, value])
}

/** Writes a checkpoint in one step. */
export async function writeCheckpoint(
  path: string,
  held: Held,
  callbacks: readonly Callback[],
  { tracker, meter, ...run }: RunSnapshot,
): Promise<void> {
  const saved = callbacks.map((callback) => callback.save?.() ?? {})
  const description: Description = {
    format: formatName,
    version: formatVersion,
    hyperglow: version,
    ...run,
    meter: meter === undefined ? null : { means: meter.means ?? null },
    optimizers: Object.fromEntries(
      Object.entries(held.optimizers).map(([key, { name, learningRate }]) => [
        key,
        { kind: name, learningRate },
      ]),
    ),
    tracker: tracker === undefined ? null : { ...tracker, record: withoutValues(tracker.record) },
    callbacks: saved.map(({ data }, index) => ({
      name: callbackName(callbacks[index] as Callback),
      data: data ?? null,
    })),
  }
  // The current versions, which later assignments do not change.
  const values = variablesOf(held).map(([name, variable]): [string, Tensor] => [name, variable.value])
  if (tracker !== undefined && tracker.record.values.length > 0) {
    values.push([dynamicsName, tensor(tracker.record.values)])
  }
  values.push(...named(prefixes.meter, Object.entries(meter?.values ?? {})))
  const others = saved.flatMap(({ tensors = {} }, index) =>
    named(`${prefixes.callbacks}${index}.`, Object.entries(tensors)),
  )
  try {
    const metadata = { format: formatName, [descriptionKey]: encode(description) }
    await writeTensors(path, [...values, ...others], metadata)
  } finally {
    for (const [, value] of values) value.dispose()
  }
}

function withoutValues({ values: _, ...rest }: TrackerSnapshot['record']) {
  return rest
}

function callbackName(callback: Callback): string {
  return callback.constructor?.name || 'Object'
}

/** JSON for all numbers: NaN, infinities and -0 are records. */
function encode(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'number' && (!Number.isFinite(part) || Object.is(part, -0))
      ? { $number: Object.is(part, -0) ? '-0' : String(part) }
      : part,
  )
}

function decode(text: string): unknown {
  return JSON.parse(text, (_key, part: unknown) => {
    const number = (part as { $number?: unknown } | null)?.$number
    return typeof number === 'string' ? Number(number) : part
  })
}

/** A checkpoint read from a file. */
export class SavedRun {
  readonly #path: string
  readonly #description: Description
  readonly #tensors: ReadonlyMap<string, ArrayData>

  private constructor(path: string, description: Description, tensors: ReadonlyMap<string, ArrayData>) {
    this.#path = path
    this.#description = description
    this.#tensors = tensors
  }

  /**
   * Reads a checkpoint.
   *
   * @param path a file, or a folder, of which the checkpoint with the most steps is read
   * @returns undefined for a missing folder or a folder without checkpoints: the run starts from the beginning
   * @throws IOError for a file that cannot be read; DataError for a file that is not a checkpoint
   */
  static async read(path: string): Promise<SavedRun | undefined> {
    checkPath('fit: resume', path)
    const file = path.endsWith('.safetensors') ? path : await newestIn(path)
    if (file === undefined) return undefined
    const { tensors, metadata } = await readSafetensors(file)
    const text = metadata[descriptionKey]
    if (metadata.format !== formatName || text === undefined) {
      throw new DataError(
        `${file} is not a checkpoint of a run; give a file of context.checkpoint, and read models with load`,
      )
    }
    const description = decode(text) as Description
    if (description.version !== formatVersion) {
      throw new DataError(
        `${file} has layout version ${describe(description.version)}, this hyperglow reads ${formatVersion}; use the hyperglow that wrote it, ${description.hyperglow}`,
      )
    }
    return new SavedRun(file, description, tensors)
  }

  /** The run at the checkpoint, without its {@link SavedRun.meter}. */
  get run(): Omit<RunSnapshot, 'meter'> {
    const { place, epochs, steps, logs, tracker, data, settings } = this.#description
    const values = (this.#tensors.get(dynamicsName)?.data ?? new Float32Array()) as Float32Array
    return {
      place,
      epochs,
      steps,
      logs,
      data,
      settings,
      tracker: tracker === null ? undefined : { ...tracker, record: { ...tracker.record, values } },
    }
  }

  /** The meter's state in the middle of an epoch; the caller owns the tensors. */
  async meter(device: Device): Promise<MeterSnapshot | undefined> {
    const { meter } = this.#description
    if (meter === null) return undefined
    const values: Record<string, Tensor> = {}
    for (const key of this.#keys(prefixes.meter))
      values[key.slice(prefixes.meter.length)] = await this.#tensor(key, device)
    return { means: meter.means ?? undefined, values }
  }

  /**
   * Checks that the checkpoint is of the task.
   *
   * @throws DataError if names, shapes or dtypes differ
   */
  check({ parameters, state, optimizers, rng }: Omit<Held, 'device'>): void {
    const own = ownOf({ parameters, state, rng })
    for (const [name, { dtype, shape }] of own) {
      const found = this.#tensors.get(name)
      if (found?.dtype === dtype && String(found.shape) === String(shape)) continue
      const told = found === undefined ? 'has no' : `has ${found.dtype} ${showShape(found.shape)} as`
      throw new DataError(
        `${this.#path} ${told} '${name}', and the task needs ${dtype} ${showShape(shape)}; resume with the task that wrote it`,
      )
    }
    const kinds = (entries: [string, string][]) =>
      entries.map(([name, kind]) => `${name}: ${kind}`).join(', ') || 'none'
    const was = kinds(Object.entries(this.#description.optimizers).map(([name, { kind }]) => [name, kind]))
    const is = kinds(Object.entries(optimizers).map(([name, { name: kind }]) => [name, kind]))
    if (was !== is) {
      throw new DataError(
        `${this.#path} was written with the optimizers ${was}, and the task has ${is}; resume with the task that wrote it`,
      )
    }
    const known = new Set(own.map(([name]) => name))
    const isOther = (name: string) =>
      name === dynamicsName ||
      name === rngName ||
      [prefixes.callbacks, prefixes.optimizers, prefixes.meter].some((prefix) => name.startsWith(prefix))
    const stranger = [...this.#tensors.keys()].find((name) => !known.has(name) && !isOther(name))
    if (stranger !== undefined) {
      throw new DataError(
        `${this.#path} has '${stranger}', which this task has not; resume with the task that wrote it`,
      )
    }
  }

  /**
   * Restores Variables and optimizers.
   *
   * @throws DataError if the values do not fit them, before anything is changed
   */
  async restore(held: Held): Promise<void> {
    this.check(held)
    const own = ownOf(held)
    for (const [name, optimizer] of Object.entries(held.optimizers)) {
      const prefix = `${prefixes.optimizers}${name}.`
      const values = new Map<string, Tensor>()
      for (const key of this.#keys(prefix))
        values.set(key.slice(prefix.length), await this.#tensor(key, held.device))
      optimizer.adopt(values)
      for (const value of values.values()) value.dispose()
      const rate = this.#description.optimizers[name]?.learningRate
      if (rate !== undefined) optimizer.learningRate = rate
    }
    for (const [name, variable] of own) await this.#assign(name, variable)
    await evaluate(own.map(([, variable]) => variable))
  }

  /**
   * Checks that the callbacks are the same as in the saved run.
   *
   * @throws StateError if they differ
   */
  checkCallbacks(callbacks: readonly Callback[]): void {
    const was = this.#description.callbacks
    const names = callbacks.map(callbackName)
    if (String(names) === String(was.map(({ name }) => name))) return
    throw new StateError(
      `fit: ${this.#path} was written with the callbacks ${was.map(({ name }) => name).join(', ') || 'none'}, and these are ${names.join(', ') || 'none'}; give the same ones in the same order`,
    )
  }

  /** Restores the callbacks' state. */
  async restoreCallbacks(callbacks: readonly Callback[], device: Device): Promise<void> {
    for (const [index, callback] of callbacks.entries()) {
      if (callback.load === undefined) continue
      const prefix = `${prefixes.callbacks}${index}.`
      const tensors: Record<string, Tensor> = {}
      for (const key of this.#keys(prefix))
        tensors[key.slice(prefix.length)] = await this.#tensor(key, device)
      callback.load({ data: this.#description.callbacks[index]?.data, tensors })
    }
  }

  #keys(prefix: string): string[] {
    return [...this.#tensors.keys()].filter((name) => name.startsWith(prefix))
  }

  #tensor(name: string, device: Device): Promise<Tensor> {
    return tensorInTurns(this.#tensors.get(name) as ArrayData, device)
  }

  async #assign(name: string, variable: Variable): Promise<void> {
    using value = await this.#tensor(name, variable.device)
    variable.assign(value)
  }
}

/** Names of checkpoints in a folder: they end with the number of steps. */
const numberedName = /-(\d+)\.safetensors$/

/** The checkpoints in a folder with their numbers of steps, the oldest first; empty for a missing folder. */
export async function checkpointsIn(folder: string): Promise<{ path: string; step: number }[]> {
  let names: string[]
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new IOError(
        `cannot read checkpoints from ${folder}: it is a file that does not end with .safetensors; give a folder or such a file`,
      )
    }
    names = await readdir(folder)
  } catch (error) {
    if (error instanceof IOError) throw error
    if (systemCode(error) === 'ENOENT') return []
    throw new IOError(`cannot read checkpoints from ${folder}: ${reason(error)}; check that it may be read`, {
      cause: error,
    })
  }
  const found = names.flatMap((name) => {
    const number = numberedName.exec(name)?.[1]
    return number === undefined ? [] : [{ path: join(folder, name), step: Number(number) }]
  })
  return found.sort((a, b) => a.step - b.step)
}

async function newestIn(folder: string): Promise<string | undefined> {
  return (await checkpointsIn(folder)).at(-1)?.path
}
