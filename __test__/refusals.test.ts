/** Calls that the fuzzer found to end with an error that was not the library's own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  Adagrad,
  AdamW,
  ArgumentError,
  adaptiveAvgPool,
  bernoulli,
  clip,
  Dense,
  DeviceError,
  DTypeError,
  DynamicsWriter,
  key,
  linspace,
  lossPlot,
  maskedSelect,
  NumericalError,
  ones,
  Sequential,
  ShapeError,
  split,
  type Tensor,
  tensor,
  theoryReport,
  Variable,
  writeNpy,
} from '../ts/index.js'

const argument = (message: RegExp) => ({ instanceOf: ArgumentError, message })

test('optimizers look for slots of their own in a state, not for methods of what stands there', (t) => {
  const params = { a: tensor([1, 2]) }
  const grads = { a: tensor([0.1, 0.2]) }
  const optimizer = new Adagrad()
  const state = optimizer.init(params)
  const withSlots = (a: unknown) => () =>
    optimizer.update(grads, { ...state, slots: { a: a as Record<string, Tensor> } }, params)
  t.throws(
    withSlots(tensor([0, 1])),
    argument(/the slots of 'a' are an object of class Tensor, expected tensors by name/),
  )
  t.throws(withSlots(undefined), argument(/the slots of 'a' are undefined/))
  t.throws(withSlots({}), argument(/the state has no 'sum' for the parameter 'a'/))
})

test('optimizers refuse a Variable where update takes tensors', (t) => {
  const optimizer = new AdamW()
  const params = { a: tensor([1, 2]) }
  const state = optimizer.init(params)
  const variable = new Variable(ones([2])) as unknown as Tensor
  t.throws(
    () => optimizer.update(params, state, { a: variable }),
    argument(/update: parameter 'a': given an object of class Variable.*variable\.value/),
  )
  t.throws(() => optimizer.update({ a: variable }, state, params), argument(/adamw: gradient of 'a'/))
  const weight = new Variable(ones([2]), { name: 'w' })
  t.throws(() => optimizer.step({ w: weight }, { w: variable }), argument(/adamw: gradient of 'w'/))
})

test('the first entry of a segment is looked at like the others', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperglow-refusals-'))
  try {
    const plan = {
      epochs: 1,
      batches: 1,
      evaluators: ['a'],
      layers: ['one'],
      chunkBatches: 1,
      seed: 1,
      raw: true,
    }
    const writer = await DynamicsWriter.create(folder, plan)
    const one = { dtype: 'float32', shape: [2, 1], data: Float32Array.of(1, 2) } as const
    for (const wrong of [Symbol('x'), [[1, 2], [3]], undefined]) {
      const segment = [wrong, one, one] as never
      await t.throwsAsync(
        () => writer.appendSegment(0, 0, segment),
        argument(/appendSegment: x: expected \{ dtype/),
      )
    }
    let deep: unknown = 1
    for (let i = 0; i < 100_000; i++) deep = [deep]
    await t.throwsAsync(() => writer.finishEpoch(0, deep as never), argument(/finishEpoch: step/))
    await writer.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('an epoch that is a hole in an array is missing', (t) => {
  const values = new Array(2) as number[][][][]
  values[1] = [[[1, 2]]]
  t.throws(
    () =>
      theoryReport({ evaluators: ['KDE'], layers: ['one'], values, units: ['nats'] }, { n: 10, classes: 2 }),
    argument(/expected dynamics/),
  )
})

test('a loss that no text says is named all the same', (t) => {
  const nothing = Object.create(null) as number
  t.throws(() => lossPlot({ loss: [1, 2], validationLoss: [1, nothing] }), {
    instanceOf: NumericalError,
    message: /validationLoss of epoch 2 is an object/,
  })
})

test('losses at the ends of the range of numbers are drawn', (t) => {
  for (const loss of [
    [1, 1e-320],
    [5e-324, 1],
    [1e-3, 1.7e308],
  ]) {
    t.notThrows(() => lossPlot({ loss }))
  }
})

test('the state of a network is a record of tensors', (t) => {
  const model = new Sequential({ inputShape: [3], seed: 1 })
  model.add(new Dense(2))
  t.throws(() => model.apply({}, ones([1, 3]), { state: null as never }), argument(/state/))
})

test('masks that hold themselves, or are too deep, are refused', (t) => {
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  let deep: unknown = true
  for (let i = 0; i < 100_000; i++) deep = [deep]
  for (const mask of [cyclic, deep]) {
    t.throws(() => maskedSelect(ones([1]), mask as never), argument(/deeper than 64 levels/))
  }
})

test('a probability is a number or a tensor', (t) => {
  t.throws(() => bernoulli(key(1), [2], null as never), argument(/bernoulli: p/))
})

test('what is no tensor, and what is no name of a type, is refused', async (t) => {
  t.throws(() => (clip as unknown as () => void)(), argument(/clip: given undefined, expected a Tensor/))
  const gone = new Float32Array(4)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  const array = { dtype: gone as never, shape: [1], data: Float32Array.of(1) }
  await t.throwsAsync(writeNpy('never.npy', array), { instanceOf: DTypeError, message: /unknown dtype/ })
})

test('more parts or cells than there is room for are refused', (t) => {
  t.throws(() => split(ones([4]), 2 ** 41), { instanceOf: ShapeError, message: /at most 16777216/ })
  t.is(split(ones([0]), 3).length, 3)
  t.throws(() => linspace(0, 1, 2 ** 41), { instanceOf: DeviceError })
  t.throws(() => adaptiveAvgPool(ones([1, 1, 3]), 2 ** 41), {
    instanceOf: DeviceError,
    message: /array of \d+ bytes/,
  })
})

test('tensors and Variables are not cloned to empty objects', (t) => {
  for (const [what, value] of [
    ['Tensor', ones([2])],
    ['Variable', new Variable(ones([2]))],
  ] as const) {
    const message = new RegExp(`a ${what} has no values to clone until it is read`)
    t.throws(() => structuredClone(value), { any: true, name: 'DataCloneError', message })
  }
})

test('a Variable as an operand is known by what it is, not by its name', (t) => {
  class Weight extends Variable {}
  class Other {}
  Object.defineProperty(Other, 'name', { value: 'Variable' })
  const add = (x: object) => () => ones([2]).matmul(x as Tensor)
  t.throws(add(new Weight(ones([2]))), argument(/read the Variable first/))
  t.throws(add(new Other()), argument(/make one with tensor/))
})
