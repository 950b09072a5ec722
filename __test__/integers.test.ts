/** Integers, and plain numbers beside tensors: nothing is cut, wrapped or rounded in silence. */
import test from 'ava'
import {
  arange,
  clip,
  DataError,
  type DType,
  DTypeError,
  full,
  maximum,
  oneHot,
  pow,
  scatter,
  sub,
  tensor,
  Variable,
  where,
} from '../ts/index.js'
import { equals } from './helpers.js'

const bytes = () => tensor(Uint8Array.of(0, 255))
const least = -(2n ** 63n)
const most = 2n ** 63n - 1n

test('comparisons with a whole number beyond the dtype have its true answer', async (t) => {
  for (const above of [256, 1e300, 256n, Number.POSITIVE_INFINITY]) {
    const x = bytes()
    await equals(t, x.equal(above), [0, 0])
    await equals(t, x.notEqual(above), [1, 1])
    await equals(t, x.less(above), [1, 1])
    await equals(t, x.lessEqual(above), [1, 1])
    await equals(t, x.greater(above), [0, 0])
    await equals(t, x.greaterEqual(above), [0, 0])
  }
  for (const below of [-1, -1n, Number.NEGATIVE_INFINITY]) {
    const x = bytes()
    await equals(t, x.equal(below), [0, 0])
    await equals(t, x.less(below), [0, 0])
    await equals(t, x.greaterEqual(below), [1, 1])
  }
  const wide = tensor([least, most])
  await equals(t, wide.less(2 ** 63), [1, 1])
  await equals(t, wide.equal(most), [0, 1])
  await equals(t, wide.less(most), [1, 0])
  await equals(t, tensor([true, false]).equal(2), [0, 0])
  t.is(bytes().equal(256).dtype, 'bool')
  t.throws(() => bytes().equal(0.5), { instanceOf: DTypeError, message: /equal: 0\.5 .* uint8.*cast/ })
  t.throws(() => bytes().less(Number.NaN), { instanceOf: DTypeError })
})

test('a number on the left of a comparison is on the left', async (t) => {
  const { less, greater } = await import('../ts/index.js')
  await equals(t, less(256, bytes()), [0, 0])
  await equals(t, greater(256, bytes()), [1, 1])
  await equals(t, less(-1, bytes()), [1, 1])
})

test('arithmetic and creation refuse what is no value of the dtype', (t) => {
  const int = (dtype: DType) => tensor([1, 2], { dtype })
  const refused: [string, () => unknown][] = [
    ['add', () => int('int32').add(0.5)],
    ['add', () => int('uint8').add(256)],
    ['sub', () => sub(-1, int('uint8'))],
    ['mul', () => int('int32').mul(2n ** 31n)],
    ['maximum', () => maximum(int('uint8'), 300)],
    ['minimum', () => int('int64').minimum(2 ** 63)],
    ['minimum', () => int('int64').minimum(Number.POSITIVE_INFINITY)],
    ['where', () => where(tensor([true, false]), 0.5, int('int32'))],
    ['where', () => where(tensor([true, false]), int('int32'), Number.NaN)],
    ['clip', () => clip(int('uint8'), 0, 255.5)],
    ['clip', () => clip(int('uint8'), -1, null)],
    ['full', () => full([2], 0.5, { dtype: 'int32' })],
    ['full', () => full([2], 300, { dtype: 'uint8' })],
    ['full', () => full([2], 2, { dtype: 'bool' })],
    ['full', () => full([2], 2n ** 63n)],
    ['full', () => full([2], 10n ** 400n, { dtype: 'float64' })],
    ['pad', () => int('int32').pad([[1, 1]], { value: 0.5 })],
    ['scatter', () => scatter(int('int32'), 0, tensor([0], { dtype: 'int32' }), 1.5)],
    ['scatterAdd', () => int('uint8').scatterAdd(0, tensor([0], { dtype: 'int32' }), 256)],
    ['arange', () => arange(250, 257, { dtype: 'uint8' })],
    ['arange', () => arange(0, 1, 0.25, { dtype: 'int32' })],
    ['assign', () => new Variable(int('int32'), { name: 'count' }).assign(0.5)],
  ]
  for (const [op, run] of refused) {
    const error = t.throws(run, { instanceOf: DTypeError })
    t.regex(error?.message ?? '', new RegExp(op))
  }
})

