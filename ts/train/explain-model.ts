/** The plan of a model, as text. */
import { type Checks, checkOptions, flag, whole } from '../core/options.js'
import { jit } from '../core/transforms.js'
import { Schedules } from '../dynamics/schedule.js'
import { type Tensor, zeros } from '../ops/tensor.js'
import { feedOf } from './feed.js'
import { Meter } from './meter.js'
import type { Trainable } from './model.js'
import { outlineOf } from './outline.js'
import { compiledOf, stateOf } from './state.js'
import { Stepper } from './stepper.js'
import { SupervisedTask } from './supervised.js'
import { TargetRule } from './targets.js'

/** Options of `model.explain`. */
export interface ExplainOptions {
  /** Samples in the batch. Default 32, as in `fit`. */
  batchSize?: number
  /** The training step, evaluators on batches included; otherwise the forward pass in evaluation mode. Default true. */
  training?: boolean
}

/** The checks of {@link ExplainOptions}. */
export const explainChecks: Checks<ExplainOptions> = { batchSize: whole(1), training: flag }

/**
 * The plan of a model's step on one batch, as text; nothing runs.
 *
 * @throws StateError before `compile`, for the training step
 */
export function explainModel(model: Trainable, options: ExplainOptions): string {
  const { batchSize = 32, training = true } = checkOptions('explain', options, explainChecks)
  stateOf(model)
  using x = zeros([batchSize, ...model.inputShape], { dtype: model.dtype })
  return training ? explainStep(model, x) : explainPass(model, x)
}

function explainPass(model: Trainable, x: Tensor): string {
  const pass = jit((input: Tensor) => {
    return model.forward(input, model.pass({ training: false, tracking: false })).output
  })
  try {
    return pass.explain(x)
  } finally {
    pass.dispose()
  }
}

function explainStep(model: Trainable, x: Tensor): string {
  const { attachments, device, dtype, inputShape, saveDynamics, trackDynamics, trainingState } = model
  const compiled = compiledOf(model, 'explain')
  const { layers, outputShape } = outlineOf(model)
  const targets = new TargetRule(compiled, outputShape)
  const task = new SupervisedTask(model, { layers, classes: outputShape.at(-1) }, 'explain')
  task.prepare()
  const batch = x.shape[0] as number
  using y =
    targets.classes === undefined
      ? zeros([batch, ...outputShape], { dtype })
      : zeros([batch, ...outputShape.slice(1)], { dtype: 'int32' })
  const meter = new Meter(device)
  const stepper = new Stepper({
    task,
    feed: feedOf([], { inputShape, dtype, device, targets }),
    meter,
    record: trainingState.record,
    scalars: {},
    allowUnused: true,
    needsLoss: false,
    attachments: trackDynamics ? attachments : undefined,
    raw: saveDynamics?.raw ?? false,
    logs: false,
    tooSmall() {},
  })
  try {
    const due = trackDynamics ? new Schedules(attachments, { epochs: 1, steps: 1 }).onBatch(0, 1, 0) : []
    return stepper.explain(due, { x, y })
  } finally {
    stepper.dispose()
    meter.dispose()
  }
}
