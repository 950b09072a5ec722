/** Wrong calls on layers, losses, optimizers, metrics and estimators. */

import * as hg from '../../ts/index.js'
import {
  ArgumentError,
  BatchNorm1d,
  Conv2d,
  checkLabels,
  createLoss,
  createMetric,
  createOptimizer,
  crossEntropy,
  DataError,
  Dense,
  DeviceError,
  Dropout,
  DTypeError,
  HSIC,
  MaxPool2d,
  ones,
  ShapeError,
  StateError,
  tensor,
  UnknownNameError,
  zeros,
} from '../../ts/index.js'
import { type BadInput, bad, untyped } from './case.js'

const labels = (values: number[]) => tensor(values, { dtype: 'int32' })

const layers: readonly BadInput[] = [
  bad(
    'a layer without units',
    ArgumentError,
    [/Dense: units/, /at least 1/, /received 0/],
    () => new Dense(0),
  ),
  bad('half a unit', ArgumentError, [/whole number/, /received 2\.5/], () => new Dense(2.5)),
  bad(
    'an unknown activation',
    UnknownNameError,
    [/activation "rleu"/, /did you mean "relu"/],
    () => new Dense(3, { activation: untyped('rleu') }),
  ),
  bad('an unknown initializer', UnknownNameError, [/"heNorml"/, /did you mean "heNormal"/], () =>
    new Dense(3, { kernelInitializer: untyped('heNorml') }).declare([2]),
  ),
  bad(
    'an unknown option of a layer',
    UnknownNameError,
    [/"activaton"/, /did you mean "activation"/],
    () => new Dense(3, untyped({ activaton: 'relu' })),
  ),
  bad(
    'an activation in place of options',
    ArgumentError,
    [/Dense: given "relu" as options/, /expected a plain object/],
    () => new Dense(3, untyped('relu')),
  ),
  bad('an image into a dense layer', ShapeError, [/\[1,28,28\]/, /one axis/, /Flatten/], () =>
    new Dense(3).declare([1, 28, 28]),
  ),
  bad('features into a convolution', ShapeError, [/\[channels, height, width\]/, /received \[784\]/], () =>
    new Conv2d(4, 3).declare([784]),
  ),
  bad(
    'a kernel larger than the image',
    ShapeError,
    [/input \[2,2\]/, /kernel \[5,5\]/, /smaller kernel/],
    () => new Conv2d(4, 5).declare([1, 2, 2]),
  ),
  bad(
    'filters that do not split',
    ArgumentError,
    [/filters 3/, /2 groups/],
    () => new Conv2d(3, 3, { groups: 2 }),
  ),
  bad(
    'strides for other axes',
    ArgumentError,
    [/stride/, /2 entries/, /received \[1, 1, 1\]/],
    () => new Conv2d(3, 3, { stride: [1, 1, 1] }),
  ),
  bad(
    'an unknown padding',
    ArgumentError,
    [/'same' or 'valid'/, /"full"/],
    () => new Conv2d(3, 3, { padding: untyped('full') }),
  ),
  bad(
    'padding wider than half a window',
    ArgumentError,
    [/padding \[2,2\]/, /half the kernel size \[2,2\]/],
    () => new MaxPool2d(2, { padding: 2 }),
  ),
  bad('dropping everything', ArgumentError, [/prob/, /in \[0, 1\), received 1/], () => new Dropout(1)),
  bad('dropout without a key', StateError, [/random numbers/, /give the call a key/], () =>
    new Dropout(0.5).call(ones([2, 3]), { training: true }),
  ),
  bad(
    'no room in a variance',
    ArgumentError,
    [/eps must be a finite number above 0, received 0/],
    () => new BatchNorm1d({ eps: 0 }),
  ),
  bad('a momentum of 2', ArgumentError, [/\[0, 1\]/, /received 2/], () => new BatchNorm1d({ momentum: 2 })),
  bad('a batch of one to normalize by', DataError, [/batch of one/, /batch size/], () =>
    new BatchNorm1d().call(ones([1, 3]), { training: true }),
  ),
  bad('another number of inputs', ShapeError, [/\[batch, 4\]/, /received \[2,5\]/], () => {
    const dense = new Dense(3)
    dense.declare([4])
    return dense.call(ones([2, 5]))
  }),
  bad('a layer in two places', StateError, [/already part of a network/, /make a new layer/], () => {
    const dense = new Dense(3)
    dense.declare([4])
    return dense.declare([4])
  }),
]

const losses: readonly BadInput[] = [
  bad('an unknown loss', UnknownNameError, [/loss "crossEntopy"/, /did you mean "crossEntropy"/], () =>
    createLoss('crossEntopy'),
  ),
  bad('an unknown reduction', UnknownNameError, [/reduction "avg"/, /mean, sum, none/], () =>
    hg.mse(ones([2]), ones([2]), { reduction: untyped('avg') }),
  ),
  bad('a target of another shape', ShapeError, [/mse/, /\[2,3\] and \[2\]/, /reshape/], () =>
    hg.mse(ones([2, 3]), ones([2])),
  ),
  bad('labels for another batch', ShapeError, [/shape \[2\]/, /received \[3\]/], () =>
    crossEntropy(ones([2, 4]), labels([0, 1, 2])),
  ),
  bad('labels of yes and no', DTypeError, [/whole numbers, received bool/, /cast/], () =>
    crossEntropy(ones([2, 4]), tensor([true, false])),
  ),
  bad('too much smoothing', ArgumentError, [/labelSmoothing/, /\[0, 1\], received 2/], () =>
    crossEntropy(ones([2, 4]), labels([0, 1]), { labelSmoothing: 2 }),
  ),
  bad('a label that is no class', DataError, [/label 10 at index 1/, /0 to 9/, /renumber/], () =>
    checkLabels([3, 10], 10),
  ),
]

