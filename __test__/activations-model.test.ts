/** What the layers of a network answer: named, lazily, in batches, of any data, to memory and to files. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { ArgumentError, DataError, ShapeError, StateError, UnknownNameError } from '../ts/core/errors.js'
import { type ActivationRun, readActivations } from '../ts/data/index.js'
import { measure } from '../ts/dynamics/index.js'
import {
  ArrayDataset,
  BatchNorm2d,
  Conv2d,
  Dense,
  Dropout,
  Flatten,
  type ForwardContext,
  HSIC,
  IBSequential,
  KDE,
  Network,
  Residual,
  readSafetensors,
  Sequential,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { numbers } from './helpers.js'
import { error, fresh } from './io-scratch.js'
import { classifier, dataset, points } from './toy-task.js'

const { x, y } = points(50)
const asTensor = () => tensor(x, { shape: [50, 4] })
const only = ({ runs }: { runs: readonly ActivationRun[] }) => runs[0] as ActivationRun

/** All values of a layer, or of some rows. */
async function read(run: ActivationRun, name: string, rows?: [number, number], epoch = run.epochs[0]) {
  const array = run.layer(epoch as number, name)
  if (array === undefined) throw new Error(`no layer ${name}`)
  const { shape, data } = await array.read(rows)
  return { shape: [...shape], data: [...data].map(Number) }
}

test('answers are those of the network in evaluation mode, in batches of any size', async (t) => {
  const model = new IBSequential({ inputShape: [1, 4, 4], seed: 2, trackDynamics: true })
  model
    .add(new Conv2d(3, 3, { activation: 'relu' }))
    .add(new BatchNorm2d())
    .add(new Flatten())
  model
    .add(new Dropout(0.5))
    .add(new Dense(5, { activation: 'tanh' }))
    .add(new Dense(2, { activation: 'softmax' }))
  model.compile()
  const images = tensor(Float32Array.from(numbers(30 * 16, -1, 1)), { shape: [30, 1, 4, 4] })
  const run = only(await model.activations(images, { batchSize: 7 }))
  t.deepEqual(run.layers, ['conv2d_1', 'batch_norm2d_1', 'dense_1', 'dense_2'])
  t.deepEqual([run.name, run.epochs, run.y(0)], ['seed 2', [0], undefined])
  const output = await model.predict(images)
  t.deepEqual((await read(run, 'dense_2')).data, [...(await output.data())].map(Number))
  const whole = await read(run, 'conv2d_1')
  t.deepEqual(whole.shape, [30, 3, 2, 2])
  t.deepEqual((await read(run, 'conv2d_1', [5, 12])).data, whole.data.slice(5 * 12, 12 * 12))
  const all = only(await model.activations(images, { layers: '**' }))
  t.deepEqual(all.layers, ['conv2d_1', 'batch_norm2d_1', 'flatten_1', 'dropout_1', 'dense_1', 'dense_2'])
  t.deepEqual(await read(all, 'dropout_1'), await read(all, 'flatten_1'), 'nothing is dropped')
  const input = run.x(0)
  t.deepEqual([input?.dtype, input?.shape], ['float32', [30, 1, 4, 4]])
  t.deepEqual([...((await input?.read())?.data ?? [])], [...(await images.data())])
})

test('layers are chosen by names and patterns', async (t) => {
  const model = classifier()
  const chosen = async (layers: string | string[]) =>
    only(await model.activations(asTensor(), { layers })).layers
  t.deepEqual(await chosen('dense_2'), ['dense_2'])
  t.deepEqual(await chosen('dense_*'), ['dense_1', 'dense_2'])
  t.deepEqual(await chosen(['dense_2', 'dense_1']), ['dense_1', 'dense_2'], 'in the order of the network')
  await t.throwsAsync(chosen('dens_1'), { instanceOf: UnknownNameError, message: /dense_1/ })
  await t.throwsAsync(chosen([]), { instanceOf: ArgumentError })
})

