/** Arrays as files give them, `{ dtype, shape, data }`, are taken wherever arrays are. */
import test from 'ava'
import {
  type ArrayData,
  ArrayDataset,
  Dense,
  DTypeError,
  KSG,
  readNpy,
  readNpz,
  Sequential,
  ShapeError,
  tensor,
  writeNpy,
  writeNpz,
} from '../ts/index.js'
import { error, fresh } from './io-scratch.js'

const count = 24
const x: ArrayData = {
  dtype: 'float32',
  shape: [count, 3],
  data: Float32Array.from({ length: 3 * count }, (_, i) => Math.sin(i)),
}
const wide: ArrayData = { ...x, dtype: 'float64', data: Float64Array.from(x.data as Float32Array) }
const y: ArrayData = {
  dtype: 'int32',
  shape: [count],
  data: Int32Array.from({ length: count }, (_, i) => i % 2),
}

function model(): Sequential {
  const made = new Sequential({ inputShape: [3], seed: 1 })
  return made.add(new Dense(2, { activation: 'softmax' })).compile({ learningRate: 0.1 })
}

test('tensor takes an array with its shape, and checks that its parts agree', async (t) => {
  const made = tensor(x)
  t.deepEqual([made.shape, made.dtype], [[count, 3], 'float32'])
  t.deepEqual(await made.data(), x.data)
  t.deepEqual(tensor(x, { shape: [3, count] }).shape, [3, count])
  const flags = tensor({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) })
  t.is(flags.dtype, 'bool')
  t.throws(() => tensor({ ...x, shape: [2] }), error(ShapeError, /72 elements for shape \(2\)/))
  t.throws(() => tensor({ ...x, dtype: 'int32' }), error(DTypeError, /Float32Array/))
})

test('a dataset of arrays from files is that of the same tensors', async (t) => {
  const path = fresh('.npz')
  await writeNpz(path, { x, y })
  const arrays = await readNpz(path)
  const data = new ArrayDataset(arrays.get('x') as ArrayData, arrays.get('y') as ArrayData, { batchSize: 5 })
  t.deepEqual([data.inputShape, data.samples, data.classes], [[3], count, 2])
  t.deepEqual([...(data.labels as Int32Array)], [...(y.data as Int32Array)])
  for await (const batch of data) {
    t.deepEqual([...((await batch.x.data()) as Float32Array)], [...(x.data as Float32Array).subarray(0, 15)])
    t.deepEqual([...(await batch.y.data())], [0, 1, 0, 1, 0])
    break
  }
  const exact = new ArrayDataset(wide, wide)
  t.deepEqual([exact.source.x.dtype, exact.source.y.shape, exact.labels], ['float32', [count, 3], undefined])
  const rows = { dtype: 'int32', shape: [count, 1], data: y.data } as const
  t.deepEqual(new ArrayDataset(x, rows).source.y.shape, [count])
  const many = { dtype: 'uint8', shape: [count, 2], data: new Uint8Array(2 * count).fill(1) } as const
  t.deepEqual(new ArrayDataset(x, many).source.y.shape, [count, 2])
  t.throws(() => new ArrayDataset(x, { ...y, shape: [3] }), { instanceOf: ShapeError })
})

test('fit, evaluate and predict take arrays from files, with the same results', async (t) => {
  const path = fresh('.npy')
  await writeNpy(path, x)
  const read = await readNpy(path)
  const run = async (inputs: Parameters<Sequential['fit']>[0], targets: Parameters<Sequential['fit']>[1]) => {
    const trained = model()
    const { loss } = await trained.fit(inputs, targets, { epochs: 2, verbose: false })
    const evaluation = await trained.evaluate(inputs, targets)
    return [loss, evaluation, await (await trained.predict(inputs)).array()]
  }
  const expected = await run(tensor(x.data as Float32Array, { shape: x.shape }), y.data as Int32Array)
  t.deepEqual(await run(read, y), expected)
  t.deepEqual(await run(wide, y), expected)
})

test('estimates take arrays from files', async (t) => {
  const column = (place: number): ArrayData => ({
    dtype: 'float32',
    shape: [count],
    data: Float32Array.from({ length: count }, (_, i) => (x.data as Float32Array)[3 * i + place] as number),
  })
  const a = await new KSG().estimate(column(0), column(1))
  t.is(a, await new KSG().estimate(column(0).data, column(1).data))
})
