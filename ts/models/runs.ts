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
import { ArrayDataset, type ArrayInput } from '../data/array-dataset.js'
import { fingerprintOf, fingerprintOfRows } from '../data/fingerprint.js'
import type { BatchSource } from '../data/loader.js'
import { difference, headingOf } from '../dynamics/heading.js'
import { holdsStore } from '../dynamics/layout.js'
import { type Dynamics, loadDynamics } from '../dynamics/load.js'
import type { NamedRun } from '../dynamics/merged-runs.js'
import { folderOfRun, runNameKey, writeRun } from '../dynamics/run-files.js'
import { RunSet } from '../dynamics/run-set.js'
import { type DynamicsSource, readSource } from '../dynamics/source.js'
import { differencesOf, differencesText, type Json, toJson } from '../io/json.js'
import type { Callback } from '../train/callbacks/callback.js'
import { type FitDatasetOptions, type FitOptions, weightsFrom } from '../train/fit-model.js'
import { outlineOf } from '../train/outline.js'
import type { EpochLogs, History } from '../train/results.js'
import { HSICNetwork } from './hsic-network.js'
import { Network } from './network.js'
import { RunArrays } from './run-arrays.js'
import { planOf } from './storage.js'

/** Training data of a model: batches or arrays. */
export type RunData = BatchSource | { readonly x: ArrayInput; readonly y: ArrayInput }

/** Options of the training of a run: of `fitDataset` for batches, of `fit` for arrays. */
export type RunFitOptions = FitDatasetOptions | FitOptions

/** Progress of a run. */
export interface RunProgress {
  readonly seed: number
  /** Index of the run, from 0, of `runs` runs. */
  readonly run: number
  readonly runs: number
  /** Number of the finished epoch, from 1; 0 for a run that was already stored. */
  readonly epoch: number
  /** Epochs of a run. */
  readonly epochs: number
  /** Loss and metrics of the epoch; undefined for a run that was already stored, and with `train`. */
  readonly logs: EpochLogs | undefined
}

/** A run that was just trained. */
export interface TrainedRun<M> {
  readonly seed: number
  readonly name: string
  readonly model: M
  readonly history: History
}

/** Options of all kinds of runs. */
interface CommonRunsOptions {
  /** Seeds of the runs: different integers. */
  seeds: readonly number[]
  /**
   * Folder in which the runs are stored, one folder for each. Finished seeds are not trained again, so a program that was killed can be
   * rerun. Files of an unfinished run are moved to a folder `earlier-1` inside. Default: nothing is stored.
   */
  saveTo?: string
  /** Called after every epoch of every run. */
  onProgress?(progress: RunProgress): void
  /** Stops the runs: the promise rejects with the reason of the signal. Finished seeds stay in the folder. */
  signal?: AbortSignal
}

/** Options of {@link runs} for models. */
export interface ModelRunsOptions<M extends Network = Network> extends CommonRunsOptions {
  /** Builds and compiles the model of a seed, with this seed, trackDynamics and evaluators. */
  build(seed: number): M | Promise<M>
  /** Data of all runs, or a function that returns those of a seed. With `saveTo` it is called for finished seeds too, to compare the data. */
  data: RunData | ((seed: number) => RunData | Promise<RunData>)
  /**
   * Options of `fitDataset` (of `fit` for arrays), or a function that returns those of a seed. @see {@link FitDatasetOptions}
   *
   * `folder` is the folder of the run, for checkpoints for example; undefined without `saveTo`.
   */
  fit?: RunFitOptions | ((seed: number, folder: string | undefined) => RunFitOptions)
  /** Called with each trained model, for example to evaluate or save it. The model is disposed of afterward. */
  onRun?(run: TrainedRun<M>): void | Promise<void>
}

/** Argument of `train` of {@link TaskRunsOptions}. */
export interface RunToTrain {
  readonly seed: number
  /** Folder of the run, to which `saveDynamics` may write; undefined without `saveTo`. */
  readonly folder: string | undefined
  readonly signal: AbortSignal | undefined
}

/** Dynamics, or the result of `fit` of a task. */
export type TaskOutcome = DynamicsSource | { readonly dynamics: DynamicsSource | undefined }

