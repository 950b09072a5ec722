import { inspect } from 'node:util'
import test from 'ava'
import {
  ArgumentError,
  arange,
  concat,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  evaluate,
  eye,
  full,
  HyperglowError,
  linspace,
  memory,
  NumericalError,
  oneHot,
  ones,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  tidy,
  UnknownNameError,
  Variable,
  version,
  zeros,
} from '../ts/index.js'
import { equals } from './helpers.js'

test('nested numbers become float32 with the shape of the nesting', async (t) => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
  t.deepEqual([...x.shape], [2, 3])
  t.is(x.dtype, 'float32')
  t.is(x.rank, 2)
  t.is(x.size, 6)
  t.is(x.device, 'cpu')
  t.deepEqual(await x.data(), Float32Array.of(1, 2, 3, 4, 5, 6))
  t.deepEqual(x.arraySync(), [
    [1, 2, 3],
    [4, 5, 6],
  ])
})

test('every typed array keeps its element type', async (t) => {
  const arrays = [
    [Float32Array.of(1.5, -2), 'float32'],
    [Float64Array.of(1.5, -2), 'float64'],
    [Int32Array.of(1, -2), 'int32'],
    [BigInt64Array.of(1n, -(2n ** 60n)), 'int64'],
    [Uint8Array.of(1, 255), 'uint8'],
    [Uint32Array.of(1, 2 ** 32 - 1), 'uint32'],
  ] as const
  for (const [data, dtype] of arrays) {
    const x = tensor(data)
    t.is(x.dtype, dtype)
    t.deepEqual(await x.data(), data)
    t.deepEqual(x.dataSync(), data)
  }
})

test('a view on part of a buffer gives that part', async (t) => {
  const whole = Float64Array.of(0, 1, 2, 3)
  await equals(t, tensor(whole.subarray(1, 3)), [1, 2])
})

test('booleans become bool, bigints int64, and a number a scalar', async (t) => {
  t.is(tensor([true, false]).dtype, 'bool')
  t.deepEqual(await tensor([true, false]).data(), Uint8Array.of(1, 0))
  t.is(tensor([1n, 2n]).dtype, 'int64')
  t.deepEqual([...tensor(3).shape], [])
  t.is(await tensor(3).item(), 3)
  t.is(tensor([[3n]]).itemSync(), 3)
})

test('a wanted dtype and shape apply', async (t) => {
  const x = tensor([1, 2, 3, 4], { dtype: 'int32', shape: [2, 2] })
  t.deepEqual(await x.data(), Int32Array.of(1, 2, 3, 4))
  t.deepEqual([...x.shape], [2, 2])
  t.deepEqual(await tensor(Uint8Array.of(0, 7), { dtype: 'bool' }).data(), Uint8Array.of(0, 1))
})

test('empty tensors have no values', async (t) => {
  t.deepEqual([...tensor([]).shape], [0])
  t.deepEqual(await tensor([[], []]).array(), [[], []])
  t.is((await zeros([0, 3]).data()).length, 0)
})

test('ragged rows are refused with their path', (t) => {
  const error = t.throws(() => tensor([[[1, 2]], [[3]]] as never), { instanceOf: DataError })
  t.regex(error?.message ?? '', /data\[1\]\[0\] has 1 elements, expected 2/)
  t.throws(() => tensor([[1], 2] as never), { instanceOf: DataError, message: /data\[1\] is 2/ })
  t.throws(() => tensor([1, [2]] as never), { instanceOf: DataError, message: /data\[1\] is an array of 1/ })
})

test('elements that are no numbers are refused with their path', (t) => {
  t.throws(() => tensor([[1, 'two']] as never), { instanceOf: DataError, message: /data\[0\]\[1\] is "two"/ })
  t.throws(() => tensor([1, null] as never), { instanceOf: DataError, message: /data\[1\] is null/ })
  t.throws(() => tensor([1, true] as never), { instanceOf: DataError, message: /one kind/ })
  t.throws(() => tensor([0.5], { dtype: 'int32' }), { instanceOf: DataError, message: /int32 cannot hold/ })
  t.throws(() => tensor([300], { dtype: 'uint8' }), { instanceOf: DataError })
})

