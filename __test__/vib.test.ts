/** The deep variational information bottleneck. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  BatchNorm1d,
  Checkpoint,
  type Covariance,
  DataError,
  Dense,
  Dropout,
  evaluate,
  key,
  type Network,
  normal,
  Sequential,
  SGD,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  fit as trainTask,
  VIB,
  type VIBOptions,
} from '../ts/index.js'
import { codeOf } from '../ts/models/vib-terms.js'

const quiet = { verbose: false }

interface Given extends Partial<VIBOptions> {
  dropout?: boolean
}

function vib({ dropout = false, ...options }: Given = {}): VIB {
  const { hiddenDim = 2, covType = 'diag' } = options
  const width = covType === 'diag' ? 2 * hiddenDim : hiddenDim + (hiddenDim * (hiddenDim + 1)) / 2
  const encoder = new Sequential({ inputShape: [2], seed: 1 }).add(new Dense(16, { activation: 'relu' }))
  if (dropout) encoder.add(new BatchNorm1d()).add(new Dropout(0.2))
  encoder.add(new Dense(width))
  const decoder = new Sequential({ inputShape: [hiddenDim], seed: 2 }).add(new Dense(3))
  return new VIB({ encoder, decoder, hiddenDim, covType, ...options })
}

/** Three clusters in the plane. */
function clusters(count = 120): ArrayDataset {
  const x = Float32Array.from({ length: 2 * count }, (_, i) => {
    const angle = (2 * Math.PI * ((i >> 1) % 3)) / 3
    return 2 * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 0.3 * Math.sin(7.3 * i)
  })
  const y = Int32Array.from({ length: count }, (_, i) => i % 3)
  return new ArrayDataset(x, y, { inputShape: [2], batchSize: 30, shuffle: true, seed: 1, classes: 3 })
}

async function numbers({ encoder, decoder }: VIB): Promise<number[][]> {
  const of = (one: Network) => [...Object.values(one.weights), ...Object.values(one.stateVariables)]
  return Promise.all(
    [...of(encoder), ...of(decoder)].map(async ({ value }) => [...(await value.data())].map(Number)),
  )
}

test('the rate is the divergence from the prior, also where scales underflow', async (t) => {
  const raw = [0.3, -1.2, 0.4, -0.7]
  const softplus = (a: number) => Math.log1p(Math.exp(a))
  const diag = codeOf(tensor([raw], { dtype: 'float64' }), 2, 'diag', -0.5)
  const [s0, s1] = [softplus(-0.1), softplus(-1.2)]
  const byHand = 0.5 * (s0 ** 2 + s1 ** 2 + 0.09 + 1.44 - 2) - Math.log(s0 * s1)
  t.true(Math.abs(((await diag.kl.data())[0] as number) - byHand) < 1e-12)
  // A factor without entries below its diagonal is a diagonal covariance.
  const full = codeOf(tensor([[0.3, -1.2, 0.4, 0, -0.7]], { dtype: 'float64' }), 2, 'full', 0)
  const same = codeOf(tensor([raw], { dtype: 'float64' }), 2, 'diag', 0)
  t.true(Math.abs(((await full.kl.data())[0] as number) - ((await same.kl.data())[0] as number)) < 1e-12)
  const tiny = codeOf(tensor([[0, -150]]), 1, 'diag', 0)
  t.true(Math.abs(((await tiny.kl.data())[0] as number) - 149.5) < 1e-3)
})

test('draws have the mean and the covariance of the code', async (t) => {
  for (const covType of ['diag', 'full'] as Covariance[]) {
    const model = vib({ covType })
    const x = tensor([[1, -0.5]])
    const y = tensor([1], { dtype: 'int32' })
    const { z, mean, scale } = model.terms({}, x, y, normal(key(3), [40_000, 1, 2]))
    const centered = z.sub(mean).reshape([40_000, 2])
    const found = centered.transpose().matmul(centered).div(40_000)
    const factor =
      covType === 'full'
        ? scale.reshape([2, 2])
        : scale.reshape([2, 1]).mul(
            tensor([
              [1, 0],
              [0, 1],
            ]),
          )
    const wanted = factor.matmul(factor.transpose())
    const gap = found.sub(wanted).abs().max().div(wanted.abs().max())
    t.true(((await gap.data())[0] as number) < 0.03, covType)
  }
})

test('training tells the classes and lowers the loss, with a covariance of either kind', async (t) => {
  for (const covType of ['diag', 'full'] as Covariance[]) {
    const model = vib({ covType, numSamples: 2, dropout: true }).compile({ learningRate: 0.02 })
    const data = clusters()
    const history = await model.fitDataset(data, { epochs: 15, validation: clusters(60), ...quiet })
    t.true((history.loss.at(-1) as number) < (history.loss[0] as number) / 2)
    t.true((history.validationMetrics?.accuracy?.at(-1) as number) > 0.95)
    t.is(model.history, history)
    const { loss, metrics } = await model.evaluate(clusters(60))
    t.is(loss, history.validationLoss?.at(-1) as number)
    const truth = Int32Array.from({ length: 60 }, (_, i) => i % 3)
    const ofArrays = await model.evaluate(clusters(60).source.x, truth, { batchSize: 20 })
    t.true(Math.abs((ofArrays.metrics.rate as number) - (metrics.rate as number)) < 1e-5)
    t.true((ofArrays.metrics.accuracy as number) > 0.95)
    await t.throwsAsync(model.evaluate(clusters(60).source.x, truth.fill(3)), { instanceOf: DataError })
    const total = (metrics.crossEntropy as number) + model.tradeOff * (metrics.rate as number)
    t.true(Math.abs(loss - total) < 1e-5)
    const one = await model.predict(data.source.x, { numSamples: 12, batchSize: 50 })
    const again = await model.predict(data.source.x, { numSamples: 12, batchSize: 50 })
    t.deepEqual(one.shape, [120, 3])
    t.deepEqual([...(await one.data())], [...(await again.data())])
    t.true((await one.sum(1).data()).every((sum) => Math.abs(Number(sum) - 1) < 1e-5))
    const labels = await one.argMax(1).data()
    t.true(labels.filter((label, i) => Number(label) === i % 3).length > 114)
    const { z, probabilities } = model.generate(7)
    await evaluate([z, probabilities])
    t.deepEqual(
      [z.shape, probabilities.shape],
      [
        [7, 2],
        [7, 3],
      ],
    )
  }
})

