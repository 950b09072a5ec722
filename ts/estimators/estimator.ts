import { isFloat } from '../core/dtype.js'
import { ArgumentError, DataError, describe, NumericalError, ShapeError } from '../core/errors.js'
import { type Compiled, jit } from '../core/jit.js'
import { tidy } from '../core/memory.js'
import {
  type Checks,
  callable,
  checkOptions,
  checkValue,
  isInstance,
  isList,
  oneOf,
} from '../core/options.js'
import { stack } from '../ops/index.js'
import type { DeviceRequest, Tensor } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'
import { checkDevice, checkMeeting, checkTensor } from './check.js'
import { adviseOnLabels, releaseSamples, type SampleData, samplesFrom } from './data.js'
import {
  type Advice,
  type EstimateDetails,
  type EstimateOptions,
  estimateChecks,
  estimateDetails,
  Findings,
} from './details.js'
import { checkLabels, classesOf, isLabels } from './samples.js'

/** Options that every estimator takes. */
export interface EstimatorOptions {
  /**
   * Device of `estimate` and of evaluations after epochs. Default: the device of the data, and the default device for arrays. `criterion`
   * computes on the device of its tensors.
   */
  device?: DeviceRequest
}

/**
 * Kind of an argument: real numbers; class labels (an integer vector, or rows of which equal ones are one class, such as one-hot rows); or
 * either, if the formula treats labels as classes and never as numbers.
 */
export type Takes = 'numbers' | 'classes' | 'any'

/** Properties of a segment besides its tensors. */
export interface SegmentOptions {
  /** Whether the target is a class (one-hot rows) or numbers. Default: unknown, the rows are used as they are. */
  target?: 'classes' | 'numbers'
}

/** The checks of {@link SegmentOptions}. */
export const segmentChecks: Checks<SegmentOptions> = { target: oneOf('classes', 'numbers') }

/**
 * A measure of dependence between two sets of samples.
 *
 * A subclass needs only `criterion`. It then works as an evaluator of training dynamics and as a loss of layers:
 *
 *     class Correlation extends Estimator {
 *       criterion(x: Tensor, y: Tensor) {
 *         return x.sub(x.mean()).mul(y.sub(y.mean())).mean()
 *       }
 *     }
 */
export abstract class Estimator<O extends object = object> {
  /** The options as given; estimators of information add their defaults. */
  readonly params: Readonly<O & EstimatorOptions>
  /** Codes of emitted warnings. */
  #emitted = new Set<string>()
  /** Compiled measures of segments, by the kind of target. */
  readonly #measures = new Map<string, Compiled<[segment: Tensor[]], Tensor>>()

  constructor(params: O & EstimatorOptions = {} as O) {
    if (params === null || typeof params !== 'object') {
      throw new ArgumentError(`${new.target.name}: expected an object of options, received ${String(params)}`)
    }
    checkDevice(params.device)
    this.params = Object.freeze({ ...params })
  }

  /** Name in reports and files. */
  get name(): string {
    return this.constructor.name
  }

  /**
   * Unit of the value: 'nats', 'bits', 'bans' or 'base b' for information, 'none' for other measures of dependence. Figures and stores show
   * it.
   */
  get unit(): string {
    return 'none'
  }

  /** The options that determine the value, for figures and stores. */
  get settings(): Readonly<Record<string, unknown>> {
    const { device: _, ...settings } = this.params
    return settings
  }

  /** Smallest number of samples for which the formula is defined. */
  get minimumSamples(): number {
    return 1
  }

  /**
   * Smallest number of samples for arguments of these widths; evaluators skip smaller batches. More than `minimumSamples` if the formula
   * needs more samples than columns.
   *
   * @param x numbers per sample, undefined for class labels
   * @param y likewise
   */
  samplesFor(_x: number | undefined, _y: number | undefined): number {
    return this.minimumSamples
  }

  /** Number of samples below which the value is unreliable; evaluators warn about smaller batches. */
  get advisedSamples(): number {
    return this.minimumSamples
  }

  /** Kinds of the arguments. */
  get takes(): { readonly x: Takes; readonly y: Takes } {
    return { x: 'any', y: 'any' }
  }

  /** Whether there is a lazy `criterion`; false if a value needs training, or decisions by values. */
  get isLazy(): boolean {
    return true
  }

