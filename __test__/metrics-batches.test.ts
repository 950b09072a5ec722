/** Metrics over several batches equal those over all samples together. */
import test from 'ava'
import * as hg from '../ts/index.js'
import {
  ArgumentError,
  Dense,
  type Metric,
  Sequential,
  ShapeError,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { close, numbers } from './helpers.js'

const n = 53
const labels = Int32Array.from({ length: n }, (_, i) => (i * i + (i % 5)) % 3)
const scores = tensor(numbers(3 * n, -2, 2), { shape: [n, 3] })
const classes = tensor(labels)
const yes = tensor(Int32Array.from(labels, (label) => Number(label === 1)))
const one = tensor(numbers(n, 0, 1, 3))
const x = Float32Array.from(numbers(2 * n))

const ofClasses: Readonly<Record<string, Metric>> = {
  accuracy: hg.accuracy.streaming(),
  topKAccuracy: hg.topKAccuracy.streaming({ k: 2 }),
  precision: hg.precision.streaming({ average: 'weighted' }),
  recall: hg.recall.streaming({ average: 'none' }),
  f1: hg.f1.streaming(),
  fBeta: hg.fBeta.streaming({ beta: 0.5, average: 'micro' }),
  rocAUC: hg.rocAUC.streaming(),
  averagePrecision: hg.averagePrecision.streaming({ average: 'weighted' }),
  confusionMatrix: hg.confusionMatrix.streaming({ normalize: 'true' }),
  cohenKappa: hg.cohenKappa.streaming({ weighting: 'quadratic' }),
  matthews: hg.matthews.streaming(),
  logLoss: hg.logLoss.streaming({ logits: true }),
  brier: hg.brier.streaming({ logits: true }),
  calibrationError: hg.calibrationError.streaming({ logits: true }),
}
const ofNumbers: Readonly<Record<string, Metric>> = {
  mae: hg.createMetric('mae'),
  mse: hg.createMetric('mse'),
  rmse: hg.rootMeanSquaredError.streaming(),
  r2: hg.r2.streaming({ average: 'none' }),
  explainedVariance: hg.explainedVariance.streaming({ average: 'weighted' }),
}

function inBatches(metric: Metric, p: Tensor, y: Tensor, size: number, weights?: Tensor): Tensor {
  let state = metric.init(p.shape.slice(1))
  for (let start = 0; start < n; start += size) {
    const part = (rows: Tensor) => rows.slice([start], [Math.min(n, start + size)])
    state = metric.update(state, part(p), part(y), weights && part(weights))
  }
  return metric.compute(state)
}

test('the value of batches is that of all samples, whatever their size', async (t) => {
  const cases = [
    ...Object.values(ofClasses).map((metric) => [metric, scores, classes] as const),
    ...Object.values(ofNumbers).map((metric) => [metric, scores, scores.sin().add(1e6)] as const),
  ]
  for (const [metric, p, y] of cases) {
    const whole = await metric.of(p, y).array()
    for (const size of [1, 7, 50]) {
      close(t, await inBatches(metric, p, y, size).array(), whole, 1e-10)
    }
  }
})

test('a weight of 2 is a sample given twice, of 0 one left out', async (t) => {
  const times = Int32Array.from({ length: n }, (_, i) => i % 3)
  const rows = tensor(Int32Array.from(Array.from(times).flatMap((count, i) => Array<number>(count).fill(i))))
  const weights = tensor(Float64Array.from(times))
  for (const metric of [...Object.values(ofClasses), ...Object.values(ofNumbers)]) {
    const y =
      metric.name in ofNumbers || ['r2', 'rootMeanSquaredError'].includes(metric.name)
        ? scores.sin()
        : classes
    const expected = await metric.of(scores.take(rows), y.take(rows)).array()
    close(t, await inBatches(metric, scores, y, 10, weights).array(), expected, 1e-9)
  }
})

test('models report metrics of all samples, by name, by function and as metrics', async (t) => {
  const net = new Sequential({ inputShape: [2], seed: 1 })
    .add(new Dense(1, { activation: 'sigmoid' }))
    .compile({
      loss: 'bce',
      metrics: ['rocAUC', 'f1', 'logLoss', 'acc', hg.fBeta.streaming({ beta: 2 }), hg.brier],
    }) as Sequential
  const said = await net.predict(x)
  const all = {
    rocAUC: await hg.rocAUC(said, yes).item(),
    f1: await hg.f1(said, yes).item(),
    logLoss: await hg.logLoss(said, yes).item(),
    acc: await hg.binaryAccuracy(said, yes).item(),
    fBeta: await hg.fBeta(said, yes, { beta: 2 }).item(),
    brier: await hg.brier(said, yes).item(),
  }
  for (const batchSize of [5, n]) {
    const { metrics } = await net.evaluate(
      x,
      labels.map((label) => Number(label === 1)),
      { batchSize },
    )
    t.deepEqual(Object.keys(metrics), Object.keys(all))
    for (const [name, value] of Object.entries(all)) {
      t.true(Math.abs((metrics[name] as number) - value) < 1e-6, `${name} ${batchSize}`)
    }
  }
  const history = await net.fit(
    x,
    labels.map((label) => Number(label === 1)),
    { epochs: 2, batchSize: 8, verbose: false },
  )
  t.is(history.metrics.rocAUC?.length, 2)
})

test('logits are told from probabilities by the loss', async (t) => {
  const net = new Sequential({ inputShape: [2], seed: 1 })
    .add(new Dense(3))
    .compile({ loss: 'crossEntropy', metrics: ['logLoss'] }) as Sequential
  const { loss, metrics } = await net.evaluate(x, labels, { batchSize: 9 })
  t.true(Math.abs(loss - (metrics.logLoss as number)) < 1e-6)
})

test('a metric of several numbers, too many samples and what does not fit are refused', async (t) => {
  const net = new Sequential({ inputShape: [2], seed: 1 })
    .add(new Dense(3))
    .compile({ metrics: [hg.recall.streaming({ average: 'none' })] }) as Sequential
  await t.throwsAsync(net.evaluate(x, labels), { instanceOf: ShapeError, message: /recall.*scalar/ })
  const small = hg.rocAUC.streaming({ capacity: 20 })
  await t.throwsAsync(inBatches(small, one, yes, 10).item(), { message: /room for 20 samples/ })
  t.throws(() => hg.precision(classes, classes), { instanceOf: ArgumentError, message: /give \{ classes \}/ })
  t.throws(() => hg.f1(scores, classes, { average: 'binary' }), { instanceOf: ArgumentError })
  t.throws(() => hg.topKAccuracy(scores, classes), { instanceOf: ArgumentError, message: /of 3 classes/ })
  t.throws(() => hg.rocAUC(scores, one.slice([1])), { instanceOf: ShapeError })
  t.throws(() => hg.accuracy.streaming().of(scores, classes, one.slice([1])), { instanceOf: ShapeError })
})

test('what there is no answer for is NaN and not a number that looks like one', async (t) => {
  const bad = tensor([0.1, Number.NaN, 0.9, 0.4], { dtype: 'float64' })
  const is = tensor([0, 1, 1, 0], { dtype: 'int32' })
  for (const metric of [hg.f1, hg.matthews, hg.rocAUC, hg.averagePrecision, hg.brier, hg.logLoss]) {
    t.is(await metric(bad, is).item(), Number.NaN, metric.name)
  }
  const strange = tensor([0, 1, 7, 0], { dtype: 'int32' })
  const rows = scores.slice([0], [4])
  for (const metric of [hg.f1, hg.cohenKappa, hg.logLoss, hg.brier]) {
    t.is(await metric(rows, strange).item(), Number.NaN, metric.name)
  }
  t.is(await hg.rocAUC(one, tensor(new Int32Array(n))).item(), Number.NaN)
  t.is(await hg.averagePrecision(one, tensor(new Int32Array(n))).item(), 0)
  const ignoring = await hg.f1(rows, strange, { ignoreIndex: 7 }).item()
  const kept = tensor(Int32Array.from([0, 1, 3]))
  t.is(ignoring, await hg.f1(rows.take(kept), strange.take(kept)).item())
})
