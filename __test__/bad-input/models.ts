/** Wrong calls that build models. */

import type * as hg from '../../ts/index.js'
import {
  ArgumentError,
  Dense,
  DeviceError,
  HSIC,
  IBSequential,
  Layer,
  ones,
  Sequential,
  ShapeError,
  StateError,
  type Tensor,
  UnknownNameError,
} from '../../ts/index.js'
import { type BadInput, bad, untyped } from './case.js'
import { plain, ready } from './samples.js'

class Shapeless extends Layer {
  build(): hg.Shape {
    return untyped(undefined)
  }

  apply(_weights: hg.Weights, input: Tensor): Tensor {
    return input
  }
}

export const modelCases: readonly BadInput[] = [
  bad(
    'no input shape',
    ArgumentError,
    [/inputShape is missing/, /\[1, 28, 28\]/],
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
  bad(
    'dynamics of a model without them',
    UnknownNameError,
    [/option of Sequential "trackDynamics"/],
    () => new Sequential(untyped({ inputShape: [3], trackDynamics: true })),
  ),
  bad(
    'a shape in place of options',
    ArgumentError,
    [/an array of 1 as options/, /inputShape/],
    () => new Sequential(untyped([3])),
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