  /**
   * Whether `criterion` has a gradient with respect to x, so it can be the objective of a training. False for measurements by counts, ranks or
   * neighbors, whose gradient is 0.
   */
  get hasGradient(): boolean {
    return this.isLazy
  }

  /**
   * Whether copies of samples count as dependence: in estimates by neighbors, kernels, distances, bins and counts, and by critics and
   * classifiers whose held-out samples have copies among the others. `bootstrap` draws copies, so it refuses such an estimator;
   * `halfJackknife` draws none.
   */
  get isBiasedByCopies(): boolean {
    return false
  }

  /**
   * The measure of two sets of samples, lazy, and differentiable if its formula is.
   *
   * @param x `[n, dx]`
   * @param y `[n, dy]`, the same draws
   * @returns scalar
   */
  abstract criterion(x: Tensor, y: Tensor): Tensor

  /**
   * How far a value of a layer may mislead, from 0 to 1: the share of activations outside the range of bins, or the value that unrelated data
   * of the same widths have. A lazy scalar, or undefined for an estimator without doubt. Evaluators read it with the values and pass it to
   * {@link adviceOnDoubt}.
   *
   * @param h `[n, ...]`; @param others what it is compared with, input and target, each `[n, ...]`
   */
  doubt(_h: Tensor, _others: readonly Tensor[] = []): Tensor | undefined {
    return undefined
  }

  /**
   * Warning for that doubt; undefined if it does no harm.
   *
   * @param what the source of the values, for instance 'layer dense_1'
   */
  adviceOnDoubt(_doubt: number, _what: string): Advice | undefined {
    return undefined
  }

  /**
   * The coordinates of one batch in the information plane.
   *
   * @param segment `[x, h1, ..., hL, y]`: input, outputs of L layers, target (class labels as one-hot rows), each `[n, ...]`
   * @returns L pairs `[criterion(h, x), criterion(h, y)]` of lazy scalars
   */
  evaluateSegment(segment: readonly Tensor[], options: SegmentOptions = {}): Tensor[][] {
    const given = checkOptions(`${this.name}: evaluateSegment`, options, segmentChecks)
    const { x, hidden, y } = splitSegment(this.name, segment)
    const target = this.takes.y !== 'any' && given.target === 'classes' ? classesOf('target', y) : y
    return hidden.map((h) => [this.criterion(h, x), this.criterion(h, target)])
  }

  /**
   * The same pairs as numbers, recorded at the end of an epoch. NaN for a pair without an answer (DataError and NumericalError of single
   * pairs).
   *
   * @param unanswered called with the reason for every such pair
   */
  async measureSegment(
    segment: readonly Tensor[],
    options: SegmentOptions = {},
    unanswered: (reason: Error) => void = () => {},
  ): Promise<number[][]> {
    checkOptions(`${this.name}: measureSegment`, options, segmentChecks)
    checkValue(`${this.name}: unanswered`, unanswered, callable<(reason: Error) => void>())
    segmentParts(this.name, segment)
    const { device } = this.params
    if (device !== undefined) {
      const there = segment.map((part) => placedOn(part, device))
      if (there.some((part, index) => part !== segment[index])) {
        try {
          return await this.measureSegment(there, options, unanswered)
        } finally {
          for (const [index, part] of there.entries()) if (part !== segment[index]) part.dispose()
        }
      }
    }
    if (!this.isLazy) return this.#measureEach(segment, options, unanswered)
    try {
      using values = await this.#segmentMeasure(options)([...segment])
      const flat = await values.data()
      return Array.from({ length: flat.length / 2 }, (_, l) => [Number(flat[2 * l]), Number(flat[2 * l + 1])])
    } catch (error) {
      if (segment.length === 3 || !isUnanswered(error)) {
        const nothing = noValue(error, unanswered)
        return [[nothing, nothing]]
      }
    }
    // A layer without an answer must not affect the other layers.
    const pairs: number[][] = []
    const [x, y] = [segment[0] as Tensor, segment.at(-1) as Tensor]
    for (const h of segment.slice(1, -1)) {
      pairs.push(...(await this.measureSegment([x, h, y], options, unanswered)))
    }
    return pairs
  }

