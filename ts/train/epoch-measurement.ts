/** What evaluators say of the layers between epochs. */

import { ArgumentError } from '../core/errors.js'
import type { Compiled as CompiledFunction } from '../core/jit.js'
import { evaluate, jit, tidy } from '../core/transforms.js'
import { ArrayDataset } from '../data/array-dataset.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import type { Network } from '../models/network.js'
import { concat } from '../ops/index.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import { type Attachment, isDue, type Probe, RangeAdvice, SampleAdvice, ValueAdvice } from './attachment.js'
import { nothingCounts } from './evaluation.js'
import { type Feed, feedOf, type StepInput } from './feed.js'
import { outsideParts, segmentOf, targetKind } from './step.js'
import type { TargetRule } from './targets.js'
import { unlessAborted } from './unless-aborted.js'

/** Samples that go through the network at a time. */
const probeBatch = 512

/** Samples to look at layers with. */
interface Source {
  readonly feed: Feed
  readonly samples: number
  /** To be disposed of with the measurement, where it was made for it. */
  readonly data: ArrayDataset | undefined
  /** The segment of a batch, and its labels last where some labels are to be ignored. */
  segmentStep: CompiledFunction<[input: StepInput], Tensor[]>
  readonly ignoreIndex: number | undefined
}

/** Evaluators that are due after epochs, and the samples that they see. */
export class EpochMeasurement {
  readonly #model: Network
  readonly #attachments: readonly Attachment[]
  readonly #layers: readonly string[]
  readonly #sources: ReadonlyMap<Attachment, Source>
  readonly #advice = new SampleAdvice()
  readonly #valueAdvice = new ValueAdvice()
  readonly #rangeAdvice = new RangeAdvice()

  private constructor(model: Network, layers: readonly string[], sources: ReadonlyMap<Attachment, Source>) {
    this.#model = model
    this.#attachments = model.attachments
    this.#layers = layers
    this.#sources = sources
  }

  /**
   * Prepares what the evaluators of a model need; undefined where none is evaluated after epochs.
   *
   * @param layers names of the tracked layers; @param classes width of one-hot rows; @param targets what the targets must be
   */
  static async prepare(
    model: Network,
    feed: Feed,
    layers: readonly string[],
    classes: number | undefined,
    targets: TargetRule,
  ): Promise<EpochMeasurement | undefined> {
    const { attachments } = model
    const sources = new Map<Attachment, Source>()
    const known = new Map<Probe | number, Source>()
    for (const attachment of attachments) {
      if (attachment.on === 'batch') continue
      const key = attachment.probe ?? attachment.samples
      const source = known.get(key) ?? (await sourceOf(model, feed, attachment, classes, targets))
      known.set(key, source)
      sources.set(attachment, source)
    }
    return sources.size === 0 ? undefined : new EpochMeasurement(model, layers, sources)
  }

