/** Extents at the ends: none at all, and more than there can be. */
import test from 'ava'
import {
  add,
  argMax,
  broadcastTo,
  concat,
  conv,
  convTranspose,
  countWithin,
  DeviceError,
  grad,
  matmul,
  maxPool,
  oneHot,
  ones,
  pad,
  repeat,
  ShapeError,
  type Tensor,
  take,
  zeros,
} from '../ts/index.js'
import { equals } from './helpers.js'

const far = 2 ** 31
/** Ones of any shape, none of which is stored. */
const wide = (...shape: number[]) => broadcastTo(ones(shape.map(() => 1)).exp(), shape)
const image = () => ones([1, 1, 4, 4]).exp()
const filter = () => ones([1, 1, 1, 1]).exp()

test('no operation makes more elements than can be counted', (t) => {
  const cases: Record<string, () => Tensor> = {
    add: () => add(wide(far, 1), wide(1, far).mul(2)),
    matmul: () => matmul(wide(far, 4), wide(4, far)),
    pad: () =>
      pad(ones([4, 4]), [
        [far - 4, 0],
        [far - 4, 0],
      ]),
    concat: () => concat([wide(2 ** 20, 2 ** 20), wide(2 ** 20, 2 ** 20)], 0),
    conv: () => conv(image(), filter(), { padding: far }),
    convTranspose: () => convTranspose(image(), filter(), { stride: far }),
    take: () => take(wide(1, far), new Int32Array(2 ** 10), 0),
    oneHot: () => oneHot(broadcastTo(zeros([1], { dtype: 'int32' }), [far]), far),
    zeros: () => zeros([far, far]),
    repeat: () => repeat(ones([4]), 2 ** 40),
    empty: () => zeros([far, far, 0]),
  }
  for (const [name, make] of Object.entries(cases)) {
    t.throws(make, { instanceOf: ShapeError, message: /2\^40/ }, name)
  }
})

test('extents beyond 32 bits do not wrap', (t) => {
  t.deepEqual(zeros([2 ** 33 + 1]).shape, [2 ** 33 + 1])
  t.throws(() => conv(image(), filter(), { padding: 2 ** 52 }), { instanceOf: ShapeError })
  t.throws(
    () =>
      pad(ones([3, 4]), [
        [1e15, 0],
        [0, 0],
      ]),
    { instanceOf: ShapeError },
  )
  t.throws(() => maxPool(image(), { kernelSize: 2, dilation: 2 ** 53 - 1 }), { instanceOf: ShapeError })
  t.throws(() => argMax(wide(2 ** 33)), { instanceOf: ShapeError, message: /int32/ })
  t.deepEqual(conv(image(), filter(), { stride: 2 ** 40 }).shape, [1, 1, 1, 1])
})

test('a step larger than the image takes its first element', async (t) => {
  await equals(t, conv(image(), filter(), { stride: 2 ** 40 }), [[[[Math.exp(2)]]]], 1e-6)
})

test('convolutions beyond all memory are refused at once', (t) => {
  const channels = (n: number, padding: number) =>
    conv(ones([1, n, 4, 4]).exp(), ones([n, n, 3, 3]).exp(), { padding })
  const cases: Record<string, () => Tensor> = {
    'one channel': () => conv(image(), filter(), { padding: 2 ** 18 }),
    'four channels': () => channels(4, 2 ** 17),
    'sixteen channels': () => channels(16, 2 ** 16),
    'in the weights': () =>
      grad((w: Tensor) =>
        conv(ones([1, 4, 4, 4]).exp(), w, { padding: 2 ** 17 })
          .exp()
          .sum(),
      )(ones([4, 4, 3, 3])),
    transposed: () => convTranspose(image(), filter(), { stride: 2 ** 18 }),
  }
  for (const [name, make] of Object.entries(cases)) {
    t.throws(() => make().dataSync(), { instanceOf: DeviceError, message: /memory: .* GiB wanted/ }, name)
  }
})

test('what is empty gives what is empty, or sums of nothing', async (t) => {
  t.deepEqual(await countWithin(zeros([0, 3]), 1).array(), [])
  const y = conv(ones([2, 3, 0, 8]), ones([4, 3, 1, 3]), { padding: 1 })
  t.deepEqual(y.shape, [2, 4, 2, 8])
  t.true(((await y.data()) as Float32Array).every((x) => x === 0))
})