  /** The pairs of a segment as one tensor `[2 L]`, compiled: the segments of a run have the same shapes in every epoch. */
  #segmentMeasure(options: SegmentOptions): Compiled<[segment: Tensor[]], Tensor> {
    const key = String(options.target)
    let measure = this.#measures.get(key)
    if (measure === undefined) {
      measure = jit((segment: Tensor[]) => stack(this.evaluateSegment(segment, options).flat()))
      this.#measures.set(key, measure)
    }
    return measure
  }

  /** Pair by pair, for estimators without a lazy value. */
  async #measureEach(
    segment: readonly Tensor[],
    options: SegmentOptions,
    unanswered: (reason: Error) => void,
  ): Promise<number[][]> {
    const { x, hidden, y } = splitSegment(this.name, segment)
    const target = options.target === 'classes' ? classesOf('target', y) : y
    const one = (h: Tensor, other: Tensor) =>
      this.estimate(h, other).catch((error: unknown) => noValue(error, unanswered))
    const pairs: number[][] = []
    for (const h of hidden) pairs.push([await one(h, x), await one(h, target)])
    return pairs
  }

  /**
   * The measure of plain data, in float64.
   *
   *     await new KSG().estimate(x, y) // 0.83
   *     console.log(await new KSG().estimate(x, y, { details: true })) // unit, settings, kinds of data, limit, warnings
   *
   * Warns once (`HYPERGLOW_LABELS_AS_NUMBERS`) of apparent class labels in an array of floating-point numbers, which count as numbers.
   *
   * @param x n samples; @param y the same draws
   * @returns the value; with `details: true` a record
   * @throws DataError for NaN or infinite data and for too few samples; NumericalError when the data do not give a finite value
   */
  estimate(x: SampleData, y: SampleData, options?: EstimateOptions & { details?: false }): Promise<number>
  estimate(
    x: SampleData,
    y: SampleData,
    options: EstimateOptions & { details: true },
  ): Promise<EstimateDetails>
  estimate(x: SampleData, y: SampleData, options?: EstimateOptions): Promise<number | EstimateDetails>
  async estimate(
    x: SampleData,
    y: SampleData,
    options: EstimateOptions = {},
  ): Promise<number | EstimateDetails> {
    const { details = false } = checkOptions(`estimate of ${this.name}`, options, estimateChecks)
    const start = performance.now()
    const a = await this.samples('x', x, y)
    try {
      const b = await this.samples('y', y, x)
      try {
        checkMeeting(this.name, a, b)
        return await this.#estimateOf([x, y], [a, b], details, start)
      } finally {
        releaseSamples(b, y)
      }
    } finally {
      releaseSamples(a, x)
    }
  }

  /** The estimate of data whose samples were read. */
  async #estimateOf(
    [x, y]: readonly [SampleData, SampleData],
    [a, b]: readonly [Tensor, Tensor],
    details: boolean,
    start: number,
  ): Promise<number | EstimateDetails> {
    if (this.takesLabelsAsNumbers('x')) await adviseOnLabels(this.name, 'x', x, a)
    if (this.takesLabelsAsNumbers('y')) await adviseOnLabels(this.name, 'y', y, b)
    if (isLabels(a) && this.needsClasses('x')) await checkLabels(this.name, 'x', a)
    if (isLabels(b) && this.needsClasses('y')) await checkLabels(this.name, 'y', b)
    const findings = new Findings(details, this.base)
    const value = await this.value(a, b, findings)
    if (!Number.isFinite(value)) {
      throw new NumericalError(
        `${this.name}: the estimate is ${value}; check the data for very large values and repeated samples`,
      )
    }
    if (!details) {
      this.#emit(findings)
      return value
    }
    if (value < 0) {
      findings.warn(
        'below 0: an unbiased estimate of zero dependence is as often below 0 as above; { clip: true } gives 0',
      )
    }
    const { name: estimator, unit, natsPerUnit, settings } = this
    const seconds = (performance.now() - start) / 1e3
    return estimateDetails({ value, unit, natsPerUnit, estimator, settings, seconds }, findings, a, b)
  }

  /** Shares the set of emitted codes with other estimators: each code is emitted by one of them. @internal */
  shareWarnings(emitted: Set<string>): this {
    this.#emitted = emitted
    return this
  }

  /** Emits warnings that have a code, each code once. */
  #emit({ warnings }: Findings): void {
    for (const { text, code } of warnings) if (code !== undefined) this.advise({ text, code })
  }

  /** Emits a warning, each code once for an estimator, however it is used. @internal */
  advise({ text, code }: Advice): void {
    if (this.#emitted.has(code)) return
    this.#emitted.add(code)
    process.emitWarning(text, { type: 'HyperglowWarning', code })
  }

  /** An argument of `estimate` as a tensor: class labels `[n]`, everything else as float64 rows `[n, d]`. @param beside the other argument of `estimate` */
  protected samples(what: 'x' | 'y', data: SampleData, beside: unknown): Promise<Tensor> {
    return samplesFrom(`${this.name}: ${what}`, data, { device: this.params.device, beside })
  }

  /** Whether whole numbers of a float array count as numbers, so labels in a float array would be misread. */
  protected takesLabelsAsNumbers(what: 'x' | 'y'): boolean {
    return this.takes[what] !== 'classes'
  }

  /** Whether each class must have several samples; false if only equality matters. */
  protected needsClasses(what: 'x' | 'y'): boolean {
    return this.takes[what] === 'numbers'
  }

  /** Base of the logarithm of the unit; Math.E if the value has no unit. */
  protected get base(): number {
    return Math.E
  }

  /** Nats in one unit of the value; 1 if it has no unit. */
  protected get natsPerUnit(): number {
    return Math.log(this.base)
  }

  /**
   * The value of checked samples, as returned by {@link samplesFrom}.
   *
   * @param _findings a subclass notes limit, bounds, warnings and formula here
   */
  protected async value(x: Tensor, y: Tensor, _findings: Findings): Promise<number> {
    using value = tidy(() => this.criterion(x, y))
    return await value.item()
  }

  /** Throws unless both have the same number of samples, and enough of them. */
  protected checkCounts(x: Tensor, y: Tensor): void {
    checkTensor(`${this.name}: x`, x)
    checkTensor(`${this.name}: y`, y)
    const [n, m] = [x.shape[0], y.shape[0]]
    if (n === undefined || m === undefined || n !== m) {
      throw new ShapeError(
        `${this.name}: x and y must hold the same number of samples on axis 0, received [${x.shape}] and [${y.shape}]`,
      )
    }
    if (n < this.minimumSamples) {
      throw new DataError(
        `${this.name}: needs at least ${this.minimumSamples} samples, received ${n}; use larger batches, or drop the last one`,
      )
    }
  }
}