test('layers inside of layers, and points that forward names', async (t) => {
  class Custom extends Network {
    readonly block = this.register(new Residual([new Dense(4, { activation: 'relu' }), new Dense(4)]), [4])
    readonly head = this.register(new Dense(3, { activation: 'softmax' }), [4])
    forward(input: Tensor, ctx: ForwardContext = this.context()) {
      const h = ctx.run(this.block, input)
      const sum = h.add(input)
      const named = ctx.point('sum', sum)
      const output = ctx.run(this.head, sum)
      return { output, hidden: [h.stopGradient(), named, ctx.detach(output)] }
    }
  }
  const model = new Custom({ inputShape: [4], seed: 1, trackDynamics: true }).compile()
  const run = only(await model.activations(asTensor(), { layers: '**' }))
  t.deepEqual(run.layers, [
    'residual_1.branch.0',
    'residual_1.branch',
    'residual_1',
    'sum',
    'dense_1',
    'hidden_1',
  ])
  const [inner, block, sum] = await Promise.all([
    read(run, 'residual_1.branch'),
    read(run, 'residual_1'),
    read(run, 'sum'),
  ])
  const input = [...x]
  t.true(
    block.data.every((value, i) => Math.abs(value - (inner.data[i] as number) - (input[i] as number)) < 1e-6),
  )
  t.true(
    sum.data.every((value, i) => Math.abs(value - (block.data[i] as number) - (input[i] as number)) < 1e-6),
  )
  t.deepEqual(only(await model.activations(asTensor())).layers, ['sum', 'dense_1', 'hidden_1'])
  t.deepEqual(only(await model.activations(asTensor(), { layers: 'residual_1.**' })).layers, [
    'residual_1.branch.0',
    'residual_1.branch',
  ])
  // Evaluators have the same names.
  model.attachEvaluator(new HSIC({ sigma: 1 }))
  await model.fitDataset(dataset(32, 16), { epochs: 1 })
  t.deepEqual(model.dynamics().layers, ['hidden_1', 'sum', 'dense_1'])
})

test('names of points are those of no layer and no other point', async (t) => {
  class Twice extends Network {
    readonly head = this.register(new Dense(3), [4])
    constructor(readonly called: string) {
      super({ inputShape: [4] })
    }
    forward(input: Tensor, ctx: ForwardContext = this.context()) {
      const output = ctx.run(this.head, input)
      return { output, hidden: [ctx.point(this.called, output), ctx.point('once', output)] }
    }
  }
  await t.throwsAsync(new Twice('once').activations(asTensor()), error(ArgumentError, /another point/))
  await t.throwsAsync(new Twice('dense_1').activations(asTensor()), error(ArgumentError, /that of a layer/))
  await t.throwsAsync(new Twice('').activations(asTensor()), error(ArgumentError, /name/))
})

test('activations are of the weights of the moment, whatever training makes of them', async (t) => {
  const model = classifier({ seed: 3 })
  const before = only(await model.activations(asTensor()))
  const expected = await model.predict(asTensor())
  await model.fitDataset(dataset(32, 16), { epochs: 3 })
  t.deepEqual((await read(before, 'dense_2')).data, [...(await expected.data())].map(Number))
  const after = only(await model.activations(asTensor()))
  t.deepEqual(after.epochs, [3])
  t.notDeepEqual((await read(after, 'dense_2')).data, (await read(before, 'dense_2')).data)
})

