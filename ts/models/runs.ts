/** One experiment with several seeds. */
import { join } from 'node:path'
import { ArgumentError, DataError, describe, StateError } from '../core/errors.js'
import {
  signal as anySignal,
  type Check,
  type Checks,
  callable,
  checkOptions,
  elsewhere,
  isInstance,
  isPlainObject,
  listOf,
  required,
  text,
  whole,
} from '../core/options.js'
import type { ArrayInput } from '../data/array-dataset.js'
import type { BatchSource } from '../data/loader.js'
import { difference, headingOf } from '../dynamics/heading.js'
import { holdsStore } from '../dynamics/layout.js'
import { type Dynamics, loadDynamics } from '../dynamics/load.js'
import type { NamedRun } from '../dynamics/merged-runs.js'
import { folderOfRun, runNameKey, writeRun } from '../dynamics/run-files.js'
import { RunSet } from '../dynamics/run-set.js'
import { type DynamicsSource, readSource } from '../dynamics/source.js'
import { type Json, toJson } from '../io/json.js'
import type { Callback } from '../train/callbacks/callback.js'
import type { FitDatasetOptions, FitOptions } from '../train/fit-model.js'
import type { EpochLogs, History } from '../train/history.js'
import { outlineOf } from '../train/outline.js'
import { HSICNetwork } from './hsic-network.js'
import { Network } from './network.js'
import { planOf } from './storage.js'

/** What a model is trained on: batches, or arrays. */
export type RunData = BatchSource | { readonly x: ArrayInput; readonly y: ArrayInput }

/** Options of the training of a run: of `fitDataset` for batches, of `fit` for arrays. */
export type RunFitOptions = FitDatasetOptions | FitOptions

/** Where a run stands. */
export interface RunProgress {
  readonly seed: number
  /** Number of the run, from 0, of so many `runs`. */
  readonly run: number
  readonly runs: number
  /** Number of the epoch that was finished, from 1; 0 for a run that was there already. */
  readonly epoch: number
  /** Epochs of a run. */
  readonly epochs: number
  /** Loss and metrics of the epoch; undefined for a run that was there already, and where `train` is given. */
  readonly logs: EpochLogs | undefined
}

/** A run that was just trained. */
export interface TrainedRun<M> {
  readonly seed: number
  readonly name: string
  readonly model: M
  readonly history: History
}

/** What all kinds of runs have. */
interface CommonRunsOptions {
  /** Seeds of the runs, each once: whole numbers. */
  seeds: readonly number[]
  /**
   * Folder to store the runs in, one folder each. Seeds that are finished there are not trained again, so that a program which was killed goes on
   * where it is run again; what of a run was cut short is kept in a folder `earlier-1` inside. Default: none are stored.
   */
  saveTo?: string
  /** Called after every epoch of every run. */
  onProgress?(progress: RunProgress): void
  /** Ends the runs early: the promise rejects with its reason, and finished seeds stay in the folder. */
  signal?: AbortSignal
}

/** Options of {@link runs} for models. */
export interface ModelRunsOptions<M extends Network = Network> extends CommonRunsOptions {
  /** Makes the model of a seed, compiled, with trackDynamics and evaluators; it hands the seed on to the model. */
  build(seed: number): M | Promise<M>
  /** Data of all runs, or a function that gives those of a seed. */
  data: RunData | ((seed: number) => RunData | Promise<RunData>)
  /**
   * Options of `fitDataset` (of `fit` for arrays), or a function that gives those of a seed. @see {@link FitDatasetOptions}
   *
   * `folder` is that of the run where `saveTo` is given, such as for checkpoints.
   */
  fit?: RunFitOptions | ((seed: number, folder: string | undefined) => RunFitOptions)
  /** Called with each model that was trained, such as to evaluate or to save it. It is released afterward. */
  onRun?(run: TrainedRun<M>): void | Promise<void>
}

/** What `train` of {@link TaskRunsOptions} is told. */
export interface RunToTrain {
  readonly seed: number
  /** Folder of the run, to which `saveDynamics` may write; undefined without `saveTo`. */
  readonly folder: string | undefined
  readonly signal: AbortSignal | undefined
}

/** Dynamics, or what `fit` of a task gives. */
export type TaskOutcome = DynamicsSource | { readonly dynamics: DynamicsSource | undefined }

/** Options of {@link runs} for whatever else gives dynamics, such as a task. */
export interface TaskRunsOptions extends CommonRunsOptions {
  /** Trains the run of a seed, and gives its dynamics. */
  train(run: RunToTrain): TaskOutcome | Promise<TaskOutcome>
}

