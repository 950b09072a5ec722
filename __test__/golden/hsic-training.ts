/** Training without back-propagation, sigma networks and format training of the golden files in our API. */

import type { Network, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params, Precision } from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'

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

/** The stack of a case: dense layers, with a normalization before the activation of all except the last, if requested. */
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

/** A copy of the current weights. */
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

/** A sigma network without hidden layers; `layers` are those of each copy. */
function sigmaNetwork(
  inputShape: hg.Shape,
  p: Params,
  dtype: Precision,
  layers: readonly hg.Layer[],
): hg.HSICSigma {
  return new hg.HSICSigma(
    {
      inputShape,
      dtype,
      sigmas: Array.from({ length: p.num_networks }, (_, index) => index + 1),
      aggregate: p.aggregate,
      aggregateBatchNorm: p.batch_norm && { affine: p.bn_affine, momentum: p.momentum, eps: p.bn_eps },
    },
    layers,
  )
}

/** The running statistics and the scale of the aggregate, by their names in the case. */
const statistics = { running_mean: 'aggregate.runningMean', running_var: 'aggregate.runningVariance' }
const scales = { bn_w: 'aggregate.gamma', bn_b: 'aggregate.beta' }

function assignStatistics(model: Network, inputs: Tensors): void {
  for (const [name, path] of Object.entries(statistics)) {
    if (inputs[name] !== undefined) model.stateVariables[path]?.assign(inputs[name])
  }
  for (const [name, path] of Object.entries(scales)) {
    if (inputs[name] !== undefined) model.weights[path]?.assign(inputs[name])
  }
}

const statisticsNow = (model: Network, inputs: Tensors): Outputs =>
  Object.fromEntries(
    Object.entries(statistics).flatMap(([name, path]) =>
      inputs[name] === undefined
        ? []
        : [[`${name}_after`, (model.stateVariables[path] as hg.Variable).value]],
    ),
  )

/** Copies that return their own part of the input, `h0`, `h1`, ..., and a readout that returns the aggregate unchanged. */
const aggregation: Operation = (inputs, { params: p }, precision) => {
  const parts = Array.from({ length: p.num_networks }, (_, index) => inputs[`h${index}`] as Tensor)
  const width = parts[0]?.shape[1] as number
  const model = sigmaNetwork([width * parts.length], p, precision, [
    new hg.Dense(width, { useBias: false }),
    new hg.HSICOutput(width, { useBias: false, activation: 'linear' }),
  ])
  assignStatistics(model, inputs)
  const one = hg.eye(width, width, { dtype: precision })
  const none = hg.zeros([width, width], { dtype: precision })
  const chosen: Record<string, Tensor> = { 'readout.kernel': one }
  for (const index of parts.keys()) {
    chosen[`copies.${index}.0.kernel`] = hg.concat(
      parts.map((_, part) => (part === index ? one : none)),
      1,
    )
  }
  for (const [name, path] of Object.entries(scales))
    if (inputs[name] !== undefined) chosen[path] = inputs[name]
  const updates: Record<string, Tensor> = {}
  const pass = model.pass({
    weights: chosen,
    training: p.training,
    update: (path, value) => {
      updates[path] = value
    },
  })
  const outputs: Outputs = { y: model.sequentialForward(hg.concat(parts, 1), pass) }
  for (const [name, path] of Object.entries(statistics)) {
    if (updates[path] !== undefined) outputs[`${name}_after`] = updates[path]
  }
  return outputs
}

/** Format training of frozen stacks: one of them as an HSICSequential, several as a sigma network. */
const format: Operation = async (inputs, { params: p }, precision) => {
  const x = inputs.x as Tensor
  const activations = p.activations as hg.ActivationName[]
  const layers: hg.Layer[] = activations.map(
    (activation, index) => new hg.Dense(inputs[`n0_W${index}`]?.shape[0] as number, { activation }),
  )
  layers.push(new hg.HSICOutput(p.num_classes))
  const post = { ...optimizerOf(p.optimizer), loss: 'crossEntropy' }
  const criterion = new hg.HSIC({ sigma: 1 })
  const inputShape = x.shape.slice(1)
  const single = new hg.HSICSequential({ inputShape, dtype: precision })
  let model: hg.HSICNetwork = single
  if (p.num_networks === 1) {
    for (const layer of layers) single.add(layer)
    single.compile({ criterion, post })
  } else {
    model = sigmaNetwork(inputShape, p, precision, layers).compile({
      pre: { criterion: () => criterion },
      post,
    })
  }
  const stem = (copy: number, layer: number) =>
    p.num_networks === 1 ? `layers.${layer}` : `copies.${copy}.${layer}`
  for (let copy = 0; copy < p.num_networks; copy++) {
    for (const index of activations.keys()) {
      model.weights[`${stem(copy, index)}.kernel`]?.assign(inputs[`n${copy}_W${index}`] as Tensor)
      model.weights[`${stem(copy, index)}.bias`]?.assign(inputs[`n${copy}_b${index}`] as Tensor)
    }
  }
  const top = p.num_networks === 1 ? `layers.${activations.length}` : 'readout'
  const readout = new Map([
    ['W_out', `${top}.kernel`],
    ['b_out', `${top}.bias`],
  ])
  assign(model, readout, inputs)
  assignStatistics(model, inputs)
  const labels = inputs.labels as Tensor
  const unused = { update() {}, training: true, key: null }
  const { grads } = hg.valueAndGrad((w) => {
    const pass = model.pass({ ...unused, weights: w })
    const output = model.forward(x, pass).output
    return model.lossOf(pass, output, labels)
  }, model.weights)
  const outputs: Outputs = {
    grad_W_out: grads[`${top}.kernel`] as Tensor,
    grad_b_out: grads[`${top}.bias`] as Tensor,
    features: featuresOf(model, x, unused),
  }
  await hg.evaluate(outputs)
  const data = new hg.ArrayDataset(x, labels, {
    batchSize: x.shape[0] as number,
    classes: p.num_classes,
    dtype: precision,
  })
  const loss: number[] = []
  for (let step = 1; step <= p.steps; step++) {
    const history = await model.postTrain(1, data, undefined, { verbose: false })
    loss.push(history.loss[0] as number)
    Object.assign(outputs, held(model, readout, `_after${step}`))
    if (step === 1) Object.assign(outputs, statisticsNow(model, inputs))
  }
  const probabilities = model.forward(x, model.pass({ ...unused, tracking: false })).output
  return { ...outputs, loss: hg.tensor(loss, { dtype: 'float64' }), probabilities }
}

/** What the readout is given. */
function featuresOf(model: hg.HSICNetwork, x: Tensor, request: object): Tensor {
  let features = x
  const pass = model.pass({ ...request, training: true })
  const watched: hg.ForwardContext = {
    training: true,
    tracking: false,
    run(layer, input) {
      if (layer === model.readout) features = input
      return pass.run(layer, input)
    },
    detach: (output) => pass.detach(output),
    point: (name, output) => pass.point(name, output),
  }
  model.forward(x, watched)
  return features
}

export const hsicTrainingOperations: Readonly<Record<string, Operation>> = {
  hsic_objective: objectives,
  hsic_train: training,
  sigma_aggregate: aggregation,
  format_training: format,
}