test('datasets: those in memory in their order, others as they come', async (t) => {
  const model = classifier({ seed: 3 })
  const data = new ArrayDataset(x, y, { inputShape: [4], batchSize: 16, shuffle: true, seed: 5 })
  const [expected, reference] = [await model.predict(asTensor()), [...y]]
  const held = only(await model.activations(data))
  t.deepEqual((await read(held, 'dense_2')).data, [...(await expected.data())].map(Number))
  t.deepEqual([...((await held.y(0)?.read())?.data ?? [])], reference)
  const part = only(await model.activations(data.subset([4, 2])))
  const rows = [4, 2].flatMap((row) => [...expected.slice([row], [row + 1]).dataSync()].map(Number))
  t.deepEqual((await read(part, 'dense_2')).data, rows)
  let passes = 0
  const source = {
    async *[Symbol.asyncIterator]() {
      passes++
      for (let row = 0; row < 50; row += 20) {
        const end = Math.min(50, row + 20)
        yield { x: asTensor().slice([row], [end]), y: tensor(y.slice(row, end)) }
      }
    },
  }
  const made = only(await model.activations(source))
  t.deepEqual((await read(made, 'dense_2')).data, [...(await expected.data())].map(Number))
  t.deepEqual(await read(made, 'dense_1'), await read(held, 'dense_1'))
  t.deepEqual([...((await made.y(0)?.read([3, 6]))?.data ?? [])], reference.slice(3, 6))
  t.is(passes, 1)
  const list = [
    ...Array.from({ length: 2 }, (_, i) => ({
      x: asTensor().slice([i], [i + 2]),
      y: tensor(y.slice(i, i + 2)),
    })),
  ]
  t.deepEqual(only(await model.activations(list)).x(0)?.shape, [4, 4])
})

test('measured activations are what evaluators record', async (t) => {
  const model = classifier({ seed: 1, trackDynamics: true })
  model.attachEvaluator(new KDE(), { evaluateOn: { probe: { x, y } } })
  await model.fitDataset(dataset(32, 16), { epochs: 2 })
  const { runs } = await measure(await model.activations(x, { y }), [new KDE()])
  t.deepEqual([runs.epochs, runs.layers, runs.samples], [[2], ['dense_1', 'dense_2'], [50]])
  t.is(runs.labelEntropy?.toFixed(12), model.dynamics().labelEntropy?.toFixed(12))
  for (const [l, layer] of runs.layers.entries()) {
    const { ixt, ity } = runs.spread('KDE', layer, 2)
    const [own = Number.NaN, ownY = Number.NaN] = model.dynamics().values[1]?.[0]?.[l] ?? []
    t.true(Math.abs(ixt.mean - own) < 1e-4 * Math.abs(own), `${ixt.mean}, ${own}`)
    t.true(Math.abs(ity.mean - ownY) < 1e-3, `${ity.mean}, ${ownY}`)
  }
})

test('from callbacks, and written epoch by epoch', async (t) => {
  const folder = join(fresh(), 'dump')
  const model = classifier({ seed: 4 })
  const seen: number[][] = []
  const write = () => model.activations(x, { y, to: join(folder, 'seed_4') })
  await write()
  await model.fitDataset(dataset(32, 16), {
    epochs: 2,
    callbacks: [
      {
        onEpochEnd: async (epoch) => {
          await model.activations(x, { y, to: join(folder, 'seed_4'), epoch: epoch + 1 })
          seen.push((await read(only(await model.activations(x, { epoch: epoch + 1 })), 'dense_1')).data)
        },
      },
    ],
  })
  t.deepEqual(readdirSync(join(folder, 'seed_4')).sort(), [
    'epoch_0.safetensors',
    'epoch_1.safetensors',
    'epoch_2.safetensors',
    'x.npy',
    'y.npy',
  ])
  const dump = await readActivations(folder)
  const run = only(dump)
  t.deepEqual([run.name, run.epochs, run.layers], ['seed_4', [0, 1, 2], ['dense_1', 'dense_2']])
  t.deepEqual((await read(run, 'dense_1', undefined, 1)).data, seen[0])
  t.deepEqual((await read(run, 'dense_1', undefined, 2)).data, seen[1])
  t.deepEqual([...((await run.y(2)?.read())?.data ?? [])].map(Number), [...y])
  t.deepEqual([...((await run.x(2)?.read())?.data ?? [])], [...x])
  const { metadata } = await readSafetensors(join(folder, 'seed_4', 'epoch_0.safetensors'))
  t.is(metadata.run, 'seed 4')
  const { runs } = await measure(dump, [new KDE()])
  t.deepEqual([runs.epochs, runs.names], [[0, 1, 2], ['seed_4']])
})

