/** `compile`: the loss, the optimizer and the metrics of a model. */
import { ArgumentError, describe } from '../core/errors.js'
import {
  above,
  atLeast,
  type Checks,
  checkOptions,
  elsewhere,
  isInstance,
  isList,
  isPlainObject,
} from '../core/options.js'
import type { AnyLossOptions, LossName } from '../nn/losses/named.js'
import type { Loss } from '../nn/losses/reduction.js'
import { createMetric, type Metric, type MetricFunction, type MetricName } from '../nn/metrics/index.js'
import { clipByNorm, clipByValue } from '../nn/optim/clip.js'
import {
  type AnyOptimizerOptions,
  createOptimizer,
  type OptimizerName,
  optimizerOptions,
} from '../nn/optim/named.js'
import { Optimizer } from '../nn/optim/optimizer.js'
import { Tensor } from '../ops/tensor.js'
import { type Objective, resolveObjective } from './objective.js'

/** Options of a model's `compile`. */
export interface CompileOptions {
  /** Name, in any case, or an instance. Default 'sgd'. */
  optimizer?: OptimizerName | (string & {}) | Optimizer
  /** Name, or a function of prediction and target that returns a scalar. Default 'crossEntropy'. */
  loss?: LossName | (string & {}) | Loss
  /**
   * Names, metrics such as `fBeta.streaming({ beta: 2 })`, or functions of prediction and target. The value of an epoch is the metric of all its
   * samples, for any batch size; for a custom function, which returns the mean over a batch, it is the mean over the samples.
   * Default none.
   */
  metrics?: readonly (MetricName | (string & {}) | MetricFunction | Metric)[]
  /** Default 0.001; an optimizer instance has its own. */
  learningRate?: number
  /** For 'sgd' and 'rmsprop'; default 0.95 for 'sgd'. Other optimizers refuse it. */
  momentum?: number
  /** Scales the gradients of a step by one factor, so that their Euclidean norm, over all of them together, is at most this. Default: as they are. */
  clipNorm?: number
  /** Limits every entry of the gradients to [-clipValue, clipValue], before `clipNorm`. Default: as they are. */
  clipValue?: number
  /** Further options of a named optimizer, such as weightDecay, nesterov, betas or eps. */
  optimizerOptions?: AnyOptimizerOptions
  /**
   * Options of a named loss, such as labelSmoothing, weight or ignoreIndex. Means over an epoch are means over the whole data set: weighted by
   * the weights of labels, without ignored labels. With reduction 'sum' training uses the sum over a batch, and reports the sum over the data set.
   */
  lossOptions?: AnyLossOptions
}

/** A model's loss, optimizer and metrics, resolved. */
export interface Compiled extends Objective {
  readonly optimizer: Optimizer
  /** Whether `compile` made the optimizer from a name; it is then disposed of with the model or at the next `compile`. */
  readonly ownsOptimizer: boolean
  readonly metrics: readonly Metric[]
  /** The gradients of a step as the optimizer gets them; part of a step. */
  clip(grads: Record<string, Tensor>): Record<string, Tensor>
  /** The options that determine the training, without those of the optimizer and without tensors. */
  readonly settings: Readonly<Record<string, unknown>>
}

/** Options that the optimizer and the loss check themselves. */
const checks: Checks<CompileOptions> = {
  optimizer: elsewhere(),
  loss: elsewhere(),
  metrics: elsewhere(),
  learningRate: {
    expected: `${atLeast(0).expected}; a schedule goes into callbacks of fit: new LearningRate(schedule)`,
    accepts: atLeast(0).accepts,
  },
  momentum: atLeast(0),
  clipNorm: above(0),
  clipValue: above(0),
  optimizerOptions: elsewhere(),
  lossOptions: elsewhere(),
}

/**
 * Resolves names and fills in defaults.
 *
 * @throws UnknownNameError for an unknown optimizer, loss, metric or option; ArgumentError for values out of range
 */
