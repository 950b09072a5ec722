/** Bounds, truth values and zero shares have their literal meaning; errors name the operation that was called. */
import test from 'ava'
import {
  ArgumentError,
  AvgPool,
  arange,
  BatchNorm,
  bceWithLogits,
  Conv,
  cosineLR,
  createLoss,
  createMetric,
  createOptimizer,
  crossEntropy,
  DataError,
  Dense,
  DTypeError,
  EarlyStopping,
  grad,
  HSIC,
  klDiv,
  linspace,
  MaxPool,
  type NestedInput,
  Sequential,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  UnknownNameError,
  Variable,
  vjp,
  zeros,
} from '../ts/index.js'
import { close } from './helpers.js'

const { NaN: missing, POSITIVE_INFINITY: infinity } = Number

test('clip refuses bounds that are no interval', (t) => {
  const x = tensor([0.5, 2])
  t.throws(() => x.clip(missing, 1), { instanceOf: ArgumentError, message: /clip: min is NaN/ })
  t.throws(() => x.clip(0, missing), { instanceOf: ArgumentError, message: /clip: max is NaN/ })
  t.throws(() => x.clip(2, 1), { instanceOf: ArgumentError, message: /min 2 is above max 1/ })
  t.throws(() => tensor([1n]).clip(2n, 1), { instanceOf: ArgumentError })
})

test('clip is NaN where a bound in a tensor is', async (t) => {
  const x = tensor([0.5, 2, missing])
  close(t, await x.clip(tensor([missing, 0, 0]), 1).array(), [missing, 1, missing])
  close(t, await x.clip(0, tensor([missing, 1, 1])).array(), [missing, 1, missing])
  close(t, await x.clip(tensor([missing, 0, 0]), tensor([1, missing, 1])).array(), [
    missing,
    missing,
    missing,
  ])
  close(t, await x.clip(1, null).array(), [1, 2, missing])
})

test('bool holds truth values, 0 and 1 alone', async (t) => {
  for (const wrong of [[missing], [7], [-1], [0.5], [1, 2n]] as NestedInput[]) {
    t.throws(() => tensor(wrong, { dtype: 'bool' }), { instanceOf: DataError })
  }
  t.deepEqual(await tensor([1, 0], { dtype: 'bool' }).array(), [1, 0])
  t.deepEqual(await tensor([1n, 0n], { dtype: 'bool' }).array(), [1, 0])
})

for (const [ord, right] of [
  [0.5, [0, 1]],
  [-1, [0, 0]],
  [1.5, [0, 1]],
] as const) {
  test(`the norm of order ${ord} has a slope beside zeros`, async (t) => {
    const slope = grad((x: Tensor) => x.norm({ ord }))(tensor([0, 4]))
    close(t, await slope.array(), [...right], 1e-6)
  })
}

test('what has no share of a target does not count', async (t) => {
  const loss = crossEntropy(tensor([[1, -infinity]]), tensor([[1, 0]]))
  close(t, await loss.item(), 0)
  t.is(await crossEntropy(tensor([[1, -infinity]]), tensor([[0, 1]])).item(), infinity)
  const weight = tensor([1, 0])
  const halves = tensor([[0.5, 0.5]])
  close(t, await crossEntropy(tensor([[1, -infinity]]), halves, { weight }).item(), 0)
  const slope = grad((x: Tensor) => crossEntropy(x, tensor([[1, 0]])))(tensor([[1, -infinity]]))
  close(t, await slope.array(), [[0, 0]])
  const pred = tensor([-1, -infinity])
  const options = { reduction: 'none' } as const
  close(t, await klDiv(pred, tensor([1, 0]), options).array(), [1, 0])
  close(t, await klDiv(pred, tensor([0, -infinity]), { ...options, logTarget: true }).array(), [1, 0])
  close(
    t,
    await klDiv(pred, tensor([0.5, 0.5]), options).array(),
    [0.5 + 0.5 * Math.log(0.5), infinity],
    1e-6,
  )
  const logits = tensor([infinity, -infinity, infinity, -infinity])
  const costs = await bceWithLogits(logits, tensor([1, 0, 0, 1]), options).array()
  close(t, costs, [0, 0, infinity, infinity])
})

const whole = tensor([[1, 2], [3, 4]], { dtype: 'int32' }) // biome-ignore format: a matrix
const truth = tensor([true, false])
const oblong = zeros([2, 3])

