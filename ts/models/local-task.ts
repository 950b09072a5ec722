/** The training of layers one by one, as a task. */
import { isFloat } from '../core/dtype.js'
import { StateError } from '../core/errors.js'
import { tidy, valueAndGrad } from '../core/transforms.js'
import { Variable } from '../core/variable.js'
import type { Batch } from '../data/loader.js'
import type { Layer } from '../layers/layer.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import { stack } from '../ops/index.js'
import { type Device, eye, type Tensor, zeros } from '../ops/tensor.js'
import type { Outcome, Reading, StepContext, Task, TaskSegment } from '../train/task.js'
import type { TrainingRecord } from '../train/training-record.js'
import type { ForwardContext, ForwardPass, ForwardResult } from './forward.js'
import {
  type LayerObjective,
  type LocalBatch,
  type LocalTraining,
  objectiveOf,
  VisitedPass,
} from './local-objective.js'
import type { PassRequest } from './pass.js'

/** The part of a network that the task uses. */
export interface LocalModel {
  readonly device: Device
  readonly dtype: 'float32' | 'float64'
  readonly weights: Readonly<Record<string, Variable>>
  readonly stateVariables: Readonly<Record<string, Variable>>
  pass(request: PassRequest): ForwardPass
  forward(x: Tensor, ctx: ForwardContext): ForwardResult
}

/** Arguments of a {@link LocalTask}. */
export interface LocalTaskOptions {
  readonly record: TrainingRecord
  /** The layers that are trained. */
  readonly locals: ReadonlyMap<Layer, LocalTraining>
  /** Whether a layer's input is computed with the updated weights of the layers before it, on the same batch. */
  readonly refresh: boolean
  /** Names of the tracked layers. */
  readonly layers: readonly string[]
  /** Width of one-hot rows. */
  readonly classes: number | undefined
}

/**
 * Trains each layer on its own objective, by its own optimizer: a step runs the layers once, each on an input without gradient, and differentiates
 * each layer alone. So no graph spans the whole network, and the values that a layer's gradient reads are released after that gradient.
 */
export class LocalTask implements Task<Batch> {
  readonly parameters: Readonly<Record<string, Variable>>
  readonly state: Readonly<Record<'weights' | 'measured', Readonly<Record<string, Variable>>>>
  readonly optimizers: Readonly<Record<string, Optimizer>>
  readonly record: TrainingRecord
  readonly usesClock = false
  readonly #model: LocalModel
  readonly #options: LocalTaskOptions
  /**
   * Objective of each layer and its two terms in the last step, float64 [3]. A plan computes new versions of Variables in the order of assignments: through
   * these Variables it finishes the numbers of one layer, and frees its output, before it differentiates the next layer.
   */
  readonly #measured: ReadonlyMap<Layer, Variable>

  constructor(model: LocalModel, options: LocalTaskOptions) {
    this.#model = model
    this.#options = options
    this.record = options.record
    const locals = [...options.locals.values()]
    this.parameters = Object.assign({}, ...locals.map(({ parameters }) => parameters))
    this.optimizers = Object.fromEntries(locals.map(({ path, optimizer }) => [path, optimizer]))
    const others = Object.entries(model.weights).filter(([path]) => this.parameters[path] === undefined)
    this.#measured = new Map(
      [...options.locals].map(([layer, { path }]) => [layer, measures(path, model.device)]),
    )
    const measured = [...this.#measured].map(([layer, variable]) => [layer.name, variable] as const)
    this.state = {
      weights: { ...model.stateVariables, ...Object.fromEntries(others) },
      measured: Object.fromEntries(measured),
    }
  }

