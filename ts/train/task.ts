/**
 * Tasks: the step of one batch on some Variables. A task defines the step, {@link fit} does the rest: batches, means, progress, callbacks,
 * dynamics, checkpoints, aborts.
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

/** Context of a step. All fields but the flags are inputs of the compiled step: other values need no new trace. */
export interface StepContext {
  /**
   * A random key, uint32 [2]: a new key in every training step, always the same key in evaluation. Use it once; derive further keys
   * with `splitKey` or `foldIn`.
   */
  readonly key: Tensor
  /** Number of the step, int32 scalar, counted from 0 over all training of the task. Only in training. */
  readonly step: Tensor
  /** Number of the epoch, int32 scalar, counted from 0 over all training of the task. Only in training. */
  readonly epoch: Tensor
  /** The scalars given to `fit`, float32, by name; another name is refused. Only in training. */
  readonly scalars: Readonly<Record<string, Tensor>>
  /** True in training, false in evaluation. */
  readonly training: boolean
  /** Whether the segment of this batch is used. */
  readonly tracking: boolean
}

/** A mean over a batch, and its denominator. */
export interface Reading {
  /** Scalar. */
  readonly value: Tensor
  /** The mean's denominator, float64 scalar; 0 for a batch of weight 0, whose value was divided by 1. Default: the number of samples. */
  readonly weight?: Tensor | undefined
  /** True for a sum over the batch; the sum over the epoch is reported. Default false. */
  readonly isSum?: boolean
}

/** The tensors of evaluators: input and target of a batch, and outputs of layers. Gradients do not pass. */
export interface TaskSegment {
  /** `[batch, ...]`. */
  readonly input: Tensor
  /** Names and outputs of the layers, input side first, each `[batch, ...]`. */
  readonly layers: readonly (readonly [name: string, output: Tensor])[]
  /** `[batch, ...]`: numbers, or one-hot rows of classes. */
  readonly target: Tensor
  /** Kind of the target; default undefined: evaluators decide by the values. */
  readonly kind?: 'classes' | 'numbers' | undefined
  /** Labels `[batch, ...]`, and the label whose samples evaluators leave out after an epoch. */
  readonly ignored?: { readonly labels: Tensor; readonly index: number } | undefined
}

/** Arguments of a metric for a batch. */
export interface Judged {
  /** A metric such as `accuracy.streaming()`; the same in every step. */
  readonly metric: Metric
  /** `[batch, ...]`. */
  readonly prediction: Tensor
  readonly target: Tensor
  /** Weight of each sample, `[batch]`; default 1. */
  readonly weights?: Tensor
}

/** Outcome of a batch. */
export interface Outcome {
  /** The minimized scalar: a mean over the batch. Absent for a task without a single loss. */
  readonly loss?: Tensor | Reading
  /** Further scalars by name, each a mean over the batch. */
  readonly logs?: Readonly<Record<string, Tensor | Reading>>
  /** Metrics of all samples of the epoch, such as an area under a curve; reported with the logs, by their names. */
  readonly judged?: readonly Judged[]
  /** The tensors of evaluators; used only if `ctx.tracking` is true. */
  readonly segment?: TaskSegment
}

/**
 * The step of one batch on some Variables.
 *
 * `step` and `evaluate` only build graph: each is traced once for each structure and shape of batches and then replayed, so values cannot be
 * read inside, and side effects other than assignments happen once. `parameters`, `state` and the state of `optimizers` contain all Variables
 * that a step changes: a checkpoint holds only them.
 *
 * @typeParam B a batch: tensors nested in records and arrays
 */
export interface Task<B = Tree> {
  /** Parameters, which optimizers change, nested in records and arrays, by names that are the same in every run. */
  readonly parameters: Nested<Variable>
  /** Other Variables that steps change: statistics, moments, counters. */
  readonly state?: Nested<Variable>
  /** The optimizers by name, whose state goes into checkpoints with the rest. */
  readonly optimizers?: Readonly<Record<string, Optimizer>>
  /**
   * Record of earlier fits: epochs, steps, random key, history, dynamics. With it another `fit` continues the counts and the random stream;
   * a task without it begins each fit at epoch 0.
   */
  readonly record?: TrainingRecord
  /** Settings of the training, such as a clipped norm, as plain values: `fit` with `resume` refuses a checkpoint of other settings. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** False if steps use neither `step`, `epoch` nor `scalars` of the context, which are then not passed. Default true. */
  readonly usesClock?: boolean
  /** Trains on a batch: gradients, updates, and the numbers to report. */
  step(batch: B, ctx: StepContext): Outcome
  /** Evaluates a batch and changes nothing. Required for validation data, and by evaluators that are evaluated after epochs. */
  evaluate?(batch: B, ctx: StepContext): Outcome
}
