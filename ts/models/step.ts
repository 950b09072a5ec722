/** The compiled steps: everything that happens to one batch, as one program. */
import { isFloat } from '../dtype.js'
import { ShapeError, StateError } from '../errors.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import type { Compiled as CompiledFunction } from '../jit.js'
import { oneHot, stack } from '../ops/index.js'
import { type Tensor, zeros } from '../tensor.js'
import { jit, valueAndGrad } from '../transforms.js'
import { Variable } from '../variable.js'
import type { Feed, StepInput } from './feed.js'
import type { ForwardPass } from './forward.js'
import type { Network } from './network.js'
import { compiledOf } from './state.js'

/** What a step gives back; the caller disposes of it. */
export type StepResult = {
  /** float64 [1 + M]: loss and metrics of the batch. Only where asked for. */
  logs?: Tensor
  /** float32 [E, L, 2]. Only where the dynamics are tracked and the batch is large enough. */
  dynamics?: Tensor
  /** The segment x, h1 .. hL, y. Only where asked for. */
  segment?: Tensor[]
}

/** Releases what a step gave back. */
export function release({ logs, dynamics, segment = [] }: StepResult): void {
  for (const result of [logs, dynamics, ...segment]) result?.dispose()
}

/** Sums of loss and metrics over the samples of an epoch, in Variables that steps add to. */
export class Meter {
  readonly #totals: Variable
  #samples = 0

  /** @param width number of entries: the loss and the metrics */
  constructor(width: number) {
    this.#totals = new Variable(zeros([width], { dtype: 'float64' }), { name: 'totals', trainable: false })
  }

  /** Adds the means of a batch of `size` samples; part of a step. */
  add(logs: Tensor, size: number): void {
    this.#totals.assign(this.#totals.value.add(logs.mul(size)))
  }

  /** Counts the samples of a step that was started. */
  count(size: number): void {
    this.#samples += size
  }

  reset(): void {
    this.#totals.assign(0)
    this.#samples = 0
  }

  /** Means over all samples counted so far: loss first, then the metrics. Waits for the steps under way. */
  async means(): Promise<number[]> {
    const samples = this.#samples
    const totals = (await this.#totals.data()) as Float64Array
    return [...totals].map((total) => total / samples)
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
    optimizer.step(weights, grads)
    for (const [path, next] of updates) own[path]?.assign(next.stopGradient())
    const logs = logsOf(model, value, aux.output, aux.target)
    meter.add(logs, size)
    const result: StepResult = options.logs ? { logs } : {}
    if (!options.dynamics) return result
    const segment = segmentOf(model, x, aux.hidden, y, options.classes)
    const kind = model.segment === 'origin' ? {} : targetKind(y)
    const needed = samplesNeeded(options.evaluators, segment, kind)
    if (size < needed) {
      options.tooSmall?.(needed)
      return result
    }
    result.dynamics = coordinates(options.evaluators, segment, kind)
    if (options.segment) result.segment = segment
    return result
  })
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
    meter.add(logsOf(model, model.lossOf(pass, output, target), output, target), x.shape[0] as number)
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

function logsOf(model: Network, loss: Tensor, output: Tensor, target: Tensor): Tensor {
  const { metrics } = compiledOf(model, 'metrics')
  const values = metrics.map(({ name, fn }) => {
    const value = fn(output.stopGradient(), target)
    if (value.rank === 0) return value
    throw new ShapeError(
      `metric '${name}' returned shape [${value.shape}], expected a scalar: the mean over the batch`,
    )
  })
  return stack([loss, ...values].map((value) => value.cast('float64')))
}

/** Whether targets are class labels or numbers, as evaluators are told. */
export function targetKind(y: Tensor): SegmentOptions {
  return { target: isFloat(y.dtype) || y.rank !== 1 ? 'numbers' : 'classes' }
}

/** The segment [x, h1 .. hL, target] of a batch, detached. */
export function segmentOf(
  model: Network,
  x: Tensor,
  hidden: readonly Tensor[],
  y: Tensor,
  classes: number | undefined,
): Tensor[] {
  const layers = hidden.map((h) => h.stopGradient())
  if (model.segment === 'origin') return [x, ...layers]
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

/** Names of the layers in a segment and the shape of the output, found by a pass that computes nothing. */
export function outline(
  model: Network,
  pass: ForwardPass,
  x: Tensor,
): { layers: string[]; outputShape: number[] } {
  const { output, hidden } = model.forward(x, pass)
  const names = hidden.map((h, index) => pass.producer(h)?.name ?? `hidden_${index + 1}`)
  // In the origin's segment the last output takes the place of the target.
  const layers = model.segment === 'origin' ? names.slice(0, -1) : names
  return { layers, outputShape: output.shape.slice(1) }
}
