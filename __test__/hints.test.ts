/** What messages advise: the next thing to try has to work. */
import test from 'ava'
import * as hg from '../ts/index.js'
import {
  Adam,
  ArgumentError,
  ArrayDataset,
  DataError,
  Dense,
  type LossName,
  mse,
  Permute,
  Sequential,
  ShapeError,
  type StepContext,
  type Tensor,
  TimeDistributed,
  TreeDataset,
  tensor,
  UnknownNameError,
  valueAndGrad,
} from '../ts/index.js'
import { numbers } from './helpers.js'

const quiet = { verbose: false }
const n = 24
const inputs = tensor(Float32Array.from(numbers(2 * n)), { shape: [n, 2] })
const sequences = tensor(Float32Array.from(numbers(8 * n)), { shape: [n, 4, 2] })

test('a Dense layer on a sequence is advised to be one of each step, which works', (t) => {
  const refused = t.throws(() => new Sequential({ inputShape: [4, 2] }).add(new Dense(3)), {
    instanceOf: ShapeError,
  })
  t.regex(refused?.message ?? '', /new TimeDistributed\(new Dense\(3\)\)/)
  const model = new Sequential({ inputShape: [4, 2] }).add(new TimeDistributed(new Dense(3)))
  t.deepEqual(model.outputShape, [4, 3])
  const image = t.throws(() => new Sequential({ inputShape: [1, 4, 2] }).add(new Dense(3)))
  t.notRegex(image?.message ?? '', /TimeDistributed/)
})

test('labels of every step say where classes are expected, and the advice works', async (t) => {
  const labels = tensor(
    Int32Array.from({ length: 4 * n }, (_, i) => i % 3),
    { shape: [n, 4] },
  )
  const made = () => new Sequential({ inputShape: [4, 2] }).add(new TimeDistributed(new Dense(3)))
  await t.throwsAsync(made().compile({}).fit(sequences, labels, quiet), {
    instanceOf: ShapeError,
    message: /new Permute\(\[1, 0\]\)/,
  })
  const model = made()
    .add(new Permute([1, 0]))
    .compile({ metrics: ['accuracy'] })
  const { loss } = await model.fit(sequences, labels, { ...quiet, batchSize: 8 })
  t.true(Number.isFinite(loss[0]))
})

test('a dataset where arrays are expected is told its method', async (t) => {
  const data = new ArrayDataset(inputs, new Int32Array(n), { classes: 2 })
  const model = new Sequential({ inputShape: [2] }).add(new Dense(2)).compile({})
  const given = data as unknown as Tensor
  await t.throwsAsync(model.fit(given, { epochs: 1 } as unknown as Tensor), {
    instanceOf: ArgumentError,
    message: /ArrayDataset.*fitDataset/,
  })
  await t.throwsAsync(model.fit(inputs, { epochs: 1 } as unknown as Tensor), {
    instanceOf: ArgumentError,
    message: /fit: y.*target of each sample/,
  })
  await t.throwsAsync(model.predict(given), {
    instanceOf: ArgumentError,
    message: /ArrayDataset.*predict\(batch\.x\)/,
  })
  await t.notThrowsAsync(model.fitDataset(data, quiet))
})

test('a pattern that means nothing is told the modules, not the weights alone', (t) => {
  const model = new Sequential({ inputShape: [2] }).add(new Dense(2))
  t.throws(() => model.freeze('layer.0'), {
    instanceOf: UnknownNameError,
    message: /did you mean "layers\.0"\?.*layers\.0\.kernel/,
  })
})

test('an unknown name within something begins with what it is of', (t) => {
  t.throws(() => new Dense(2, { activation: 'rellu' as 'relu' }), {
    instanceOf: UnknownNameError,
    message: /^Dense: unknown activation "rellu": did you mean "relu"\?/,
  })
})

class Line {
  readonly net = new Sequential({ inputShape: [2], seed: 1 }).add(new Dense(1))
  readonly parameters = this.net.weights
  readonly optimizers = { adam: new Adam() }

  step({ x, y }: { x: Tensor; y: Tensor }, { scalars }: StepContext) {
    const { value, grads } = valueAndGrad(
      (w: Record<string, Tensor>) => mse(this.net.apply(w, x), y).mul(scalars.strength as Tensor),
      this.parameters,
    )
    this.optimizers.adam.step(this.parameters, grads)
    return { loss: value }
  }
}

test('a scalar that fit was not given is named', async (t) => {
  const data = new TreeDataset({ x: inputs, y: inputs.sum(1).expandDims(1) })
  await t.throwsAsync(hg.fit(new Line(), data, quiet), {
    instanceOf: ArgumentError,
    message: /ctx\.scalars\.strength.*\{ strength: 0\.1 \}/,
  })
  await t.notThrowsAsync(hg.fit(new Line(), data, { ...quiet, scalars: { strength: 1 } }))
})

test('targets that a loss is not defined for are refused with their sample, and the others train', async (t) => {
  const cases: [LossName, number, number, RegExp][] = [
    ['hinge', 0, 1, /sample 5 holds 0: 'hinge' takes targets -1 and 1; .*2 y - 1/],
    ['squaredHinge', 0, -1, /'squaredHinge' takes targets -1 and 1/],
    ['sigmoidFocal', 0.5, 1, /sample 5 holds 0\.5: 'sigmoidFocal' takes targets 0 and 1/],
    ['poissonNll', -1, 3, /sample 5 holds -1: 'poissonNll' takes targets of at least 0/],
  ]
  for (const [loss, bad, good, message] of cases) {
    const model = new Sequential({ inputShape: [2], seed: 1 }).add(new Dense(1)).compile({ loss })
    const y = new Float32Array(n).fill(good)
    const spoilt = Float32Array.from(y, (value, i) => (i === 5 ? bad : value))
    await t.throwsAsync(model.fit(inputs, spoilt, quiet), { instanceOf: DataError, message })
    await t.notThrowsAsync(model.fit(inputs, y, quiet), loss)
  }
})
