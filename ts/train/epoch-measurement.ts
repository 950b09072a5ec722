/** Evaluations of layers after epochs. */

import { type Device, deviceNamed } from '../core/devices.js'
import { ArgumentError, DeviceError, ShapeError } from '../core/errors.js'
import { type Compiled as CompiledFunction, jit } from '../core/jit.js'
import { evaluate, tidy } from '../core/transforms.js'
import { type Attachment, adviseOnDoubts, SampleAdvice, ValueAdvice } from '../dynamics/attachment.js'
import { classCounts, doubtsOf } from '../dynamics/coordinates.js'
import type { EpochValues } from '../dynamics/tracker.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import { concat } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { started } from './delivery.js'
import { nothingCounts } from './evaluation.js'
import type { Feed } from './feed.js'
import { evaluated, partsOf, segmentOf, segmentOptions } from './program.js'
import type { Task } from './task.js'
import { unlessAborted } from './unless-aborted.js'

/** Samples in a batch of a probe. */
export const probeBatch = 512

/** Samples of evaluations after epochs. */
export interface ProbeFeed<B> {
  readonly feed: Feed<B>
  /** Number of first samples; undefined for all samples. */
  readonly samples: number | undefined
  /** Releases the feed. */
  dispose(): void
}

/** Properties of a compiled pass besides its tensors; the same for all batches. */
interface Reading {
  readonly layers: readonly string[]
  readonly options: SegmentOptions
  /** Label of samples that are left out; the labels are then the last tensor of the segment. */
  readonly ignoreIndex: number | undefined
}

/** The probe: samples for which layers are evaluated. */
class Source<B> {
  readonly #probe: ProbeFeed<B>
  readonly #step: CompiledFunction<[input: object], Tensor[]>
  #reading: Reading | undefined

