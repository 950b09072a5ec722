/** The training loop of all models. */
import { performance } from 'node:perf_hooks'
import { DataError, NumericalError } from '../core/errors.js'
import { type Check, type Checks, checkOptions, elsewhere, flag, signal, whole } from '../core/options.js'
import { evaluate } from '../core/transforms.js'
import { type BatchSource, batchCount } from '../data/loader.js'
import { DynamicsTracker } from '../dynamics/tracker.js'
import type { Estimator } from '../estimators/estimator.js'
import type { Network } from '../models/network.js'
import { lossPlot } from '../plots/loss.js'
import { type Callback, checkCallbacks, notify } from './callbacks.js'
import type { Compiled } from './compile.js'
import { EpochMeasurement } from './epoch-measurement.js'
import { measure, named, nothingCounts } from './evaluation.js'
import { type Feed, feedOf } from './feed.js'
import { type EpochLogs, type History, historyOf } from './history.js'
import { adviseOnLoss, mismatch, outlineOf } from './outline.js'
import { Pipeline } from './pipeline.js'
import { ProgressReporter } from './progress/index.js'
import { compiledOf, exclusively, stateOf } from './state.js'
import { Meter, release, type StepResult, trainStep } from './step.js'
import { TargetRule } from './targets.js'
import { Stop, unlessAborted } from './unless-aborted.js'
import { checkWeights } from './weights.js'

/** Options of every way to train. */
export interface TrainOptions {
  /** Times that the data are gone through. Default 1. */
  epochs?: number
  callbacks?: readonly Callback[]
  /**
   * Ends training: the promise rejects with the signal's reason at once, however long a step, a callback, an evaluator or the data are
   * waited for. The steps under way, at most two, are finished by the device: whatever is asked of the model afterwards, weights or another
   * fit, comes after them. What callbacks and generators do after that concerns nobody: an iterator's `return` is called, but not waited for.
   * Dynamics of finished epochs stay readable.
   */
  signal?: AbortSignal
  /** Report progress on stderr. Default: only where that is a terminal. */
  verbose?: boolean
  /** Draw the losses after the last epoch: a path, or true for `loss.svg` in the working folder. Default false. */
  showPlot?: boolean | string
  /** Classes of the task: the width of one-hot rows in the dynamics. Default: what the data tell, else the width of the output. */
  numClasses?: number
  /**
   * Go on with the dynamics recorded before instead of starting anew: those of the last fit, or, for a model that was loaded, those in its
   * `saveDynamics` folder. Refused where layers, evaluators or their settings differ. Default false.
   */
  appendDynamics?: boolean
}

/** Options of `fitDataset`. */
export interface FitDatasetOptions extends TrainOptions {
  /** Data to measure after every epoch, in evaluation mode. Empty data count as none. */
  validation?: BatchSource
}

const plotFile: Check<boolean | string> = {
  expected: 'true, false, or a path that ends in .svg, .png, .html or .vl.json',
  accepts: (value) =>
    typeof value === 'boolean' || (typeof value === 'string' && /\.(svg|png|html|vl\.json)$/i.test(value)),
}

/** The checks of {@link TrainOptions}. */
export const trainChecks: Checks<TrainOptions> = {
  epochs: whole(1),
  callbacks: elsewhere(),
  signal,
  verbose: flag,
  showPlot: plotFile,
  numClasses: whole(1),
  appendDynamics: flag,
}
const datasetChecks: Checks<FitDatasetOptions> = { ...trainChecks, validation: elsewhere() }

/** Time between two readings of the running means, in milliseconds. */
const readingInterval = 100

/**
 * Trains a model on batches.
 *
 * @param preface first line of the progress
 * @throws ArgumentError, DataError, StateError (rejects) before anything is changed, for data and options that cannot work;
 *   NumericalError as soon as the mean loss is seen to be NaN or infinite; the reason of the signal; what a callback throws
 */
export async function trainModel(
  model: Network,
  source: BatchSource,
  given: FitDatasetOptions,
  preface?: string,
): Promise<History> {
  const options = checkTraining(model, given)
  return exclusively(model, 'fit', () => trainLocked(model, source, options, preface))
}

