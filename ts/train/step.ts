/** The compiled steps: everything that happens to one batch, as one program. */
import { isFloat } from '../core/dtype.js'
import { ShapeError, StateError } from '../core/errors.js'
import type { Compiled as CompiledFunction } from '../core/jit.js'
import { jit, tidy, valueAndGrad } from '../core/transforms.js'
import { Variable } from '../core/variable.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import type { Network } from '../models/network.js'
import type { Metric, MetricState } from '../nn/metrics/index.js'
import { concat, oneHot, stack, where } from '../ops/index.js'
import { full, type Shape, type Tensor, zeros } from '../ops/tensor.js'
import type { Compiled } from './compile.js'
import type { Feed, StepInput } from './feed.js'
import { compiledOf } from './state.js'

/** What a step gives back; the caller disposes of it. */
export type StepResult = {
  /** float64 [1 + M]: loss and metrics of the batch. Only where asked for. */
  logs?: Tensor
  /** float32 [E, L, 2]. Only where the dynamics are tracked and the batch is large enough. */
  dynamics?: Tensor
  /** float32 [E, L]: activations outside of what evaluators tell apart, as {@link outsideParts} gives them. Beside `dynamics`, where an evaluator has such a range. */
  outside?: Tensor
  /** The segment x, h1 .. hL, y. Only where asked for. */
  segment?: Tensor[]
}

/** Releases what a step gave back. */
export function release({ logs, dynamics, outside, segment = [] }: StepResult): void {
  for (const result of [logs, dynamics, outside, ...segment]) result?.dispose()
}

/** The loss of a batch, and what it is a mean over. */
interface Reading {
  /** Scalar. */
  readonly value: Tensor
  /** float64 scalar, 0 where nothing counts and the value was divided by 1; undefined where it is over all samples. */
  readonly weight: Tensor | undefined
}

/** What a batch is judged by. */
interface Judged {
  readonly output: Tensor
  readonly target: Tensor
}

/**
 * The loss and the metrics of an epoch in Variables that steps add to: values then do not depend on how the data were divided into batches.
 */
export class Meter {
  /** float64 [2]: the sum of losses, and their weight. */
  readonly #loss: Variable
  readonly #sums: boolean
  readonly #metrics: readonly Metric[]
  readonly #outputShape: Shape
  /** The state of each metric. */
  readonly #states: readonly Readonly<Record<string, Variable>>[]

  /** @param outputShape that of one output */
  constructor({ metrics, sums }: Compiled, outputShape: Shape) {
    this.#loss = new Variable(zeros([2], { dtype: 'float64' }), { name: 'loss', trainable: false })
    this.#sums = sums
    this.#metrics = metrics
    this.#outputShape = outputShape
    this.#states = tidy(() => metrics.map((metric) => stateOfMetric(metric, outputShape)))
  }

  /** Adds a batch of `size` samples; part of a step. */
  add({ value, weight }: Reading, { output, target }: Judged, size: number): void {
    const all = full([], size, { dtype: 'float64' })
    const exact = value.cast('float64')
    // A batch without weight was divided by 1: label smoothing gives it a sum all the same.
    const factor = weight === undefined ? all : where(weight.greater(0), weight, 1)
    const sum = this.#sums ? exact : exact.mul(factor)
    this.#loss.assign(this.#loss.value.add(stack([sum, weight ?? all])))
    const prediction = output.stopGradient()
    for (const [index, metric] of this.#metrics.entries()) {
      const state = this.#states[index] as Record<string, Variable>
      assignAll(state, metric.update(valuesOf(state), prediction, target))
    }
  }