/** Options of {@link runs} for tasks and other sources of dynamics. */
export interface TaskRunsOptions extends CommonRunsOptions {
  /** Trains the run of a seed and returns its dynamics. */
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
 * Trains a model for each seed, one after the other, and returns the dynamics as one set. Runs are named `seed 3` and so on.
 *
 *     const set = await runs({
 *       seeds: [1, 2, 3],
 *       build: (seed) => new IBSequential({ inputShape: [4], seed, trackDynamics: true }).add(new Dense(3)).compile().attachEvaluator(new KDE()),
 *       data: { x, y },
 *       fit: { epochs: 10 },
 *     })
 *     await informationPlane(set, { band: 'se' }).save('plane.pdf')
 *
 * @throws ArgumentError, StateError (rejects) for invalid options, a model that does not use its seed or has no evaluator; DataError if
 *   `saveTo` contains runs of another experiment or the runs cannot be combined; errors of `build`, `data` and training
 */
export function runs<M extends Network>(options: ModelRunsOptions<M>): Promise<RunSet>
export function runs(options: TaskRunsOptions): Promise<RunSet>
export async function runs(options: object): Promise<RunSet> {
  if (isPlainObject(options) && Object.hasOwn(options, 'train')) {
    const given = checkOptions('runs', options as TaskRunsOptions, taskChecks)
    return runAll(given, (place) => taskRun(given, place))
  }
  const given = checkOptions('runs', options as ModelRunsOptions, modelChecks)
  const models = new Set<Network>()
  using arrays = new RunArrays()
  return await runAll(given, (place) => modelRun(given, place, models, arrays))
}

/** The position of a run in the set. */
interface RunPosition {
  readonly seed: number
  readonly name: string
  readonly folder: string | undefined
  /** Reports the progress of the run. */
  report(epoch: number, epochs: number, logs?: EpochLogs): void
}

/** The runs of all seeds, one after the other. */
async function runAll(
  { seeds, saveTo, onProgress, signal }: CommonRunsOptions,
  run: (place: RunPosition) => Promise<DynamicsSource>,
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
    const report: RunPosition['report'] = (epoch, epochs, logs) =>
      onProgress?.({ seed, run: index, runs: seeds.length, epoch, epochs, logs })
    found.push({ name, dynamics: await run({ seed, name, folder, report }) })
  }
  return RunSet.of(found)
}

/** The dynamics of a run: trained with `train`, or read from its folder if it is finished. */
async function taskRun({ train, signal }: TaskRunsOptions, place: RunPosition): Promise<DynamicsSource> {
  const { seed, name, folder, report } = place
  const stored = folder === undefined ? undefined : await finishedIn(folder)
  if (stored !== undefined) {
    report(0, stored.shape[0])
    return stored
  }
  const result: unknown = await train({ seed, folder, signal })
  const { dynamics: inner } = Object(result) as { dynamics?: unknown }
  // The result of fit(task) has the dynamics as a property.
  const source = (typeof inner === 'object' && inner !== null ? inner : result) as DynamicsSource
  const dynamics = readSource(source, `runs: what train gave for ${name}`)
  if (folder !== undefined && !(await holdsStore(folder))) await writeRun(folder, name, dynamics)
  report(dynamics.values.length, dynamics.values.length)
  return dynamics
}

/**
 * The dynamics of the model of a seed, trained now or read from its folder if it is finished.
 *
 * @param models models of other seeds; @param arrays the arrays of the runs before
 */
