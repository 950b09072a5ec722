/** Products, convolutions, pooling, linear algebra and distances. */
import test from 'ava'
import {
  ArgumentError,
  convTranspose,
  dot,
  einsum,
  eye,
  type NestedArray,
  NumericalError,
  outer,
  ShapeError,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { checkGradient, close, equals, sample } from './helpers.js'

type Matrix = number[][]

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) =>
    (b[0] as number[]).map((_, j) =>
      row.reduce((sum, x, k) => sum + x * ((b[k] as number[])[j] as number), 0),
    ),
  )

test('matmul of matrices, vectors and batches', async (t) => {
  const a = sample([3, 4])
  const b = sample([4, 2], -1, 1, 2)
  const [p, q] = [(await a.array()) as Matrix, (await b.array()) as Matrix]
  const ab = product(p, q)
  await equals(t, a.matmul(b), ab)
  await equals(
    t,
    a.matmul(b.slice([0, 0], [4, 1]).squeeze(1)),
    ab.map((row) => row[0] as number),
  )
  await equals(t, a.slice([0], [1]).squeeze(0).matmul(b), ab[0] as number[])
  await equals(t, a.transpose().matmulT(b, { transposeA: true }), ab)
  await equals(t, a.matmulT(b.transpose(), { transposeB: true }), ab)
  const batch = a.reshape([1, 3, 4]).broadcastTo([2, 3, 4])
  await equals(t, batch.matmul(b), [ab, ab])
  await equals(t, a.matmul(b.reshape([1, 4, 2]).broadcastTo([2, 4, 2])), [ab, ab])
  await equals(t, sample([5]).matmul(sample([5])), await sample([5]).square().sum().item())
})

test('a tall product of few terms with what is added to it', async (t) => {
  const a = sample([40_000, 16])
  const b = sample([16, 16], -1, 1, 2)
  const sums = a.matmul(b).add(1)
  const right = (await b.array()) as Matrix
  for (const i of [0, 12_345, 39_999]) {
    const left = (await a.slice([i], [i + 1]).array()) as Matrix
    const expected = product(left, right).map((row) => row.map((x) => x + 1))
    close(t, await sums.slice([i], [i + 1]).array(), expected, 1e-5)
  }
})

test('derivatives of matmul', (t) => {
  checkGradient(t, (a, b) => a.matmul(b), [sample([3, 2]), sample([2, 4], -1, 1, 2)])
  checkGradient(t, (a, b) => a.matmul(b), [sample([2, 1, 2, 3]), sample([3, 3, 2], -1, 1, 2)])
  checkGradient(t, (a, b) => a.matmul(b), [sample([2, 3, 2]), sample([2, 2], -1, 1, 2)])
  checkGradient(t, (a, b) => a.matmul(b), [sample([3]), sample([2, 3, 2], -1, 1, 2)])
  const both = { transposeA: true, transposeB: true }
  checkGradient(t, (a, b) => a.matmulT(b, both), [sample([2, 3]), sample([2, 2], -1, 1, 2)])
})

test('dot and outer', async (t) => {
  const [a, b] = [tensor([1, 2]), tensor([3, 4])]
  await equals(t, dot(a, b), 11)
  await equals(t, outer(a, tensor([3, 4, 5])), [
    [3, 4, 5],
    [6, 8, 10],
  ])
  t.throws(() => dot(a, tensor([1])), { instanceOf: ShapeError })
  t.throws(() => outer(a, tensor(1)), { instanceOf: ShapeError })
})

test('products that do not fit are refused', (t) => {
  const a = sample([2, 3])
  t.throws(() => a.matmul(a), { instanceOf: ShapeError, message: /inner sizes differ/ })
  t.throws(() => a.matmul(tensor(1)), { instanceOf: ShapeError, message: /mul\(\)/ })
  t.throws(() => sample([2, 3, 3]).matmul(sample([3, 3, 3])), {
    instanceOf: ShapeError,
    message: /broadcast/,
  })
})

