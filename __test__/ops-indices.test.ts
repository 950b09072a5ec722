/** Operations that write by indices, order elements and find neighbors. */
import test from 'ava'
import {
  ArgumentError,
  arange,
  DataError,
  DTypeError,
  oneHot,
  ShapeError,
  tensor,
  UnknownNameError,
} from '../ts/index.js'
import { checkGradient, equals } from './helpers.js'

test('writing: indexAdd, scatterAdd and scatter', async (t) => {
  const x = tensor(Float64Array.of(10, 20, 30), { shape: [3, 1] })
  const src = tensor(Float64Array.of(1, 2, 3), { shape: [3, 1] })
  await equals(t, x.indexAdd(0, [0, 2, 2], src), [[11], [20], [35]])
  const index = tensor([[0], [2], [2]], { dtype: 'int32' })
  await equals(t, x.scatterAdd(0, index, src), [[11], [20], [35]])
  await equals(t, x.scatterAdd(0, index, 1), [[11], [20], [32]])
  await equals(t, x.scatter(0, index, src), [[1], [20], [3]])
  await equals(t, x.scatter(0, index, 0), [[0], [20], [0]])
  checkGradient(t, (a, b) => a.indexAdd(0, [0, 2, 2], b).square(), [x, src])
  checkGradient(t, (a, b) => a.scatterAdd(0, index, b).square(), [x, src])
  checkGradient(t, (a, b) => a.scatter(0, index, b).square(), [x, src])
})

test('scatter writes the last of equal indices on any axis', async (t) => {
  const x = arange(6, { dtype: 'float64' }).reshape([2, 3])
  const index = tensor(
    [
      [1, 0, 1],
      [2, 2, 2],
    ],
    { dtype: 'int32' },
  )
  const src = tensor(Float64Array.of(1, 2, 3, 4, 5, 6), { shape: [2, 3] })
  await equals(t, x.scatter(1, index, src), [
    [2, 3, 2],
    [3, 4, 6],
  ])
})

test('oneHot', async (t) => {
  const labels = tensor([0, 2, 1], { dtype: 'int32' })
  const rows = [
    [1, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
  ]
  await equals(t, labels.oneHot(3), rows)
  await equals(t, oneHot([0, 2, 1], 3), rows)
  await equals(t, labels.reshape([3, 1]).oneHot(3, 'int32').squeeze(1), rows)
  t.deepEqual([...(await labels.oneHot(3, 'bool').data())].map(Number), rows.flat())
  t.is(labels.oneHot(3, 'float64').dtype, 'float64')
  await equals(t, tensor(Uint8Array.of(1)).oneHot(2), [[0, 1]])
  t.throws(() => labels.oneHot(0), { instanceOf: ArgumentError })
  t.throws(() => tensor([0.5]).oneHot(2), {
    instanceOf: DTypeError,
    message: /oneHot: the indices are float32/,
  })
})

test('oneHot refuses labels that are no class, however they are given', async (t) => {
  for (const label of [3, -1, 2 ** 31 - 1]) {
    for (const dtype of ['int32', 'int64'] as const) {
      const labels = tensor([0, label, 1], { dtype })
      const message = new RegExp(`index ${label} at position .1, 0..*extent is 3`)
      await t.throwsAsync(labels.oneHot(3).data(), { instanceOf: DataError, message })
    }
    const told = new RegExp(`oneHot: index ${label} at position 1; there are 3`)
    t.throws(() => oneHot([0, label, 1], 3), { instanceOf: DataError, message: told })
    t.throws(() => oneHot(Int32Array.of(0, label), 3), { instanceOf: DataError, message: told })
  }
})

test('argSort is stable and puts NaN last; topK gives indices', async (t) => {
  await equals(t, tensor([2, 1, Number.NaN, 1]).argSort(), [1, 3, 0, 2])
  await equals(t, tensor([1, 3, 3]).topK(2).indices, [1, 2])
  t.throws(() => tensor([1]).topK(2), { instanceOf: ArgumentError, message: /0 to 1/ })
})

test('uniqueRows numbers equal rows by first appearance', async (t) => {
  const x = tensor([
    [1, 2],
    [0, 0],
    [1, 2],
    [2, 1],
  ])
  await equals(t, x.uniqueRows(), [0, 1, 0, 2])
})

test('neighbors gives the nearest other rows, nearest first and of equals the first', async (t) => {
  const x = tensor([
    [0, 0],
    [3, 4],
    [0, 5],
    [0, 5],
  ])
  await equals(t, x.neighbors(2), [
    [1, 2],
    [2, 3],
    [3, 1],
    [2, 1],
  ])
  await equals(t, x.neighbors(1, { metric: 'euclidean' }), [[1], [2], [3], [2]])
  t.throws(() => x.neighbors(4), { instanceOf: ArgumentError, message: /k is 4 and there are 4 rows/ })
  t.throws(() => x.neighbors(0), { instanceOf: ArgumentError, message: /k is 0 on \(4, 2\)/ })
  t.throws(() => x.neighbors(1, { metric: 'l1' as never }), { instanceOf: UnknownNameError })
  t.throws(() => x.cast('int32').neighbors(1), { instanceOf: DTypeError })
  t.throws(() => x.flatten().neighbors(1), { instanceOf: ShapeError })
})

test('countWithin counts the other rows inside a radius, the border when closed', async (t) => {
  const x = tensor(
    [
      [0, 0],
      [3, 4],
      [0, 5],
      [Number.NaN, 0],
    ],
    { dtype: 'float64' },
  )
  await equals(t, x.countWithin(5, { metric: 'euclidean' }), [0, 1, 1, 0])
  await equals(t, x.countWithin(5, { metric: 'euclidean', closed: true }), [2, 2, 2, 0])
  await equals(t, x.countWithin(tensor([4.5, 3, 3.5, 9], { dtype: 'float64' })), [1, 0, 1, 0])
  t.throws(() => x.countWithin(tensor([1], { dtype: 'float64' })), { instanceOf: ShapeError })
  t.throws(() => x.countWithin(tensor([1, 1, 1, 1])), { instanceOf: DTypeError })
})

test('indices out of range are refused', async (t) => {
  t.throws(() => tensor([1, 2]).take([2]), { instanceOf: DataError, message: /index 2 at position 0/ })
  t.throws(() => tensor([1, 2]).take([0.5]), { instanceOf: DataError })
  t.throws(() => tensor([1, 2]).take(tensor([0])), { instanceOf: DTypeError, message: /int32/ })
  await t.throwsAsync(
    () =>
      tensor([1, 2])
        .take(tensor([5], { dtype: 'int32' }))
        .data(),
    { instanceOf: DataError },
  )
})