async function modelRun(
  { build, data, fit: wanted = {}, onRun, signal }: ModelRunsOptions,
  place: RunPosition,
  models: Set<Network>,
  arrays: RunArrays,
): Promise<DynamicsSource> {
  const { seed, name, folder, report } = place
  const model = checkModel(await build(seed), seed, models)
  models.add(model)
  try {
    const options = typeof wanted === 'function' ? wanted(seed, folder) : wanted
    // A function may fill the same buffer anew for each seed.
    if (typeof data === 'function') arrays.forget()
    const given = await (typeof data === 'function' ? data(seed) : data)
    const plan = {
      model: planOf(model),
      fit: plainFit(options),
      ...(folder === undefined ? {} : { data: await fingerprintOfRun(model, given, options, arrays) }),
    }
    const stored = folder === undefined ? undefined : await finishedIn(folder)
    if (folder !== undefined && stored !== undefined) {
      checkSame(folder, stored, model, plan)
      report(0, stored.shape[0])
      return stored
    }
    const notes = { [runNameKey]: name, plan }
    const training = trainingOptions(model, options, folder, notes, signal, report)
    const held = isArrays(given) ? await arrays.for(model, given) : undefined
    const history =
      held === undefined
        ? await model.fitDataset(given as BatchSource, training as FitDatasetOptions)
        : await model.fit(held.x, held.y, training)
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

/** The fingerprint of the data and of the samples' weights of a run; null for data that are made batch by batch. */
async function fingerprintOfRun(
  model: Network,
  data: RunData,
  options: RunFitOptions,
  arrays: RunArrays,
): Promise<string | null> {
  if (data instanceof ArrayDataset) return fingerprintOf(data)
  if (!isArrays(data)) return null
  const own = await arrays.fingerprint(model, data)
  const { sampleWeight } = options as FitOptions
  return sampleWeight === undefined ? own : `${own} ${await fingerprintOfWeights(sampleWeight)}`
}

async function fingerprintOfWeights(given: ArrayInput): Promise<string> {
  using weights = await weightsFrom(given)
  const rows = Int32Array.from({ length: weights.shape[0] ?? 0 }, (_, row) => row)
  return await fingerprintOfRows([weights], rows)
}

/** Options of fit for one run of the set. */
function trainingOptions(
  model: Network,
  given: RunFitOptions,
  folder: string | undefined,
  notes: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
  report: RunPosition['report'],
): FitOptions {
  if (folder !== undefined && (given.saveDynamics ?? model.saveDynamics) !== undefined) {
    throw new ArgumentError('runs: saveTo sets the folder of the dynamics; leave saveDynamics out')
  }
  let total = 0
  const watch: Callback = {
    onTrainBegin: ({ epochs }) => {
      total = epochs
    },
    onEpochEnd: (epoch, logs) => report(epoch + 1, total, logs),
  }
  const signals = [given.signal, signal].filter((one) => one !== undefined)
  // Training in two stages cannot save dynamics while it runs.
  const saves = folder !== undefined && !(model instanceof HSICNetwork)
  return {
    ...given,
    callbacks: [...(given.callbacks ?? []), watch],
    ...(signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}),
    ...(saves ? { saveDynamics: { dir: folder, notes } } : {}),
  }
}

/** The options of fit that determine the result, as JSON. */
function plainFit(given: RunFitOptions): Json {
  const { callbacks, signal, verbose, showPlot, resume, saveDynamics, ...rest } = given as FitOptions &
    FitDatasetOptions
  const { validation, sampleWeight, ...plain } = rest
  return toJson('runs: fit', plain)
}

/** The finished run in a folder, if any. */
async function finishedIn(folder: string): Promise<Dynamics | undefined> {
  if (!(await holdsStore(folder))) return undefined
  const stored = await loadDynamics(folder)
  return stored.finished ? stored : undefined
}

/** A difference without the names of the parts of a blueprint: `layers.0 activation: 'tanh' -> 'relu'`. */
function briefly(change: string): string {
  return change.replace(/\.blueprint\.arguments\.(\d+)(\.?)/, (_, index: string, further: string) =>
    further === '' ? ` argument ${Number(index) + 1}` : ' ',
  )
}

/** Refuses a finished run of another experiment. */
function checkSame(
  folder: string,
  stored: Dynamics,
  model: Network,
  plan: { readonly [part: string]: Json },
): void {
  const heading = headingOf(model.evaluators, outlineOf(model).layers)
  const was = Object(stored.notes.plan) as Record<string, Json | undefined>
  const changed = [
    ...differencesOf(was.model, plan.model).map(briefly),
    ...differencesOf(was.fit, plan.fit, 'fit'),
    // Runs of older versions have no fingerprint.
    ...(was.data === undefined || was.data === plan.data
      ? []
      : [`other data (fingerprint ${was.data ?? 'none'}, now ${plan.data ?? 'none'})`]),
  ]
  const differs = difference(stored, heading) ?? differencesText(changed)
  if (differs === '') return
  throw new DataError(
    `runs: ${folder} holds a finished run of another experiment: ${differs}; give another folder, or delete that one`,
  )
}
