/** Wrong calls on models, their data and their checkpoints. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as hg from '../../ts/index.js'
import {
  ArgumentError,
  ArrayDataset,
  DataError,
  Dense,
  DeviceError,
  Estimator,
  HSIC,
  IBSequential,
  IOError,
  Layer,
  type Network,
  NumericalError,
  ones,
  Sequential,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  UnknownNameError,
} from '../../ts/index.js'
import { type BadInput, bad, untyped } from './case.js'
import { folder, unwritable } from './files.js'

/** Two layers on 3 features that tell 2 classes apart, not compiled. */
function plain(units = 4): Sequential {
  const model = new Sequential({ inputShape: [3], seed: 1 })
  return model.add(new Dense(units, { activation: 'relu' })).add(new Dense(2, { activation: 'softmax' }))
}

const ready = (options: hg.CompileOptions = {}) => plain().compile(options)

/** 8 samples of 3 features. */
const x = Array.from({ length: 8 }, (_, i) => [i / 8, 1 - i / 8, (i % 3) / 2])
const y = [0, 1, 0, 1, 0, 1, 0, 1]

const quiet = { verbose: false } as const
const fit = (options: object) => ready().fit(x, y, untyped({ ...quiet, ...options }))

/** Runs something that fails, and fails in another way where the weights are not as they were. */
async function unchanged(model: Network, work: () => Promise<unknown>): Promise<unknown> {
  const weights = async () => {
    const values = Object.values(model.weights).map((variable) => variable.data())
    return String((await Promise.all(values)).map((value) => Array.from(value as Float32Array)))
  }
  const before = await weights()
  try {
    return await work()
  } finally {
    if ((await weights()) !== before) throw new Error('the weights were changed by a call that failed')
  }
}

class Shapeless extends Layer {
  build(): hg.Shape {
    return untyped(undefined)
  }

  apply(_weights: hg.Weights, input: Tensor): Tensor {
    return input
  }
}

class Strange extends Estimator {
  criterion(a: Tensor): Tensor {
    return a.matmul(ones([7, 7])).sum()
  }
}

const building: readonly BadInput[] = [
  bad(
    'no input shape',
    ShapeError,
    [/inputShape is undefined/, /\[1, 28, 28\]/],
    () => new Sequential(untyped({})),
  ),
  bad(
    'an input of no features',
    ShapeError,
    [/extent 0 on axis 0/, /positive/],
    () => new Sequential({ inputShape: [0] }),
  ),
  bad(
    'a model on a missing device',
    DeviceError,
    [/"cuda:0"/, /use "cpu"/],
    () => new Sequential({ inputShape: [3], device: 'cuda:0' }),
  ),
  bad(
    'a model of integers',
    UnknownNameError,
    [/"int32"/, /float32, float64/],
    () => new Sequential({ inputShape: [3], dtype: untyped('int32') }),
  ),
  bad(
    'an unknown option of a model',
    UnknownNameError,
    [/"trackDynamic"/, /did you mean "trackDynamics"/],
    () => new IBSequential(untyped({ inputShape: [3], trackDynamic: true })),
  ),
  bad('a layer that is none', ArgumentError, [/"dense"/, /expected a Layer/], () =>
    plain().add(untyped('dense')),
  ),
  bad('two layers of one name', ArgumentError, [/named 'a'/, /own name/], () =>
    new Sequential({ inputShape: [3] }).add(new Dense(2, { name: 'a' })).add(new Dense(2, { name: 'a' })),
  ),
  bad(
    'a layer without an output shape',
    ShapeError,
    [/build\(\) must return the output shape/, /undefined/],
    () => plain().add(new Shapeless()),
  ),
  bad('a layer after compile', StateError, [/after compile/, /add all layers first/], () =>
    ready().add(new Dense(2)),
  ),
  bad('compile before layers', StateError, [/no layers/, /add some first/], () =>
    new Sequential({ inputShape: [3] }).compile(),
  ),
  bad(
    'an unknown loss of a model',
    UnknownNameError,
    [/loss "crossEntropi"/, /did you mean "crossEntropy"/],
    () => ready({ loss: 'crossEntropi' }),
  ),
  bad('an unknown optimizer of a model', UnknownNameError, [/optimizer "sdg"/, /did you mean "sgd"/], () =>
    ready({ optimizer: 'sdg' }),
  ),
  bad(
    'an unknown metric of a model',
    UnknownNameError,
    [/metric "accurracy"/, /did you mean "accuracy"/],
    () => ready({ metrics: ['accurracy'] }),
  ),
  bad(
    'an unknown option of compile',
    UnknownNameError,
    [/"learningrat"/, /did you mean "learningRate"/],
    () => ready(untyped({ learningrat: 1 })),
  ),
  bad('one metric instead of a list', ArgumentError, [/metrics is "accuracy"/, /\['accuracy'\]/], () =>
    ready(untyped({ metrics: 'accuracy' })),
  ),
  bad('a learning rate that is text', ArgumentError, [/learningRate/, /"fast"|fast/], () =>
    ready(untyped({ learningRate: 'fast' })),
  ),
  bad('an evaluator where nothing is tracked', StateError, [/trackDynamics: true/], () =>
    plain().attachEvaluator(new HSIC({ sigma: 1 })),
  ),
  bad('an evaluator that is none', ArgumentError, [/"hsic"/, /new HSIC/], () =>
    new IBSequential({ inputShape: [3], trackDynamics: true }).attachEvaluator(untyped('hsic')),
  ),
  bad('dynamics before training', StateError, [/no dynamics/, /train at least one epoch/], () =>
    plain().dynamics(),
  ),
  bad(
    'a weight of another name',
    UnknownNameError,
    [/"layers\.0\.kernal"/, /did you mean "layers\.0\.kernel"/],
    () => plain().apply({ 'layers.0.kernal': ones([4, 3]) }, ones([1, 3])),
  ),
]

