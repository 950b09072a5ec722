/** Operations that move and choose elements. */
import test from 'ava'
import {
  ArgumentError,
  arange,
  concat,
  type NestedArray,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  UnknownNameError,
} from '../ts/index.js'
import { checkGradient, equals, sample } from './helpers.js'

/** 0, 1, 2, ... in a shape, float64. */
const count = (...shape: number[]) =>
  arange(
    shape.reduce((a, b) => a * b, 1),
    { dtype: 'float64' },
  ).reshape(shape)

interface Case {
  op: (x: Tensor) => Tensor
  shape: number[]
  expected: NestedArray
}

const cases: Record<string, Case> = {
  reshape: {
    op: (x) => x.reshape([3, -1]),
    shape: [2, 3],
    expected: [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
  },
  'flatten from an axis': {
    op: (x) => x.flatten(1),
    shape: [2, 2, 1],
    expected: [
      [0, 1],
      [2, 3],
    ],
  },
  permute: {
    op: (x) => x.permute([1, 2, 0]),
    shape: [2, 1, 3],
    expected: [
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    ],
  },
  'permute without axes': {
    op: (x) => x.permute(),
    shape: [2, 3],
    expected: [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
  },
  transpose: {
    op: (x) => x.transpose(),
    shape: [1, 2, 2],
    expected: [
      [
        [0, 2],
        [1, 3],
      ],
    ],
  },
  'transpose of named axes': {
    op: (x) => x.transpose(0, -1),
    shape: [2, 1, 2],
    expected: [[[0, 2]], [[1, 3]]],
  },
  expandDims: { op: (x) => x.expandDims(-1), shape: [2], expected: [[0], [1]] },
  squeeze: { op: (x) => x.squeeze(), shape: [1, 2, 1], expected: [0, 1] },
  'squeeze of an axis': { op: (x) => x.squeeze(-1), shape: [1, 2, 1], expected: [[0, 1]] },
  broadcastTo: {
    op: (x) => x.broadcastTo([2, 2, 2]),
    shape: [2, 1],
    expected: [
      [
        [0, 0],
        [1, 1],
      ],
      [
        [0, 0],
        [1, 1],
      ],
    ],
  },
  'slice with steps': {
    op: (x) => x.slice([0, 1], [2, 4], [1, 2]),
    shape: [3, 4],
    expected: [
      [1, 3],
      [5, 7],
    ],
  },
  'slice from the end': { op: (x) => x.slice([null, -2], [-1]), shape: [2, 3], expected: [[1, 2]] },
  'slice backwards': { op: (x) => x.slice([null], [null], [-2]), shape: [5], expected: [4, 2, 0] },
  'slice backwards with bounds': { op: (x) => x.slice([3], [0], [-1]), shape: [5], expected: [3, 2, 1] },
  'slice of nothing': { op: (x) => x.slice([2], [1]), shape: [3, 1], expected: [] },
  'slice beyond the end': { op: (x) => x.slice([1], [10]), shape: [3], expected: [1, 2] },
  pad: {
    op: (x) =>
      x.pad([
        [1, 0],
        [0, 1],
      ]),
    shape: [1, 2],
    expected: [
      [0, 0, 0],
      [0, 1, 0],
    ],
  },
  'pad with a value': { op: (x) => x.pad([[1, 2]], { value: 7 }), shape: [2], expected: [7, 0, 1, 7, 7] },
  'pad that cuts': { op: (x) => x.pad([[-1, 1]]), shape: [3], expected: [1, 2, 0] },
  'pad by reflection': {
    op: (x) => x.pad([[2, 1]], { mode: 'reflect' }),
    shape: [4],
    expected: [2, 1, 0, 1, 2, 3, 2],
  },
  'pad by the edge': {
    op: (x) =>
      x.pad(
        [
          [0, 0],
          [2, 1],
        ],
        { mode: 'replicate' },
      ),
    shape: [2, 2],
    expected: [
      [0, 0, 0, 1, 1],
      [2, 2, 2, 3, 3],
    ],
  },
  flip: {
    op: (x) => x.flip([1]),
    shape: [2, 2],
    expected: [
      [1, 0],
      [3, 2],
    ],
  },
  'flip of all': {
    op: (x) => x.flip(),
    shape: [2, 2],
    expected: [
      [3, 2],
      [1, 0],
    ],
  },
  repeat: { op: (x) => x.repeat([2, 1, 2]), shape: [1, 2], expected: [[[0, 1, 0, 1]], [[0, 1, 0, 1]]] },
  roll: {
    op: (x) => x.roll(1, 1),
    shape: [2, 3],
    expected: [
      [2, 0, 1],
      [5, 3, 4],
    ],
  },
  'roll of all': {
    op: (x) => x.roll(-1),
    shape: [2, 2],
    expected: [
      [1, 2],
      [3, 0],
    ],
  },
  'roll of two axes': {
    op: (x) => x.roll([1, 1], [0, 1]),
    shape: [2, 2],
    expected: [
      [3, 2],
      [1, 0],
    ],
  },
  tril: {
    op: (x) => x.tril(),
    shape: [2, 3],
    expected: [
      [0, 0, 0],
      [3, 4, 0],
    ],
  },
  'triu above': {
    op: (x) => x.triu(1),
    shape: [2, 3],
    expected: [
      [0, 1, 2],
      [0, 0, 5],
    ],
  },
  diag: {
    op: (x) => x.add(1).diag(),
    shape: [2],
    expected: [
      [1, 0],
      [0, 2],
    ],
  },
  'diag below': {
    op: (x) => x.add(1).diag(-1),
    shape: [2],
    expected: [
      [0, 0, 0],
      [1, 0, 0],
      [0, 2, 0],
    ],
  },
  diagonal: { op: (x) => x.diagonal(), shape: [2, 3], expected: [0, 4] },
  'diagonal above, batched': {
    op: (x) => x.diagonal(1),
    shape: [2, 2, 3],
    expected: [
      [1, 5],
      [7, 11],
    ],
  },
  'diagonal below': { op: (x) => x.diagonal(-1), shape: [3, 2], expected: [2, 5] },
  'diagonal outside': { op: (x) => x.diagonal(5), shape: [2, 2], expected: [] },
  trace: { op: (x) => x.trace(), shape: [3, 3], expected: 12 },
  split: {
    op: (x) => concat(x.split([1, 2], 1).reverse(), 1),
    shape: [2, 3],
    expected: [
      [1, 2, 0],
      [4, 5, 3],
    ],
  },
  'split in equal parts': {
    op: (x) => stack(x.split(2), 0),
    shape: [4],
    expected: [
      [0, 1],
      [2, 3],
    ],
  },
  concat: {
    op: (x) => concat([x, x.mul(2)], -1),
    shape: [2, 1],
    expected: [
      [0, 0],
      [1, 2],
    ],
  },
  stack: {
    op: (x) => stack([x, x.mul(2)], 1),
    shape: [2],
    expected: [
      [0, 0],
      [1, 2],
    ],
  },
  take: {
    op: (x) => x.take([2, 0, 2], 0),
    shape: [3, 2],
    expected: [
      [4, 5],
      [0, 1],
      [4, 5],
    ],
  },
  'take of negative indices': { op: (x) => x.take([-1], 1), shape: [2, 3], expected: [[2], [5]] },
  'take of a matrix of indices': {
    op: (x) =>
      x.take(
        tensor(
          [
            [0, 1],
            [1, 0],
          ],
          { dtype: 'int32' },
        ),
        1,
      ),
    shape: [1, 2],
    expected: [
      [
        [0, 1],
        [1, 0],
      ],
    ],
  },
  takeAlong: {
    op: (x) =>
      x.takeAlong(
        tensor(
          [
            [2, 0],
            [1, 1],
          ],
          { dtype: 'int64' },
        ),
        1,
      ),
    shape: [2, 3],
    expected: [
      [2, 0],
      [4, 4],
    ],
  },
  maskedSelect: {
    op: (x) =>
      x.maskedSelect([
        [true, false],
        [false, true],
      ]),
    shape: [2, 2],
    expected: [0, 3],
  },
  sort: { op: (x) => x.sub(2).square().sort(0), shape: [5], expected: [0, 1, 1, 4, 4] },
  'sort descending': {
    op: (x) => x.sort(1, { descending: true }),
    shape: [2, 3],
    expected: [
      [2, 1, 0],
      [5, 4, 3],
    ],
  },
  topK: {
    op: (x) => x.topK(2).values,
    shape: [2, 3],
    expected: [
      [2, 1],
      [5, 4],
    ],
  },
  'topK of the smallest': {
    op: (x) => x.topK(1, 0, { largest: false }).values,
    shape: [2, 3],
    expected: [[0, 1, 2]],
  },
}

for (const [name, { op, shape, expected }] of Object.entries(cases)) {
  test(`${name}: value and derivatives`, async (t) => {
    await equals(t, op(count(...shape)), expected)
    checkGradient(t, (x) => op(x).square(), [sample(shape)])
  })
}

test('movements that do not fit are refused, naming the operation', (t) => {
  const x = count(2, 3)
  const refused: [() => unknown, RegExp][] = [
    [() => x.reshape([4, 2]), /reshape/],
    [() => x.reshape([-1, -1]), /reshape/],
    [() => x.reshape([4, -1]), /reshape/],
    [() => x.reshape([2.5, 2]), /reshape/],
    [() => x.permute([0, 0]), /permute/],
    [() => x.permute([0]), /permute/],
    [() => x.transpose(0, 2), /transpose: axis 2/],
    [() => x.squeeze(0), /squeeze/],
    [() => x.broadcastTo([3, 3]), /broadcastTo/],
    [() => x.slice([0, 0, 0]), /slice/],
    [() => x.pad([[1, 1]]), /pad/],
    [
      () =>
        x.pad(
          [
            [0, 0],
            [3, 0],
          ],
          { mode: 'reflect' },
        ),
      /at most 2/,
    ],
    [() => x.split(2, 1), /split/],
    [() => x.split([1, 1], 1), /split/],
    [() => concat([x, count(3, 2)], 0), /concat/],
    [() => stack([x, count(3, 2)]), /stack/],
    [() => tensor(1).tril(), /tril/],
    [() => x.takeAlong(tensor([0], { dtype: 'int32' }), 0), /takeAlong/],
    [() => x.maskedSelect([true]), /maskedSelect/],
  ]
  for (const [call, message] of refused) t.throws(call, { instanceOf: ShapeError, message })
  t.throws(() => x.slice([0], [1], [0]), { instanceOf: ArgumentError, message: /step 0/ })
  t.throws(() => x.slice([0.5]), { instanceOf: ArgumentError })
  t.throws(() => concat([]), { instanceOf: ArgumentError })
  t.throws(() => x.roll([1, 2], 0), { instanceOf: ArgumentError })
  t.throws(
    () =>
      x.pad(
        [
          [1, 1],
          [1, 1],
        ],
        { mode: 'mirror' as never },
      ),
    { instanceOf: UnknownNameError },
  )
  t.throws(() => x.maskedSelect(x.greater(1) as never), { instanceOf: ArgumentError, message: /await/ })
})
