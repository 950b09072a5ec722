import test from 'ava'
import { ArgumentError, DataError, ShapeError, UnknownNameError } from '../ts/core/errors.js'
import { grad } from '../ts/core/transforms.js'
import {
  bce,
  bceWithLogits,
  checkLabels,
  createLoss,
  crossEntropy,
  huber,
  klDiv,
  knowledgeDistillation,
  l1,
  logitCrossEntropy,
  mse,
  nll,
  smoothL1,
} from '../ts/nn/losses/index.js'
import { accuracy, createMetric } from '../ts/nn/metrics/index.js'
import { ones, type Tensor, tensor } from '../ts/ops/tensor.js'
import { close, numericalGradient, sample } from './close.js'

const labels = tensor(Int32Array.from([2, 0, 1, 2, 1]))
const logits = sample([5, 3], 5)

/** Log-probabilities by hand. */
function logProbs(): number[][] {
  const values = logits.dataSync() as Float64Array
  return Array.from({ length: 5 }, (_, i) => {
    const row = [...values.slice(3 * i, 3 * i + 3)]
    const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0))
    return row.map((x) => x - total)
  })
}

const picked = () => logProbs().map((row, i) => row[[2, 0, 1, 2, 1][i] as number] as number)
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length

test('cross-entropy is the mean of -log softmax at the label', (t) => {
  close(t, crossEntropy(logits, labels), [-mean(picked())])
  close(
    t,
    crossEntropy(logits, labels, { reduction: 'none' }),
    picked().map((v) => -v),
  )
  const uniform = crossEntropy(ones([4, 10], { dtype: 'float64' }), tensor(new Int32Array(4)))
  close(t, uniform, [Math.log(10)])
})

test('gradient of the cross-entropy is softmax minus one-hot over n', (t) => {
  const want = logProbs().flatMap((row, i) =>
    row.map((v, c) => (Math.exp(v) - Number(c === [2, 0, 1, 2, 1][i])) / 5),
  )
  close(t, grad((x: Tensor) => crossEntropy(x, labels))(logits), want)
})

test('logits far apart stay finite', (t) => {
  const extreme = tensor([1e4, -1e4, 0, Number.NEGATIVE_INFINITY], { shape: [2, 2], dtype: 'float64' })
  close(t, crossEntropy(extreme, tensor(Int32Array.from([1, 0])), { reduction: 'none' }), [2e4, 0])
})

test('class weights divide the mean by the weights of the labels', (t) => {
  const weight = tensor([0.5, 2, 1], { dtype: 'float64' })
  const w = [1, 0.5, 2, 1, 2]
  const sum = picked().reduce((total, v, i) => total - v * (w[i] as number), 0)
  close(t, crossEntropy(logits, labels, { weight }), [sum / 6.5])
  close(t, crossEntropy(logits, labels, { weight, reduction: 'sum' }), [sum])
  t.throws(() => crossEntropy(logits, labels, { weight: ones([2]) }), { instanceOf: ShapeError })
})

test('ignored labels count neither above nor below the line', (t) => {
  const kept = picked().filter((_, i) => i !== 2 && i !== 4)
  close(t, crossEntropy(logits, labels, { ignoreIndex: 1 }), [-mean(kept)])
  const padded = tensor(Int32Array.from([2, 0, -1, 2, -1]))
  close(t, crossEntropy(logits, padded, { ignoreIndex: -1 }), [-mean(kept)])
})

test('label smoothing equals soft targets', (t) => {
  const smooth = 0.2
  const soft = labels
    .oneHot(3)
    .cast('float64')
    .mul(1 - smooth)
    .add(smooth / 3)
  const want = crossEntropy(logits, soft).itemSync()
  close(t, crossEntropy(logits, labels, { labelSmoothing: smooth }), [want])
  close(t, crossEntropy(logits, labels.oneHot(3), { labelSmoothing: smooth }), [want])
  t.throws(() => crossEntropy(logits, labels, { labelSmoothing: 2 }), { instanceOf: ArgumentError })
})

test('nll of log-softmax is cross-entropy', (t) => {
  close(t, nll(logits.logSoftmax(1), labels), [crossEntropy(logits, labels).itemSync()])
})

test('labels of a wrong shape are refused with both shapes', (t) => {
  const error = t.throws(() => crossEntropy(logits, tensor(Int32Array.from([0, 1]))), {
    instanceOf: ShapeError,
  })
  t.regex(error.message, /\[5\].*\[5,3\].*\[2\]/)
})