test('other samples of an epoch lie beside its layers', async (t) => {
  const folder = fresh()
  const model = classifier({ seed: 4 })
  await model.activations(x, { y, to: folder, epoch: 1 })
  const other = points(20, 9)
  await model.activations(other.x, { y: other.y, to: folder, epoch: 2 })
  const run = only(await readActivations(folder))
  t.deepEqual(
    [run.x(1)?.shape, run.x(2)?.shape],
    [
      [50, 4],
      [20, 4],
    ],
  )
  t.deepEqual([...((await run.x(2)?.read())?.data ?? [])], [...other.x])
  t.deepEqual([...((await run.y(2)?.read())?.data ?? [])].map(Number), [...other.y])
})

test('layers are written in the order of the network, not of their names', async (t) => {
  const model = new Sequential({ inputShape: [4] })
  model
    .add(new Dense(3, { name: 'zeta' }))
    .add(new Dense(3, { name: 'alpha' }))
    .add(new Dense(2, { name: 'mid' }))
  const folder = fresh()
  const back = await model.activations(x, { to: folder, layers: '**' })
  t.deepEqual(only(back).layers, ['zeta', 'alpha', 'mid'])
})

test('large activations are computed layer by layer, some rows at a time', async (t) => {
  const model = new Sequential({ inputShape: [2], seed: 1 })
  model.add(new Dense(40_000, { name: 'wide' })).add(new Dense(1, { name: 'narrow' }))
  const many = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i))
  const run = only(await model.activations(many, { layers: '**', batchSize: 100 }))
  const { shape, data } = await read(run, 'wide', [1998, 2000])
  t.deepEqual(shape, [2, 40_000])
  const expected = await model.activations(many.slice(2 * 1998), { layers: 'wide' })
  t.is(String(data), String((await read(only(expected), 'wide')).data))
  const output = await model.predict(many)
  t.deepEqual((await read(run, 'narrow')).data, [...(await output.data())].map(Number))
})

test('what cannot be looked at is refused', async (t) => {
  const model = classifier()
  await t.throwsAsync(model.activations(new Float32Array(6)), { instanceOf: ShapeError })
  await t.throwsAsync(model.activations(x, { y: y.slice(1) }), { instanceOf: ShapeError })
  await t.throwsAsync(model.activations(dataset(8, 4), { y }), error(ArgumentError, /its own targets/))
  await t.throwsAsync(model.activations([]), { instanceOf: DataError })
  await t.throwsAsync(model.activations([{ x: 1, y: 2 }] as never), error(ArgumentError, /batch 0/))
  await t.throwsAsync(model.activations(null as never), { instanceOf: ArgumentError })
  const named = new Sequential({ inputShape: [4] }).add(new Dense(2, { name: 'labels' }))
  await t.throwsAsync(named.activations(x, { to: fresh() }), error(ArgumentError, /would be taken for/))
  t.deepEqual(only(await named.activations(x)).layers, ['labels'])
  const fitting = model.fitDataset(dataset(64, 4), { epochs: 2 })
  await t.throwsAsync(model.activations(x), { instanceOf: StateError, message: /in the middle of fit/ })
  await fitting
  const folder = fresh()
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'file')
  writeFileSync(file, '')
  await t.throwsAsync(model.activations(x, { to: file }), { message: /cannot write/ })
  const seen = await model.activations(x)
  seen[Symbol.dispose]()
  await t.throwsAsync(read(only(seen), 'dense_1'), { message: /disposed/ })
})
