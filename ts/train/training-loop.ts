/** The training loop of all tasks. */
import { performance } from 'node:perf_hooks'
import { ArgumentError, NumericalError, StateError } from '../core/errors.js'
import { evaluate } from '../core/transforms.js'
import { lossPlot } from '../plots/loss.js'
import type { FitContext } from './callbacks/callback.js'
import { Hooks } from './callbacks/hooks.js'
import { type Place, type RunSnapshot, SavedRun, writeCheckpoint } from './checkpoint.js'
import { started } from './delivery.js'
import { measure, nothingCounts } from './evaluation.js'
import type { Feed } from './feed.js'
import { firstUnsound } from './finite.js'
import { bringState, type Held, heldBy } from './held.js'
import { historyOf, logsOf } from './history.js'
import { type Means, Meter } from './meter.js'
import { Pipeline } from './pipeline.js'
import { release, type StepResult } from './program.js'
import { ProgressReporter } from './progress/index.js'
import type { EpochLogs, History, NumberedLogs } from './results.js'
import { RunDynamics } from './run-dynamics.js'
import type { RunSetup } from './run-setup.js'
import { checkSame, type Sameness, trainingSettings } from './same-run.js'
import { Stepper } from './stepper.js'
import { Stop, unlessAborted } from './unless-aborted.js'

/** Time between two readings of the running means, in milliseconds. */
const readingInterval = 100

/** One call of `fit`. */
export class Run<B> {
  readonly #setup: RunSetup<B>
  readonly #held: Held
  readonly #hooks: Hooks
  readonly #epochs: number
  readonly #first: number
  readonly #verbose: boolean
  readonly #reporter: ProgressReporter
  readonly #meter: Meter
  readonly #stepper: Stepper<B>
  readonly #context: FitContext
  readonly #dynamics: RunDynamics<B>
  #logs: NumberedLogs[]
  #data: Promise<string | null> | undefined
  #place: { -readonly [Part in keyof Place]: Place[Part] }

