/** Statistics of the layers of a model during training. */
import {
  type LayerMeasure,
  layerMeasureNames,
  layerMeasureSources,
  layerMeasures,
} from '../analysis/layer-measures.js'
import { allowingNaN } from '../core/debug.js'
import { ArgumentError, describe, unknownName } from '../core/errors.js'
import {
  type Checks,
  checkOptions,
  either,
  flag,
  isInstance,
  isPlainObject,
  listOf,
  oneOf,
  text,
  whole,
} from '../core/options.js'
import { tidy } from '../core/transforms.js'
import type { ArrayDataset, ArrayInput } from '../data/array-dataset.js'
import { type Every, everyCheck, Schedules } from '../dynamics/schedule.js'
import { Tensor, tensor } from '../ops/tensor.js'
import type { Callback, CallbackState, FitContext, TrainInfo } from '../train/callbacks/callback.js'
import { remembered } from '../train/callbacks/monitor.js'
import { stateOf } from '../train/state.js'
import { Network } from './network.js'

/** A custom statistic of the activations `[n, units]` of a layer: a lazy scalar. */
export type OwnMeasure = (activations: Tensor) => Tensor

/** Options of {@link trackStatistics}. */
export interface TrackStatisticsOptions {
  /** Names of statistics, see {@link layerMeasureSources}. Default mean, variance, deadShare, effectiveRank and twoNN. */
  measures?: readonly LayerMeasure[]
  /** Custom statistics by name. A NaN is recorded, and does not stop `debug({ checkNaN: true })`. */
  own?: Readonly<Record<string, OwnMeasure>>
  /** Layers, as `activations` takes them. Default: the points of the information plane. */
  layers?: string | readonly string[]
  /** When to measure: a number of epochs, a list of epochs, 'log' or `{ steps }`; see {@link Every}. Default 1. */
  every?: Every
  /** Measure before the first step too, as epoch 0. Default true. */
  initial?: boolean
  /** Batch size of the forward pass. Default 256. */
  batchSize?: number
}

/** Statistics of layers at N moments of training. */
export interface StatisticsHistory {
  /** Number of finished epochs at each of the N moments, in ascending order; with `{ steps }` several moments have the same epoch. */
  readonly epochs: readonly number[]
  /** Number of steps at each of the N moments, in ascending order. */
  readonly steps: readonly number[]
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the M statistics. */
  readonly measures: readonly string[]
  /** Definition and reference of each statistic; 'own' for a custom one. */
  readonly sources: readonly string[]
  /** Number of samples. */
  readonly samples: number
  /** [N, M, L]; NaN if the statistic is undefined. */
  readonly values: readonly (readonly (readonly number[])[])[]
}

const usual: readonly LayerMeasure[] = ['mean', 'variance', 'deadShare', 'effectiveRank', 'twoNN']

const checks: Checks<TrackStatisticsOptions> = {
  measures: listOf(oneOf(...layerMeasureNames)),
  own: {
    expected: 'functions of activations to a scalar, by name',
    accepts: (value) =>
      isPlainObject(value) && Object.values(value as object).every((f) => typeof f === 'function'),
  },
  layers: either(text, listOf(text)),
  every: everyCheck,
  initial: flag,
  batchSize: whole(1),
}

/**
 * Records statistics of a model's layers during training: moments, dead units, effective rank, intrinsic dimension, or custom functions, in
 * evaluation mode on a fixed set of samples. It is a callback of `fit`.
 *
 *     const watch = trackStatistics(model, x, { every: 'log', measures: ['deadShare', 'effectiveRank', 'twoNN'] })
 *     await model.fit(xTrain, yTrain, { epochs: 100, callbacks: [watch] })
 *     watch.of('effectiveRank', 'dense_1') // a number for each of watch.history().epochs
 *
 * @param x `[n, ...inputShape]`, or an ArrayDataset: 500 to 2,000 samples are usual
 * @throws ArgumentError, UnknownNameError for invalid options
 */
export function trackStatistics(
  model: Network,
  x: ArrayInput | ArrayDataset,
  options: TrackStatisticsOptions = {},
): StatisticsTracker {
  return new StatisticsTracker(model, x, options)
}

/** Values at one moment. */
interface Moment {
  readonly epoch: number
  readonly step: number
  /** [M, L], flattened. */
  readonly values: readonly (number | null)[]
}

interface Saved {
  readonly layers: readonly string[]
  readonly samples: number
  readonly moments: readonly Moment[]
}

/** The callback returned by {@link trackStatistics}. */
export class StatisticsTracker implements Callback {
  readonly everyBatches: number | undefined
  readonly onBatchEnd?: NonNullable<Callback['onBatchEnd']>
  readonly #model: Network
  readonly #x: ArrayInput | ArrayDataset
  readonly #options: TrackStatisticsOptions
  readonly #measures: readonly LayerMeasure[]
  readonly #own: readonly (readonly [name: string, measure: OwnMeasure])[]
  readonly #warned = new Set<string>()
  #schedules: Schedules | undefined
  #layers: readonly string[] = []
  #samples = 0
  #moments: Moment[] = []