const optimizers: readonly BadInput[] = [
  bad('an unknown optimizer', UnknownNameError, [/optimizer "adma"/, /did you mean "adam"/], () =>
    createOptimizer('adma'),
  ),
  bad(
    'an unknown option of an optimizer',
    UnknownNameError,
    [/"learnigRate"/, /did you mean "learningRate"/],
    () => createOptimizer('sgd', untyped({ learnigRate: 0.1 })),
  ),
  bad('a negative learning rate', ArgumentError, [/learningRate/, /at least 0, received -1/], () =>
    createOptimizer('adam', { learningRate: -1 }),
  ),
  bad('a decay rate of 1', ArgumentError, [/betas/, /in \[0, 1\), received \[1, 0.9\]/], () =>
    createOptimizer('adam', { betas: [1, 0.9] }),
  ),
  bad(
    'a learning rate in place of options',
    ArgumentError,
    [/SGD: given 0\.1 as options/, /learningRate/],
    () => new hg.SGD(untyped(0.1)),
  ),
  bad('nesterov without momentum', ArgumentError, [/nesterov/, /momentum above 0/], () =>
    createOptimizer('sgd', { nesterov: true }),
  ),
  bad('a gradient too few', ArgumentError, [/parameter 'b'/, /structure/, /received a/], () => {
    const sgd = createOptimizer('sgd')
    const params = { a: ones([2]), b: ones([2]) }
    return sgd.update({ a: ones([2]) }, sgd.init(params), params)
  }),
  bad('a gradient of another shape', ShapeError, [/gradient of 'a'/, /\[3\]/, /\[2\]/], () => {
    const sgd = createOptimizer('sgd')
    return sgd.update({ a: ones([3]) }, sgd.init({ a: ones([2]) }), { a: ones([2]) })
  }),
  bad(
    'the state of another optimizer',
    ArgumentError,
    [/no 'mean' for the parameter 'a'/, /init\(\)/],
    () => {
      const params = { a: ones([2]) }
      return createOptimizer('adam').update(params, createOptimizer('sgd').init(params), params)
    },
  ),
  bad('a norm limit of 0', ArgumentError, [/clipByNorm/, /above 0, or Infinity, received 0/], () =>
    hg.clipByNorm([ones([2])], 0),
  ),
  bad('a step beyond the cycle', ArgumentError, [/step 5/, /5 steps/], () =>
    hg.oneCycleLR({ maxRate: 1, totalSteps: 5 })(1, 5),
  ),
  bad('an unknown metric', UnknownNameError, [/metric "acuracy"/, /did you mean "accuracy"/], () =>
    createMetric('acuracy'),
  ),
  bad('scores and labels that do not fit', ShapeError, [/accuracy/, /\[2,4\] and \[3\]/], () =>
    hg.accuracy(zeros([2, 4]), labels([0, 1, 2])),
  ),
]

const x = ones([8, 3])
const hsic = (options: object) => new HSIC(untyped(options))

const estimators: readonly BadInput[] = [
  bad('an unknown kernel', UnknownNameError, [/kernel "gausian"/, /did you mean "gaussian"/], () =>
    hsic({ kernel: 'gausian', sigma: 1 }),
  ),
  bad('a kernel that is none', UnknownNameError, [/an object of class Object/, /gaussian/], () =>
    hsic({ kernel: {} }),
  ),
  bad('a kernel without its width', ArgumentError, [/sigma is missing/, /'median'/], () =>
    hsic({ kernel: 'gaussian' }),
  ),
  bad('a width of 0', ArgumentError, [/sigma/, /above 0, several of them, or 'median', received 0/], () =>
    hsic({ sigma: 0 }),
  ),
  bad('an unknown option of HSIC', UnknownNameError, [/"sigmma"/, /did you mean "sigma"/], () =>
    hsic({ sigmma: 1 }),
  ),
  bad('an unknown estimator', UnknownNameError, [/"unbised"/, /did you mean "unbiased"/], () =>
    hsic({ sigma: 1, estimator: 'unbised' }),
  ),
  bad('an unknown variant', UnknownNameError, [/"nHSICC"/, /did you mean "nHSIC"/], () =>
    hsic({ sigma: 1, variant: 'nHSICC' }),
  ),
  bad('a form that is not defined', ArgumentError, [/no unbiased form/, /use estimator 'biased'/], () =>
    hsic({ sigma: 1, variant: 'nHSIC', estimator: 'unbiased' }),
  ),
  bad('an estimator on a missing device', DeviceError, [/"cuda"/, /use "cpu"/], () =>
    hsic({ sigma: 1, device: 'cuda' }),
  ),
  bad('different numbers of samples', ShapeError, [/same number of samples/, /\[8,3\] and \[7,3\]/], () =>
    hsic({ sigma: 1 }).criterion(x, ones([7, 3])),
  ),
  bad('one sample', DataError, [/at least 2 samples, received 1/, /larger batches/], () =>
    hsic({ sigma: 1 }).criterion(ones([1, 3]), ones([1, 3])),
  ),
  bad(
    'samples that are not finite',
    DataError,
    [/NaN or an infinite value in sample 0/, /remove or replace/],
    () => hsic({ sigma: 1 }).estimate([[Number.NaN], [1], [2]], [[0], [1], [2]]),
  ),
  bad('a segment without layers', ArgumentError, [/at least 3 entries, received an array of 2/], () =>
    hsic({ sigma: 1 }).evaluateSegment([x, x]),
  ),
]

export const partCases: readonly BadInput[] = [...layers, ...losses, ...optimizers, ...estimators]
