/** The training loop of all tasks. */
import { performance } from 'node:perf_hooks'
import { ArgumentError, NumericalError, StateError } from '../core/errors.js'
import { rehearse } from '../core/jit.js'
import { evaluate } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { type Attachment, isDue } from '../dynamics/attachment.js'
import type { SaveDynamics } from '../dynamics/save.js'
import { DynamicsTracker } from '../dynamics/tracker.js'
import type { Estimator } from '../estimators/estimator.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import { lossPlot } from '../plots/loss.js'
import { type Callback, type FitContext, notify } from './callbacks/callback.js'
import { type Place, type RunSnapshot, SavedRun, writeCheckpoint } from './checkpoint.js'
import type { EpochMeasurement } from './epoch-measurement.js'
import { measure, nothingCounts } from './evaluation.js'
import type { Feed } from './feed.js'
import { firstUnsound } from './finite.js'
import { type Held, heldBy } from './held.js'
import { type EpochLogs, type History, historyOf, logsOf, type NumberedLogs } from './history.js'
import { type Means, Meter } from './meter.js'
import type { Occupation } from './occupation.js'
import { Pipeline } from './pipeline.js'
import {
  type CompiledStep,
  layersOf,
  release,
  type StepResult,
  type StepSetup,
  trainingStep,
} from './program.js'
import { ProgressReporter } from './progress/index.js'
import type { TrainOptions } from './run-options.js'
import type { Task } from './task.js'
import type { TrainingRecord } from './training-record.js'
import { Stop, unlessAborted } from './unless-aborted.js'

/** Time between two readings of the running means, in milliseconds. */
const readingInterval = 100

/** A scalar of the context of steps: a number, or one for each step. */
export type ScalarSource = number | ((progress: { readonly step: number; readonly epoch: number }) => number)

/** A run, ready to begin. */
export interface RunSetup<B> {
  readonly task: Task<B>
  readonly feed: Feed<B>
  readonly validation: Feed<B> | undefined
  readonly record: TrainingRecord
  readonly options: TrainOptions
  readonly scalars: Readonly<Record<string, ScalarSource>>
  /** Whether dynamics are recorded, of which evaluators, and where they go. */
  readonly tracks: boolean
  readonly attachments: readonly Attachment[]
  readonly save: Readonly<Required<SaveDynamics>> | undefined
  readonly notes: Readonly<Record<string, unknown>>
  /** Names of the tracked layers, where they are known before the first step. */
  readonly layers: readonly string[] | undefined
  readonly measurement: EpochMeasurement<B> | undefined
  /** What keeps the model at one thing at a time; undefined for a task, which nobody else asks anything. */
  readonly occupation: Occupation | undefined
  /** Told which mode comes. */
  readonly setMode?: (isTraining: boolean) => void
  /** Why the loss may be no number, as far as is known. */
  readonly suspicion?: string | undefined
  /** First line of the progress. */
  readonly preface?: string | undefined
}

/** One call of `fit`. */
export class Run<B> {
  readonly #setup: RunSetup<B>
  readonly #steps: StepSetup<B>
  readonly #held: Held
  readonly #callbacks: readonly Callback[]
  readonly #wantsLogs: boolean
  readonly #epochs: number
  readonly #first: number
  readonly #verbose: boolean
  readonly #reporter: ProgressReporter
  readonly #meter = new Meter()
  /** Compiled steps by the evaluators they evaluate. */
  readonly #compiled = new Map<string, CompiledStep>()
  /** Variables that steps assign. */
  readonly #assigned = new Set<Variable>()
  readonly #context: FitContext
  #logs: NumberedLogs[]
  #tracker: DynamicsTracker | undefined
  #place: Place