/** Einstein summation by brute force over all letters. */
async function einsumByHand(equation: string, operands: readonly Tensor[]): Promise<number[]> {
  const [left, output] = equation.split('->') as [string, string]
  const terms = left.split(',')
  const extents = new Map<string, number>()
  for (const [i, term] of terms.entries()) {
    for (const [axis, letter] of [...term].entries())
      extents.set(letter, (operands[i] as Tensor).shape[axis] as number)
  }
  const data = await Promise.all(operands.map((x) => x.data()))
  const letters = [...output, ...[...extents.keys()].filter((letter) => !output.includes(letter))]
  const size = [...output].reduce((n, letter) => n * (extents.get(letter) as number), 1)
  const result = new Array<number>(size).fill(0)
  const at = new Map<string, number>()
  const offset = (names: string) =>
    [...names].reduce((sum, letter) => sum * (extents.get(letter) as number) + (at.get(letter) as number), 0)
  const visit = (depth: number): void => {
    const letter = letters[depth]
    if (letter === undefined) {
      const value = terms.reduce((prod, term, i) => prod * Number(data[i]?.[offset(term)]), 1)
      const where = offset(output)
      result[where] = (result[where] as number) + value
      return
    }
    for (let i = 0; i < (extents.get(letter) as number); i++) {
      at.set(letter, i)
      visit(depth + 1)
    }
  }
  visit(0)
  return result
}

const equations: [string, number[][]][] = [
  [
    'bij,bjk->bik',
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
  ],
  [
    'bhqd,bhkd->bhqk',
    [
      [1, 2, 2, 3],
      [1, 2, 3, 3],
    ],
  ],
  ['ij,j->i', [[3, 2], [2]]],
  [
    'bi,ij,bj->b',
    [
      [2, 3],
      [3, 2],
      [2, 2],
    ],
  ],
  ['ii->i', [[3, 3]]],
  ['ii->', [[3, 3]]],
  ['iij,j->ij', [[2, 2, 3], [3]]],
  ['ij->ji', [[2, 3]]],
  ['ij->', [[2, 3]]],
  ['i,j->ij', [[2], [3]]],
  ['ijk,k->ji', [[2, 3, 2], [2]]],
  [
    'ij,kl->',
    [
      [2, 2],
      [2, 3],
    ],
  ],
  [
    'ij,ij->ij',
    [
      [2, 2],
      [2, 2],
    ],
  ],
  ['iii->i', [[2, 2, 2]]],
]

for (const [equation, shapes] of equations) {
  test(`einsum ${equation}: value and derivatives`, async (t) => {
    const operands = shapes.map((shape, i) => sample(shape, -1, 1, i + 1))
    const flat = einsum(equation, ...operands).flatten()
    close(t, [...((await flat.data()) as Float64Array)], await einsumByHand(equation, operands))
    checkGradient(t, (...xs) => einsum(equation, ...xs), operands)
  })
}

test('einsum without an arrow, with ellipses, and refusals', async (t) => {
  const [a, b] = [sample([2, 3]), sample([3, 2], -1, 1, 2)]
  await equals(t, einsum('ij,jk', a, b), await a.matmul(b).array())
  const batch = sample([2, 1, 2, 3])
  await equals(t, einsum('...ij,...jk->...ik', batch, b), await batch.matmul(b).array())
  t.throws(() => einsum('ij,jk->il', a, b), { instanceOf: ArgumentError, message: /"l"/ })
  t.throws(() => einsum('ij->ii', a), { instanceOf: ArgumentError, message: /twice/ })
  t.throws(() => einsum('ij', a, b), { instanceOf: ArgumentError, message: /1 operands/ })
  t.throws(() => einsum('i->i', a), { instanceOf: ShapeError })
  t.throws(() => einsum('ij,ij->', a, b), { instanceOf: ShapeError })
  t.throws(() => einsum('ii', a), { instanceOf: ShapeError })
  t.throws(() => einsum('i$->i', a), { instanceOf: ArgumentError })
})