  /**
   * Values after an epoch, `[E, L, 2]` flat, NaN for evaluators that are not due; undefined where none is.
   *
   * @param epoch of this fit; @param order number of the order of the training data; @param signal ends waiting for evaluators and data
   */
  async measure(epoch: number, order: number, signal?: AbortSignal): Promise<Float32Array | undefined> {
    const width = this.#layers.length * 2
    const due = this.#attachments.filter((one) => one.on !== 'batch' && isDue(one, epoch))
    if (due.length === 0) return undefined
    const values = new Float32Array(this.#attachments.length * width).fill(Number.NaN)
    for (const source of new Set(due.map((one) => this.#sources.get(one) as Source))) {
      const { segment, options } = await gather(this.#model, source, order, signal)
      try {
        for (const attachment of due.filter((one) => this.#sources.get(one) === source)) {
          const { evaluator } = attachment
          this.#advice.check(evaluator, segment[0]?.shape[0] as number, 'at the end of an epoch')
          const work = evaluator.measureSegment(segment, options, ({ message }) =>
            this.#valueAdvice.warn(evaluator, 'at the end of an epoch', message),
          )
          const pairs = await unlessAborted(work, signal)
          await this.#checkRange(evaluator, segment)
          if (pairs.flat().some(Number.isNaN)) this.#valueAdvice.warn(evaluator, 'at the end of an epoch')
          values.set(pairs.flat(), this.#attachments.indexOf(attachment) * width)
        }
      } finally {
        for (const part of segment) part.dispose()
      }
    }
    return values
  }

  async #checkRange(evaluator: Estimator, segment: readonly Tensor[]): Promise<void> {
    using parts = tidy(() => outsideParts([evaluator], segment))
    if (parts === undefined) return
    this.#rangeAdvice.check(evaluator, (await parts.data()) as Float32Array, this.#layers)
  }

  dispose(): void {
    for (const { segmentStep, data } of new Set(this.#sources.values())) {
      segmentStep.dispose()
      data?.dispose()
    }
  }
}

async function sourceOf(
  model: Network,
  training: Feed,
  { probe, samples }: Attachment,
  classes: number | undefined,
  targets: TargetRule,
): Promise<Source> {
  const { inputShape, dtype } = model
  const { ignoreIndex } = targets
  const data =
    probe === undefined
      ? undefined
      : new ArrayDataset(probe.x, probe.y, {
          batchSize: probeBatch,
          inputShape,
          dtype,
          ...targets.datasetOptions(probe.y),
          classes,
        })
  const feed = data === undefined ? training : feedOf(data, { inputShape, dtype, targets })
  if (data !== undefined) await feed.prepare()
  const segmentStep = jit((input: StepInput) => {
    const { x, y } = feed.decode(input)
    const { hidden } = model.forward(x, model.pass({ training: false, tracking: true }))
    // The input may be an argument itself, which is no result.
    const segment = segmentOf(model, x, hidden, y, classes)
    return (ignoreIndex === undefined ? segment : [...segment, y]).map((part) => part.add(0))
  })
  return { feed, samples: data?.samples ?? samples, data, segmentStep, ignoreIndex }
}

/** A segment without the samples whose labels, its last part, are the one to ignore. */
async function counted(parts: readonly Tensor[], ignoreIndex: number): Promise<Tensor[]> {
  const labels = parts.at(-1) as Tensor
  const perSample = labels.size / (labels.shape[0] as number)
  const values = [...(await labels.data())].map(Number)
  const rows = Array.from({ length: labels.shape[0] as number }, (_, row) => row)
  // A sample with several labels counts where any of them does.
  const kept = rows.filter((row) =>
    values.slice(row * perSample, (row + 1) * perSample).some((label) => label !== ignoreIndex),
  )
  if (kept.length === 0) throw nothingCounts('the samples to evaluate on')
  return tidy(() => {
    const index = tensor(Int32Array.from(kept))
    return parts.slice(0, -1).map((part) => part.take(index))
  })
}

/** The segment of the samples of a source, with the weights of the moment. */
async function gather(
  model: Network,
  { feed, samples, segmentStep, ignoreIndex }: Source,
  order: number,
  signal: AbortSignal | undefined,
): Promise<{ segment: Tensor[]; options: SegmentOptions }> {
  const batches: Tensor[][] = []
  let options: SegmentOptions = {}
  let count = 0
  try {
    for await (const batch of feed.epoch(order, signal)) {
      try {
        options = targetKind(model, batch.input.y)
        batches.push(await unlessAborted(segmentStep(batch.input), signal))
      } finally {
        batch.release()
      }
      count += batch.size
      if (count >= samples) break
    }
    if (batches.length === 0) throw new ArgumentError('fit: there are no samples to evaluate on')
    const segment = tidy(() =>
      (batches[0] as Tensor[]).map((_, part) => {
        const whole = concat(batches.map((batch) => batch[part] as Tensor))
        return count > samples ? whole.slice([0], [samples]) : whole
      }),
    )
    await evaluate(segment)
    if (ignoreIndex === undefined) return { segment, options }
    const kept = await counted(segment, ignoreIndex)
    for (const part of segment) part.dispose()
    await evaluate(kept)
    return { segment: kept, options }
  } finally {
    for (const batch of batches) for (const part of batch) part.dispose()
  }
}
