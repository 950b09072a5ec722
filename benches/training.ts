/** Training steps of models, one at a time: the work of `fit` for each batch, with the loss read after each. */
import type { Batch, BatchSource, Network, Task, Tensor, Variable } from '../ts/index.js'
import { type Feed, feedOf, type StepInput } from '../ts/train/feed.js'
import { Meter } from '../ts/train/meter.js'
import { outlineOf } from '../ts/train/outline.js'
import { release, trainingStep } from '../ts/train/program.js'
import { compiledOf } from '../ts/train/state.js'
import { SupervisedTask } from '../ts/train/supervised.js'
import { TargetRule } from '../ts/train/targets.js'
import { treeFeedOf } from '../ts/train/tree-feed.js'
import type { Inputs, Iteration } from './job.js'

/** A compiled model's training step and the feed of its inputs. */
export interface Trainer {
  readonly feed: Feed
  /** Trains on one batch and returns its loss. */
  step(input: StepInput): Promise<number>
}

/** The step that `fit` compiles for this model and data. */
export async function trainer(model: Network, source: BatchSource, classes: number): Promise<Trainer> {
  const compiled = compiledOf(model, 'fit')
  const { layers, outputShape } = outlineOf(model)
  const targets = new TargetRule(compiled, outputShape)
  const { device, inputShape, dtype } = model
  const feed = feedOf(source, { device, inputShape, dtype, targets })
  await feed.prepare()
  const task = new SupervisedTask(model, { layers, classes }, 'fit')
  task.prepare()
  const { rng } = model.trainingState.record
  const setup = {
    task,
    feed,
    meter: new Meter(device),
    rng,
    scalars: [],
    allowUnused: false,
    needsLoss: false,
  }
  const { evaluators, trackDynamics: dynamics } = model
  const run = trainingStep(setup, { evaluators, dynamics, logs: true, segment: false })
  return {
    feed,
    async step(input) {
      const result = await run(input)
      const loss = result.logs?.dataSync()[0]
      release(result)
      return Number(loss)
    },
  }
}

/**
 * Steps on one fixed batch: inputs `x` [batch, ...inputShape] and labels `y`.
 *
 * @param model compiled; it begins with the peers' parameters if they were written
 */
export async function stepsOnOneBatch(
  model: Network,
  inputs: Inputs,
  batch: number,
  classes = 10,
): Promise<Iteration> {
  await inputs.parameters(Object.values(model.weights))
  const x = await inputs.normal('x', [batch, ...model.inputShape])
  return stepsOn(model, x, await inputs.labels('y', batch, classes), classes)
}

/** Steps of a compiled model on computed inputs [batch, ...inputShape] and labels [batch]. */
export async function stepsOn(model: Network, x: Tensor, y: Tensor, classes: number): Promise<Iteration> {
  const { step } = await trainer(model, [{ x, y }], classes)
  return () => step({ x, y })
}

/**
 * Steps of a task without a clock, on one fixed batch of computed inputs and labels.
 *
 * @param rng the random key of its training
 */
export function stepsOfTask(task: Task<Batch>, rng: Variable, x: Tensor, y: Tensor): Iteration {
  const batch = { x, y }
  const { device } = rng
  const feed = treeFeedOf([batch], device)
  const setup = { task, feed, meter: new Meter(device), rng, scalars: [], allowUnused: false }
  const options = { evaluators: [], dynamics: false, logs: true, segment: false }
  const run = trainingStep({ ...setup, needsLoss: false }, options)
  return async () => {
    const result = await run({ batch })
    const loss = result.logs?.dataSync()[0]
    release(result)
    return Number(loss)
  }
}