test('regression losses by hand', (t) => {
  const pred = tensor([0, 0, 0], { dtype: 'float64' })
  const target = tensor([0.5, -2, 3], { dtype: 'float64' })
  close(t, mse(pred, target), [13.25 / 3])
  close(t, l1(pred, target, { reduction: 'sum' }), [5.5])
  close(t, smoothL1(pred, target, { beta: 2, reduction: 'none' }), [0.0625, 1, 2])
  close(t, smoothL1(pred, target, { beta: 0, reduction: 'none' }), [0.5, 2, 3])
  close(t, huber(pred, target, { delta: 2, reduction: 'none' }), [0.125, 2, 4])
  t.throws(() => mse(pred, sample([3, 1])), { instanceOf: ShapeError })
  t.throws(() => huber(pred, target, { delta: 0 }), { instanceOf: ArgumentError })
})

test('binary cross-entropy from logits equals that from probabilities', (t) => {
  const x = sample([6], 3).mul(4)
  const target = tensor([0, 1, 0.3, 1, 0, 0.9], { dtype: 'float64' })
  close(t, bceWithLogits(x, target), [bce(x.sigmoid(), target).itemSync()])
  const extreme = tensor([1000, -1000], { dtype: 'float64' })
  close(t, bceWithLogits(extreme, tensor([0, 1], { dtype: 'float64' }), { reduction: 'none' }), [1000, 1000])
  const certain = tensor([0, 1], { dtype: 'float64' })
  close(t, bce(certain, tensor([1, 1], { dtype: 'float64' }), { reduction: 'none' }), [100, 0])
})

test('Kullback-Leibler divergence by hand, with and without logarithms', (t) => {
  const p = tensor([0.5, 0.5, 0, 1], { shape: [2, 2], dtype: 'float64' })
  const q = tensor([0.25, 0.75, 0.5, 0.5], { shape: [2, 2], dtype: 'float64' })
  const want = 0.5 * Math.log(2) + 0.5 * Math.log(2 / 3) + Math.log(2)
  close(t, klDiv(q.log(), p, { reduction: 'sum' }), [want])
  close(t, klDiv(q.log(), p, { reduction: 'batchmean' }), [want / 2])
  const r = tensor([0.5, 0.5], { shape: [1, 2], dtype: 'float64' })
  const s = tensor([0.25, 0.75], { shape: [1, 2], dtype: 'float64' })
  close(t, klDiv(s.log(), r.log(), { logTarget: true, reduction: 'sum' }), [klDiv(s.log(), r).itemSync() * 2])
})

test('gradients of all losses agree with finite differences', (t) => {
  const target = sample([4, 3], 7).mul(0.4).add(0.5)
  const x = sample([4, 3], 8).mul(0.45).add(0.5)
  for (const [name, loss] of Object.entries({
    mse,
    l1,
    huber: (a: Tensor, b: Tensor) => huber(a, b, { delta: 0.3 }),
    smoothL1: (a: Tensor, b: Tensor) => smoothL1(a, b, { beta: 0.3 }),
    bce,
    bceWithLogits: (a: Tensor, b: Tensor) =>
      bceWithLogits(a, b, { posWeight: tensor([1, 2, 3], { dtype: 'float64' }) }),
    klDiv,
    knowledgeDistillation,
    smoothed: (a: Tensor, b: Tensor) => crossEntropy(a, b, { labelSmoothing: 0.1 }),
  })) {
    const f = (v: Tensor) => loss(v, target)
    t.notThrows(() => close(t, grad(f)(x), numericalGradient(f, x), 1e-6), name)
  }
})

test('distillation from the own logits has the entropy as value and no gradient', (t) => {
  const value = knowledgeDistillation(logits, logits, { temperature: 1 }).itemSync()
  const entropy = mean(logProbs().map((row) => -row.reduce((sum, v) => sum + Math.exp(v) * v, 0)))
  close(t, [value], [entropy])
  const g = grad((x: Tensor) => knowledgeDistillation(x, logits.stopGradient()))(logits)
  close(t, g, new Array(15).fill(0), 1e-12)
})

test('a mapped teacher speaks for its classes only', (t) => {
  const teacher = tensor([0, 50], { shape: [1, 2], dtype: 'float64' })
  const student = tensor([1, 2, 3], { shape: [1, 3], dtype: 'float64' })
  const value = knowledgeDistillation(student, teacher, { temperature: 1, targetMapping: [0, 2] })
  close(t, value, [crossEntropy(student, tensor(Int32Array.from([2]))).itemSync()])
  t.throws(() => knowledgeDistillation(student, teacher, { targetMapping: [0, 3] }), {
    instanceOf: ArgumentError,
  })
})

test('logit cross-entropy takes the class of the largest target', (t) => {
  close(t, logitCrossEntropy(logits, labels.oneHot(3).cast('float64')), [
    crossEntropy(logits, labels).itemSync(),
  ])
})

