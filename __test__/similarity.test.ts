/** Inner products of centered similarity matrices, and sums of their rows. */
import test from 'ava'
import {
  ArgumentError,
  centeredProducts,
  grad,
  ShapeError,
  type Similarity,
  type SimilarityOfDifferences,
  similaritySums,
  squaredDistances,
  stack,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { checkGradient, close, sample } from './helpers.js'

/** H K H by the definition, or U-centered. */
function centered(k: Tensor, hollow: boolean): Tensor {
  const n = k.shape[0] as number
  const off = tensor(
    Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i !== j))),
  )
  const own = hollow ? k.mul(off.cast('float64')) : k
  const rows = own.sum(1, { keepDims: true })
  const [alpha, beta] = hollow ? [1 / (n - 2), 1 / ((n - 1) * (n - 2))] : [1 / n, 1 / (n * n)]
  const all = own.sub(rows.mul(alpha)).sub(rows.transpose().mul(alpha)).add(own.sum().mul(beta))
  return hollow ? all.mul(off.cast('float64')) : all
}

const x = () => sample([9, 4])
const y = () => sample([9, 3], -1, 1, 5)

const CASES: readonly [Similarity, (rows: Tensor) => Tensor][] = [
  [
    { kind: 'gaussian', widths: [0.8] },
    (a) =>
      squaredDistances(a)
        .mul(-0.5 / 0.64)
        .exp(),
  ],
  [
    { kind: 'gaussian', widths: [0.5, 2] },
    (a) => squaredDistances(a).mul(-2).exp().add(squaredDistances(a).mul(-0.125).exp()).mul(0.5),
  ],
  [
    { kind: 'laplacian', widths: [1.5] },
    (a) => a.expandDims(1).sub(a.expandDims(0)).abs().sum(2).div(-1.5).exp(),
  ],
  [{ kind: 'linear' }, (a) => a.matmulT(a, { transposeB: true })],
  [
    { kind: 'polynomial', gamma: 0.4, offset: 0.7, degree: 3 },
    (a) => a.matmulT(a, { transposeB: true }).mul(0.4).add(0.7).pow(3),
  ],
  [{ kind: 'imq', c: 0.9 }, (a) => squaredDistances(a).add(0.81).rsqrt()],
]

test('centeredProducts are traces of centered matrices, full and hollow', async (t) => {
  for (const hollow of [false, true]) {
    for (const [similarity, matrix] of CASES) {
      const sets = [x(), y()]
      const products = centeredProducts(
        sets.map((rows) => ({ rows, similarity })),
        { hollow },
      )
      t.is(products.dtype, 'float64')
      const matrices = sets.map((rows) => centered(matrix(rows), hollow))
      for (const [i, a] of matrices.entries()) {
        for (const [j, b] of matrices.entries()) {
          const entry = await products
            .slice([i, j], [i + 1, j + 1])
            .reshape([])
            .item()
          close(t, entry, await a.mul(b).sum().item(), 1e-10)
        }
      }
    }
  }
})

test('equal rows are compared whatever their dtype', async (t) => {
  const labels = tensor([3, 1, 3, 2], { dtype: 'int32' })
  const oneHot = tensor([
    [1, 0, 0],
    [0, 1, 0],
    [1, 0, 0],
    [0, 0, 1],
  ])
  const of = (rows: Tensor, similarity: Similarity) => centeredProducts([{ rows, similarity }]).item()
  close(t, await of(labels, { kind: 'equal' }), await of(oneHot, { kind: 'linear' }), 1e-12)
  close(t, await of(oneHot, { kind: 'equal' }), await of(oneHot, { kind: 'linear' }), 1e-12)
})

test('derivatives in the rows and in the parameters', (t) => {
  for (const [similarity] of CASES) {
    const products = (a: Tensor, b: Tensor) =>
      centeredProducts([
        { rows: a, similarity },
        { rows: b, similarity: { kind: 'imq', c: 0.8 } },
      ])
    checkGradient(t, products, [sample([5, 3]), sample([5, 2], -1, 1, 3)])
  }
  const width = tensor(0.8, { dtype: 'float64' })
  checkGradient(
    t,
    (sigma) =>
      centeredProducts([
        { rows: x(), similarity: { kind: 'gaussian', widths: [sigma] } },
        { rows: y(), similarity: { kind: 'laplacian', widths: [sigma, 2] } },
      ]),
    [width],
  )
})