const refused: [string, () => unknown][] = [
  ['argMin', () => tensor([1]).argMin(4)],
  ['argMin', () => zeros([0]).argMin()],
  ['norm', () => whole.norm()],
  ['norm', () => oblong.norm({ axes: 4 })],
  ['normalize', () => whole.normalize()],
  ['softmax', () => whole.softmax()],
  ['softmax', () => oblong.softmax(4)],
  ['logSoftmax', () => whole.logSoftmax()],
  ['logSumExp', () => whole.logSumExp()],
  ['logSumExp', () => oblong.logSumExp(4)],
  ['mean', () => oblong.mean(4)],
  ['std', () => oblong.std(4)],
  ['any', () => oblong.any(4)],
  ['all', () => oblong.all(4)],
  ['layerNorm', () => whole.layerNorm(1)],
  ['gelu', () => whole.gelu()],
  ['elu', () => whole.elu()],
  ['selu', () => whole.selu()],
  ['silu', () => whole.silu()],
  ['logSigmoid', () => whole.logSigmoid()],
  ['leakyRelu', () => whole.leakyRelu()],
  ['digamma', () => whole.digamma()],
  ['neg', () => truth.neg()],
  ['sign', () => truth.sign()],
  ['relu', () => truth.relu()],
  ['square', () => truth.square()],
  ['inv', () => whole.inv()],
  ['inv', () => oblong.inv()],
  ['logDet', () => whole.logDet()],
  ['logDet', () => oblong.logDet()],
  ['choleskySolve', () => whole.choleskySolve(whole)],
  ['cdist', () => whole.cdist()],
  ['gaussianGram', () => whole.gaussianGram(1)],
  ['gaussianGram', () => zeros([3]).gaussianGram(1)],
  ['vjp', () => vjp((x: Tensor) => x.mul(2), oblong, zeros([2]))],
  ['vjp', () => vjp((x: Tensor) => x.mul(2), oblong, zeros([2, 3], { dtype: 'float64' }))],
  ['linspace', () => linspace(0, 5, 4, { dtype: 'int32' })],
]

for (const [i, [op, call]] of refused.entries()) {
  test(`${op} is named by its own errors (${i})`, (t) => {
    const error = t.throws(call) as Error
    t.true(error instanceof DTypeError || error instanceof ShapeError)
    t.true(error.message.startsWith(`${op}: `), error.message)
    t.true(error.stack?.includes(error.message))
  })
}

test('what is advised about a number holds it', (t) => {
  t.throws(() => tensor([1n]).add(2n ** 63n), { instanceOf: DTypeError, message: /cast\('float64'\)$/ })
  t.throws(() => tensor([1], { dtype: 'uint8' }).add(300), { message: /cast\('int64'\)$/ })
  t.throws(() => tensor([2 ** 60], { dtype: 'int64' }), {
    instanceOf: DataError,
    message: /beyond 2\^53.*as bigint: 1152921504606846976n/,
  })
})

test('JSON of a tensor or a Variable is refused with the way to its values', (t) => {
  const x = tensor([1])
  const way = { instanceOf: StateError, message: /await [tv]\.(value\.)?array\(\)/ }
  for (const value of [x, { x }, new Variable(x)]) t.throws(() => JSON.stringify(value), way)
})

test('many values are nested in turns, to the same arrays', async (t) => {
  for (const shape of [[70_000], [300, 400], [3, 40_000], [2, 70_000, 1], [50_000, 0], [0, 70_000]]) {
    const x = arange(shape.reduce((a, b) => a * b, 1)).reshape(shape)
    let turns = 0
    let isOver = false
    const count = () => {
      turns++
      if (!isOver) setImmediate(count)
    }
    await x.data()
    setImmediate(count)
    const nested = await x.array()
    isOver = true
    t.deepEqual(nested, x.arraySync())
    t.true(turns > 1 || shape[0] === 0)
  }
})

for (const [call, meant] of [
  [() => createLoss('mae'), 'l1'],
  [() => createLoss('categorical_crossentropy'), 'crossEntropy'],
  [() => createLoss('binary_crossentropy'), 'bce'],
  [() => createLoss('BCEWithLogitsLoss'), 'bceWithLogits'],
  [() => createOptimizer('momentum'), 'sgd'],
  [() => createMetric('categorical_accuracy'), 'accuracy'],
  [() => new HSIC({ kernel: 'rbf' as 'linear' }), 'gaussian'],
  [() => tensor([1]).cast('double' as 'float64'), 'float64'],
  [
    () => new Sequential({ inputShape: [1] }).add(new Dense(1)).compile({ weight_decay: 0.1 } as object),
    'optimizerOptions',
  ],
  [() => new EarlyStopping({ restore_best_weights: true } as object), 'restoreBest'],
] as const) {
  test(`a name of another library is answered with "${meant}" (${call})`, (t) => {
    t.throws(call, { instanceOf: UnknownNameError, message: new RegExp(`did you mean "${meant}"`) })
  })
}

test('a schedule in place of a rate is told where it belongs', (t) => {
  const model = new Sequential({ inputShape: [1] }).add(new Dense(1))
  t.throws(() => model.compile({ learningRate: cosineLR({ period: 3 }) as never }), {
    instanceOf: ArgumentError,
    message: /new LearningRate\(schedule\)/,
  })
})

test('the bases of layers with spatial axes name those with a rank', (t) => {
  for (const Other of [Conv, MaxPool, AvgPool]) {
    const Made = Other as unknown as new (...given: unknown[]) => unknown
    t.throws(() => new Made(8, 3), { instanceOf: ArgumentError, message: /1d, \w+2d or \w+3d/ })
  }
  const Base = BatchNorm as unknown as new (options: object) => unknown
  t.throws(() => new Base({ momentum: 0.1 }), {
    instanceOf: ArgumentError,
    message: /BatchNorm1d, BatchNorm2d/,
  })
})
