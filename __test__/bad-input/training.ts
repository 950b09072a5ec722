/** Wrong data and options for training. */

import {
  ArgumentError,
  ArrayDataset,
  DataError,
  Dense,
  Estimator,
  IBSequential,
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
import { plain, quiet, ready, unchanged, x, y } from './samples.js'

const trained = (options: object) => ready().fit(x, y, untyped({ ...quiet, ...options }))

class Strange extends Estimator {
  criterion(a: Tensor): Tensor {
    return a.matmul(ones([7, 7])).sum()
  }
}

export const trainingCases: readonly BadInput[] = [
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
  bad('labels that are text', DataError, [/label "0" at index 0/, /whole numbers/], () =>
    ready().fit(x, untyped(y.map(String)), quiet),
  ),
  bad(
    'an activation that gives a number',
    ArgumentError,
    [/dense_1/, /returned 3/, /expected a Tensor/],
    () =>
      new Sequential({ inputShape: [3] })
        .add(new Dense(2, { activation: untyped(() => 3) }))
        .compile()
        .fit(x, y, quiet),
  ),
  bad('numbers in place of a tensor', ArgumentError, [/dense_1: given an array of 8/, /tensor\(/], () =>
    ready().call(untyped(x)),
  ),
  bad('one callback instead of a list', ArgumentError, [/callbacks is an object/, /expected a list/], () =>
    trained({ callbacks: { onEpochEnd() {} } }),
  ),
  bad('a signal that is none', ArgumentError, [/signal must be an AbortSignal/, /AbortSignal/], () =>
    trained({ signal: 3 }),
  ),
  bad(
    'validation data besides a split',
    ArgumentError,
    [/validation/, /validationSplit 0.5/, /leave one of them out/],
    () => trained({ validation: { x, y }, validationSplit: 0.5 }),
  ),
  bad('validation data without an entry', DataError, [/empty list/, /\{ x, y \}/], () =>
    trained({ validation: [] }),
  ),
  bad('an unknown option of evaluate', UnknownNameError, [/"bachSize"/, /did you mean "batchSize"/], () =>
    ready().evaluate(x, y, untyped({ bachSize: 2 })),
  ),
  bad('an unknown option of predict', UnknownNameError, [/"bachSize"/, /did you mean "batchSize"/], () =>
    ready().predict(x, untyped({ bachSize: 2 })),
  ),
  bad(
    'an unknown option of a dataset',
    UnknownNameError,
    [/"bachSize"/, /did you mean "batchSize"/],
    () => new ArrayDataset(x, y, untyped({ bachSize: 2 })),
  ),
  bad(
    'a seed that is text',
    ArgumentError,
    [/seed must be.*"a"/, /whole number/],
    () => new ArrayDataset(x, y, { seed: untyped('a') }),
  ),
  bad(
    'a batch size of 0',
    ArgumentError,
    [/batchSize must be a whole number of at least 1, received 0/],
    () => trained({ batchSize: 0 }),
  ),
  bad('half an epoch', ArgumentError, [/epochs must be.*0\.5/, /whole number/], () =>
    trained({ epochs: 0.5 }),
  ),
  bad(
    'nothing but validation',
    ArgumentError,
    [/validationSplit must be a number in \[0, 1\), received 1/],
    () => trained({ validationSplit: 1 }),
  ),
  bad('an unknown option of fit', UnknownNameError, [/"epoch"/, /did you mean "epochs"/], () =>
    trained({ epoch: 2 }),
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
  bad('a share of samples above 1', ArgumentError, [/share must be a number in \[0, 1\), received 2/], () =>
    new ArrayDataset(x, y).split(2),
  ),
  bad('a sample that is not there', ArgumentError, [/no sample 8 among 8/], () =>
    new ArrayDataset(x, y).subset([8]),
  ),
]
