/** A compiled model as a task: a prediction, a loss, an optimizer. */
import { isFloat } from '../core/dtype.js'
import { ArgumentError } from '../core/errors.js'
import { valueAndGrad } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import type { Batch } from '../data/loader.js'
import type { Loss } from '../nn/losses/reduction.js'
import type { Metric } from '../nn/metrics/index.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import { oneHot, where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import type { Compiled } from './compile.js'
import type { Trainable } from './model.js'
import type { Objective } from './objective.js'
import { compiledOf } from './state.js'
import type { Outcome, StepContext, Task, TaskSegment } from './task.js'
import type { TrainingRecord } from './training-record.js'

/** Arguments of a supervised task besides the model. */
export interface SupervisedOptions {
  /** Names of the tracked layers. */
  readonly layers: readonly string[]
  /** Width of one-hot rows in segments. */
  readonly classes: number | undefined
  /** What each class counts in training; default the weights of the loss. */
  readonly classWeights?: Tensor | undefined
}

/** Targets of a named regression loss in the shape and dtype of the output; others as they are. */
export function alignedTarget({ lossName }: Pick<Compiled, 'lossName'>, y: Tensor, output: Tensor): Tensor {
  if (lossName === undefined || lossName === 'crossEntropy' || lossName === 'nll') return y
  const exact = y.dtype === output.dtype ? y : y.cast(output.dtype)
  // [batch] against [batch, 1]: the same numbers, and a loss never broadcasts.
  return exact.size === output.size && exact.rank !== output.rank ? exact.reshape(output.shape) : exact
}

/**
 * The training of a model on inputs and targets: forward pass, loss, gradients, update.
 *
 * Segments consist of detached activations, so tracking changes no weight.
 */
export class SupervisedTask implements Task<Batch> {
  readonly parameters: Readonly<Record<string, Variable>>
  readonly state: Readonly<Record<string, Variable>>
  readonly optimizers: Readonly<Record<string, Optimizer>>
  readonly record: TrainingRecord
  readonly settings: Readonly<Record<string, unknown>>
  readonly usesClock = false
  readonly #model: Trainable
  readonly #compiled: Compiled
  readonly #options: SupervisedOptions
  /** What training makes small. */
  readonly #objective: Objective