const training: readonly BadInput[] = [
  bad('fit before compile', StateError, [/not compiled/, /compile\(\{/], () => plain().fit(x, y)),
  bad('evaluate before compile', StateError, [/not compiled/, /compile\(\{/], () => plain().evaluate(x, y)),
  bad('no data', DataError, [/x is empty/, /at least one sample/], () => ready().fit([], [])),
  bad('one sample and a split', DataError, [/1 samples/, /leave none to train on/, /lower the split/], () =>
    ready().fit([[1, 2, 3]], [0], { validationSplit: 0.5 }),
  ),
  bad('fewer targets than inputs', ShapeError, [/8 samples/, /7 labels/, /one label for each/], () =>
    ready().fit(x, y.slice(1)),
  ),
  bad('inputs of another shape', ShapeError, [/2/, /3/], () =>
    ready().fit(
      x.map((row) => row.slice(1)),
      y,
    ),
  ),
  bad('a label beyond the output', DataError, [/label 2 at index/, /0 to 1/, /renumber/], () =>
    ready().fit(x, [...y.slice(1), 2]),
  ),
  bad('a negative label', DataError, [/label -1 at index 7/, /whole numbers/], () =>
    ready().fit(x, [...y.slice(1), -1]),
  ),
  bad('a label between two classes', DataError, [/label 0\.5 at index 7/], () =>
    ready().fit(x, [...y.slice(1), 0.5]),
  ),
  bad('a missing input', DataError, [/x of sample 0/, /NaN or infinite/, /replace/], () => {
    const model = ready()
    return unchanged(model, () => model.fit([[Number.NaN, 1, 2], ...x.slice(1)], y, quiet))
  }),
  bad('an infinite target', DataError, [/y of sample 3/, /NaN or infinite/], () => {
    const targets = x.map((_, i) => [i === 3 ? Number.POSITIVE_INFINITY : 1, 1])
    return ready({ loss: 'mse' }).fit(x, targets, quiet)
  }),
  bad('a batch size of 0', ArgumentError, [/batchSize is 0/, /at least 1/], () => fit({ batchSize: 0 })),
  bad('half an epoch', ArgumentError, [/epochs is 0\.5/, /whole number/], () => fit({ epochs: 0.5 })),
  bad('nothing but validation', ArgumentError, [/validationSplit is 1/, /below 1/], () =>
    fit({ validationSplit: 1 }),
  ),
  bad('an unknown option of fit', UnknownNameError, [/"epoch"/, /did you mean "epochs"/], () =>
    fit({ epoch: 2 }),
  ),
  bad('a model that trains already', StateError, [/middle of fit/, /wait for its promise/], async () => {
    const model = ready()
    const first = model.fit(x, y, quiet)
    try {
      return await model.fit(x, y, quiet)
    } finally {
      await first
    }
  }),
  bad(
    'a loss that grows without end',
    NumericalError,
    [/loss is (NaN|Infinity)/, /lower the learning rate/],
    () =>
      ready({ loss: 'mse', optimizer: 'sgd', learningRate: 1e30 }).fit(
        x,
        x.map((row) => row.slice(1)),
        {
          ...quiet,
          epochs: 20,
        },
      ),
  ),
  bad('targets that do not fit the loss', ShapeError, [/mse/, /same shape/], () =>
    ready({ loss: 'mse' }).fit(x, x, quiet),
  ),
  bad('data that is a number', ArgumentError, [/3/, /expected a dataset/], () =>
    ready().fitDataset(untyped(3)),
  ),
  bad('a batch without targets', ArgumentError, [/batch 0/, /\{ x, y \}/], () =>
    ready().fitDataset(untyped([{ x: tensor(x) }]), quiet),
  ),
  bad('an estimator that fails', ShapeError, [/matmul|inner/], () => {
    const model = new IBSequential({ inputShape: [3], trackDynamics: true })
    model
      .add(new Dense(2, { activation: 'softmax' }))
      .compile()
      .attachEvaluator(new Strange())
    return unchanged(model, () => model.fit(x, y, quiet))
  }),
  bad('inputs of another shape to predict', ShapeError, [/\(2, 2\)/, /\(3\)/], () =>
    ready().predict(ones([2, 2])),
  ),
  bad('a share of samples above 1', ArgumentError, [/validationSplit is 2/, /below 1/], () =>
    new ArrayDataset(x, y).split(2),
  ),
  bad('a sample that is not there', ArgumentError, [/no sample 8 among 8/], () =>
    new ArrayDataset(x, y).subset([8]),
  ),
]

/** Writes a checkpoint of another model and loads it into this one. */
async function swap(model: Network, other: Network, name: string): Promise<unknown> {
  const path = join(folder, name)
  await other.save(path)
  return unchanged(model, () => model.load(path))
}

const checkpoints: readonly BadInput[] = [
  bad('a checkpoint that cannot be written', IOError, [/cannot write/, /not-a-folder/], () =>
    plain().save(unwritable('model')),
  ),
  bad('a checkpoint that is not there', IOError, [/cannot read .*nothing\.json/, /given to save/], () =>
    plain().load(join(folder, 'nothing')),
  ),
  bad('a checkpoint of wider layers', DataError, [/another model/, /dense \(5\)/, /same layers/], () =>
    swap(plain(), plain(5), 'wider'),
  ),
  bad('a checkpoint of another optimizer', StateError, [/'adam'/, /'sgd'/, /optimizer: false/], () =>
    swap(ready(), ready({ optimizer: 'adam' }), 'adam'),
  ),
  bad('a checkpoint cut off', DataError, [/not a sound safetensors file/, /copy it again/], async () => {
    const model = plain()
    const path = join(folder, 'cut')
    await model.save(path)
    writeFileSync(`${path}.safetensors`, 'x'.repeat(100))
    return unchanged(model, () => model.load(path))
  }),
  bad(
    'a checkpoint with weights of another shape',
    DataError,
    [/layers\.0\.kernel/, /\(4, 3\)/, /same layers/],
    async () => {
      const model = plain()
      const path = join(folder, 'reshaped')
      await model.save(path)
      const { tensors, metadata } = await hg.readSafetensors(`${path}.safetensors`)
      const kernel = tensors.get('layers.0.kernel') as hg.ArrayData
      tensors.set('layers.0.kernel', { ...kernel, shape: [3, 4] })
      await hg.writeSafetensors(`${path}.safetensors`, tensors, metadata)
      return unchanged(model, () => model.load(path))
    },
  ),
  bad('a description that is not JSON', DataError, [/not JSON/, /given to save/], async () => {
    const model = plain()
    const path = join(folder, 'described')
    await model.save(path)
    writeFileSync(`${path}.json`, '{ "format": ')
    return unchanged(model, () => model.load(path))
  }),
]

export const modelCases: readonly BadInput[] = [...building, ...training, ...checkpoints]