  constructor(model: Network, x: ArrayInput | ArrayDataset, options: TrackStatisticsOptions = {}) {
    if (!isInstance(model, Network)) {
      throw new ArgumentError(`trackStatistics: given ${describe(model)}, expected a model`)
    }
    this.#model = model
    this.#x = x
    this.#options = checkOptions('trackStatistics', options, checks)
    const { measures = usual, own = {}, every = 1 } = this.#options
    this.#measures = [...new Set(measures)]
    this.#own = Object.entries(own)
    const taken = this.#own.find(([name]) => (layerMeasureNames as readonly string[]).includes(name))
    if (taken !== undefined) {
      throw new ArgumentError(
        `trackStatistics: own: the name '${taken[0]}' is that of a measure of the library; give another`,
      )
    }
    if (this.#measures.length + this.#own.length === 0) {
      throw new ArgumentError('trackStatistics: measures and own are empty; name at least one')
    }
    if (isPlainObject(every)) {
      // Only then does training call the callback at steps.
      const { steps } = every as { steps: unknown }
      this.everyBatches = typeof steps === 'number' ? steps : 1
      this.onBatchEnd = (_batch, _logs, { step }) => this.#lookAt(this.#schedules?.afterStep(step), step)
    }
  }

  /** Measures the model before the first step. */
  async onTrainBegin({ epochs, batches }: TrainInfo, { epoch }: FitContext): Promise<void> {
    const { every = 1, initial = true } = this.#options
    const { record } = stateOf(this.#model)
    const left = epochs - epoch
    const steps = batches === undefined ? undefined : record.steps + batches * left
    const planned = { on: 'probe', every, initial } as const
    this.#schedules = new Schedules([planned], { epochs: record.epochs + left, steps })
    if (record.epochs === 0 && record.steps === 0) await this.#lookAt(this.#schedules.initially, 0)
  }

  async onEpochEnd(epoch: number): Promise<void> {
    const { record } = stateOf(this.#model)
    await this.#lookAt(this.#schedules?.afterEpoch(epoch, record.epochs), record.steps)
  }

  async #lookAt(due: readonly number[] | undefined, step: number): Promise<void> {
    if (due === undefined || due.length === 0) return
    const { layers, batchSize } = this.#options
    const model = this.#model
    using seen = await model.activations(this.#x, {
      ...(layers === undefined ? {} : { layers }),
      ...(batchSize === undefined ? {} : { batchSize }),
    })
    const [run] = seen.runs
    if (run === undefined) return
    const columns: number[][] = []
    for (const layer of run.layers) {
      const array = await run.layer(run.epochs[0] as number, layer)?.read()
      if (array === undefined) continue
      const n = array.shape[0] as number
      this.#samples = n
      using h = tensor(array.data, { shape: [n, array.data.length / n], device: model.device })
      columns.push(await this.#numbersOf(layer, h))
    }
    const values = [...this.#measures, ...this.#own].flatMap((_, m) =>
      columns.map((column) => column[m] as number),
    )
    this.#layers = run.layers
    this.#moments.push({ epoch: stateOf(model).record.epochs, step, values })
  }

  async #numbersOf(layer: string, h: Tensor): Promise<number[]> {
    const found = await layerMeasures(h, this.#measures, (name, reason) => this.#advise(name, layer, reason))
    const numbers: number[] = this.#measures.map((name) => found[name])
    for (const [name, measure] of this.#own) {
      using value = tidy(() => allowingNaN(() => ownValue(name, measure(h))))
      numbers.push(await value.item())
    }
    return numbers
  }

  #advise(name: string, layer: string, { message }: Error): void {
    if (this.#warned.has(name)) return
    this.#warned.add(name)
    process.emitWarning(
      `trackStatistics: ${name} has no value for ${layer}, where NaN is recorded: ${message}`,
      {
        type: 'HyperglowWarning',
        code: 'HYPERGLOW_NO_VALUE',
      },
    )
  }

  /** All recorded values, over all fits. */
  history(): StatisticsHistory {
    const measures = [...this.#measures, ...this.#own.map(([name]) => name)]
    const width = this.#layers.length
    return {
      epochs: this.#moments.map(({ epoch }) => epoch),
      steps: this.#moments.map(({ step }) => step),
      layers: this.#layers,
      measures,
      sources: [...this.#measures.map((name) => layerMeasureSources[name]), ...this.#own.map(() => 'own')],
      samples: this.#samples,
      values: this.#moments.map(({ values }) =>
        measures.map((_, m) => values.slice(m * width, (m + 1) * width).map((value) => value ?? Number.NaN)),
      ),
    }
  }

  /**
   * The values of one statistic of one layer, one for each of the N moments of {@link StatisticsTracker.history}.
   *
   * @throws UnknownNameError for a statistic or layer that is not recorded
   */
  of(measure: string, layer: string): number[] {
    const { measures, layers, values } = this.history()
    const [m, l] = [measures.indexOf(measure), layers.indexOf(layer)]
    if (m < 0) throw unknownName('measure', measure, measures)
    if (l < 0) throw unknownName('layer', layer, layers)
    return values.map((moment) => moment[m]?.[l] as number)
  }

  /** The state for a checkpoint. */
  save(): CallbackState {
    const moments = this.#moments.map((moment) => ({
      ...moment,
      values: moment.values.map((v) => (Number.isNaN(v) ? null : v)),
    }))
    return { data: { layers: this.#layers, samples: this.#samples, moments } satisfies Saved }
  }

  /** Restores the state from a checkpoint. */
  load(state: CallbackState): void {
    const { layers, samples, moments } = remembered<Saved>('StatisticsTracker', state)
    if (!Array.isArray(layers) || !Array.isArray(moments) || typeof samples !== 'number') {
      throw new ArgumentError(
        `StatisticsTracker: load: data is ${describe(state.data)}, expected what save() gave: { layers, samples, moments }`,
      )
    }
    this.#layers = [...layers]
    this.#samples = samples
    this.#moments = moments.map((moment) => ({ ...moment }))
  }
}

function ownValue(name: string, value: unknown): Tensor {
  if (value instanceof Tensor && value.size === 1) return value.reshape([]).cast('float64')
  throw new ArgumentError(
    `trackStatistics: own: ${name} gave ${describe(value)}, expected a tensor, a scalar`,
  )
}