  constructor(task: Task<B>, probe: ProbeFeed<B>, seed: number) {
    this.#probe = probe
    this.#step = jit((input: object) => {
      const segment = segmentOf(evaluated(task, probe.feed.decode(input), true, seed), 'evaluate')
      this.#reading = {
        layers: segment.layers.map(([name]) => name),
        options: segmentOptions(segment),
        ignoreIndex: segment.ignored?.index,
      }
      const parts = partsOf(segment)
      // The input may be an argument itself, which cannot be a result.
      return (segment.ignored === undefined ? parts : [...parts, segment.ignored.labels]).map((part) =>
        part.add(0),
      )
    })
  }

  /** The segment of the samples, with the current weights. */
  async gather(order: number, signal: AbortSignal | undefined): Promise<Reading & { segment: Tensor[] }> {
    const { feed, samples = Number.POSITIVE_INFINITY } = this.#probe
    const batches: Tensor[][] = []
    let count = 0
    try {
      for await (const batch of feed.epoch(order, signal)) {
        batches.push(await unlessAborted(started(batch, this.#step), signal))
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
      const reading = this.#reading as Reading
      if (reading.ignoreIndex === undefined) return { ...reading, segment }
      const kept = await counted(segment, reading.ignoreIndex)
      for (const part of segment) part.dispose()
      await evaluate(kept)
      return { ...reading, segment: kept }
    } finally {
      for (const batch of batches) for (const part of batch) part.dispose()
    }
  }

  dispose(): void {
    this.#step.dispose()
    this.#probe.dispose()
  }
}

/**
 * Refuses evaluators on batches with a `device` other than the step's: they are part of the step.
 *
 * @throws DeviceError
 */
export function checkDevices(attachments: readonly Attachment[], device: Device): void {
  const stranger = attachments.find(
    ({ on, evaluator }) =>
      on === 'batch' &&
      evaluator.params.device !== undefined &&
      deviceNamed('fit', evaluator.params.device) !== device,
  )
  if (stranger === undefined) return
  const { name, params } = stranger.evaluator
  throw new DeviceError(
    `fit: the evaluator ${name} asks for the device "${params.device}", and is part of steps that run on "${device}"; leave out its device, or attach it with { evaluateOn: 'epoch' }`,
  )
}

/** Evaluators that are evaluated after epochs, and their samples. */
export class EpochMeasurement<B> {
  readonly #attachments: readonly Attachment[]
  readonly #sources: ReadonlyMap<Attachment, Source<B>>
  readonly #advice = new SampleAdvice()
  readonly #valueAdvice = new ValueAdvice()

  private constructor(attachments: readonly Attachment[], sources: ReadonlyMap<Attachment, Source<B>>) {
    this.#attachments = attachments
    this.#sources = sources
  }

  /**
   * Prepares the probes of the evaluators; undefined without evaluations after epochs.
   *
   * @param probeOf the samples of an attachment; @param seed seed of random keys
   */
  static async prepare<B>(
    task: Task<B>,
    attachments: readonly Attachment[],
    probeOf: (attachment: Attachment) => Promise<ProbeFeed<B>>,
    seed: number,
  ): Promise<EpochMeasurement<B> | undefined> {
    const sources = new Map<Attachment, Source<B>>()
    const known = new Map<unknown, Source<B>>()
    for (const one of attachments) {
      if (one.on === 'batch') continue
      const key = one.probe ?? one.samples
      const source = known.get(key) ?? new Source(task, await probeOf(one), seed)
      known.set(key, source)
      sources.set(one, source)
    }
    return sources.size === 0 ? undefined : new EpochMeasurement(attachments, sources)
  }

  /**
   * Values after an epoch; undefined if no evaluator is due.
   *
   * @param epoch epoch of this fit; @param order number of the order of the training data; @param signal ends waiting for evaluators and data
   */
  async measure(
    numbers: readonly number[],
    order: number,
    signal?: AbortSignal,
  ): Promise<EpochValues | undefined> {
    const due = numbers.map((number) => this.#attachments[number] as Attachment)
    let found: Found | undefined
    for (const source of new Set(due.map((one) => this.#sources.get(one) as Source<B>))) {
      const { segment, layers, options } = await source.gather(order, signal)
      try {
        const width = layers.length * 2
        const size = this.#attachments.length * width
        found ??= {
          values: new Float32Array(size).fill(Number.NaN),
          samples: this.#attachments.map(() => null),
        }
        for (const one of due.filter((one) => this.#sources.get(one) === source)) {
          const values = await this.#evaluate(one, segment, layers, options, signal)
          if (values.length !== width || found.values.length !== size) {
            throw new ShapeError(
              `fit: ${one.evaluator.name} gave ${values.length} values for ${layers.length} layers; a task has the same layers in every segment`,
            )
          }
          const place = this.#attachments.indexOf(one)
          found.values.set(values, place * width)
          found.samples[place] = segment[0]?.shape[0] as number
          if (place === 0) found.classes = await classesIn(segment, options)
        }
      } finally {
        for (const part of segment) part.dispose()
      }
    }
    return found
  }

  async #evaluate(
    { evaluator }: Attachment,
    segment: readonly Tensor[],
    layers: readonly string[],
    options: SegmentOptions,
    signal: AbortSignal | undefined,
  ): Promise<number[]> {
    this.#advice.check(evaluator, segment[0]?.shape[0] as number, 'at the end of an epoch')
    const work = evaluator.measureSegment(segment, options, ({ message }) =>
      this.#valueAdvice.warn(evaluator, 'at the end of an epoch', message),
    )
    const values = (await unlessAborted(work, signal)).flat()
    await adviseOn(evaluator, segment, layers)
    if (values.some(Number.isNaN)) this.#valueAdvice.warn(evaluator, 'at the end of an epoch')
    return values
  }

  dispose(): void {
    for (const source of new Set(this.#sources.values())) source.dispose()
  }
}

/** Warns, once, if the values of an evaluator may mislead. */
async function adviseOn(
  evaluator: Estimator,
  segment: readonly Tensor[],
  layers: readonly string[],
): Promise<void> {
  using doubts = tidy(() => doubtsOf([evaluator], segment))
  if (doubts !== undefined) adviseOnDoubts(evaluator, (await doubts.data()) as Float32Array, layers)
}

/** {@link EpochValues} in progress. */
interface Found {
  readonly values: Float32Array
  readonly samples: (number | null)[]
  classes?: Float64Array | undefined
}

/** Samples of each class; undefined if the target is not classes. */
async function classesIn(
  segment: readonly Tensor[],
  options: SegmentOptions,
): Promise<Float64Array | undefined> {
  using counts = tidy(() => classCounts(segment, options))
  return counts === undefined ? undefined : ((await counts.data()) as Float64Array)
}

/** A segment without the samples with the ignored label; the labels are its last tensor. */
async function counted(parts: readonly Tensor[], ignoreIndex: number): Promise<Tensor[]> {
  const labels = parts.at(-1) as Tensor
  const perSample = labels.size / (labels.shape[0] as number)
  const values = [...(await labels.data())].map(Number)
  const rows = Array.from({ length: labels.shape[0] as number }, (_, row) => row)
  // A sample with several labels is kept if one of them is not ignored.
  const kept = rows.filter((row) =>
    values.slice(row * perSample, (row + 1) * perSample).some((label) => label !== ignoreIndex),
  )
  if (kept.length === 0) throw nothingCounts('the samples to evaluate on')
  return tidy(() => {
    const index = Int32Array.from(kept)
    return parts.slice(0, -1).map((part) => part.take(index))
  })
}