  /**
   * Makes the states of the optimizers before the first step.
   *
   * @throws StateError for a network without trainable weights
   */
  prepare(): void {
    if (this.#options.locals.size === 0) {
      throw new StateError(
        'preTrainingLoop: there is nothing to train: no layer below the readout has trainable weights; add one, or set layer.trainable = true',
      )
    }
    for (const { optimizer, parameters } of this.#options.locals.values()) optimizer.prepare(parameters)
  }

  step(batch: Batch, { tracking }: StepContext): Outcome {
    const { locals, refresh } = this.#options
    const local = this.#localBatch(batch)
    const updates = new Map<string, Tensor>()
    const objectives: LayerObjective[] = []
    const seen = new Set<Layer>()
    const pass = this.#model.pass({
      training: true,
      tracking,
      update: (path, next) => updates.set(path, next),
    })
    const visit = (layer: Layer, run: () => Tensor): Tensor => {
      const training = locals.get(layer)
      if (training === undefined) return run()
      if (seen.has(layer)) throw runTwice(layer)
      seen.add(layer)
      const { parameters, optimizer } = training
      const { grads, aux } = valueAndGrad(
        () => {
          const z = run()
          const objective = objectiveOf(layer, z, local, training)
          return [objective.value, { z, objective }] as const
        },
        parameters,
        { hasAux: true },
      )
      objectives.push(this.#measure(layer, aux.objective))
      // The layer runs once in a pass, so its update follows at once, and its gradient is not kept.
      optimizer.step(parameters, grads)
      return refresh ? run() : aux.z
    }
    const { hidden } = this.#model.forward(batch.x, new VisitedPass(pass, visit))
    for (const [path, next] of updates) this.state.weights[path]?.assign(next.stopGradient())
    const outcome = outcomeOf(objectives)
    return tracking ? { ...outcome, segment: this.#segment(local, hidden) } : outcome
  }

  evaluate(batch: Batch, { tracking }: StepContext): Outcome {
    const local = this.#localBatch(batch)
    const { objectives, hidden } = evaluateLayers(this.#model, local, this.#options.locals, {
      training: false,
      tracking,
    })
    return tracking ? { segment: this.#segment(local, hidden) } : outcomeOf(objectives)
  }

  /** The objective, read from the layer's Variable. */
  #measure(layer: Layer, { value, input, target }: LayerObjective): LayerObjective {
    const variable = this.#measured.get(layer) as Variable
    const wide = [value, input, target].map((one) => one.stopGradient().cast('float64'))
    variable.assign(stack(wide))
    const kept = variable.value
    const entry = (index: number) => kept.slice([index], [index + 1]).reshape([])
    return { layer: layer.name, value: entry(0), input: entry(1), target: entry(2) }
  }

  #localBatch({ x, y }: Batch): LocalBatch {
    return localBatch(x, y, this.#options.classes, this.#model.dtype)
  }

  #segment({ x, y, kind }: LocalBatch, hidden: readonly Tensor[]): TaskSegment {
    return {
      input: x,
      layers: hidden.map((output, at) => [this.#options.layers[at] ?? `hidden_${at + 1}`, output] as const),
      target: y,
      kind: kind.target,
    }
  }
}

/** A batch as criteria take it: labels `[batch]` become one-hot rows. A label outside of the classes is an error of the step. */
export function localBatch(
  x: Tensor,
  y: Tensor,
  classes: number | undefined,
  dtype: 'float32' | 'float64',
): LocalBatch {
  if (isFloat(y.dtype)) return { x, y: y.dtype === dtype ? y : y.cast(dtype), kind: {} }
  if (y.rank !== 1 || classes === undefined) return { x, y: y.cast(dtype), kind: {} }
  return { x, y: eye(classes, classes, { dtype }).take(y), kind: { target: 'classes' } }
}

/** The objectives of all layers in one pass, differentiable in the weights; the input of each layer is a constant. */
export function evaluateLayers(
  model: LocalModel,
  batch: LocalBatch,
  locals: ReadonlyMap<Layer, Pick<LocalTraining, 'criterion' | 'coefficient'>>,
  request: PassRequest,
): { objectives: LayerObjective[]; hidden: readonly Tensor[] } {
  const objectives: LayerObjective[] = []
  const visit = (layer: Layer, run: () => Tensor): Tensor => {
    const z = run()
    const training = locals.get(layer)
    if (training === undefined) return z
    const isEnough = (batch.x.shape[0] as number) >= training.criterion.minimumSamples
    objectives.push(isEnough ? objectiveOf(layer, z, batch, training) : noObjective(layer, model.dtype))
    return z
  }
  const { hidden } = model.forward(batch.x, new VisitedPass(model.pass(request), visit))
  return { objectives, hidden }
}

/** The objective on a batch that is too small for the criterion. */
function noObjective({ name }: Layer, dtype: 'float32' | 'float64'): LayerObjective {
  const nothing = zeros([], { dtype })
  return { layer: name, value: nothing, input: nothing, target: nothing, counts: false }
}

/** The sum of all objectives is the loss: its gradient in a layer's weights is the gradient of that layer's objective. */
function outcomeOf(objectives: readonly LayerObjective[]): Outcome {
  const counts = objectives.every((one) => one.counts !== false)
  const reading = (value: Tensor): Tensor | Reading =>
    counts ? value : { value, weight: zeros([], { dtype: 'float64' }) }
  const total = objectives.map(({ value }) => value).reduce((sum, value) => sum.add(value))
  const logs = objectives.flatMap(({ layer, value, input, target }) => [
    [layer, reading(value)] as const,
    [`${layer}.input`, reading(input)] as const,
    [`${layer}.target`, reading(target)] as const,
  ])
  return { loss: reading(total), logs: Object.fromEntries(logs) }
}

function measures(path: string, device: Device): Variable {
  const options = { name: `measured.${path}`, trainable: false, device }
  return tidy(() => new Variable(zeros([3], { dtype: 'float64' }), options))
}

function runTwice({ name }: Layer): StateError {
  return new StateError(
    `the layer '${name}' is run twice in one pass, and layers that are trained alone have one place each; use layer.clone() for the second`,
  )
}