/** Whether an error means that the samples have no answer, rather than wrong use. */
export function isUnanswered(error: unknown): error is DataError | NumericalError {
  return error instanceof DataError || error instanceof NumericalError
}

/** NaN for data without an answer, after reporting the reason; throws errors that are not about the data. */
function noValue(error: unknown, unanswered: (reason: Error) => void): number {
  if (!isUnanswered(error)) throw error
  unanswered(error)
  return Number.NaN
}

/** Throws ArgumentError unless `value` is an estimator. */
export function checkEstimator(what: string, value: unknown): asserts value is Estimator {
  if (isInstance(value, Estimator)) return
  throw new ArgumentError(
    `${what}: given ${describe(value)}, expected an Estimator such as new HSIC({ sigma: 5 })`,
  )
}

/** The parts of a segment. */
export interface SegmentParts {
  /** Input of the network. */
  readonly x: Tensor
  /** Outputs of its layers. */
  readonly hidden: readonly Tensor[]
  /** Target. */
  readonly y: Tensor
}

/** The parts of a segment in their given shapes. */
export function segmentParts(name: string, segment: readonly Tensor[]): SegmentParts {
  if (!isList(segment) || segment.length < 3) {
    throw new ArgumentError(
      `${name}: a segment is [input, layer outputs ..., target] with at least 3 entries, received ${describe(segment)}`,
    )
  }
  for (const [index, part] of segment.entries()) checkTensor(`${name}: entry ${index} of the segment`, part)
  return { x: segment[0] as Tensor, hidden: segment.slice(1, -1), y: segment.at(-1) as Tensor }
}

/** The parts of a segment, each sample flattened to one row. */
export function splitSegment(name: string, segment: readonly Tensor[]): SegmentParts {
  const { x, hidden, y } = segmentParts(name, segment)
  return { x: flatRows(x), hidden: hidden.map(flatRows), y: flatRows(y) }
}

/** Samples `[n, ...]` as rows `[n, d]`; a vector of labels unchanged. */
export function flatRows(part: Tensor): Tensor {
  return part.rank > 2 ? part.flatten(1) : part.rank === 1 ? column(part) : part
}

/** A vector of numbers as one column; a vector of integer labels unchanged. */
function column(part: Tensor): Tensor {
  return isFloat(part.dtype) ? part.expandDims(1) : part
}