test('a gradient of float32 rows is float32', (t) => {
  const rows = x().cast('float32')
  const similarity = { kind: 'gaussian', widths: [1] } as const
  const slope = grad((a: Tensor) => centeredProducts([{ rows: a, similarity }]).sum())(rows)
  t.deepEqual([slope.dtype, slope.shape], ['float32', [9, 4]])
})

test('what does not fit is refused', (t) => {
  const linear = { kind: 'linear' } as const
  t.throws(() => centeredProducts([]), { instanceOf: ArgumentError })
  const other = { rows: sample([8, 2]), similarity: linear }
  t.throws(() => centeredProducts([{ rows: x(), similarity: linear }, other]), { instanceOf: ShapeError })
  const two = { rows: sample([2, 2]), similarity: linear }
  t.throws(() => centeredProducts([two], { hollow: true }), { instanceOf: ShapeError })
  const noWidth = { rows: x(), similarity: { kind: 'gaussian', widths: [] } } as const
  t.throws(() => centeredProducts([noWidth]), { instanceOf: ArgumentError })
  const degree = { rows: x(), similarity: { kind: 'polynomial', gamma: 1, offset: 1, degree: 0.5 } } as const
  t.throws(() => centeredProducts([degree]), { instanceOf: ArgumentError })
})

test('similaritySums are sums of rows of products of matrices, with their derivatives', async (t) => {
  const ofDifferences = CASES.filter(([{ kind }]) => kind !== 'linear' && kind !== 'polynomial')
  for (const hollow of [false, true]) {
    for (const [similarity, matrix] of ofDifferences) {
      const of = similarity as SimilarityOfDifferences
      const labels = tensor([0, 2, 1, 1, 0, 0, 2, 1, 0], { dtype: 'int32' })
      const equal = labels.expandDims(1).equal(labels.expandDims(0)).cast('float64')
      const sets = [
        { rows: x(), similarity: of },
        { rows: labels, similarity: { kind: 'equal' } },
        { rows: y(), similarity: of },
      ] as const
      const sums = similaritySums(sets, [[0], [0, 1], [0, 2]], { hollow })
      t.deepEqual([sums.dtype, sums.shape], ['float64', [3, 9]])
      const products = [matrix(x()), matrix(x()).mul(equal), matrix(x()).mul(matrix(y()))]
      const own = (k: Tensor) => (hollow ? k.diagonal() : 0)
      const expected = stack(products.map((k) => k.sum(1).sub(own(k))))
      close(t, await sums.array(), await expected.array(), 1e-12)
    }
  }
  for (const [similarity] of ofDifferences) {
    const of = similarity as SimilarityOfDifferences
    const sums = (a: Tensor, b: Tensor) =>
      similaritySums(
        [
          { rows: a, similarity: of },
          { rows: b, similarity: { kind: 'imq', c: 0.8 } },
        ],
        [[0], [1, 0]],
      )
    checkGradient(t, sums, [sample([5, 3]), sample([5, 2], -1, 1, 3)])
  }
})

test('groups and similarities that do not fit are refused', (t) => {
  const set = { rows: x(), similarity: { kind: 'imq', c: 1 } } as const
  for (const groups of [[], [[]], [[1]], [[-1]], [[0.5]]]) {
    t.throws(() => similaritySums([set], groups), { instanceOf: ArgumentError })
  }
  const linear = { rows: x(), similarity: { kind: 'linear' } } as unknown as typeof set
  t.throws(() => similaritySums([linear], [[0]]), { instanceOf: ArgumentError, message: /linear/i })
  t.throws(() => similaritySums([set, { ...set, rows: sample([8, 2]) }], [[0]]), { instanceOf: ShapeError })
})