const orFunction: Check<NonNullable<ModelRunsOptions['fit']>> = {
  expected: 'options of fit, or a function of the seed that gives them',
  accepts: (value) => typeof value === 'function' || isPlainObject(value),
}
const commonChecks: Checks<CommonRunsOptions> = {
  seeds: required(listOf(whole(0))),
  saveTo: text,
  onProgress: callable<NonNullable<CommonRunsOptions['onProgress']>>(),
  signal: anySignal,
}
const taskChecks: Checks<TaskRunsOptions> = {
  ...commonChecks,
  train: required(callable<TaskRunsOptions['train']>()),
}
const modelChecks: Checks<ModelRunsOptions> = {
  ...commonChecks,
  build: required(callable<ModelRunsOptions['build']>()),
  data: required(elsewhere<ModelRunsOptions['data']>()),
  fit: orFunction,
  onRun: callable<NonNullable<ModelRunsOptions['onRun']>>(),
}

/**
 * One experiment with several seeds: builds and trains a model for each, one after the other, and gives their dynamics as one set. Runs are named `seed 3` and so on.
 *
 *     const set = await runs({
 *       seeds: [1, 2, 3],
 *       build: (seed) => new IBSequential({ inputShape: [4], seed, trackDynamics: true }).add(new Dense(3)).compile().attachEvaluator(new KDE()),
 *       data: { x, y },
 *       fit: { epochs: 10 },
 *     })
 *     await informationPlane(set, { band: 'se' }).save('plane.pdf')
 *
 * @throws ArgumentError, StateError (rejects) for options that cannot work, for a model that does not take its seed or has no evaluator; DataError
 *   where `saveTo` holds runs of another experiment, or runs do not go together; what `build`, `data` and training throw
 */
export function runs<M extends Network>(options: ModelRunsOptions<M>): Promise<RunSet>
export function runs(options: TaskRunsOptions): Promise<RunSet>
export async function runs(options: object): Promise<RunSet> {
  if (isPlainObject(options) && Object.hasOwn(options, 'train')) {
    const given = checkOptions('runs', options as TaskRunsOptions, taskChecks)
    return inTurn(given, (place) => taskRun(given, place))
  }
  const given = checkOptions('runs', options as ModelRunsOptions, modelChecks)
  const models = new Set<Network>()
  return inTurn(given, (place) => modelRun(given, place, models))
}

/** A run among the others. */
interface RunPlace {
  readonly seed: number
  readonly name: string
  readonly folder: string | undefined
  /** Tells how far the run is. */
  report(epoch: number, epochs: number, logs?: EpochLogs): void
}

/** The runs of all seeds, one after the other. */
async function inTurn(
  { seeds, saveTo, onProgress, signal }: CommonRunsOptions,
  run: (place: RunPlace) => Promise<DynamicsSource>,
): Promise<RunSet> {
  const twice = seeds.find((seed, i) => seeds.indexOf(seed) < i)
  if (seeds.length === 0 || twice !== undefined) {
    const given = seeds.length === 0 ? 'an empty list' : `${twice} twice`
    throw new ArgumentError(
      `runs: seeds: given ${given}, expected whole numbers, each once, such as [1, 2, 3]`,
    )
  }
  const found: NamedRun[] = []
  for (const [index, seed] of seeds.entries()) {
    signal?.throwIfAborted()
    const name = `seed ${seed}`
    const folder = saveTo === undefined ? undefined : join(saveTo, folderOfRun(name))
    const report: RunPlace['report'] = (epoch, epochs, logs) =>
      onProgress?.({ seed, run: index, runs: seeds.length, epoch, epochs, logs })
    found.push({ name, dynamics: await run({ seed, name, folder, report }) })
  }
  return RunSet.of(found)
}

/** The dynamics of a run that `train` makes, or that are finished in its folder. */
async function taskRun({ train, signal }: TaskRunsOptions, place: RunPlace): Promise<DynamicsSource> {
  const { seed, name, folder, report } = place
  const stored = folder === undefined ? undefined : await finishedIn(folder)
  if (stored !== undefined) {
    report(0, stored.shape[0])
    return stored
  }
  const result: unknown = await train({ seed, folder, signal })
  const { dynamics: inner } = Object(result) as { dynamics?: unknown }
  // What fit(task) resolves to has them as a property.
  const source = (typeof inner === 'object' && inner !== null ? inner : result) as DynamicsSource
  const dynamics = readSource(source, `runs: what train gave for ${name}`)
  if (folder !== undefined && !(await holdsStore(folder))) await writeRun(folder, name, dynamics)
  report(dynamics.values.length, dynamics.values.length)
  return dynamics
}

