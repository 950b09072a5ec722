/** Training without back-propagation, sigma networks and format training of the golden files in our API. */

import type { Network, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params, Precision } from './format.js'
import type { Operation, Outputs, Tensors } from './run-case.js'

/** The criterion of a case. */
function criterionOf({ variant, scaling, eps, dim_scaled: scaleSqrtD, sigma }: Params): hg.HSIC {
  return new hg.HSIC({
    sigma,
    scaleSqrtD,
    variant,
    estimator: scaling === 'm-1' ? 'pyglow' : 'biased',
    ...(eps === null ? {} : { epsilon: eps }),
  })
}

/** The stack of a case: dense layers, with a normalization before the activation of all but the last where it says so. */
function stackOf(inputs: Tensors, p: Params, dtype: Precision): hg.HSICSequential {
  const x = inputs.x as Tensor
  const model = new hg.HSICSequential({ inputShape: x.shape.slice(1), dtype })
  const activations = p.activations as hg.ActivationName[]
  for (const [index, activation] of activations.entries()) {
    const units = inputs[`W${index}`]?.shape[0] as number
    if (p.batch_norm && index < activations.length - 1) {
      const norm = new hg.BatchNorm1d({ affine: false, trackRunningStats: false })
      model.add(new hg.Chain([new hg.Dense(units), norm, new hg.Activation(activation)]))
    } else model.add(new hg.Dense(units, { activation }))
  }
  return model.compile({
    criterion: criterionOf(p),
    regularizeCoeff: p.beta,
    layerwiseRefresh: p.refresh ?? false,
    ...optimizerOf(p.optimizer ?? { kind: 'sgd', lr: 0 }),
  })
}

function optimizerOf({ kind, lr, momentum = 0, weight_decay: weightDecay = 0 }: Params) {
  return {
    optimizer: kind,
    learningRate: lr,
    ...(kind === 'sgd' ? { momentum } : {}),
    optimizerOptions: { weightDecay },
  }
}

/** Our weights by the names of the case: `W0`, `b0`, `W1`, ... in the order of the layers. */
function named(model: Network): Map<string, string> {
  const paths = Object.keys(model.weights)
  return new Map(paths.map((path, index) => [`${index % 2 === 0 ? 'W' : 'b'}${index >> 1}`, path]))
}

function assign(model: Network, names: ReadonlyMap<string, string>, inputs: Tensors, prefix = ''): void {
  for (const [name, path] of names) model.weights[path]?.assign(inputs[prefix + name] as Tensor)
}

/** The weights as they are now, whatever comes after. */
const held = (model: Network, names: ReadonlyMap<string, string>, after: string): Outputs =>
  Object.fromEntries(
    [...names].map(([name, path]) => [name + after, (model.weights[path] as hg.Variable).value]),
  )

const classesOf = (labels: Tensor, p: Params, dtype: Precision) => hg.oneHot(labels, p.num_classes, dtype)

const objectives: Operation = (inputs, { params }, precision) => {
  const model = stackOf(inputs, params, precision)
  const weights = Object.fromEntries([...named(model)].map(([name, path]) => [path, inputs[name] as Tensor]))
  const y = classesOf(inputs.labels as Tensor, params, precision)
  const found = model.objectives(weights, inputs.x as Tensor, y, { training: true })
  return { objective: hg.stack(found.map(({ value }) => value)) }
}

const training: Operation = async (inputs, { params: p }, precision) => {
  const model = stackOf(inputs, p, precision)
  const names = named(model)
  assign(model, names, inputs)
  const x = inputs.x as Tensor
  const outputs: Outputs = {}
  const y = classesOf(inputs.labels as Tensor, p, precision)
  for (const layer of model.layers.keys()) {
    const { grads } = hg.valueAndGrad(
      (w) => model.objectives(w, x, y, { training: true })[layer]?.value as Tensor,
      model.weights,
    )
    for (const [name, path] of names) outputs[`objective${layer}.grad.${name}`] = grads[path] as Tensor
    await hg.evaluate(grads)
  }
  const rows: Record<'objective' | 'hsic_x' | 'hsic_y', number[][]> = {
    objective: [],
    hsic_x: [],
    hsic_y: [],
  }
  const data = new hg.ArrayDataset(x, inputs.labels as Tensor, {
    batchSize: x.shape[0] as number,
    classes: p.num_classes,
    dtype: precision,
  })
  for (let step = 1; step <= p.steps; step++) {
    const { metrics } = await model.preTrainingLoop(1, data, undefined, { verbose: false })
    const read = (end: string) => model.layers.map(({ name }) => metrics[name + end]?.[0] as number)
    rows.objective.push(read(''))
    rows.hsic_x.push(read('.input'))
    rows.hsic_y.push(read('.target'))
    Object.assign(outputs, held(model, names, `_after${step}`))
  }
  for (const [name, values] of Object.entries(rows)) outputs[name] = hg.tensor(values, { dtype: 'float64' })
  return outputs
}

export const hsicTrainingOperations: Readonly<Record<string, Operation>> = {
  hsic_objective: objectives,
  hsic_train: training,
}