test('shape, dtype and device that do not fit are refused', (t) => {
  t.throws(() => tensor([1, 2, 3], { shape: [2, 2] }), {
    instanceOf: ShapeError,
    code: 'SHAPE',
    message: /3 elements/,
  })
  t.throws(() => tensor([1], { shape: [-1] }), { instanceOf: ShapeError })
  t.throws(() => tensor(Float64Array.of(1), { dtype: 'float32' }), {
    instanceOf: DTypeError,
    message: /cast/,
  })
  t.throws(() => tensor(Int16Array.of(1) as never), { instanceOf: DTypeError })
  t.throws(() => tensor([1], { dtype: 'float16' as never }), {
    instanceOf: UnknownNameError,
    message: /did you mean/,
  })
  t.throws(() => tensor([1], { device: 'cuda:1' }), { instanceOf: DeviceError, code: 'DEVICE' })
})

test('tensors from nothing', async (t) => {
  await equals(t, zeros([2]), [0, 0])
  await equals(t, ones([1, 2]), [[1, 1]])
  await equals(t, full([2], 7, { dtype: 'int32' }), [7, 7])
  t.is(full([2], true).dtype, 'bool')
  await equals(t, arange(3), [0, 1, 2])
  await equals(t, arange(1, 2, 0.25), [1, 1.25, 1.5, 1.75])
  await equals(t, arange(3, 0, -2, { dtype: 'int32' }), [3, 1])
  await equals(t, eye(2), [
    [1, 0],
    [0, 1],
  ])
  await equals(t, eye(1, 2, { dtype: 'float64' }), [[1, 0]])
  await equals(t, linspace(0, 1, 5), [0, 0.25, 0.5, 0.75, 1])
  t.throws(() => arange(0, 1, 0), { instanceOf: ArgumentError })
})

test('item wants exactly one element', (t) => {
  t.throws(() => tensor([1, 2]).item(), { instanceOf: ShapeError, message: /2 elements/ })
})

test('use after dispose throws DisposedError naming the tensor', (t) => {
  const x = tensor([1, 2])
  x.dispose()
  x.dispose()
  t.true(x.isDisposed)
  const error = t.throws(() => x.add(1), { instanceOf: DisposedError, code: 'DISPOSED' })
  t.regex(error?.message ?? '', /\(2\)/)
  t.true(error instanceof HyperglowError)
  t.throws(() => x.data(), { instanceOf: DisposedError })
})

test('disposing right after asking for the data does no harm', async (t) => {
  const x = tensor([1, 2]).mul(2)
  const data = x.data()
  x.dispose()
  t.deepEqual([...(await data)], [2, 4])
})

test('using releases at the end of the block', (t) => {
  let outer: Tensor
  {
    using x = tensor([1])
    outer = x
  }
  t.true(outer.isDisposed)
})

test.serial('tidy keeps what is returned and nothing else', async (t) => {
  const before = memory().nodes
  const inner: Tensor[] = []
  const { y, list } = tidy(() => {
    const a = tensor([1, 2])
    const b = a.add(1)
    inner.push(a, b)
    const c = tidy(() => b.mul(2).sub(1))
    return { y: c, list: [b.sum()] }
  })
  await equals(t, y, [3, 5])
  await equals(t, list[0] as Tensor, 5)
  t.true(inner.every((x) => x.isDisposed))
  y.dispose()
  list[0]?.dispose()
  t.true(memory().nodes <= before)
  t.throws(() => tidy(async () => 1), { instanceOf: ArgumentError, message: /synchronous/ })
})

test('tidy disposes when the function throws', (t) => {
  let made: Tensor | undefined
  t.throws(() =>
    tidy(() => {
      made = tensor([1])
      throw new Error('stop')
    }),
  )
  t.true(made?.isDisposed)
})

test.serial('results release their memory exactly', async (t) => {
  const round = async () => {
    const x = tensor(new Float32Array(1000))
    const y = x.add(1)
    await y.data()
    const held = memory().bytes
    x.dispose()
    y.dispose()
    return held
  }
  await round()
  const before = memory()
  const held = await round()
  const after = memory()
  t.true(held >= before.bytes + 8000)
  t.true(after.bytes <= before.bytes)
  t.true(after.nodes <= before.nodes)
  t.is(after.plans, before.plans)
})