test('losses by name', (t) => {
  close(t, createLoss('cross_entropy')(logits, labels), [crossEntropy(logits, labels).itemSync()])
  const own = (a: Tensor, b: Tensor) => a.sub(b).sum()
  t.is(createLoss(own), own)
  const error = t.throws(() => createLoss('crossEntrpy'), { instanceOf: UnknownNameError })
  t.regex(error.message, /crossEntropy/)
})

test('labels are checked with their position', (t) => {
  t.notThrows(() => checkLabels(Int32Array.from([0, 9]), 10))
  const error = t.throws(() => checkLabels([0, 3, 10, 2], 10), { instanceOf: DataError })
  t.regex(error.message, /10 at index 2/)
  for (const wrong of [0.5, null, '1', true]) {
    t.throws(() => checkLabels([wrong] as never, 10), { instanceOf: DataError })
  }
  t.notThrows(() => checkLabels([0, -100], 10, -100))
})

test('accuracy from indices and one-hot rows', (t) => {
  const pred = tensor([0.1, 0.9, 0.8, 0.2, 0.3, 0.7], { shape: [3, 2] })
  close(t, accuracy(pred, tensor(Int32Array.from([1, 0, 0]))), [2 / 3], 1e-6)
  close(t, accuracy(pred, tensor(Int32Array.from([1, 0, 0])).oneHot(2)), [2 / 3], 1e-6)
  t.is(createMetric('acc').name, 'acc')
  t.throws(() => createMetric('acuracy'), { instanceOf: UnknownNameError })
  t.throws(() => accuracy(pred, ones([2])), { instanceOf: ShapeError })
})

test('a loss of probabilities is no number for what are none', (t) => {
  const wrong = [1.5, -0.2]
  const f64 = (values: number[]) => tensor(values, { dtype: 'float64' })
  for (const value of wrong) {
    t.deepEqual(
      [
        ...bce(f64([value, 0.5]), f64([1, 1]), { reduction: 'none' })
          .isNaN()
          .dataSync(),
      ],
      [1, 0],
    )
    t.deepEqual(
      [
        ...bce(f64([0.5, 0.5]), f64([value, 1]), { reduction: 'none' })
          .isNaN()
          .dataSync(),
      ],
      [1, 0],
    )
    t.is(bceWithLogits(f64([3]), f64([value])).itemSync(), Number.NaN)
    t.is(klDiv(f64([-1]), f64([value])).itemSync(), Number.NaN)
  }
  // Rounding is no mistake.
  close(t, bce(tensor([1 + 2e-7, 0]), tensor([1, 0])), [0], 1e-6)
})

test('an option that a loss does not have is refused with the nearest that it has', (t) => {
  const a = ones([2, 3], { dtype: 'float64' })
  const label = tensor(Int32Array.of(0, 1))
  const calls: [() => unknown, RegExp][] = [
    [() => crossEntropy(a, label, { label_smoothing: 0.1 } as never), /labelSmoothing/],
    [() => nll(a.neg(), label, { ignore_index: 1 } as never), /ignoreIndex/],
    [() => bceWithLogits(a, a, { pos_weight: a } as never), /posWeight/],
    [() => bce(a, a, { reductions: 'sum' } as never), /reduction/],
    [() => mse(a, a, { reductions: 'sum' } as never), /reduction/],
    [() => l1(a, a, { reductions: 'sum' } as never), /reduction/],
    [() => huber(a, a, { beta: 1 } as never), /delta/],
    [() => smoothL1(a, a, { delta: 1 } as never), /beta/],
    [() => klDiv(a, a, { log_target: true } as never), /logTarget/],
    [() => knowledgeDistillation(a, a, { temprature: 1 } as never), /temperature/],
    [() => createLoss('crossEntropy', { label_smoothing: 0.1 } as never), /labelSmoothing/],
    [() => createLoss('mse', { labelSmoothing: 0.1 }), /reduction/],
    [() => mse(a, a, { reduction: 'avg' as never }), /mean/],
  ]
  for (const [call, message] of calls) t.throws(call, { instanceOf: UnknownNameError, message })
  for (const options of [null, [], 'sum']) {
    t.throws(() => mse(a, a, options as never), { instanceOf: ArgumentError })
  }
  t.throws(() => crossEntropy(a, label, { ignoreIndex: null as never }), { instanceOf: ArgumentError })
  t.throws(() => crossEntropy(a, label, { weight: [1, 2, 3] as never }), { instanceOf: ArgumentError })
  t.throws(() => createLoss((p) => p.sum(), { labelSmoothing: 0.1 }), { instanceOf: ArgumentError })
})