  /** @param doing name of the operation, for messages */
  constructor(model: Trainable, options: SupervisedOptions, doing: string) {
    this.#model = model
    this.#compiled = compiledOf(model, doing)
    this.#options = options
    const { classWeights } = options
    const reweighted = classWeights && this.#compiled.reweighted(classWeights)
    this.#objective = reweighted ?? this.#compiled
    const { weights, trainableWeights, stateVariables } = model
    const frozen = Object.entries(weights).filter(([path]) => trainableWeights[path] === undefined)
    this.parameters = trainableWeights
    this.state = { ...stateVariables, ...Object.fromEntries(frozen) }
    this.optimizers = { optimizer: this.#compiled.optimizer }
    this.record = model.trainingState.record
    this.settings = this.#compiled.settings
  }

  /** Makes the state of the optimizer before the first step. */
  prepare(): void {
    this.#compiled.optimizer.prepare(this.parameters)
  }

  step({ x, y, weight }: Batch, { tracking }: StepContext): Outcome {
    const { optimizer, clip } = this.#compiled
    const model = this.#model
    const objective = this.#objective
    const updates = new Map<string, Tensor>()
    const { value, grads, aux } = valueAndGrad(
      (current: Record<string, Tensor>) => {
        const pass = model.pass({
          weights: current,
          training: true,
          update: (path, next) => updates.set(path, next),
        })
        const { output, hidden } = model.forward(x, pass)
        const target = alignedTarget(this.#compiled, y, output)
        const logits = model.logitsOf(pass, output)
        const weighted = weightedOf(objective, weight)
        const value = model.lossOf(pass, output, target, weighted?.loss ?? objective.loss)
        const counts = weighted?.counts() ?? objective.weightOf(target, output)
        const aux = { output, logits, hidden, target, counts: counts === undefined ? [] : [counts] }
        return [value, aux] as const
      },
      this.parameters,
      { hasAux: true },
    )
    const outcome = this.#outcome(value, aux, aux.target, aux.counts[0])
    updateWhere(
      outcome.loss.weight?.greater(0),
      [...Object.values(this.parameters), ...optimizer.stateVariables().values()],
      () => optimizer.step(this.parameters, clip(grads)),
    )
    for (const [path, next] of updates) this.state[path]?.assign(next.stopGradient())
    return tracking ? { ...outcome, segment: this.#segment(x, aux.hidden, y) } : outcome
  }

  evaluate({ x, y }: Batch, { tracking }: StepContext): Outcome {
    const model = this.#model
    const pass = model.pass({ training: false, tracking })
    const { output, hidden } = model.forward(x, pass)
    if (tracking) return { segment: this.#segment(x, hidden, y) }
    const target = alignedTarget(this.#compiled, y, output)
    const outputs = { output, logits: model.logitsOf(pass, output) }
    const counts = this.#compiled.weightOf(target, output)
    return this.#outcome(model.lossOf(pass, output, target), outputs, target, counts)
  }

  /** Loss and metrics of a batch. @param counts weight of each sample in the means */
  #outcome(
    value: Tensor,
    { output, logits }: { output: Tensor; logits: Tensor },
    target: Tensor,
    counts: Tensor | undefined,
  ) {
    const { metrics, sums } = this.#compiled
    const predictionFor = ({ takes }: Metric) => (takes === 'logits' ? logits : output).stopGradient()
    return {
      loss: { value, weight: counts, isSum: sums },
      judged: metrics.map((metric) => ({ metric, prediction: predictionFor(metric), target })),
    } satisfies Outcome
  }

  /** Input, layers and target of a batch, detached. A row of probabilities is replaced by its likeliest class. */
  #segment(x: Tensor, hidden: readonly Tensor[], y: Tensor): TaskSegment {
    const outputs = [...hidden]
    const isOrigin = this.#model.segment === 'origin'
    // In the segment 'origin' the last output is the target.
    const target = isOrigin ? (outputs.pop() as Tensor).stopGradient() : this.#target(y)
    const index = this.#compiled.ignoreIndex
    return {
      input: x,
      layers: outputs.map((output, at) => [this.#options.layers[at] ?? `hidden_${at + 1}`, output] as const),
      target,
      kind: isOrigin ? undefined : this.#areClasses(y) ? 'classes' : 'numbers',
      ignored: index === undefined ? undefined : { labels: y, index },
    }
  }

  #target(y: Tensor): Tensor {
    const { dtype } = this.#model
    const { classes } = this.#options
    if (this.#areRows(y)) return oneHot(y.argMax(1).cast('int32'), y.shape[1] as number, dtype)
    if (isFloat(y.dtype)) return y.dtype === dtype ? y : y.cast(dtype)
    if (y.rank !== 1 || classes === undefined) return y.cast(dtype)
    const { ignoreIndex } = this.#compiled
    // Ignored labels are left out later, and are no classes.
    return oneHot(ignoreIndex === undefined ? y : where(y.equal(ignoreIndex), 0, y), classes, dtype)
  }

  /** Whether targets are class labels for evaluators: labels, or rows of probabilities. */
  #areClasses(y: Tensor): boolean {
    return (!isFloat(y.dtype) && y.rank === 1) || this.#areRows(y)
  }

  /** Whether targets are rows of probabilities, one number for each class, of a loss of classes. */
  #areRows(y: Tensor): boolean {
    return y.rank === 2 && this.#compiled.lossName === 'crossEntropy'
  }
}

/** A weighted loss, and the sum of its weights, known after the call. */
function weightedOf(
  { weighted }: Objective,
  weight: Tensor | undefined,
): { loss: Loss; counts(): Tensor | undefined } | undefined {
  if (weight === undefined) return undefined
  if (weighted === undefined) {
    throw new ArgumentError(
      'fit: samples were given weights, and the loss is a function, of which only the mean is known; use a named loss, or weight the samples in a custom task',
    )
  }
  let counts: Tensor | undefined
  const loss: Loss = (output, target) => {
    const found = weighted(output, target, weight)
    counts = found.weight
    return found.value
  }
  return { loss, counts: () => counts }
}

/** Makes an update, and undoes it on the device if `isWanted` is false: momentum and decay change weights without a gradient, too. */
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