/** The options of a model that can be trained with them. */
export function checkTraining(model: Network, given: FitDatasetOptions): FitDatasetOptions {
  const options = checkOptions('fit', given, datasetChecks)
  checkCallbacks(options.callbacks ?? [])
  compiledOf(model, 'fit')
  options.signal?.throwIfAborted()
  return options
}

/** Trains a model that does nothing else meanwhile; what {@link trainModel} does. */
export async function trainLocked(
  model: Network,
  source: BatchSource,
  options: FitDatasetOptions,
  preface?: string,
): Promise<History> {
  const wasTraining = model.training
  const run = await Run.prepare(model, source, options)
  try {
    return await run.all(preface)
  } finally {
    await run.close()
    stateOf(model).training = wasTraining
  }
}

/** Warns that evaluators cannot leave samples of a step out. */
function adviseOnIgnored({ attachments, segment }: Network, { ignoreIndex }: Compiled): void {
  const isSeen = segment === 'label' && attachments.some(({ on }) => on === 'batch')
  if (ignoreIndex === undefined || !isSeen) return
  process.emitWarning(
    `evaluators on batches see all samples: those with the label to ignore, ${ignoreIndex}, are a class of their own to them; attach them with { evaluateOn: 'epoch' } to leave these out`,
    { type: 'HyperglowWarning', code: 'HYPERGLOW_IGNORED_LABELS' },
  )
}

/** One call of `fit`. */
class Run {
  readonly #model: Network
  readonly #options: FitDatasetOptions
  readonly #feed: Feed
  readonly #validation: Feed | undefined
  readonly #tracker: DynamicsTracker | undefined
  readonly #meter: Meter
  /** Compiled steps by the evaluators they evaluate. */
  readonly #steps = new Map<string, ReturnType<typeof trainStep>>()
  readonly #measurement: EpochMeasurement | undefined
  readonly #classes: number | undefined
  readonly #reporter: ProgressReporter
  readonly #verbose: boolean
  readonly #callbacks: readonly Callback[]
  readonly #wantsLogs: boolean
  readonly #logs: EpochLogs[] = []
  /** Why the loss may be no number, as far as the model tells. */
  readonly #suspicion: string | undefined

  private constructor(
    model: Network,
    options: FitDatasetOptions,
    feed: Feed,
    validation: Feed | undefined,
    tracker: DynamicsTracker | undefined,
    measurement: EpochMeasurement | undefined,
    classes: number | undefined,
    suspicion: string | undefined,
  ) {
    this.#model = model
    this.#options = options
    this.#feed = feed
    this.#validation = validation
    this.#tracker = tracker
    // A copy: what is pushed later was not checked.
    this.#callbacks = [...(options.callbacks ?? [])]
    this.#wantsLogs = this.#callbacks.some(({ onBatchEnd }) => onBatchEnd !== undefined)
    this.#verbose = options.verbose ?? process.stderr.isTTY === true
    this.#reporter = new ProgressReporter({ verbose: this.#verbose })
    this.#meter = new Meter(compiledOf(model, 'fit'), outlineOf(model).outputShape)
    this.#suspicion = suspicion
    this.#measurement = measurement
    this.#classes = classes
  }