/** The dynamics of the model of a seed, trained now or finished in its folder. @param models those of other seeds */
async function modelRun(
  { build, data, fit: wanted = {}, onRun, signal }: ModelRunsOptions,
  place: RunPlace,
  models: Set<Network>,
): Promise<DynamicsSource> {
  const { seed, name, folder, report } = place
  const model = checkModel(await build(seed), seed, models)
  models.add(model)
  try {
    const options = typeof wanted === 'function' ? wanted(seed, folder) : wanted
    const plan = { model: planOf(model), fit: plainFit(options) }
    const stored = folder === undefined ? undefined : await finishedIn(folder)
    if (folder !== undefined && stored !== undefined) {
      checkSame(folder, stored, model, plan)
      report(0, stored.shape[0])
      return stored
    }
    const given = await (typeof data === 'function' ? data(seed) : data)
    const notes = { [runNameKey]: name, plan }
    const training = trainingOptions(model, options, folder, notes, signal, report)
    const history = isArrays(given)
      ? await model.fit(given.x, given.y, training)
      : await model.fitDataset(given, training as FitDatasetOptions)
    const dynamics = model.dynamics()
    if (folder !== undefined && !(await holdsStore(folder))) await writeRun(folder, name, dynamics, { plan })
    await onRun?.({ seed, name, model, history })
    return dynamics
  } finally {
    model.dispose()
  }
}

function checkModel(model: unknown, seed: number, others: ReadonlySet<Network>): Network {
  if (!isInstance(model, Network)) {
    throw new ArgumentError(
      `runs: build(${seed}) gave ${describe(model)}, expected a model that is compiled; of a task give train instead of build, data and fit`,
    )
  }
  if (others.has(model)) {
    throw new ArgumentError(
      `runs: build(${seed}) gave the model of another seed again; make a new one for each`,
    )
  }
  if (model.seed !== seed) {
    throw new ArgumentError(
      `runs: build(${seed}) made a model with seed ${model.seed}, so that runs would not differ; hand the seed on: new IBSequential({ seed, ... })`,
    )
  }
  if (model.trackDynamics && model.attachments.length > 0) return model
  throw new StateError(
    `runs: build(${seed}) made a model that records no dynamics; construct it with trackDynamics: true and attach an evaluator`,
  )
}

function isArrays(data: RunData): data is { readonly x: ArrayInput; readonly y: ArrayInput } {
  const { x, y, [Symbol.iterator]: all, [Symbol.asyncIterator]: each } = Object(data)
  return x !== undefined && y !== undefined && all === undefined && each === undefined
}

/** Options of fit with what makes it part of the runs. */
function trainingOptions(
  model: Network,
  given: RunFitOptions,
  folder: string | undefined,
  notes: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
  report: RunPlace['report'],
): FitOptions {
  if (folder !== undefined && (given.saveDynamics ?? model.saveDynamics) !== undefined) {
    throw new ArgumentError('runs: saveTo says where the dynamics go; leave saveDynamics out')
  }
  let total = 0
  const watch: Callback = {
    onTrainBegin: ({ epochs }) => {
      total = epochs
    },
    onEpochEnd: (epoch, logs) => report(epoch + 1, total, logs),
  }
  const signals = [given.signal, signal].filter((one) => one !== undefined)
  // What is trained in two stages stores none while it trains.
  const saves = folder !== undefined && !(model instanceof HSICNetwork)
  return {
    ...given,
    callbacks: [...(given.callbacks ?? []), watch],
    ...(signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}),
    ...(saves ? { saveDynamics: { dir: folder, notes } } : {}),
  }
}

/** Options of fit that decide what is trained, as JSON holds them. */
function plainFit(given: RunFitOptions): Json {
  const { callbacks, signal, verbose, showPlot, resume, saveDynamics, ...rest } = given as FitOptions &
    FitDatasetOptions
  const { validation, sampleWeight, ...plain } = rest
  return toJson('runs: fit', plain)
}

/** The finished run in a folder. */
async function finishedIn(folder: string): Promise<Dynamics | undefined> {
  if (!(await holdsStore(folder))) return undefined
  const stored = await loadDynamics(folder)
  return stored.finished ? stored : undefined
}

/** Refuses a finished run of another experiment. */
function checkSame(
  folder: string,
  stored: Dynamics,
  model: Network,
  plan: { readonly [part: string]: Json },
): void {
  const heading = headingOf(model.evaluators, outlineOf(model).layers)
  const was = Object(stored.notes.plan) as Record<string, unknown>
  const other = Object.keys(plan).find((part) => JSON.stringify(was[part]) !== JSON.stringify(plan[part]))
  const differs =
    difference(stored, heading) ??
    (other === undefined
      ? undefined
      : `${other} was ${JSON.stringify(was[other] ?? null)}, now it is ${JSON.stringify(plan[other])}`)
  if (differs === undefined) return
  throw new DataError(
    `runs: ${folder} holds a finished run of another experiment: ${differs}; give another folder, or delete that one`,
  )
}
