/** Values of the evaluators on a batch, as tensors: part of a training step. */
import { allowingNaN } from '../core/debug.js'
import { ShapeError } from '../core/errors.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import { stack } from '../ops/index.js'
import { full, type Tensor, zeros } from '../ops/tensor.js'

/** Measurements of one batch; the caller disposes of the tensors. */
export interface BatchMeasurement {
  /**
   * float32 [E, L, 2], flat, followed by the counts of the classes if the target is one-hot rows of classes. Only if the dynamics are
   * tracked and the batch is large enough.
   */
  dynamics?: Tensor
  /** float32 [E, L], see {@link doubtsOf}. Only if an evaluator has doubts. */
  doubts?: Tensor
  /** The list x, h1 .. hL, y. Only on request. */
  segment?: Tensor[]
}

/** Smallest number of samples of a batch with dynamics. */
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

/** Count of each class of the target, float64 [C]; undefined if the target is not one-hot rows of classes. */
export function classCounts(segment: readonly Tensor[], { target }: SegmentOptions): Tensor | undefined {
  const y = segment.at(-1)
  return target === 'classes' && y?.rank === 2 ? y.cast('float64').sum(0) : undefined
}

/**
 * How far the values of each evaluator may mislead for each layer, float32 [E, L], NaN for an evaluator without doubt; undefined if no
 * evaluator has any. See {@link Estimator.doubt}.
 */
export function doubtsOf(evaluators: readonly Estimator[], segment: readonly Tensor[]): Tensor | undefined {
  const others = [segment[0] as Tensor, segment.at(-1) as Tensor]
  const doubts = evaluators.map((evaluator) => segment.slice(1, -1).map((h) => evaluator.doubt(h, others)))
  if (doubts.flat().every((doubt) => doubt === undefined)) return undefined
  // NaN marks what has no value, so it must not stop `checkNaN`.
  return allowingNaN(() => {
    const none = full([], Number.NaN)
    const flat = doubts.flat().map((doubt) => doubt?.cast('float32') ?? none)
    return stack(flat).reshape([evaluators.length, segment.length - 2])
  })
}
