/** Products, and distances between rows. */
import test from 'ava'
import { ArgumentError, dot, einsum, outer, ShapeError, type Tensor, tensor } from '../ts/index.js'
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