export function resolveCompile(options: CompileOptions): Compiled {
  const given = checkOptions('compile', options, checks)
  const { loss = 'crossEntropy', lossOptions = {}, metrics = [] } = given
  if (typeof loss !== 'string' && typeof loss !== 'function') {
    throw new ArgumentError(`compile: loss is ${describe(loss)}, expected a name or a function`)
  }
  if (!isList(metrics)) {
    throw new ArgumentError(`compile: metrics is ${describe(metrics)}, expected a list such as ['accuracy']`)
  }
  const objective = resolveObjective(loss, lossOptions)
  const { lossName, ignoreIndex } = objective
  const resolved = Array.from(metrics, (metric) => createMetric(metric, { lossName, ignoreIndex }))
  const twice = resolved.find(
    ({ name }, index) => resolved.findIndex((other) => other.name === name) !== index,
  )
  if (twice !== undefined) {
    throw new ArgumentError(
      `compile: two metrics are named '${twice.name}'; give the functions names of their own`,
    )
  }
  return {
    ...objective,
    optimizer: resolveOptimizer(given),
    ownsOptimizer: !isInstance(given.optimizer, Optimizer),
    metrics: resolved,
    clip: clipping(given),
    settings: settingsOf(given, objective, resolved),
  }
}

function settingsOf(
  { clipNorm, clipValue, lossOptions = {} }: CompileOptions,
  { lossName, loss }: Objective,
  metrics: readonly Metric[],
): Compiled['settings'] {
  const plain = Object.entries(lossOptions).filter(([, value]) => !(value instanceof Tensor))
  return {
    loss: lossName ?? loss.name,
    lossOptions: Object.fromEntries(plain),
    metrics: metrics.map(({ name }) => name),
    clipNorm,
    clipValue,
  }
}

function clipping({ clipNorm, clipValue }: Pick<CompileOptions, 'clipNorm' | 'clipValue'>): Compiled['clip'] {
  return (grads) => {
    const limited = clipValue === undefined ? grads : clipByValue(grads, clipValue)
    return clipNorm === undefined ? limited : clipByNorm(limited, clipNorm).clipped
  }
}

/** Refuses options of the optimizer that are given twice: one of the two values would be ignored. */
function checkOnce(
  own: Readonly<Record<'learningRate' | 'momentum', number | undefined>>,
  further: AnyOptimizerOptions,
): void {
  for (const option of ['learningRate', 'momentum'] as const) {
    const value = own[option]
    if (value === undefined || further[option] === undefined) continue
    throw new ArgumentError(
      `compile: ${option}: given ${value}, and ${describe(further[option])} in optimizerOptions; leave one of them out`,
    )
  }
}

/**
 * The optimizer of a name with the defaults of `compile`; an instance as it is.
 *
 * @throws UnknownNameError for an unknown name or option; ArgumentError for values out of range
 */
export function resolveOptimizer(
  options: Pick<CompileOptions, 'optimizer' | 'learningRate' | 'momentum' | 'optimizerOptions'>,
): Optimizer {
  const { optimizer = 'sgd', learningRate, momentum, optimizerOptions: further = {} } = options
  if (isInstance(optimizer, Optimizer)) {
    if (learningRate !== undefined || momentum !== undefined || Object.keys(further).length > 0) {
      throw new ArgumentError(
        'compile: an optimizer instance was given together with options for it; give the options to its constructor',
      )
    }
    return optimizer
  }
  const known = optimizerOptions(optimizer)
  if (!isPlainObject(further)) {
    throw new ArgumentError(
      `compile: optimizerOptions is ${describe(further)}, expected a plain object such as { weightDecay: 0.01 }`,
    )
  }
  checkOnce({ learningRate, momentum }, further)
  if (momentum !== undefined && !known.includes('momentum')) {
    throw new ArgumentError(
      `compile: momentum: given ${momentum}, which ${optimizer} does not have; leave it out, or choose 'sgd' or 'rmsprop'`,
    )
  }
  const given: AnyOptimizerOptions = { learningRate: learningRate ?? 0.001, ...further }
  if (known.includes('momentum') && further.momentum === undefined) {
    // The default is for SGD; RMSprop has momentum only on request.
    const usual = optimizer.toLowerCase() === 'sgd' ? 0.95 : undefined
    const chosen = momentum ?? usual
    if (chosen !== undefined) given.momentum = chosen
  }
  return createOptimizer(optimizer, given)
}