/** Cross-correlation of (N, C, H, W) with (O, C / groups, kh, kw), by its definition. */
function convByHand(
  x: number[][][][],
  w: number[][][][],
  o: { stride: number[]; low: number[]; high: number[]; dilation: number[]; groups: number },
): number[][][][] {
  const [h, width] = [x[0]?.[0]?.length as number, x[0]?.[0]?.[0]?.length as number]
  const [kh, kw] = [w[0]?.[0]?.length as number, w[0]?.[0]?.[0]?.length as number]
  const extent = (n: number, k: number, i: number) =>
    Math.floor(
      (n + (o.low[i] as number) + (o.high[i] as number) - (o.dilation[i] as number) * (k - 1) - 1) /
        (o.stride[i] as number),
    ) + 1
  const perGroup = w.length / o.groups
  return x.map((image) =>
    w.map((kernel, out) =>
      Array.from({ length: extent(h, kh, 0) }, (_, i) =>
        Array.from({ length: extent(width, kw, 1) }, (_, j) => {
          let sum = 0
          for (const [c, plane] of kernel.entries()) {
            const channel = image[Math.floor(out / perGroup) * kernel.length + c] as number[][]
            for (let u = 0; u < kh; u++) {
              for (let v = 0; v < kw; v++) {
                const row = i * (o.stride[0] as number) + u * (o.dilation[0] as number) - (o.low[0] as number)
                const column =
                  j * (o.stride[1] as number) + v * (o.dilation[1] as number) - (o.low[1] as number)
                sum += (channel[row]?.[column] ?? 0) * ((plane[u] as number[])[v] as number)
              }
            }
          }
          return sum
        }),
      ),
    ),
  )
}

test('conv: strides, paddings, dilations and groups against the definition', async (t) => {
  const x = sample([2, 4, 6, 5])
  const w = sample([4, 2, 3, 2], -1, 1, 2)
  const [xs, ws] = [(await x.array()) as number[][][][], (await w.array()) as number[][][][]]
  const grouped = { groups: 2 }
  const plain = { stride: [1, 1], low: [0, 0], high: [0, 0], dilation: [1, 1], groups: 2 }
  await equals(t, x.conv(w, grouped), convByHand(xs, ws, plain))
  await equals(
    t,
    x.conv(w, {
      ...grouped,
      stride: [2, 1],
      padding: [
        [1, 0],
        [0, 2],
      ],
      dilation: [1, 2],
    }),
    convByHand(xs, ws, { ...plain, stride: [2, 1], low: [1, 0], high: [0, 2], dilation: [1, 2] }),
  )
  await equals(
    t,
    x.conv(w, { ...grouped, padding: 'same' }),
    convByHand(xs, ws, { ...plain, low: [1, 0], high: [1, 1] }),
  )
  t.deepEqual(x.conv(w, { ...grouped, padding: 'same', stride: 2 }).shape.slice(2), [3, 3])
})

test('derivatives of conv in one, two and three dimensions', (t) => {
  checkGradient(t, (x, w) => x.conv(w, { padding: 1, stride: 2 }), [
    sample([1, 2, 5]),
    sample([2, 2, 3], -1, 1, 2),
  ])
  checkGradient(t, (x, w) => x.conv(w, { dilation: [1, 2], groups: 2, padding: [1, 0] }), [
    sample([1, 2, 3, 4]),
    sample([2, 1, 2, 2], -1, 1, 2),
  ])
  checkGradient(t, (x, w) => x.conv(w), [sample([1, 1, 2, 3, 2]), sample([2, 1, 2, 1, 2], -1, 1, 2)])
})

test('convTranspose is the adjoint of conv', async (t) => {
  const x = sample([2, 2, 7, 5])
  const w = sample([3, 2, 3, 2], -1, 1, 2)
  for (const options of [
    {},
    { stride: [2, 1], padding: [1, 0] },
    { dilation: 2 },
    { stride: 3, padding: 1 },
  ]) {
    const y = x.conv(w, options)
    const dy = sample(y.shape, -1, 1, 3)
    const plain = convTranspose(dy, w, options)
    const outputPadding = plain.shape.slice(2).map((n, i) => (x.shape[i + 2] as number) - n)
    const dx = convTranspose(dy, w, { ...options, outputPadding })
    t.deepEqual([...dx.shape], [...x.shape])
    close(t, await dx.mul(x).sum().item(), await dy.mul(y).sum().item())
  }
})

test('convTranspose: output padding beyond the reach of the kernel is zero; derivatives', async (t) => {
  const x = tensor(Float64Array.of(1, 2), { shape: [1, 1, 2] })
  const w = tensor(Float64Array.of(1, 10), { shape: [1, 1, 2] })
  await equals(t, x.convTranspose(w, { stride: 2, outputPadding: 1 }), [[[1, 10, 2, 20, 0]]])
  await equals(t, x.convTranspose(w, { stride: 2, padding: 1, outputPadding: 1 }), [[[10, 2, 20]]])
  checkGradient(t, (a, b) => a.convTranspose(b, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }), [
    sample([1, 2, 2, 2]),
    sample([2, 1, 3, 2], -1, 1, 2),
  ])
  t.throws(() => x.convTranspose(w, { padding: 3 }), { instanceOf: ShapeError, message: /pad less/ })
})

