/** The compiled steps: everything that happens to one batch, as one program. */
import { isFloat } from '../core/dtype.js'
import { ShapeError, StateError } from '../core/errors.js'
import type { Compiled as CompiledFunction } from '../core/jit.js'
import { jit, valueAndGrad } from '../core/transforms.js'
import { Variable } from '../core/variable.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import type { Network } from '../models/network.js'
import { oneHot, stack, where } from '../ops/index.js'
import { full, type Tensor, zeros } from '../ops/tensor.js'
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

/** A mean over a batch, and what it is over. */
interface Reading {
  /** Scalar. */
  readonly value: Tensor
  /** float64 scalar, 0 where nothing counts and the value was divided by 1; undefined where it is over all samples. */
  readonly weight: Tensor | undefined
}

/**
 * Sums of loss and metrics over an epoch, and of the weights that they are means over, in Variables that steps add to: the means then do not
 * depend on how the data were divided into batches.
 */
export class Meter {
  /** float64 [2, 1 + M]: sums, and their weights. */
  readonly #totals: Variable
  readonly #sums: boolean

  /** @param width number of entries: the loss and the metrics; @param sums whether the loss is a sum, which has no mean */
  constructor(width: number, sums: boolean) {
    const totals = zeros([2, width], { dtype: 'float64' })
    this.#totals = new Variable(totals, { name: 'totals', trainable: false })
    this.#sums = sums
  }

  /** Adds a batch of `size` samples; part of a step. */
  add(readings: readonly Reading[], size: number): void {
    const all = full([], size, { dtype: 'float64' })
    const weights = readings.map(({ weight }) => weight ?? all)
    const sums = readings.map(({ value, weight }, index) => {
      const exact = value.cast('float64')
      if (this.#sums && index === 0) return exact
      // A batch without weight was divided by 1: label smoothing gives it a sum all the same.
      return exact.mul(weight === undefined ? all : where(weight.greater(0), weight, 1))
    })
    const width = readings.length
    this.#totals.assign(this.#totals.value.add(stack([...sums, ...weights]).reshape([2, width])))
  }

  reset(): void {
    this.#totals.assign(0)
  }

  /**
   * Means of all steps so far: loss first, then the metrics; undefined where nothing counted. Waits for the steps under way.
   */
  async means(): Promise<number[] | undefined> {
    const all = [...((await this.#totals.data()) as Float64Array)]
    const [sums, weights] = [all.slice(0, all.length / 2), all.slice(all.length / 2)]
    if (weights[0] === 0) return undefined
    return sums.map((sum, index) => (this.#sums && index === 0 ? sum : sum / (weights[index] as number)))
  }

  dispose(): void {
    this.#totals.dispose()
  }
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
  const { optimizer } = compiledOf(model, 'fit')
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
    const readings = readingsOf(model, value, aux.output, aux.target)
    updateWhere(
      readings[0]?.weight?.greater(0),
      [...Object.values(weights), ...optimizer.stateVariables().values()],
      () => optimizer.step(weights, grads),
    )
    for (const [path, next] of updates) own[path]?.assign(next.stopGradient())
    meter.add(readings, size)
    const result: StepResult = options.logs ? { logs: logsOf(readings) } : {}
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
    const loss = model.lossOf(pass, output, target)
    meter.add(readingsOf(model, loss, output, target), x.shape[0] as number)
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

/** Loss and metrics of a batch. */
function readingsOf(model: Network, loss: Tensor, output: Tensor, target: Tensor): Reading[] {
  const { metrics, weightOf } = compiledOf(model, 'metrics')
  const judged = metrics.map((metric) => {
    const value = metric.fn(output.stopGradient(), target)
    if (value.rank === 0) return { value, weight: metric.weightOf?.(target) }
    throw new ShapeError(
      `metric '${metric.name}' returned shape [${value.shape}], expected a scalar: the mean over the batch`,
    )
  })
  return [{ value: loss, weight: weightOf(target, output) }, ...judged]
}

function logsOf(readings: readonly Reading[]): Tensor {
  return stack(readings.map(({ value }) => value.cast('float64')))
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