test('printing shows values when they exist and else lazy', async (t) => {
  const x = tensor([
    [1, 2.5],
    [3, 4],
  ])
  t.is(String(x), 'Tensor float32 (2, 2)\n[[1, 2.5],\n [3, 4]]')
  const y = x.add(1)
  t.is(inspect(y), 'Tensor float32 (2, 2) lazy')
  await y.data()
  t.is(inspect(y), 'Tensor float32 (2, 2)\n[[2, 3.5],\n [4, 5]]')
  t.is(String(tensor([true, false])), 'Tensor bool (2)\n[true, false]')
  t.regex(String(zeros([1000]).add(tensor(new Float32Array(1000)))), /lazy/)
  t.is(String(tensor(new Float32Array(1000))), 'Tensor float32 (1000)\n[0, 0, 0, ..., 0, 0, 0]')
  x.dispose()
  t.is(String(x), 'Tensor (disposed)')
})

test('errors of the native side are thrown on the line that caused them', (t) => {
  const error = t.throws(() => tensor([1, 2]).add(tensor([1, 2, 3])), {
    instanceOf: ShapeError,
    code: 'SHAPE',
  })
  t.regex(error?.message ?? '', /add/)
  t.regex(error?.stack ?? '', /tensor\.test/)
})

test('errors of a run keep the stack of the call that asked for it', async (t) => {
  const singular = tensor([
    [1, 2],
    [2, 1],
  ]).cholesky()
  const error = await t.throwsAsync(() => singular.data(), { instanceOf: NumericalError, code: 'NUMERICAL' })
  t.regex(error?.stack ?? '', /tensor\.test/)
})

test('a Variable holds a value that can be replaced', async (t) => {
  const v = new Variable(tensor([1, 2]), { name: 'w' })
  const old = v.value
  v.assign(v.value.mul(3))
  t.deepEqual([...(await v.data())], [3, 6])
  await equals(t, old, [1, 2])
  v.assign(0)
  t.deepEqual([...v.dataSync()], [0, 0])
  t.is(v.version, 2)
  t.is(String(v), 'Variable "w" float32 (2)')
})

test('a Variable keeps its shape and dtype', (t) => {
  const v = new Variable(tensor([1, 2]), { name: 'layers.0.kernel' })
  t.throws(() => v.assign(tensor([1, 2, 3])), { instanceOf: ShapeError, message: /layers\.0\.kernel/ })
  t.throws(() => v.assign(tensor([1, 2], { dtype: 'int32' })), { instanceOf: DTypeError, message: /cast/ })
  t.throws(() => v.assign([1, 2] as never), { instanceOf: ArgumentError })
  t.throws(() => new Variable([1] as never), { instanceOf: ArgumentError })
  t.throws(() => tensor([1]).add(v as never), { instanceOf: ArgumentError, message: /variable\.value/ })
})

test('a disposed Variable refuses to be read and keeps tensors read before', async (t) => {
  const v = new Variable(tensor([1, 2]))
  const read = v.value
  v.dispose()
  v.dispose()
  t.throws(() => v.value, { instanceOf: DisposedError })
  t.throws(() => v.assign(1), { instanceOf: DisposedError })
  await equals(t, read, [1, 2])
})

test('the version is that of package.json', (t) => {
  t.regex(version, /^\d+\.\d+\.\d+/)
})

test('steps that go together over rows give the same result in every run', async (t) => {
  const n = 2000
  const fold = arange(n, { dtype: 'int32' }).rem(7)
  const members = oneHot(arange(n, { dtype: 'int32' }).rem(4), 4, 'float64')
  await evaluate([fold, members])
  const run = () => {
    const kinds = members.mul(2)
    const part = fold.rem(2)
    const weights = (p: number) => part.equal(p).cast('float64').expandDims(1)
    return concat([kinds.mul(weights(0)), kinds.mul(weights(1))])
  }
  const want = await run().data()
  for (let i = 0; i < 200; i++) t.deepEqual(await run().data(), want)
})

test('a tensor or Variable as operand of JavaScript is refused; in a text it is described', (t) => {
  const x = tensor(2)
  const v = new Variable(tensor([1, 2]), { name: 'w' })
  for (const one of [x, v] as unknown as number[]) {
    for (const use of [() => one > 1, () => one - 1, () => one + 1, () => Math.abs(one)]) {
      t.throws(use, {
        instanceOf: StateError,
        message: /greater\(1\), where\(.*await (t|v\.value)\.item\(\)/,
      })
    }
    t.is(`${one}`, String(one))
  }
  t.is(`${v}`, 'Variable "w" float32 (2)')
  t.regex(`${x}`, /^Tensor float32/)
})