test('convolutions that do not fit are refused', (t) => {
  const x = sample([1, 2, 4, 4])
  t.throws(() => x.conv(sample([1, 3, 2, 2])), { instanceOf: ShapeError, message: /channels/ })
  t.throws(() => x.conv(sample([1, 2, 2])), { instanceOf: ShapeError, message: /spatial/ })
  t.throws(() => x.conv(sample([1, 2, 5, 5])), { instanceOf: ShapeError, message: /smaller than a kernel/ })
  t.throws(() => x.conv(sample([1, 2, 2, 2]), { stride: 0 }), {
    instanceOf: ArgumentError,
    message: /stride/,
  })
  t.throws(() => x.conv(sample([1, 2, 2, 2]), { padding: 'full' as never }), { instanceOf: ArgumentError })
  t.throws(() => x.conv(sample([1, 2, 2, 2]), { groups: 0 }), {
    instanceOf: ArgumentError,
    message: /groups/,
  })
})

const line = (values: number[]) => tensor(Float64Array.from(values), { shape: [1, 1, values.length] })

test('maxPool: windows, padding, ceilMode, indices', async (t) => {
  const x = line([3, 1, 4, 1, 5, 9, 2])
  await equals(t, x.maxPool({ kernelSize: 3 }), [[[4, 9]]])
  await equals(t, x.maxPool({ kernelSize: 3, ceilMode: true }), [[[4, 9, 2]]])
  await equals(t, x.maxPool({ kernelSize: 3, stride: 2, padding: 1 }), [[[3, 4, 9, 9]]])
  await equals(t, x.maxPool({ kernelSize: 2, stride: 1, dilation: 3 }), [[[3, 5, 9, 2]]])
  const { values, indices } = sample([1, 1, 4, 4]).maxPoolWithIndices({ kernelSize: 2 })
  t.deepEqual([...values.shape], [1, 1, 2, 2])
  t.is(indices.dtype, 'int32')
  await equals(t, sample([1, 1, 4, 4]).flatten().take(indices.flatten()), await values.flatten().array())
  await equals(t, line([-3, -1]).maxPool({ kernelSize: 2, padding: 1, stride: 1 }), [[[-3, -1, -1]]])
})

test('avgPool: padding counts or not, ceilMode', async (t) => {
  const x = line([3, 6, 9, 12, 15])
  await equals(t, x.avgPool({ kernelSize: 2 }), [[[4.5, 10.5]]])
  await equals(t, x.avgPool({ kernelSize: 3, stride: 2, padding: 1 }), [[[3, 9, 9]]])
  await equals(t, x.avgPool({ kernelSize: 3, stride: 2, padding: 1, countIncludePad: false }), [
    [[4.5, 9, 13.5]],
  ])
  await equals(t, x.avgPool({ kernelSize: 2, ceilMode: true }), [[[4.5, 10.5, 15]]])
  await equals(t, x.avgPool({ kernelSize: 2, ceilMode: true, padding: 1 }), [[[1.5, 7.5, 13.5]]])
})

test('adaptiveAvgPool', async (t) => {
  await equals(t, line([1, 2, 3, 4, 5, 6]).adaptiveAvgPool(3), [[[1.5, 3.5, 5.5]]])
  await equals(t, line([1, 2, 3, 4, 5]).adaptiveAvgPool(3), [[[1.5, 3, 4.5]]])
  checkGradient(t, (x) => x.adaptiveAvgPool([2, 3]), [sample([1, 2, 3, 4])])
})

test('derivatives of pooling', (t) => {
  const x = sample([1, 2, 4, 5])
  checkGradient(t, (a) => a.maxPool({ kernelSize: [2, 3], stride: 1, padding: [1, 0] }).square(), [x])
  checkGradient(t, (a) => a.avgPool({ kernelSize: 2, padding: 1, countIncludePad: false }).square(), [x])
  checkGradient(t, (a) => a.avgPool({ kernelSize: [1, 2, 2] }), [sample([1, 1, 2, 2, 4])])
})