  private constructor(setup: RunSetup<B>) {
    const { task, feed, record, options, scalars, tracks, attachments, save } = setup
    this.#setup = setup
    this.#hooks = new Hooks(options.callbacks ?? [], setup.occupation, options.signal)
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
    this.#held = heldBy(task, record)
    this.#meter = new Meter(this.#held.device)
    this.#dynamics = new RunDynamics(setup, { first: this.#first, end: this.#epochs })
    this.#stepper = new Stepper({
      task,
      feed,
      meter: this.#meter,
      record,
      scalars,
      allowUnused: options.allowUnused ?? false,
      attachments: tracks ? attachments : undefined,
      raw: save?.raw ?? false,
      logs: this.#hooks.wantsLogs,
      needsLoss: (options.showPlot ?? false) !== false,
      tooSmall: (needed) => this.#dynamics.needs(needed),
    })
    this.#place = {
      epoch: this.#first,
      batch: 0,
      isBegun: false,
      isStopped: false,
      first: this.#first,
      batches: feed.batches ?? null,
      division: feed.division ?? null,
    }
    this.#context = this.#makeContext()
  }

  /** Checks before the first step, and reads the checkpoint of a resumed run. */
  static async prepare<B>(setup: RunSetup<B>): Promise<Run<B>> {
    const { signal } = setup.options
    const run = new Run(setup)
    const { parameters, state } = run.#held
    await unlessAborted(bringState(run.#held), signal)
    // Initial weights are computed here, so that the first step has the same plan as the others: weights in buffers.
    await unlessAborted(evaluate([...Object.values(parameters), ...Object.values(state)]), signal)
    const bad = await unlessAborted(firstUnsound({ ...parameters, ...state }), signal)
    if (bad !== undefined) {
      throw bad(
        'fit',
        ' before the first step, so no data can train it; load valid weights, or build a new model',
      )
    }
    return run
  }

  /** Trains; returns the history. */
  async all(): Promise<History> {
    const { feed, record, options, layers, preface } = this.#setup
    const checkpoint =
      options.resume === undefined
        ? undefined
        : await unlessAborted(SavedRun.read(options.resume), options.signal)
    if (checkpoint !== undefined) await this.#resume(checkpoint)
    this.#dynamics.schedule(this.#place)
    if (checkpoint === undefined && layers !== undefined) await this.#dynamics.start(layers)
    if (preface !== undefined) this.#reporter.note(preface)
    const epochs = this.#epochs
    await this.#hooks.notify((callback) =>
      callback.onTrainBegin?.({ epochs, batches: feed.batches }, this.#context),
    )
    // Once more: the checkpoint's state replaces the state that `onTrainBegin` has set.
    await checkpoint?.restore(this.#held)
    await checkpoint?.restoreCallbacks(this.#hooks.all, this.#held.device)
    while (this.#place.epoch < epochs && (!this.#place.isStopped || this.#place.isBegun)) {
      await this.#epoch()
    }
    await this.#dynamics.finish()
    if (this.#logs.length === 0 || record.history === undefined) record.history = historyOf(this.#logs)
    const { history } = record
    const { showPlot = false } = options
    if (showPlot !== false) await lossPlot(history).save(showPlot === true ? 'loss.svg' : showPlot)
    await this.#hooks.notify((callback) => callback.onTrainEnd?.(history, this.#context))
    return history
  }

  /** One epoch with its hooks, or the rest of a resumed epoch. */
  async #epoch(): Promise<void> {
    const { record } = this.#setup
    const { epoch } = this.#place
    if (!this.#place.isBegun) {
      await this.#hooks.notify((callback) => callback.onEpochBegin?.(epoch, this.#context))
      if (this.#place.isStopped) return
    }
    this.#reporter.epochStart(epoch + 1, this.#epochs)
    const start = performance.now()
    const means = await this.#train()
    if (means === undefined) return
    let logs: Omit<EpochLogs, 'seconds'> = logsFrom(means)
    await this.#dynamics.finishEpoch(epoch)
    if (this.#setup.validation !== undefined) {
      const { loss, metrics } = await this.#validate(this.#setup.validation)
      logs = { ...logs, ...(loss === undefined ? {} : { validationLoss: loss }), validationMetrics: metrics }
    }
    record.epochs++
    const finished: EpochLogs = { ...logs, seconds: (performance.now() - start) / 1000 }
    this.#reporter.epochEnd()
    this.#logs.push({ ...finished, epoch: record.epochs })
    record.history = historyOf(this.#logs)
    Object.assign(this.#place, { epoch: epoch + 1, batch: 0, isBegun: false })
    const ended: FitContext = Object.create(this.#context, { epoch: { value: epoch } }) as FitContext
    await this.#hooks.notify((callback) => callback.onEpochEnd?.(epoch, finished, ended))
    await this.#hooks.notify((callback) => callback.onSettled?.('epoch', ended))
  }

  // ---- training

  /** Trains the rest of an epoch; returns the means of the whole epoch, undefined if the run was stopped before the first batch. */
  async #train(): Promise<Means | undefined> {
    const { feed, options, setMode } = this.#setup
    const { signal } = options
    setMode?.(true)
    if (!this.#place.isBegun) {
      this.#meter.reset()
      this.#dynamics.startEpoch(this.#place.epoch)
    }
    this.#place.isBegun = true
    this.#reporter.loopStart('training', feed.batches ?? 0)
    const done = this.#place.isStopped ? this.#place.batch : await this.#goThrough()
    if (this.#place.batch === 0 && this.#place.isStopped) {
      this.#place.isBegun = false
      this.#reporter.loopEnd({})
      return undefined
    }
    const means = await unlessAborted(this.#meter.means(), signal)
    if (means === undefined) throw nothingCounts('the training data')
    this.#checkMeans(means)
    this.#reporter.update(done, readings(means))
    this.#reporter.loopEnd(readings(means))
    return means
  }

  /** Trains on the epoch's remaining batches; returns the number of the epoch's finished batches. */
  async #goThrough(): Promise<number> {
    const { feed, options, record } = this.#setup
    const { signal } = options
    const { beforeBatch } = this.#hooks
    const [skip, before] = [this.#place.batch, record.steps]
    const sizes: number[] = []
    const dues: (readonly number[])[] = []
    using stop = new Stop(signal)
    const pipeline = new Pipeline<StepResult>(
      async (result, index) => {
        const size = sizes[index] as number
        await this.#take(result, skip + index, size, dues[index] as readonly number[], before + index + 1)
      },
      release,
      signal,
      (error) => stop.fail(error),
    )
    let readAt = performance.now()
    try {
      for await (const batch of feed.epoch(record.epochs, stop.signal, skip)) {
        if (signal?.aborted) break
        const index = skip + sizes.length
        if (this.#dynamics.waits)
          await this.#dynamics.begin(this.#stepper.layers(batch.input), this.#place.epoch)
        if (beforeBatch.length > 0) {
          await this.#hooks.notify((one) => one.onBatchBegin?.(index, this.#context), beforeBatch)
          if (this.#place.isStopped) break
        }
        const due = this.#dynamics.dueOnBatch(index)
        sizes.push(batch.size)
        dues.push(due)
        await pipeline.push(() => started(batch, (input) => this.#stepper.start(due, input)))
        const steps = before + sizes.length
        // An evaluator or a callback needs the weights of this moment.
        if (this.#dynamics.isDueAfter(steps) || this.#hooks.afterBatch(steps).length > 0)
          await pipeline.drain()
        if (this.#place.isStopped) break
        if (this.#verbose && performance.now() - readAt >= readingInterval) {
          this.#report(skip + sizes.length, await unlessAborted(this.#meter.means(), signal))
          readAt = performance.now()
        }
      }
      await pipeline.drain()
      signal?.throwIfAborted()
    } finally {
      await pipeline.abandon()
    }
    return skip + sizes.length
  }

  /** Uses the result of a finished step. @param steps number of steps up to its end */
  async #take(
    result: StepResult,
    index: number,
    size: number,
    due: readonly number[],
    steps: number,
  ): Promise<void> {
    try {
      await this.#dynamics.take(result, { index, size, due, steps })
      this.#place.batch = index + 1
      const hooks = this.#hooks.afterBatch(steps)
      if (hooks.length === 0) return
      const means = this.#meter.named([...((result.logs?.dataSync() as Float64Array | undefined) ?? [])])
      const logs = { size, ...logsFrom(means) }
      await this.#hooks.notify((callback) => callback.onBatchEnd?.(index, logs, this.#context), hooks)
      const settling = hooks.filter(({ everyBatches }) => everyBatches !== undefined)
      await this.#hooks.notify((callback) => callback.onSettled?.('batch', this.#context), settling)
    } finally {
      release(result)
    }
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
    // A task without a loss is checked by its logs.
    const judged = loss === undefined ? Object.entries(metrics) : [['loss', loss] as const]
    const bad = judged.find(([, value]) => !Number.isFinite(value))
    if (bad === undefined) return
    const usual =
      'lower the learning rate, clip gradients, or look in the data for extreme values and for targets that the loss is not defined for'
    throw new NumericalError(`fit: the mean ${bad[0]} is ${bad[1]}; ${suspicion ?? usual}`)
  }

  // ---- callbacks and checkpoints

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
        this.#place.isStopped = true
      },
      checkpoint: (path) => this.#checkpoint(path),
    }
  }

  async #checkpoint(path: string): Promise<void> {
    this.#checkOwned()
    const { record } = this.#setup
    const snapshot: RunSnapshot = {
      place: { ...this.#place },
      epochs: record.epochs,
      steps: record.steps,
      logs: this.#logs,
      meter: this.#place.isBegun ? await this.#meter.snapshot() : undefined,
      tracker: this.#dynamics.snapshot(),
      ...(await this.#sameness()),
    }
    await writeCheckpoint(path, this.#held, this.#hooks.all, snapshot)
  }

  /** The data, whose fingerprint is made once, and the settings of the run. */
  async #sameness(): Promise<Sameness> {
    this.#data ??= this.#setup.feed.fingerprint?.() ?? Promise.resolve(null)
    return { data: await this.#data, settings: trainingSettings(this.#setup.task, this.#held) }
  }

  /** Refuses a checkpoint that would be incomplete. */
  #checkOwned(): void {
    const { parameters, state, optimizers, rng } = this.#held
    const own = new Set<object | undefined>([
      ...Object.values(parameters),
      ...Object.values(state),
      ...this.#meter.variables.values(),
      rng,
    ])
    for (const optimizer of Object.values(optimizers)) {
      for (const variable of optimizer.stateVariables().values()) own.add(variable)
    }
    const stranger = [...this.#stepper.assigned].find((variable) => !own.has(variable))
    if (stranger === undefined) return
    throw new StateError(
      `checkpoint: steps change the Variable "${stranger.name}", which is neither among parameters and state of the task nor of its optimizers, so that it would be lost; make it part of state`,
    )
  }

  /** Restores the state of a checkpoint. */
  async #resume(checkpoint: SavedRun): Promise<void> {
    const { record, feed } = this.#setup
    const { place, logs, epochs, steps, tracker } = checkpoint.run
    const is = { first: this.#first, batches: feed.batches ?? null, division: feed.division ?? null }
    const { division = is.division } = place
    if (place.first !== is.first || place.batches !== is.batches || division !== is.division) {
      const show = ({ first, batches, division }: Omit<typeof is, 'division'> & Pick<Place, 'division'>) =>
        `initialEpoch ${first} and ${batches ?? 'unknown'} batches an epoch${division ? ` (${division})` : ''}`
      throw new StateError(
        `fit: the run to resume had ${show(place)}, this one has ${show(is)}; give the same data and options`,
      )
    }
    checkpoint.checkCallbacks(this.#hooks.all)
    checkpoint.check(this.#held)
    checkSame(checkpoint.run, await this.#sameness())
    await checkpoint.restore(this.#held)
    this.#place = { ...place, division: is.division }
    this.#logs = [...logs]
    this.#meter.restore(await checkpoint.meter(this.#held.device))
    record.epochs = epochs
    record.steps = steps
    record.history = logs.length > 0 ? historyOf(logs) : undefined
    if (tracker !== undefined) await this.#dynamics.resume(tracker, place)
  }

  /** Releases the run's own objects; results of finished epochs stay readable. */
  async close(): Promise<void> {
    this.#reporter.close()
    this.#stepper.dispose()
    this.#meter.dispose()
    await this.#dynamics.close()
  }
}

function logsFrom({ loss = Number.NaN, metrics }: Means) {
  return { loss, metrics }
}

/** Names of metrics in the progress line. */
const shortNames: Readonly<Record<string, string>> = { accuracy: 'acc' }

function readings({ loss, metrics }: Means): Record<string, number> {
  const named = Object.entries(metrics).map(([name, value]) => [shortNames[name] ?? name, value])
  return { ...(loss === undefined ? {} : { loss }), ...Object.fromEntries(named) }
}