test('a strong bottleneck forgets the input', async (t) => {
  const rates: number[] = []
  for (const tradeOff of [1e-3, 10]) {
    const model = vib({ tradeOff }).compile({ learningRate: 0.02 })
    const { metrics } = await model.fitDataset(clusters(), { epochs: 15, ...quiet })
    rates.push(metrics.rate?.at(-1) as number)
  }
  t.true((rates[1] as number) < 0.1, String(rates))
  t.true((rates[0] as number) > 1, String(rates))
})

test('the mean over draws of probabilities tends to that of many draws', async (t) => {
  const model = vib({ scaleShift: 2 })
  const x = [[0.5, 1]]
  const of = async (numSamples: number) =>
    [...(await (await model.predict(x, { numSamples })).data())] as number[]
  const many = await of(20_000)
  const gap = async (count: number) =>
    Math.max(...(await of(count)).map((p, i) => Math.abs(p - (many[i] as number))))
  t.true((await gap(5000)) < 0.01)
})

test('an interrupted run goes on with the same bits, and arrays are split as by models', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperglow-vib-'))
  try {
    const make = () => vib({ dropout: true }).compile({ learningRate: 0.02 })
    const whole = make()
    await whole.fitDataset(clusters(), { epochs: 4, ...quiet })
    const callbacks = () => [new Checkpoint(folder)]
    await make().fitDataset(clusters(), { epochs: 2, callbacks: callbacks(), ...quiet })
    const resumed = make()
    await trainTask(resumed.task, clusters(), { epochs: 4, callbacks: callbacks(), resume: folder, ...quiet })
    t.deepEqual(await numbers(resumed), await numbers(whole))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const x = Array.from({ length: 50 }, (_, i) => [Math.sin(i), Math.cos(i)])
  const y = Array.from({ length: 50 }, (_, i) => i % 3)
  const history = await vib()
    .compile()
    .fit(x, y, { epochs: 2, batchSize: 20, ...quiet })
  t.is(history.validationLoss?.length, 2)
})

test('faults are said before anything is trained', async (t) => {
  const network = (inputs: number, outputs: number) =>
    new Sequential({ inputShape: [inputs] }).add(new Dense(outputs))
  const make = (encoder: unknown, decoder: unknown, covType?: Covariance) =>
    new VIB({
      encoder: encoder as Network,
      decoder: decoder as Network,
      hiddenDim: 2,
      ...(covType && { covType }),
    })
  t.throws(() => make(network(2, 5), network(2, 3)), {
    instanceOf: ShapeError,
    message: /gives \[5\], expected \[4\]/,
  })
  t.throws(() => make(network(2, 4), network(2, 3), 'full'), {
    instanceOf: ShapeError,
    message: /expected \[5\]/,
  })
  t.throws(() => make(network(2, 4), network(3, 3)), {
    instanceOf: ShapeError,
    message: /decoder takes \[3\]/,
  })
  t.throws(() => make(network(2, 4), network(2, 1)), {
    instanceOf: ShapeError,
    message: /two classes or more/,
  })
  t.throws(() => make(5, network(2, 3)), { instanceOf: ArgumentError, message: /the encoder is/ })
  t.throws(() => vib().task, { instanceOf: StateError, message: /not compiled/ })
  t.throws(() => vib().terms({}, normal(key(1), [3, 2]), tensor([0]) as Tensor, normal(key(1), [3, 2])), {
    instanceOf: ShapeError,
    message: /noise/,
  })
  await t.throwsAsync(() => vib().fitDataset(clusters()), { instanceOf: StateError })
  const wrong = new ArrayDataset([[0, 1]], Int32Array.of(3), { classes: 4 })
  await t.throwsAsync(() => vib().compile().fitDataset(wrong), { instanceOf: DataError, message: /3/ })
})

test('Adam has the rate of the paper, other optimizers that of compile', (t) => {
  const rateOf = (options?: Parameters<VIB['compile']>[0]) =>
    Object.values(vib().compile(options).task.optimizers ?? {})[0]?.learningRate
  t.is(rateOf(), 1e-4)
  t.is(rateOf({ optimizer: 'Adam' }), 1e-4)
  t.is(rateOf({ optimizer: 'sgd' }), 1e-3)
  t.is(rateOf({ optimizer: 'adamw' }), 1e-3)
  t.is(rateOf({ optimizer: 'sgd', learningRate: 0.2 }), 0.2)
  // An instance has its own rate, and stays its owner's when another one follows.
  using own = new SGD({ learningRate: 0.3 })
  const model = vib().compile({ optimizer: own })
  t.is(Object.values(model.task.optimizers ?? {})[0], own)
  model.compile()
  own.learningRate = 0.1
  t.is(own.learningRate, 0.1)
})