  private constructor(setup: RunSetup<B>) {
    const { task, feed, record, options, scalars } = setup
    this.#setup = setup
    // A copy: what is pushed later was not checked.
    this.#callbacks = [...(options.callbacks ?? [])]
    this.#wantsLogs = this.#callbacks.some(({ onBatchEnd }) => onBatchEnd !== undefined)
    this.#verbose = options.verbose ?? process.stderr.isTTY === true
    this.#reporter = new ProgressReporter({ verbose: this.#verbose })
    this.#epochs = options.epochs ?? 1
    this.#first = options.initialEpoch ?? 0
    if (this.#first >= this.#epochs) {
      throw new ArgumentError(
        `fit: initialEpoch is ${this.#first} and epochs ${this.#epochs}, which leaves none to train; epochs includes those before`,
      )
    }
    this.#logs = logsOf(record.history, this.#first)
    this.#steps = {
      task,
      feed,
      meter: this.#meter,
      rng: record.rng,
      scalars: Object.keys(scalars),
      allowUnused: options.allowUnused ?? false,
      onAssigned: (assigned) => {
        for (const variable of assigned) this.#assigned.add(variable)
      },
    }
    this.#held = heldBy(task, record)
    this.#place = {
      epoch: this.#first,
      batch: 0,
      isBegun: false,
      isStopped: false,
      first: this.#first,
      batches: feed.batches ?? null,
    }
    this.#context = this.#makeContext()
  }

  /** Checks everything that can be checked before the first step, and reads the checkpoint that the run goes on from. */
  static async prepare<B>(setup: RunSetup<B>): Promise<Run<B>> {
    const { signal } = setup.options
    const run = new Run(setup)
    const { parameters, state } = run.#held
    // Initial weights are computed here, so that the first step finds them as they will always be: buffers.
    await unlessAborted(evaluate([...Object.values(parameters), ...Object.values(state)]), signal)
    const bad = await unlessAborted(firstUnsound({ ...parameters, ...state }), signal)
    if (bad !== undefined) {
      throw bad(
        'fit',
        ' before the first step, so no data can train it; load sound weights, or make the model anew',
      )
    }
    return run
  }

  /** Trains; gives the history. */
  async all(): Promise<History> {
    const { feed, record, options, layers, preface } = this.#setup
    const checkpoint =
      options.resume === undefined
        ? undefined
        : await unlessAborted(SavedRun.read(options.resume), options.signal)
    if (checkpoint !== undefined) await this.#resume(checkpoint)
    else if (layers !== undefined) await this.#startTracker(layers)
    if (preface !== undefined) this.#reporter.note(preface)
    const epochs = this.#epochs
    await this.#notify((callback) =>
      callback.onTrainBegin?.({ epochs, batches: feed.batches }, this.#context),
    )
    // Afterwards: what callbacks set when a run begins was overtaken by the run.
    await checkpoint?.restore(this.#held)
    await checkpoint?.restoreCallbacks(this.#callbacks)
    while (this.#place.epoch < epochs && (!this.#place.isStopped || this.#place.isBegun)) {
      await this.#epoch()
    }
    await this.#tracker?.finish()
    if (this.#logs.length === 0 || record.history === undefined) record.history = historyOf(this.#logs)
    const { history } = record
    const { showPlot = false } = options
    if (showPlot !== false) await lossPlot(history).save(showPlot === true ? 'loss.svg' : showPlot)
    await this.#notify((callback) => callback.onTrainEnd?.(history, this.#context))
    return history
  }

  /** One epoch with its hooks, or what is left of one. */
  async #epoch(): Promise<void> {
    const { record } = this.#setup
    const { epoch } = this.#place
    if (!this.#place.isBegun) {
      await this.#notify((callback) => callback.onEpochBegin?.(epoch, this.#context))
      if (this.#place.isStopped) return
    }
    this.#reporter.epochStart(epoch + 1, this.#epochs)
    const start = performance.now()
    const means = await this.#train()
    if (means === undefined) return
    let logs: Omit<EpochLogs, 'seconds'> = logsFrom(means)
    await this.#measure(epoch)
    if (this.#setup.validation !== undefined) {
      const { loss, metrics } = logsFrom(await this.#validate(this.#setup.validation))
      logs = { ...logs, validationLoss: loss, validationMetrics: metrics }
    }
    record.epochs++
    const finished: EpochLogs = { ...logs, seconds: (performance.now() - start) / 1000 }
    this.#reporter.epochEnd()
    this.#logs.push({ ...finished, epoch: record.epochs })
    record.history = historyOf(this.#logs)
    this.#place = { ...this.#place, epoch: epoch + 1, batch: 0, isBegun: false }
    const ended: FitContext = Object.create(this.#context, { epoch: { value: epoch } }) as FitContext
    await this.#notify((callback) => callback.onEpochEnd?.(epoch, finished, ended))
    await this.#notify((callback) => callback.onSettled?.('epoch', ended))
  }

  // ---- training

  /** The training batches of an epoch that are left; gives the means of all of them, undefined where the run was stopped before the first. */
  async #train(): Promise<Means | undefined> {
    const { feed, record, options, setMode } = this.#setup
    const { signal } = options
    setMode?.(true)
    if (!this.#place.isBegun) {
      this.#meter.reset()
      this.#tracker?.startEpoch(this.#place.epoch - this.#first)
    }
    this.#place = { ...this.#place, isBegun: true }
    this.#reporter.loopStart('training', feed.batches ?? 0)
    const skip = this.#place.batch
    const before = record.steps
    const sizes: number[] = []
    const dues: number[][] = []
    using stop = new Stop(signal)
    const pipeline = new Pipeline<StepResult>(
      async (result, index) => {
        const size = sizes[index] as number
        await this.#take(result, skip + index, size, dues[index] as number[], before + index + 1)
      },
      release,
      signal,
      (error) => stop.fail(error),
    )
    let readAt = performance.now()
    try {
      if (!this.#place.isStopped) {
        for await (const batch of feed.epoch(record.epochs, stop.signal, skip)) {
          try {
            if (signal?.aborted) break
            const index = skip + sizes.length
            if (this.#setup.tracks && this.#tracker === undefined) await this.#beginTracking(batch.input)
            await this.#beforeBatch(index)
            if (this.#place.isStopped) break
            const due = this.#due(index)
            sizes.push(batch.size)
            dues.push(due)
            await pipeline.push(() => this.#start(due, batch.input))
            if (this.#batchHooks(before + sizes.length).length > 0) await pipeline.drain()
          } finally {
            batch.release()
          }
          if (this.#place.isStopped) break
          if (this.#verbose && performance.now() - readAt >= readingInterval) {
            this.#report(skip + sizes.length, await unlessAborted(this.#meter.means(), signal))
            readAt = performance.now()
          }
        }
      }
      await pipeline.drain()
      signal?.throwIfAborted()
    } finally {
      await pipeline.abandon()
    }
    if (this.#place.batch === 0 && this.#place.isStopped) {
      this.#place = { ...this.#place, isBegun: false }
      this.#reporter.loopEnd({})
      return undefined
    }
    const means = await unlessAborted(this.#meter.means(), signal)
    if (means === undefined) throw nothingCounts('the training data')
    this.#checkMeans(means)
    this.#reporter.update(skip + sizes.length, readings(means))
    this.#reporter.loopEnd(readings(means))
    return means
  }

  /** Numbers of the evaluators that are due on a batch. */
  #due(batch: number): number[] {
    if (!this.#setup.tracks) return []
    return this.#setup.attachments.flatMap((one, index) =>
      one.on === 'batch' && isDue(one, batch) ? [index] : [],
    )
  }

  /** Starts a step. */
  #start(due: readonly number[], input: object): Promise<StepResult> {
    const { task, record } = this.#setup
    const step = this.#stepFor(due)
    if (task.usesClock === false) {
      record.steps++
      return step(input, {})
    }
    using clock = this.#clock()
    record.steps++
    return step(input, { clock })
  }

  /** float64: step, epoch and scalars of the step that comes. */
  #clock(): Tensor {
    const { record, scalars } = this.#setup
    const { steps: step, epochs: epoch } = record
    const values = Object.entries(scalars).map(([name, source]) => {
      const value = typeof source === 'function' ? source({ step, epoch }) : source
      if (Number.isFinite(value)) return value
      throw new ArgumentError(
        `fit: the scalar '${name}' is ${value} in step ${step}, expected a finite number`,
      )
    })
    return tensor(Float64Array.of(step, epoch, ...values))
  }

  /** The step that evaluates these evaluators, by their numbers. */
  #stepFor(due: readonly number[]): CompiledStep {
    const key = due.join()
    const known = this.#compiled.get(key)
    if (known !== undefined) return known
    const { attachments, save, tracks } = this.#setup
    const step = trainingStep(this.#steps, {
      evaluators: due.map((index) => attachments[index]?.evaluator as Estimator),
      dynamics: tracks && (due.length > 0 || attachments.length === 0),
      logs: this.#wantsLogs,
      segment: save?.raw ?? false,
      tooSmall: (needed) => this.#tracker?.needs(needed),
    })
    this.#compiled.set(key, step)
    return step
  }

  /** Uses what a finished step gave back. @param steps made up to its end */
  async #take(
    result: StepResult,
    index: number,
    size: number,
    due: readonly number[],
    steps: number,
  ): Promise<void> {
    try {
      await this.#tracker?.take(index, result, due, size)
      this.#place = { ...this.#place, batch: index + 1 }
      const hooks = this.#batchHooks(steps)
      if (hooks.length === 0) return
      const means = this.#meter.named([...((result.logs?.dataSync() as Float64Array | undefined) ?? [])])
      const logs = { size, ...logsFrom(means) }
      await this.#notify((callback) => callback.onBatchEnd?.(index, logs, this.#context), hooks)
      const settling = hooks.filter(({ everyBatches }) => everyBatches !== undefined)
      await this.#notify((callback) => callback.onSettled?.('batch', this.#context), settling)
    } finally {
      release(result)
    }
  }

  /** The callbacks that have their turn after a batch, when so many steps were made. */
  #batchHooks(steps: number): Callback[] {
    return this.#callbacks.filter(({ onBatchEnd, onSettled, everyBatches }) => {
      const wants = onBatchEnd !== undefined || (onSettled !== undefined && everyBatches !== undefined)
      return wants && steps % (everyBatches ?? 1) === 0
    })
  }

  async #beforeBatch(index: number): Promise<void> {
    const hooks = this.#callbacks.filter(({ onBatchBegin }) => onBatchBegin !== undefined)
    if (hooks.length > 0)
      await this.#notify((callback) => callback.onBatchBegin?.(index, this.#context), hooks)
  }

  // ---- dynamics

  /** Begins to record the layers that the first batch shows. */
  async #beginTracking(input: object): Promise<void> {
    const { task, feed } = this.#setup
    const clock = task.usesClock === false ? undefined : this.#clock()
    const names = (given: object, { clock }: { clock?: Tensor }) =>
      layersOf(this.#steps, feed.decode(given), clock)
    try {
      const given = clock === undefined ? {} : { clock }
      await this.#startTracker(rehearse<[object, { clock?: Tensor }], string[]>(names, input, given))
    } finally {
      clock?.dispose()
    }
    this.#tracker?.startEpoch(this.#place.epoch - this.#first)
  }

  async #startTracker(layers: readonly string[]): Promise<void> {
    if (!this.#setup.tracks) return
    this.#tracker = await DynamicsTracker.start(this.#tracked(layers))
  }

  #tracked(layers: readonly string[]) {
    const { attachments, feed, notes, options, record, save } = this.#setup
    return {
      attachments,
      layers,
      holder: record,
      save,
      seed: record.seed,
      notes,
      epochs: this.#epochs - this.#first,
      batches: feed.batches,
      appendDynamics: options.appendDynamics ?? false,
    }
  }

  /** What evaluators say after the epoch, which ends its dynamics. */
  async #measure(epoch: number): Promise<void> {
    const { measurement, options, record } = this.#setup
    const found = await measurement?.measure(epoch, record.epochs, options.signal)
    await this.#tracker?.finishEpoch(found?.values)
  }

  // ---- validation and reports

  async #validate(feed: Feed<B>): Promise<Means> {
    const { task, record, options, setMode } = this.#setup
    setMode?.(false)
    this.#reporter.loopStart('validation', feed.batches ?? 0)
    const means = await measure(task, feed, record.seed, options.signal, (done) =>
      this.#reporter.update(done),
    )
    this.#reporter.loopEnd(readings(means))
    return means
  }

  #report(done: number, means: Means | undefined): void {
    if (means === undefined) return
    this.#checkMeans(means)
    this.#reporter.update(done, readings(means))
  }

  #checkMeans({ loss, metrics }: Means): void {
    const { suspicion } = this.#setup
    // A task without a loss says by its logs how it goes.
    const judged = loss === undefined ? Object.entries(metrics) : [['loss', loss] as const]
    const bad = judged.find(([, value]) => !Number.isFinite(value))
    if (bad === undefined) return
    const usual = 'lower the learning rate, clip gradients, or look for extreme values in the data'
    throw new NumericalError(`fit: the mean ${bad[0]} is ${bad[1]}; ${suspicion ?? usual}`)
  }

  // ---- callbacks and checkpoints

  /** Calls one hook of callbacks in turn, of all or of some. */
  #notify(
    call: (callback: Callback) => void | Promise<void> | undefined,
    callbacks: readonly Callback[] = this.#callbacks,
  ): Promise<void> {
    const { occupation, options } = this.#setup
    const turn = () => notify(callbacks, call, options.signal)
    return callbacks.length === 0 || occupation === undefined ? turn() : occupation.open(turn, options.signal)
  }

  #makeContext(): FitContext {
    const place = () => this.#place
    const { record } = this.#setup
    const { parameters, state, optimizers } = this.#held
    return {
      get epoch() {
        return place().epoch
      },
      get step() {
        return record.steps
      },
      parameters,
      state,
      optimizers,
      stop: () => {
        this.#place = { ...this.#place, isStopped: true }
      },
      checkpoint: (path) => this.#checkpoint(path),
    }
  }

  async #checkpoint(path: string): Promise<void> {
    this.#checkOwned()
    const { record } = this.#setup
    const snapshot: RunSnapshot = {
      place: this.#place,
      epochs: record.epochs,
      steps: record.steps,
      logs: this.#logs,
      meter: this.#place.isBegun ? await this.#meter.snapshot() : undefined,
      tracker: this.#tracker?.snapshot(),
    }
    await writeCheckpoint(path, this.#held, this.#callbacks, snapshot)
  }

  /** Refuses a checkpoint that would lose something. */
  #checkOwned(): void {
    const { parameters, state, optimizers, rng } = this.#held
    const own = new Set<Variable | undefined>([...Object.values(parameters), ...Object.values(state), rng])
    for (const optimizer of Object.values(optimizers)) {
      for (const variable of optimizer.stateVariables().values()) own.add(variable)
    }
    const stranger = [...this.#assigned].find(
      (variable) => !own.has(variable) && variable !== this.#meter.totals,
    )
    if (stranger === undefined) return
    throw new StateError(
      `checkpoint: steps change the Variable "${stranger.name}", which is neither among parameters and state of the task nor of its optimizers, so that it would be lost; make it part of state`,
    )
  }

  /** Takes over what a checkpoint holds. */
  async #resume(checkpoint: SavedRun): Promise<void> {
    const { record, feed, tracks } = this.#setup
    const { place, logs, meter, epochs, steps, tracker } = checkpoint.run
    if (place.first !== this.#first || (feed.batches ?? null) !== place.batches) {
      const show = (first: number, batches: number | null) =>
        `initialEpoch ${first} and ${batches ?? 'unknown'} batches an epoch`
      throw new StateError(
        `fit: the run to resume had ${show(place.first, place.batches)}, this one has ${show(this.#first, feed.batches ?? null)}; give the same data and options`,
      )
    }
    checkpoint.check(this.#held)
    checkpoint.checkCallbacks(this.#callbacks)
    this.#place = place
    this.#logs = [...logs]
    this.#meter.restore(meter)
    record.epochs = epochs
    record.steps = steps
    record.history = logs.length > 0 ? historyOf(logs) : undefined
    if (!tracks || tracker === undefined) return
    this.#tracker = await DynamicsTracker.resume(
      this.#tracked(tracker.record.heading.layers),
      tracker,
      place.epoch - place.first,
      place.batch,
    )
  }

  /** Releases what the run made; leaves everything readable that was finished. */
  async close(): Promise<void> {
    this.#reporter.close()
    for (const step of this.#compiled.values()) step.dispose()
    this.#setup.measurement?.dispose()
    this.#meter.dispose()
    await this.#tracker?.close()
  }
}

function logsFrom({ loss = Number.NaN, metrics }: Means) {
  return { loss, metrics }
}

/** How the progress line names metrics. */
const shortNames: Readonly<Record<string, string>> = { accuracy: 'acc' }

function readings({ loss, metrics }: Means): Record<string, number> {
  const named = Object.entries(metrics).map(([name, value]) => [shortNames[name] ?? name, value])
  return { ...(loss === undefined ? {} : { loss }), ...Object.fromEntries(named) }
}