  /** The step that evaluates these evaluators, by their numbers. */
  #stepFor(due: readonly number[]): ReturnType<typeof trainStep> {
    const key = due.join()
    const known = this.#steps.get(key)
    if (known !== undefined) return known
    const { evaluators, saveDynamics, trackDynamics } = this.#model
    const step = trainStep(this.#model, this.#feed, this.#meter, {
      evaluators: due.map((index) => evaluators[index] as Estimator),
      dynamics: trackDynamics && (due.length > 0 || evaluators.length === 0),
      classes: this.#classes,
      logs: this.#wantsLogs,
      segment: saveDynamics?.raw ?? false,
      tooSmall: (needed) => this.#tracker?.needs(needed),
    })
    this.#steps.set(key, step)
    return step
  }

  /** Checks everything that can be checked before the first step. */
  static async prepare(model: Network, source: BatchSource, options: FitDatasetOptions): Promise<Run> {
    const { inputShape, dtype } = model
    const compiled = compiledOf(model, 'fit')
    const outline = outlineOf(model)
    const { layers, outputShape } = outline
    const targets = new TargetRule(compiled, outputShape)
    const feedOptions = { inputShape, dtype, targets }
    const feed = feedOf(source, feedOptions)
    if (feed.batches === 0) throw new DataError('fit: the training data are empty; give at least one batch')
    const given = options.validation
    const isEmpty = given === undefined || batchCount(given) === 0
    const validation = isEmpty ? undefined : feedOf(given, feedOptions)
    await unlessAborted(feed.prepare(), options.signal)
    await unlessAborted(validation?.prepare(), options.signal)
    // Initial weights are computed here, so that the first step finds them as they will always be: buffers.
    await unlessAborted(
      evaluate([...Object.values(model.weights), ...Object.values(model.stateVariables)]),
      options.signal,
    )
    await unlessAborted(checkWeights(model), options.signal)
    adviseOnLoss(compiled, outline)
    adviseOnIgnored(model, compiled)
    const tracker = await DynamicsTracker.start(model, layers, feed.batches, options)
    const classes = options.numClasses ?? feed.classes ?? outputShape.at(-1)
    const measurement =
      tracker === undefined
        ? undefined
        : await EpochMeasurement.prepare(model, feed, layers, classes, targets)
    const suspicion = mismatch(compiled, outline)
    return new Run(model, options, feed, validation, tracker, measurement, classes, suspicion)
  }

  async all(preface: string | undefined): Promise<History> {
    const { epochs = 1 } = this.#options
    const state = stateOf(this.#model)
    if (preface !== undefined) this.#reporter.note(preface)
    await this.#notify((callback) => callback.onTrainBegin?.({ epochs, batches: this.#feed.batches }))
    for (let epoch = 0; epoch < epochs; epoch++) {
      await this.#notify((callback) => callback.onEpochBegin?.(epoch))
      this.#reporter.epochStart(epoch + 1, epochs)
      const logs = await this.#epoch(epoch)
      this.#reporter.epochEnd()
      this.#logs.push(logs)
      state.history = historyOf(this.#logs, this.#model.metrics)
      await this.#notify((callback) => callback.onEpochEnd?.(epoch, logs))
    }
    await this.#tracker?.finish()
    const history = state.history as History
    const { showPlot = false } = this.#options
    if (showPlot !== false) await lossPlot(history).save(showPlot === true ? 'loss.svg' : showPlot)
    await this.#notify((callback) => callback.onTrainEnd?.(history))
    return history
  }

  /** Calls one hook of every callback in turn. */
  #notify(call: (callback: Callback) => unknown): Promise<void> {
    return notify(this.#callbacks, call, this.#options.signal)
  }

  async #epoch(epoch: number): Promise<EpochLogs> {
    const model = this.#model
    const start = performance.now()
    const loss = named(model, await this.#train(epoch))
    await this.#measure(epoch)
    let logs: Omit<EpochLogs, 'seconds'> = loss
    if (this.#validation !== undefined) {
      const validation = named(model, await this.#validate(this.#validation))
      logs = { ...loss, validationLoss: validation.loss, validationMetrics: validation.metrics }
    }
    stateOf(model).epochs++
    return { ...logs, seconds: (performance.now() - start) / 1000 }
  }

  /** All training batches of an epoch; gives the means. */
  async #train(epoch: number): Promise<number[]> {
    const { signal } = this.#options
    stateOf(this.#model).training = true
    this.#meter.reset()
    this.#tracker?.startEpoch(epoch)
    this.#reporter.loopStart('training', this.#feed.batches ?? 0)
    const sizes: number[] = []
    const dues: number[][] = []
    using stop = new Stop(signal)
    const pipeline = new Pipeline<StepResult>(
      (result, index) => this.#take(result, index, sizes[index] as number, dues[index] as number[]),
      release,
      signal,
      (error) => stop.fail(error),
    )
    let readAt = performance.now()
    try {
      for await (const batch of this.#feed.epoch(stateOf(this.#model).epochs, stop.signal)) {
        try {
          if (signal?.aborted) break
          const due = this.#tracker?.due(sizes.length) ?? []
          sizes.push(batch.size)
          dues.push(due)
          await pipeline.push(() => this.#stepFor(due)(batch.input))
        } finally {
          batch.release()
        }
        if (this.#verbose && performance.now() - readAt >= readingInterval) {
          this.#report(sizes.length, await unlessAborted(this.#meter.means(), signal))
          readAt = performance.now()
        }
      }
      await pipeline.drain()
      signal?.throwIfAborted()
    } finally {
      await pipeline.abandon()
    }
    const means = await unlessAborted(this.#meter.means(), signal)
    if (means === undefined) throw nothingCounts('the training data')
    this.#checkLoss(means[0])
    this.#reporter.update(sizes.length, this.#readings(means))
    this.#reporter.loopEnd(this.#readings(means))
    return means
  }

  /** What evaluators say after the epoch, which ends its dynamics. */
  async #measure(epoch: number): Promise<void> {
    const { signal } = this.#options
    const values = await this.#measurement?.measure(epoch, stateOf(this.#model).epochs, signal)
    await this.#tracker?.finishEpoch(values)
  }

  async #validate(feed: Feed): Promise<number[]> {
    stateOf(this.#model).training = false
    this.#reporter.loopStart('validation', feed.batches ?? 0)
    const means = await measure(this.#model, feed, 0, this.#options.signal, (done) =>
      this.#reporter.update(done),
    )
    this.#reporter.loopEnd(this.#readings(means))
    return means
  }

  /** Uses what a finished step gave back. */
  async #take(result: StepResult, index: number, size: number, due: readonly number[]): Promise<void> {
    try {
      await this.#tracker?.take(index, result, due, size)
      if (result.logs === undefined) return
      const { loss, metrics } = named(this.#model, [...(result.logs.dataSync() as Float64Array)])
      await this.#notify((callback) => callback.onBatchEnd?.(index, { size, loss, metrics }))
    } finally {
      release(result)
    }
  }

  #report(done: number, means: readonly number[] | undefined): void {
    if (means === undefined) return
    this.#checkLoss(means[0])
    this.#reporter.update(done, this.#readings(means))
  }

  #readings(means: readonly number[]): Record<string, number> {
    const { loss, metrics } = named(this.#model, means)
    return {
      loss,
      ...Object.fromEntries(
        Object.entries(metrics).map(([name, value]) => [shortNames[name] ?? name, value]),
      ),
    }
  }

  #checkLoss(loss: number | undefined): void {
    if (Number.isFinite(loss)) return
    const usual = 'lower the learning rate, clip gradients, or look for extreme values in the data'
    const { lossName } = compiledOf(this.#model, 'fit')
    const ofOutputs = outputLimits[lossName ?? ''] ?? ''
    throw new NumericalError(`fit: the mean loss is ${loss}; ${this.#suspicion ?? `${ofOutputs}${usual}`}`)
  }

  /** Releases what the run made; leaves everything readable that was finished. */
  async close(): Promise<void> {
    this.#reporter.close()
    for (const step of this.#steps.values()) step.dispose()
    this.#measurement?.dispose()
    this.#meter.dispose()
    await this.#tracker?.close()
  }
}

/** Losses that are no number for some outputs. */
const outputLimits: Readonly<Record<string, string>> = {
  bce: "'bce' is NaN for outputs outside of [0, 1]: end the network with a sigmoid, or use 'bceWithLogits'; else ",
  klDiv:
    "'klDiv' is NaN for outputs above 0, which are no log-probabilities: end the network with logSoftmax; else ",
  nll: "'nll' is NaN for outputs above 0, which are no log-probabilities: end the network with logSoftmax, or use 'crossEntropy'; else ",
}

/** How the progress line names metrics. */
const shortNames: Readonly<Record<string, string>> = { accuracy: 'acc' }