  reset(): void {
    this.#loss.assign(0)
    tidy(() => {
      for (const [index, metric] of this.#metrics.entries()) {
        assignAll(this.#states[index] as Record<string, Variable>, metric.init(this.#outputShape))
      }
    })
  }

  /**
   * What all steps so far come to: the loss first, then the metrics; undefined where nothing counted. Waits for the steps under way.
   */
  async means(): Promise<number[] | undefined> {
    using all = tidy(() => {
      const values = this.#metrics.map((metric, index) =>
        metric.compute(valuesOf(this.#states[index] as Record<string, Variable>)).cast('float64'),
      )
      return concat([this.#loss.value, ...values.map((value) => value.reshape([1]))])
    })
    const [loss, weight, ...metrics] = (await all.data()) as unknown as [number, number, ...number[]]
    if (weight === 0) return undefined
    return [this.#sums ? loss : loss / weight, ...metrics]
  }

  dispose(): void {
    this.#loss.dispose()
    for (const state of this.#states) for (const variable of Object.values(state)) variable.dispose()
  }
}

/** Variables for what a metric keeps; throws ShapeError for a metric whose value is more than one number. */
function stateOfMetric(metric: Metric, outputShape: Shape): Record<string, Variable> {
  const initial = metric.init(outputShape)
  const value = metric.compute(initial)
  if (value.rank !== 0) {
    throw new ShapeError(
      `metric '${metric.name}' has values of shape [${value.shape}], expected a scalar; choose an average that gives one number`,
    )
  }
  return Object.fromEntries(
    Object.entries(initial).map(([part, start]) => {
      const name = `${metric.name}.${part}`
      return [part, new Variable(start, { name, trainable: false })]
    }),
  )
}

function valuesOf(state: Readonly<Record<string, Variable>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(state).map(([part, variable]) => [part, variable.value]))
}

function assignAll(state: Readonly<Record<string, Variable>>, values: MetricState): void {
  for (const [part, variable] of Object.entries(state)) variable.assign(values[part] as Tensor)
}

/** What a training step does besides training. */
export interface TrainStepOptions {
  readonly evaluators: readonly Estimator[]
  /** Give the dynamics of every batch back. */
  readonly dynamics: boolean
  /** Width of one-hot rows. */
  readonly classes: number | undefined
  /** Give loss and metrics of every batch back. */
  readonly logs: boolean
  /** Give the segment of every batch back. */
  readonly segment: boolean
  /** Called with the samples that the evaluators need, when a step is made for batches with fewer. */
  readonly tooSmall?: (needed: number) => void
}

/** Samples that a batch needs for its dynamics to be defined. */
function samplesNeeded(
  evaluators: readonly Estimator[],
  segment: readonly Tensor[],
  { target }: SegmentOptions,
): number {
  const widths = segment.map(({ size, shape }) => size / (shape[0] as number))
  const [input, output] = [widths[0], target === 'classes' ? undefined : widths.at(-1)]
  const needs = widths
    .slice(1, -1)
    .flatMap((width) =>
      evaluators.flatMap((evaluator) => [
        evaluator.samplesFor(width, input),
        evaluator.samplesFor(width, output),
      ]),
    )
  return Math.max(2, ...needs)
}

/**
 * The training step of a model: batch, forward pass, dynamics, loss, gradients, update, in one program per batch size.
 *
 * Dynamics are computed from detached activations beside the training, so tracking them changes no weight.
 */
export function trainStep(
  model: Network,
  feed: Feed,
  meter: Meter,
  options: TrainStepOptions,
): CompiledFunction<[input: StepInput], StepResult> {
  const compiled = compiledOf(model, 'fit')
  const { optimizer } = compiled
  const weights = model.trainableWeights
  if (Object.keys(weights).length === 0) {
    throw new StateError(
      'fit: there is nothing to train: the model has no trainable weights; set layer.trainable = true',
    )
  }
  const own = model.stateVariables
  optimizer.prepare(weights)
  return jit((input: StepInput) => {
    const { x, y } = feed.decode(input)
    const size = x.shape[0] as number
    const updates = new Map<string, Tensor>()
    const { value, grads, aux } = valueAndGrad(
      (current: Record<string, Tensor>) => {
        const pass = model.pass({
          weights: current,
          training: true,
          update: (path, next) => updates.set(path, next),
        })
        const { output, hidden } = model.forward(x, pass)
        const target = alignTarget(model, y, output)
        return [model.lossOf(pass, output, target), { output, hidden, target }] as const
      },
      weights,
      { hasAux: true },
    )
    const reading = { value, weight: compiled.weightOf(aux.target, aux.output) }
    updateWhere(
      reading.weight?.greater(0),
      [...Object.values(weights), ...optimizer.stateVariables().values()],
      () => optimizer.step(weights, grads),
    )
    for (const [path, next] of updates) own[path]?.assign(next.stopGradient())
    meter.add(reading, aux, size)
    const result: StepResult = options.logs ? { logs: logsOf(compiled.metrics, value, aux) } : {}
    if (!options.dynamics) return result
    const segment = segmentOf(model, x, aux.hidden, y, options.classes)
    const kind = model.segment === 'origin' ? {} : targetKind(model, y)
    const needed = samplesNeeded(options.evaluators, segment, kind)
    if (size < needed) {
      options.tooSmall?.(needed)
      return result
    }
    result.dynamics = coordinates(options.evaluators, segment, kind)
    const outside = outsideParts(options.evaluators, segment)
    if (outside !== undefined) result.outside = outside
    if (options.segment) result.segment = segment
    return result
  })
}

/** Does an update, and takes it back on the device where `isWanted` is false: momentum and decay move weights without a gradient, too. */
function updateWhere(isWanted: Tensor | undefined, variables: readonly Variable[], update: () => void): void {
  if (isWanted === undefined) {
    update()
    return
  }
  const before = variables.map(({ value }) => value)
  update()
  for (const [index, variable] of variables.entries()) {
    const { value } = variable
    const old = before[index] as Tensor
    if (value.id !== old.id) variable.assign(where(isWanted, value, old))
  }
}

/** The step of validation: loss and metrics in evaluation mode, added to the meter. */
export function evaluationStep(
  model: Network,
  feed: Feed,
  meter: Meter,
): CompiledFunction<[input: StepInput], StepResult> {
  return jit((input: StepInput) => {
    const { x, y } = feed.decode(input)
    const pass = model.pass({ tracking: false })
    const { output } = model.forward(x, pass)
    const target = alignTarget(model, y, output)
    const value = model.lossOf(pass, output, target)
    const { weightOf } = compiledOf(model, 'evaluate')
    meter.add({ value, weight: weightOf(target, output) }, { output, target }, x.shape[0] as number)
    return {}
  })
}

/** Targets of a named regression loss in the shape and dtype of the output; others as they are. */
function alignTarget(model: Network, y: Tensor, output: Tensor): Tensor {
  const { lossName } = compiledOf(model, 'loss')
  if (lossName === undefined || lossName === 'crossEntropy' || lossName === 'nll') return y
  const exact = y.dtype === output.dtype ? y : y.cast(output.dtype)
  // [batch] against [batch, 1]: the same numbers, and a loss never broadcasts.
  return exact.size === output.size && exact.rank !== output.rank ? exact.reshape(output.shape) : exact
}

/** Loss and metrics of a batch alone, float64 [1 + M]. */
function logsOf(metrics: readonly Metric[], loss: Tensor, { output, target }: Judged): Tensor {
  const prediction = output.stopGradient()
  const values = [loss, ...metrics.map((metric) => metric.of(prediction, target))]
  return stack(values.map((value) => value.cast('float64')))
}

/** Whether targets are rows of probabilities, one number a class, to a loss of classes. */
function areClassRows(model: Network, y: Tensor): boolean {
  return y.rank === 2 && compiledOf(model, 'evaluators').lossName === 'crossEntropy'
}

/** Whether targets are class labels or numbers, as evaluators are told. */
export function targetKind(model: Network, y: Tensor): SegmentOptions {
  const areClasses = (!isFloat(y.dtype) && y.rank === 1) || areClassRows(model, y)
  return { target: areClasses ? 'classes' : 'numbers' }
}

/** The segment [x, h1 .. hL, target] of a batch, detached. Rows of probabilities stand for their likeliest class. */
export function segmentOf(
  model: Network,
  x: Tensor,
  hidden: readonly Tensor[],
  y: Tensor,
  classes: number | undefined,
): Tensor[] {
  const layers = hidden.map((h) => h.stopGradient())
  if (model.segment === 'origin') return [x, ...layers]
  if (areClassRows(model, y)) {
    return [x, ...layers, oneHot(y.argMax(1).cast('int32'), y.shape[1] as number, model.dtype)]
  }
  if (isFloat(y.dtype)) return [x, ...layers, y.dtype === model.dtype ? y : y.cast(model.dtype)]
  if (y.rank !== 1 || classes === undefined) return [x, ...layers, y.cast(model.dtype)]
  return [x, ...layers, oneHot(y, classes, model.dtype)]
}

/** Every evaluator on a segment: float32 [E, L, 2]. */
function coordinates(
  evaluators: readonly Estimator[],
  segment: readonly Tensor[],
  options: SegmentOptions,
): Tensor {
  const layers = segment.length - 2
  if (evaluators.length === 0) return zeros([0, layers, 2])
  const rows = evaluators.flatMap((evaluator) => {
    const pairs = evaluator.evaluateSegment(segment, options)
    const scalars = pairs.flat()
    if (pairs.length !== layers || scalars.length !== 2 * layers || scalars.some(({ rank }) => rank !== 0)) {
      throw new ShapeError(
        `${evaluator.name}: evaluateSegment must give ${layers} pairs of scalars, one pair for each layer of the segment; received ${pairs.length} of ${scalars.length} tensors`,
      )
    }
    return scalars
  })
  return stack(rows.map((scalar) => scalar.cast('float32'))).reshape([evaluators.length, layers, 2])
}

/** The part of each layer's activations outside of the range of each evaluator, float32 [E, L], NaN where it has none; undefined where no evaluator has one. */
export function outsideParts(
  evaluators: readonly Estimator[],
  segment: readonly Tensor[],
): Tensor | undefined {
  const parts = evaluators.map((evaluator) => segment.slice(1, -1).map((h) => evaluator.outside(h)))
  if (parts.flat().every((part) => part === undefined)) return undefined
  const none = full([], Number.NaN)
  const flat = parts.flat().map((part) => part?.cast('float32') ?? none)
  return stack(flat).reshape([evaluators.length, segment.length - 2])
}
