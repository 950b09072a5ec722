/** What evaluators say of the layers of a batch, as tensors: part of a training step. */
import { ShapeError } from '../core/errors.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import { stack } from '../ops/index.js'
import { full, type Tensor, zeros } from '../ops/tensor.js'

/** What was measured of one batch; whoever asked for it disposes of the tensors. */
export interface BatchMeasurement {
  /**
   * float32 [E, L, 2], flat and followed by the samples of each class where the target is one-hot rows of classes. Only where the dynamics are tracked and
   * the batch is large enough.
   */
  dynamics?: Tensor
  /** float32 [E, L]: activations outside of what evaluators tell apart, see {@link outsideParts}. Only where an evaluator has such a range. */
  outside?: Tensor
  /** The list x, h1 .. hL, y. Only where asked for. */
  segment?: Tensor[]
}

/** Samples that a batch needs for its dynamics to be defined. */
export function samplesNeeded(
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

/** Every evaluator on a segment [x, h1 .. hL, y]: float32 [E, L, 2]. */
export function coordinates(
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

/** How many samples each class of the target has, float64 [C]; undefined where the target is not one-hot rows of classes. */
export function classCounts(segment: readonly Tensor[], { target }: SegmentOptions): Tensor | undefined {
  const y = segment.at(-1)
  return target === 'classes' && y?.rank === 2 ? y.cast('float64').sum(0) : undefined
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