test('pooling that does not fit is refused', (t) => {
  t.throws(() => line([1, 2]).maxPool({ kernelSize: 3 }), { instanceOf: ShapeError })
  t.throws(() => line([1, 2]).maxPool({ kernelSize: 2, padding: 2 }), {
    instanceOf: ArgumentError,
    message: /at most 1/,
  })
  t.throws(() => tensor([1, 2]).avgPool({ kernelSize: 1 }), { instanceOf: ShapeError })
})

test('unfold: a convolution is a product with the unfolded input', async (t) => {
  const x = sample([2, 3, 4, 5])
  const w = sample([2, 3, 2, 2], -1, 1, 2)
  const options = { stride: [1, 2], padding: [1, 0], dilation: [2, 1] }
  const columns = x.unfold({ kernelSize: [2, 2], ...options })
  const y = x.conv(w, options)
  await equals(t, w.reshape([2, 12]).matmul(columns).reshape(y.shape), await y.array())
  checkGradient(t, (a) => a.unfold({ kernelSize: 2, padding: 1 }), [sample([1, 2, 2, 3])])
})

const identity = (n: number) => eye(n, n, { dtype: 'float64' })

/** Symmetric positive definite matrices, differentiable in x (.., n, n). */
const spd = (x: Tensor) => x.matmulT(x, { transposeB: true }).add(identity(x.shape.at(-1) as number).mul(2))

async function isIdentity(t: Parameters<typeof close>[0], x: Tensor): Promise<void> {
  const n = x.shape.at(-1) as number
  await equals(
    t,
    x,
    Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i === j))),
    1e-8,
  )
}

test('cholesky, its solve and logDet', async (t) => {
  const a = spd(sample([3, 3]))
  const l = a.cholesky()
  await equals(t, l.matmulT(l, { transposeB: true }), await a.array())
  await equals(t, l.triu(1).abs().sum(), 0)
  await isIdentity(t, identity(3).choleskySolve(l).matmul(a))
  close(t, await a.logDet().item(), Math.log(await a.det().item()))
  checkGradient(t, (x) => spd(x).cholesky(), [sample([3, 3])])
  checkGradient(t, (x) => spd(x).logDet(), [sample([3, 3])])
  checkGradient(t, (x) => spd(x).cholesky(), [sample([2, 2, 2])])
})

test('solve, inv, det and triangularSolve', async (t) => {
  const a = sample([3, 3]).add(identity(3).mul(2))
  const b = sample([3, 2], -1, 1, 2)
  await equals(t, a.matmul(a.solve(b)), await b.array())
  await equals(
    t,
    a.matmul(a.solve(b.slice([0, 0], [3, 1]).squeeze(1))),
    await b.slice([0, 0], [3, 1]).squeeze(1).array(),
  )
  await isIdentity(t, a.inv().matmul(a))
  await equals(t, tensor(Float64Array.of(1, 2, 3, 4), { shape: [2, 2] }).det(), -2)
  for (const lower of [true, false]) {
    for (const transpose of [true, false]) {
      const triangle = lower ? a.tril() : a.triu()
      const x = a.triangularSolve(b, { lower, transpose })
      await equals(t, (transpose ? triangle.transpose() : triangle).matmul(x), await b.array())
      checkGradient(t, (p, q) => p.triangularSolve(q, { lower, transpose }), [a, b], { tolerance: 1e-6 })
    }
  }
  checkGradient(t, (p, q) => p.solve(q), [a, b], { tolerance: 1e-6 })
  checkGradient(t, (p) => p.inv(), [a], { tolerance: 1e-6 })
  checkGradient(t, (p) => p.det(), [a], { tolerance: 1e-6 })
  const batch = a.reshape([1, 3, 3]).broadcastTo([2, 3, 3])
  await equals(t, batch.solve(b), [await a.solve(b).array(), await a.solve(b).array()] as NestedArray)
})

test('eigh', async (t) => {
  const x = sample([3, 3])
  const a = x.add(x.transpose())
  const { values, vectors } = a.eigh()
  await equals(t, a.matmul(vectors), await vectors.mul(values).array())
  await isIdentity(t, vectors.matmulT(vectors, { transposeA: true }))
  const sorted = (await values.array()) as number[]
  t.deepEqual(
    sorted,
    [...sorted].sort((p, q) => p - q),
  )
  checkGradient(t, (p) => p.add(p.transpose()).eigh().values, [x], { tolerance: 1e-6 })
  checkGradient(t, (p) => p.add(p.transpose()).eigh().vectors.square(), [x], { tolerance: 1e-5 })
})

