/**
 * Tasks: what one batch does to some Variables. A task says what to learn, {@link fit} does the rest: batches, means, progress, callbacks,
 * dynamics, checkpoints, an abort.
 *
 *     class Line implements Task<{ x: Tensor; y: Tensor }> {
 *       readonly parameters = { slope: new Variable(zeros([])) }
 *       readonly optimizers = { sgd: new SGD({ learningRate: 0.1 }) }
 *       step({ x, y }: { x: Tensor; y: Tensor }) {
 *         const { value, grads } = valueAndGrad(({ slope }) => mse(x.mul(slope), y), this.parameters)
 *         this.optimizers.sgd.step(this.parameters, grads)
 *         return { loss: value }
 *       }
 *     }
 *     const { history } = await fit(new Line(), new TreeDataset({ x, y }), { epochs: 20 })
 */
import type { Tree } from '../core/tree.js'
import type { Variable } from '../core/variable.js'
import type { Metric } from '../nn/metrics/index.js'
import type { Nested } from '../nn/optim/leaves.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import type { Tensor } from '../ops/tensor.js'
import type { TrainingRecord } from './training-record.js'

/** What a step knows besides its batch. All of it but the flags are inputs of the compiled step: other values need no new trace. */
export interface StepContext {
  /**
   * A random key, uint32 [2]: another one in every training step, always the same one in evaluation. It is used once; derive further ones
   * with `splitKey` or `foldIn`.
   */
  readonly key: Tensor
  /** Number of the step, int32 scalar, counted from 0 over all training of the task. Of training only. */
  readonly step: Tensor
  /** Number of the epoch, int32 scalar, counted from 0 over all training of the task. Of training only. */
  readonly epoch: Tensor
  /** The scalars that `fit` was given, float32, by name; another name is refused. Of training only. */
  readonly scalars: Readonly<Record<string, Tensor>>
  /** True in training, false in evaluation. */
  readonly training: boolean
  /** Whether somebody wants the segment of this batch. */
  readonly tracking: boolean
}

/** A mean over a batch, and what it is over. */
export interface Reading {
  /** Scalar. */
  readonly value: Tensor
  /** What the mean is over, float64 scalar; 0 where nothing counts and the value was divided by 1. Default: the samples of the batch. */
  readonly weight?: Tensor | undefined
  /** True for a sum over the batch, which adds up to that over the epoch. Default false. */
  readonly isSum?: boolean
}

/** What evaluators look at: input and target of a batch, and what the layers made of it. Gradients do not pass. */
export interface TaskSegment {
  /** `[batch, ...]`. */
  readonly input: Tensor
  /** Names and outputs of the layers, input side first, each `[batch, ...]`. */
  readonly layers: readonly (readonly [name: string, output: Tensor])[]
  /** `[batch, ...]`: numbers, or one-hot rows of classes. */
  readonly target: Tensor
  /** What the target is; default undefined, for the evaluators to judge. */
  readonly kind?: 'classes' | 'numbers' | undefined
  /** Labels `[batch, ...]` and the one whose samples evaluators leave out after an epoch. */
  readonly ignored?: { readonly labels: Tensor; readonly index: number } | undefined
}

/** What a metric is told of a batch. */
export interface Judged {
  /** Such as `accuracy.streaming()`; the same in every step. */
  readonly metric: Metric
  /** `[batch, ...]`. */
  readonly prediction: Tensor
  readonly target: Tensor
  /** What each sample counts, `[batch]`; default 1. */
  readonly weights?: Tensor
}

/** What a batch gave. */
export interface Outcome {
  /** Scalar that is made smaller: a mean over the batch. Left out where there is no one such number. */
  readonly loss?: Tensor | Reading
  /** Further scalars by name, each a mean over the batch. */
  readonly logs?: Readonly<Record<string, Tensor | Reading>>
  /** Metrics whose value is that of all samples of the epoch together, such as an area under a curve; reported beside the logs, by their names. */
  readonly judged?: readonly Judged[]
  /** What evaluators look at; wanted only where `ctx.tracking` is true. */
  readonly segment?: TaskSegment
}

/**
 * What one batch does to some Variables.
 *
 * `step` and `evaluate` only build graph: each is traced once for each structure and shape of batches and then replayed, so values cannot be
 * read inside, and side effects other than assignments happen once. What a step changes stands in `parameters`, `state` or the state of
 * `optimizers`: a checkpoint has these and nothing else.
 *
 * @typeParam B a batch: tensors nested in records and arrays
 */
export interface Task<B = Tree> {
  /** What optimizers change, nested in records and arrays, by names that stay the same from run to run. */
  readonly parameters: Nested<Variable>
  /** What else steps change: statistics, moments, counters. */
  readonly state?: Nested<Variable>
  /** The optimizers by name, whose state goes into checkpoints with the rest. */
  readonly optimizers?: Readonly<Record<string, Optimizer>>
  /**
   * What came of earlier fits: epochs, steps, random key, history, dynamics. With it another `fit` goes on counting and drawing; a task
   * without it begins each fit at epoch 0.
   */
  readonly record?: TrainingRecord
  /** False where steps use neither `step`, `epoch` nor `scalars` of the context: then they are not sent along. Default true. */
  readonly usesClock?: boolean
  /** Trains on a batch: gradients, updates, and what to report. */
  step(batch: B, ctx: StepContext): Outcome
  /** Measures a batch and changes nothing. Needed for validation data, and by evaluators that are evaluated after epochs. */
  evaluate?(batch: B, ctx: StepContext): Outcome
}
