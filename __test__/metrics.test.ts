/** Accuracy: criteria of a correct prediction. */
import test from 'ava'
import {
  ArgumentError,
  type ArrayInput,
  accuracy,
  binaryAccuracy,
  type CompileOptions,
  Dense,
  Sequential,
  ShapeError,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { numbers } from './helpers.js'

const n = 40
const x = Float32Array.from(numbers(2 * n))
const labels = Array.from({ length: n }, (_, i) => (i * 7919 + (i % 3)) % 2)

function model(options: CompileOptions, activation: 'sigmoid' | 'linear', units = 1): Sequential {
  return new Sequential({ inputShape: [2], seed: 1 })
    .add(new Dense(units, { activation }))
    .compile(options) as Sequential
}

/** The share of outputs on the side of a threshold that the labels say. */
async function truth(net: Sequential, threshold: number, wanted: readonly number[]): Promise<number> {
  const outputs = await (await net.predict(x)).data()
  return wanted.filter((label, i) => Number(outputs[i]) > threshold === (label === 1)).length / wanted.length
}

test('the accuracy of one output has a threshold by the loss, whatever form the labels have', async (t) => {
  const forms: Record<string, ArrayInput> = {
    list: labels,
    column: labels.map((label) => [label]),
    booleans: labels.map((label) => label === 1),
    floats: Float32Array.from(labels),
    integers: Int32Array.from(labels),
    bytes: Uint8Array.from(labels),
    tensor: tensor(labels.map((label) => [label === 1])),
  }
  for (const [loss, activation, threshold] of [
    ['bce', 'sigmoid', 0.5],
    ['bceWithLogits', 'linear', 0],
  ] as const) {
    const net = model({ loss, metrics: ['accuracy'] }, activation)
    const expected = await truth(net, threshold, labels)
    t.true(expected > 0.2 && expected < 0.8, 'the case tells')
    for (const [name, form] of Object.entries(forms)) {
      for (const batchSize of [7, n]) {
        const { metrics } = await net.evaluate(x, form, { batchSize })
        t.true(Math.abs((metrics.accuracy as number) - expected) < 1e-6, `${loss} ${name} ${batchSize}`)
      }
    }
  }
})

test('the accuracy of several yes-or-no outputs is entry by entry', async (t) => {
  const wanted = labels.map((label, i) => [label, 1 - label, i % 2])
  const net = model({ loss: 'bce', metrics: ['acc'] }, 'sigmoid', 3)
  const { metrics } = await net.evaluate(x, wanted)
  t.true(Math.abs((metrics.acc as number) - (await truth(net, 0.5, wanted.flat()))) < 1e-6)
})

test('accuracy is refused where it has no meaning', async (t) => {
  for (const loss of ['mse', 'l1', 'smoothL1', 'huber']) {
    t.throws(() => model({ loss, metrics: ['accuracy'] }, 'linear'), {
      instanceOf: ArgumentError,
      message: /for numbers/,
    })
  }
  t.throws(() => accuracy(tensor([[0.3], [0.7]]), tensor([0, 1], { dtype: 'int32' })), {
    instanceOf: ShapeError,
    message: /binaryAccuracy/,
  })
  const own = (pred: Tensor, target: Tensor) =>
    pred.sub(target.cast('float32').reshape(pred.shape)).square().mean()
  const net = model({ loss: own, metrics: ['accuracy'] }, 'sigmoid')
  await t.throwsAsync(net.evaluate(x, labels), { instanceOf: ShapeError, message: /one column/ })
  t.throws(() => binaryAccuracy(tensor([0.5, 1]), tensor([1])), { instanceOf: ShapeError })
  t.throws(() => binaryAccuracy(tensor([0.5]), tensor([1]), { threshold: Number.NaN }), {
    instanceOf: ArgumentError,
  })
})

test('an output that is no number is wrong', (t) => {
  const { NaN: nan } = Number
  const pred = tensor([
    [nan, nan],
    [nan, 1],
    [0, nan],
    [0, 1],
  ])
  t.is(accuracy(pred, tensor([0, 1, 0, 1], { dtype: 'int32' })).itemSync(), 0.25)
  t.is(binaryAccuracy(tensor([nan, nan, 0, 1]), tensor([0, 1, 0, 1])).itemSync(), 0.5)
})

test('rows: a largest entry is right, a row of zeros has no class', (t) => {
  const pred = tensor([
    [0.1, 0.9],
    [0.9, 0.1],
    [0.1, 0.9],
    [0.9, 0.1],
  ])
  const rows = tensor([
    [0.5, 0.5],
    [0.2, 0.8],
    [0.2, 0.8],
    [0, 0],
  ])
  t.is(accuracy(pred, rows).itemSync(), 0.5)
})

test('accuracy leaves ignored labels out', (t) => {
  const pred = tensor([
    [1, 0],
    [1, 0],
    [1, 0],
  ])
  const given = (...values: number[]) => tensor(values, { dtype: 'int32' })
  t.is(accuracy(pred, given(0, 1, -1), { ignoreIndex: -1 }).itemSync(), 0.5)
  t.is(accuracy(pred, given(-1, -1, -1), { ignoreIndex: -1 }).itemSync(), 0)
})