test('matrices without an answer', async (t) => {
  const singular = tensor([
    [1, 2],
    [2, 4],
  ])
  await t.throwsAsync(() => singular.sub(5).cholesky().data(), {
    instanceOf: NumericalError,
    message: /cholesky/,
  })
  await t.throwsAsync(() => singular.inv().data(), { instanceOf: NumericalError, message: /solve/ })
  t.throws(() => tensor([1, 2]).cholesky(), { instanceOf: ShapeError, message: /square/ })
  t.throws(() => singular.solve(tensor([1, 2, 3])), { instanceOf: ShapeError })
  t.throws(() => tensor([1]).inv(), { instanceOf: ShapeError })
})

test('squaredDistances, cdist and gaussianGram', async (t) => {
  const a = sample([3, 2])
  const b = sample([4, 2], -1, 1, 2)
  const [p, q] = [(await a.array()) as Matrix, (await b.array()) as Matrix]
  const squared = (u: number[], v: number[]) => u.reduce((sum, x, i) => sum + (x - (v[i] as number)) ** 2, 0)
  const table = p.map((u) => q.map((v) => squared(u, v)))
  await equals(t, a.squaredDistances(b), table)
  await equals(
    t,
    a.cdist(b),
    table.map((row) => row.map(Math.sqrt)),
  )
  await equals(
    t,
    a.gaussianGram(0.5, b),
    table.map((row) => row.map((d) => Math.exp(-d / 0.5))),
  )
  checkGradient(t, (x, y) => x.squaredDistances(y), [a, b])
  checkGradient(t, (x, y) => x.cdist(y), [a, b], { tolerance: 1e-6 })
  checkGradient(t, (x) => x.gaussianGram(0.7), [a])
  checkGradient(t, (x, s) => x.gaussianGram(s), [a, tensor(Float64Array.of(0.7), { shape: [] })])
  t.throws(() => a.cdist(sample([3, 3])), { instanceOf: ShapeError })
  t.throws(() => a.gaussianGram(0), { instanceOf: ArgumentError })
})

test('distances far from the origin keep their digits, and the diagonal is exactly zero', async (t) => {
  const near = tensor([
    [1, 2],
    [2, 4],
    [1, 2],
  ])
  const far = near.add(1000)
  await equals(
    t,
    far.squaredDistances(),
    [
      [0, 5, 0],
      [5, 0, 5],
      [0, 5, 0],
    ],
    1e-4,
  )
  const diagonal = (await sample([50, 3])
    .cast('float32')
    .squaredDistances()
    .diagonal()
    .data()) as Float32Array
  t.true(diagonal.every((d) => d === 0))
  const all = await sample([50, 3]).cast('float32').squaredDistances().min().item()
  t.true(all >= 0)
})

test('products of few terms with a large result, as stored and transposed', async (t) => {
  for (const terms of [1, 3, 8]) {
    const a = sample([520, terms])
    const b = sample([terms, 510], -1, 1, 2)
    const [p, q] = [(await a.array()) as Matrix, (await b.array()) as Matrix]
    const expected = product(p, q).flat()
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const left = transposeA ? a.transpose() : a
      const right = transposeB ? b.transpose() : b
      const result = await left.matmulT(right, { transposeA, transposeB }).data()
      const worst = expected.reduce((far, value, i) => Math.max(far, Math.abs(value - Number(result[i]))), 0)
      t.true(worst < 1e-5, `${terms} terms, ${transposeA}, ${transposeB}: off by ${worst}`)
    }
  }
})

test('steps that go row by row give the same on several threads, again and again', async (t) => {
  const x = sample([1500, 1500])
  const rows = (await x.array()) as Matrix
  const mean = (row: number[]) => row.reduce((sum, value) => sum + value, 0) / row.length
  const expected = rows.reduce((total, row) => {
    const m = mean(row)
    return total + row.reduce((sum, value) => sum + Math.exp(value - m) * (value - m) ** 2, 0)
  }, 0)
  const results = new Set<number>()
  for (let i = 0; i < 20; i++) {
    const centered = x.sub(x.mean(1, { keepDims: true }))
    results.add(await centered.exp().mul(centered.square()).sum(1).sum().item())
  }
  t.is(results.size, 1)
  close(t, [...results][0] as number, expected, 1e-4 * expected)
})