test('what is a value of the dtype is taken exactly', async (t) => {
  const wide = tensor([most - 1n])
  t.deepEqual(await wide.add(1).data(), BigInt64Array.of(most))
  t.deepEqual(await wide.sub(most).data(), BigInt64Array.of(-1n))
  t.deepEqual(await sub(most, wide).data(), BigInt64Array.of(1n))
  t.deepEqual(await full([2], most).data(), BigInt64Array.of(most, most))
  t.deepEqual(await where(tensor([true]), most, wide).data(), BigInt64Array.of(most))
  t.deepEqual(await clip(wide, null, 2n ** 62n + 1n).data(), BigInt64Array.of(2n ** 62n + 1n))
  await equals(t, tensor([1]).add(2n), [3])
  t.is(tensor([1]).add(2n).dtype, 'float32')
  await equals(t, arange(5, 0, -1, { dtype: 'uint8' }), [5, 4, 3, 2, 1])
  await equals(t, arange(3, { dtype: 'int64' }), [0, 1, 2])
  t.is(arange(3, { dtype: 'uint32' }).dtype, 'uint32')
  const ten = await oneHot(tensor(Uint8Array.of(9)), 300).array()
  t.is(
    (ten as number[][])[0]?.reduce((a, b) => a + b),
    1,
  )
})

test('bigints that a tensor cannot hold are refused', (t) => {
  const cases: [bigint, DType][] = [
    [300n, 'uint8'],
    [-1n, 'uint32'],
    [2n ** 40n + 7n, 'int32'],
    [2n ** 63n, 'int64'],
  ]
  for (const [value, dtype] of cases) {
    t.throws(() => tensor([value], { dtype }), {
      instanceOf: DataError,
      message: /data\[0\] is .* cannot hold/,
    })
  }
  t.throws(() => tensor([most + 1n]), { instanceOf: DataError })
})

test('the first smallest and largest at the ends of each dtype', async (t) => {
  t.is(
    await tensor([5, -(2 ** 31), 0, -(2 ** 31)], { dtype: 'int32' })
      .argMin()
      .item(),
    1,
  )
  t.is(await tensor([0n, least, most]).argMin().item(), 1)
  t.is(await tensor([0n, least, most]).argMax().item(), 2)
  t.is(
    await tensor([3, 0, 2 ** 32 - 1], { dtype: 'uint32' })
      .argMin()
      .item(),
    1,
  )
  t.is(
    await tensor(Uint8Array.of(255, 0, 0))
      .argMin()
      .item(),
    1,
  )
  t.is(await tensor([true, false]).argMin().item(), 1)
  t.is(await tensor([1, Number.NaN, -5]).argMin().item(), 1)
  t.deepEqual(await tensor([0n, most, least]).sort().data(), BigInt64Array.of(least, 0n, most))
  const { values } = tensor([0n, most, least]).topK(1, 0, { largest: false })
  t.deepEqual(await values.data(), BigInt64Array.of(least))
  t.deepEqual(
    await tensor([most - 1n, most])
      .max()
      .data(),
    BigInt64Array.of(most),
  )
  t.deepEqual(
    await tensor([least, least + 1n])
      .min()
      .data(),
    BigInt64Array.of(least),
  )
})

test('remainders are exact and below the divisor', async (t) => {
  for (const dtype of ['float32', 'float64'] as const) {
    const of = (a: number, b: number) => tensor([a], { dtype }).rem(b).item()
    t.is(await of(2749682432, 36), 20)
    t.is(await of(1e9, 7), 6)
    t.is(await of(-1e9, 7), 1)
    t.is(await of(1e9, -7), -1)
    t.is(await of(2 ** 100, 3), 1)
    t.is(await of(5, Number.POSITIVE_INFINITY), 5)
    t.is(await of(-0.5, 0.25), 0)
    t.is(await of(5, 0), Number.NaN)
    t.is(await of(Number.POSITIVE_INFINITY, 2), Number.NaN)
  }
  // The double nearest to 1e22 is 1e22 itself.
  t.is(
    await tensor([1e22], { dtype: 'float64' })
      .rem(1e15 + 3)
      .item(),
    Number(10n ** 22n % (10n ** 15n + 3n)),
  )
  t.deepEqual(await tensor([least, -7n]).rem(-1).data(), BigInt64Array.of(0n, 0n))
  await equals(t, tensor([-7, 7], { dtype: 'int32' }).rem(-3), [-1, -2])
  const many = Float32Array.from({ length: 1000 }, (_, i) => (i - 500) * 12345.678)
  const got = await tensor(many).rem(7.25).data()
  t.true(got.every((r, i) => r === (((many[i] as number) % 7.25) + 7.25) % 7.25 || (r >= 0 && r <= 7.25)))
})

test('integers have no quotient by the number 0 and no negative powers', async (t) => {
  const x = tensor([1, 2], { dtype: 'int32' })
  for (const run of [() => x.div(0), () => x.rem(0), () => x.div(0n), () => pow(x, -1)]) {
    t.throws(run, { instanceOf: DTypeError, message: /cast/ })
  }
  await equals(t, x.div(tensor([0, 2], { dtype: 'int32' })), [0, 1])
  await equals(t, tensor([1]).div(0), [Number.POSITIVE_INFINITY])
})

test('sums of integers and bool are added up in int64', async (t) => {
  const large = full([2 ** 24], 200, { dtype: 'uint8' })
  t.is(await large.sum().item(), 200 * 2 ** 24)
  for (const dtype of ['uint8', 'int32', 'uint32', 'int64', 'bool'] as const) {
    const x = tensor(
      [
        [1, 0],
        [1, 1],
      ],
      { dtype },
    )
    t.is(x.sum().dtype, 'int64')
    await equals(t, x.sum(0), [2, 1])
    await equals(t, x.sum(1, { keepDims: true }), [[1], [2]])
    await equals(t, x.sum([]), [
      [1, 0],
      [1, 1],
    ])
    t.is(x.sum([]).dtype, 'int64')
    await equals(t, x.cumsum(0), [
      [1, 0],
      [2, 1],
    ])
    await equals(t, x.prod(0), [1, 0])
    t.is(x.prod().dtype, 'int64')
    t.is(x.cumprod(0).dtype, 'int64')
  }
  const top = tensor([2 ** 31 - 1, 2 ** 31 - 1], { dtype: 'int32' })
  t.is(await top.sum().item(), 2 ** 32 - 2)
  t.is(await top.cumsum().slice([1]).item(), 2 ** 32 - 2)
  t.is(
    await tensor([1 << 16, 1 << 16], { dtype: 'int32' })
      .prod()
      .item(),
    2 ** 32,
  )
  // Values that wrap before the sum are summed after wrapping.
  t.is(
    await tensor(Uint8Array.of(200, 200))
      .add(tensor(Uint8Array.of(200, 200)))
      .sum()
      .item(),
    288,
  )
  t.deepEqual(await tensor([most, 1n]).sum().data(), BigInt64Array.of(least))
  // Many columns, rows shared between threads, and rows in chunks.
  const many = full([3, 70_000, 5], 255, { dtype: 'uint8' })
  await equals(
    t,
    many.sum([0, 1]),
    [1, 1, 1, 1, 1].map(() => 3 * 70_000 * 255),
  )
  await equals(
    t,
    many.sum([1, 2]),
    [1, 1, 1].map(() => 5 * 70_000 * 255),
  )
})

test('averages of bytes do not overflow', async (t) => {
  const image = full([1, 1, 4, 4], 200, { dtype: 'uint8' })
  const pooled = image.avgPool({ kernelSize: 2 })
  t.is(pooled.dtype, 'float32')
  await equals(t, pooled, [
    [
      [
        [200, 200],
        [200, 200],
      ],
    ],
  ])
  await equals(t, image.adaptiveAvgPool(1), [[[[200]]]])
  await equals(t, image.adaptiveAvgPool(3).max(), 200)
  t.is(await image.mean().item(), 200)
})
