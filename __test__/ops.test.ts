/** Elementwise operations and reductions: values against plain JavaScript, derivatives against finite differences. */
import test from 'ava'
import {
  ArgumentError,
  add,
  clip,
  DTypeError,
  grad,
  greater,
  lessEqual,
  type NestedArray,
  pow,
  ShapeError,
  sub,
  type Tensor,
  tensor,
  UnknownNameError,
  where,
  zeros,
} from '../ts/index.js'
import { checkGradient, close, equals, sample } from './helpers.js'

const roundEven = (x: number) => {
  const below = Math.floor(x)
  if (x - below !== 0.5) return Math.round(x)
  return below % 2 === 0 ? below : below + 1
}
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** Integral of f from a to b by Simpson's rule. */
function integral(f: (x: number) => number, a: number, b: number): number {
  const n = 2000
  const h = (b - a) / n
  let sum = f(a) + f(b)
  for (let i = 1; i < n; i++) sum += f(a + i * h) * (i % 2 === 1 ? 4 : 2)
  return (sum * h) / 3
}
const erf = (x: number) => (2 / Math.sqrt(Math.PI)) * integral((u) => Math.exp(-u * u), 0, x)

/** ln gamma by Stirling's series, after moving the argument up. */
function lgamma(x: number): number {
  if (x < 12) return lgamma(x + 1) - Math.log(x)
  const y = 1 / (x * x)
  const series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y / 1680))) / x
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series
}
function digamma(x: number): number {
  if (x < 12) return digamma(x + 1) - 1 / x
  const y = 1 / (x * x)
  return Math.log(x) - 1 / (2 * x) - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y / 240)))
}

const seluAlpha = 1.6732632423543772
const seluScale = 1.0507009873554805
const elu = (x: number, alpha: number) => (x > 0 ? x : alpha * Math.expm1(x))

interface UnaryCase {
  op: (x: Tensor) => Tensor
  at: (x: number) => number
  low: number
  high: number
  /** Not differentiated twice (or once) if the domain has kinks. */
  smooth?: boolean
}

const unary: Record<string, UnaryCase> = {
  neg: { op: (x) => x.neg(), at: (x) => -x, low: -3, high: 3 },
  abs: { op: (x) => x.abs(), at: Math.abs, low: -3, high: 3 },
  sign: { op: (x) => x.sign(), at: Math.sign, low: -3, high: 3 },
  exp: { op: (x) => x.exp(), at: Math.exp, low: -2, high: 2 },
  expm1: { op: (x) => x.expm1(), at: Math.expm1, low: -2, high: 2 },
  log: { op: (x) => x.log(), at: Math.log, low: 0.3, high: 3 },
  log1p: { op: (x) => x.log1p(), at: Math.log1p, low: -0.6, high: 3 },
  sqrt: { op: (x) => x.sqrt(), at: Math.sqrt, low: 0.3, high: 3 },
  rsqrt: { op: (x) => x.rsqrt(), at: (x) => 1 / Math.sqrt(x), low: 0.3, high: 3 },
  sin: { op: (x) => x.sin(), at: Math.sin, low: -3, high: 3 },
  cos: { op: (x) => x.cos(), at: Math.cos, low: -3, high: 3 },
  tanh: { op: (x) => x.tanh(), at: Math.tanh, low: -2, high: 2 },
  sigmoid: { op: (x) => x.sigmoid(), at: sigmoid, low: -3, high: 3 },
  softplus: { op: (x) => x.softplus(), at: softplus, low: -3, high: 3 },
  'softplus of beta 2': {
    op: (x) => x.softplus({ beta: 2, threshold: 3 }),
    at: (x) => (2 * x > 3 ? x : softplus(2 * x) / 2),
    low: -3,
    high: 3,
  },
  erf: { op: (x) => x.erf(), at: erf, low: -2, high: 2 },
  reciprocal: { op: (x) => x.reciprocal(), at: (x) => 1 / x, low: 0.3, high: 3 },
  floor: { op: (x) => x.floor(), at: Math.floor, low: -3, high: 3 },
  ceil: { op: (x) => x.ceil(), at: Math.ceil, low: -3, high: 3 },
  round: { op: (x) => x.round(), at: roundEven, low: -3, high: 3 },
  lgamma: { op: (x) => x.lgamma(), at: lgamma, low: 0.5, high: 5 },
  digamma: { op: (x) => x.digamma(), at: digamma, low: 0.5, high: 5 },
  square: { op: (x) => x.square(), at: (x) => x * x, low: -3, high: 3 },
  relu: { op: (x) => x.relu(), at: (x) => Math.max(0, x), low: -3, high: 3 },
  leakyRelu: { op: (x) => x.leakyRelu(0.2), at: (x) => (x > 0 ? x : 0.2 * x), low: -3, high: 3 },
  elu: { op: (x) => x.elu(0.5), at: (x) => elu(x, 0.5), low: -3, high: 3 },
  selu: { op: (x) => x.selu(), at: (x) => seluScale * elu(x, seluAlpha), low: -3, high: 3 },
  gelu: { op: (x) => x.gelu(), at: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)), low: -3, high: 3 },
  'gelu by tanh': {
    op: (x) => x.gelu({ approximate: true }),
    at: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    low: -3,
    high: 3,
  },
  silu: { op: (x) => x.silu(), at: (x) => x * sigmoid(x), low: -3, high: 3 },
  logSigmoid: { op: (x) => x.logSigmoid(), at: (x) => -softplus(-x), low: -3, high: 3 },
  'pow 2': { op: (x) => x.pow(2), at: (x) => x ** 2, low: -3, high: 3 },
  'pow 3': { op: (x) => x.pow(3), at: (x) => x ** 3, low: -3, high: 3 },
  'pow 1': { op: (x) => x.pow(1), at: (x) => x, low: -3, high: 3 },
  'pow 0': { op: (x) => x.pow(0), at: () => 1, low: -3, high: 3 },
  'pow 0.5': { op: (x) => x.pow(0.5), at: Math.sqrt, low: 0.3, high: 3 },
  'pow -0.5': { op: (x) => x.pow(-0.5), at: (x) => x ** -0.5, low: 0.3, high: 3 },
  'pow -1': { op: (x) => x.pow(-1), at: (x) => 1 / x, low: 0.3, high: 3 },
  'pow 1.7': { op: (x) => x.pow(1.7), at: (x) => x ** 1.7, low: 0.3, high: 3 },
  '2 to the power': { op: (x) => pow(2, x), at: (x) => 2 ** x, low: -2, high: 2 },
  clip: { op: (x) => x.clip(-1, 1.5), at: (x) => Math.min(1.5, Math.max(-1, x)), low: -3, high: 3 },
  'clip below': { op: (x) => x.clip(null, 0.5), at: (x) => Math.min(0.5, x), low: -3, high: 3 },
  'a number on the left': { op: (x) => sub(2, x), at: (x) => 2 - x, low: -3, high: 3 },
  stopGradient: { op: (x) => x.add(x.stopGradient().mul(0)), at: (x) => x, low: -3, high: 3 },
}

for (const [name, { op, at, low, high }] of Object.entries(unary)) {
  test(`${name}: value, first and second derivative`, async (t) => {
    const x = sample([3, 4], low, high)
    const values = [...x.dataSync()].map((v) => at(Number(v)))
    close(t, [...((await op(x).data()) as Float64Array)], values, 1e-9)
    checkGradient(t, op, [x])
    const single = x.cast('float32')
    close(t, [...((await op(single).data()) as Float32Array)], values, 2e-6)
  })
}

const binary: Record<string, { op: (a: Tensor, b: Tensor) => Tensor; at: (a: number, b: number) => number }> =
  {
    add: { op: (a, b) => a.add(b), at: (a, b) => a + b },
    sub: { op: (a, b) => a.sub(b), at: (a, b) => a - b },
    mul: { op: (a, b) => a.mul(b), at: (a, b) => a * b },
    div: { op: (a, b) => a.div(b), at: (a, b) => a / b },
    pow: { op: (a, b) => a.pow(b), at: (a, b) => a ** b },
    rem: { op: (a, b) => a.rem(b), at: (a, b) => a - b * Math.floor(a / b) },
    maximum: { op: (a, b) => a.maximum(b), at: Math.max },
    minimum: { op: (a, b) => a.minimum(b), at: Math.min },
    equal: { op: (a, b) => a.equal(b), at: (a, b) => Number(a === b) },
    notEqual: { op: (a, b) => a.notEqual(b), at: (a, b) => Number(a !== b) },
    less: { op: (a, b) => a.less(b), at: (a, b) => Number(a < b) },
    lessEqual: { op: (a, b) => a.lessEqual(b), at: (a, b) => Number(a <= b) },
    greater: { op: (a, b) => a.greater(b), at: (a, b) => Number(a > b) },
    greaterEqual: { op: (a, b) => a.greaterEqual(b), at: (a, b) => Number(a >= b) },
    where: { op: (a, b) => where(a.less(b), a.mul(2), b), at: (a, b) => (a < b ? 2 * a : b) },
  }

const isComparison = (name: string) => /qual|less|greater/.test(name)

for (const [name, { op, at }] of Object.entries(binary)) {
  test(`${name}: value with broadcasting, numbers on either side, derivatives`, async (t) => {
    const a = sample([2, 1, 3], 0.4, 2.5, 1)
    const b = sample([4, 1], 0.4, 2.5, 2)
    const [p, q] = [[...a.dataSync()].map(Number), [...b.dataSync()].map(Number)]
    const expected = [0, 1].map((i) => q.map((y) => [0, 1, 2].map((k) => at(p[3 * i + k] as number, y))))
    await equals(t, op(a, b), expected)
    const half = tensor(0.5, { dtype: 'float64' })
    await equals(
      t,
      op(b, half),
      q.map((y) => [at(y, 0.5)]),
    )
    if (!isComparison(name)) checkGradient(t, op, [a, b])
  })
}

test('comparisons with a number on the left', async (t) => {
  const x = tensor([1, 2, 3])
  await equals(t, greater(2, x), [1, 0, 0])
  await equals(t, lessEqual(2, x), [0, 1, 1])
  await equals(t, x.greater(2), [0, 0, 1])
  await equals(t, add(1, 2), 3)
})

test('integers: arithmetic, comparisons and sign', async (t) => {
  const x = tensor([-7, 0, 5], { dtype: 'int32' })
  await equals(t, x.div(2), [-4, 0, 2])
  await equals(t, x.rem(3), [2, 0, 2])
  await equals(t, x.abs(), [7, 0, 5])
  await equals(t, x.neg(), [7, -0, -5])
  await equals(t, x.sign(), [-1, 0, 1])
  await equals(t, x.floor(), [-7, 0, 5])
  await equals(t, x.relu(), [0, 0, 5])
  await equals(t, x.square(), [49, 0, 25])
  await equals(t, x.pow(3), [-343, 0, 125])
  t.is(x.add(1).dtype, 'int32')
  t.throws(() => x.mul(0.5), { instanceOf: DTypeError, message: /cast/ })
  t.throws(() => x.exp(), { instanceOf: DTypeError, message: /cast/ })
})

test('logic', async (t) => {
  const a = tensor([true, true, false, false])
  const b = tensor([1, 0, 2, 0])
  await equals(t, a.logicalAnd(b), [1, 0, 0, 0])
  await equals(t, a.logicalOr(b), [1, 1, 1, 0])
  await equals(t, a.logicalNot(), [0, 0, 1, 1])
  await equals(t, b.logicalNot(), [0, 1, 0, 1])
  t.is(a.logicalAnd(b).dtype, 'bool')
})

test('NaN and infinity are recognized', async (t) => {
  const x = tensor([1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  await equals(t, x.isNaN(), [0, 1, 0, 0])
  await equals(t, x.isFinite(), [1, 0, 0, 0])
  await equals(t, tensor([1], { dtype: 'int32' }).isFinite(), [1])
})

test('NaN passes through maximum, max and relu', async (t) => {
  const x = tensor([1, Number.NaN])
  await equals(t, x.maximum(0), [1, Number.NaN])
  await equals(t, x.max(), Number.NaN)
  await equals(t, x.relu(), [1, Number.NaN])
})

test('casts', async (t) => {
  const x = tensor([-1.7, 0, 2.9])
  await equals(t, x.cast('int32'), [-1, 0, 2])
  await equals(t, x.cast('bool'), [1, 0, 1])
  await equals(t, x.cast('float64').cast('int64'), [-1, 0, 2])
  t.throws(() => x.cast('float16' as never), { instanceOf: UnknownNameError })
  checkGradient(t, (a) => a.cast('float64').square(), [sample([3])])
})

test('operands that do not fit are refused', (t) => {
  t.throws(() => tensor([1, 2]).add(tensor([1, 2, 3])), { instanceOf: ShapeError })
  t.throws(() => tensor([1]).add(tensor([1], { dtype: 'int32' })), { instanceOf: DTypeError })
  t.throws(() => tensor([1]).add('1' as never), { instanceOf: ArgumentError, message: /expected a Tensor/ })
  t.throws(() => clip([1] as never, 0, 1), { instanceOf: ArgumentError })
  t.throws(() => where(tensor([1]), 1, 2), { instanceOf: DTypeError })
  t.throws(() => tensor([1]).softplus({ beta: 0 }), { instanceOf: ArgumentError })
})

// Reductions: each as a function of the list of elements.
const total = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
const average = (list: readonly number[]) => total(list) / list.length
const spread = (list: readonly number[], correction: number) =>
  total(list.map((x) => (x - average(list)) ** 2)) / (list.length - correction)

type Reduce = (x: Tensor, axes?: number | number[], options?: { keepDims?: boolean }) => Tensor

const reductions: Record<string, { op: Reduce; at: (list: readonly number[]) => number }> = {
  sum: { op: (x, a, o) => x.sum(a, o), at: total },
  mean: { op: (x, a, o) => x.mean(a, o), at: average },
  max: { op: (x, a, o) => x.max(a, o), at: (list) => Math.max(...list) },
  min: { op: (x, a, o) => x.min(a, o), at: (list) => Math.min(...list) },
  prod: { op: (x, a, o) => x.prod(a, o), at: (list) => list.reduce((a, b) => a * b, 1) },
  variance: { op: (x, a, o) => x.variance(a, o), at: (list) => spread(list, 0) },
  'unbiased variance': {
    op: (x, a, o) => x.variance(a, { ...o, correction: 1 }),
    at: (list) => spread(list, 1),
  },
  std: { op: (x, a, o) => x.std(a, { ...o, correction: 1 }), at: (list) => Math.sqrt(spread(list, 1)) },
  logSumExp: { op: (x, a, o) => x.logSumExp(a, o), at: (list) => Math.log(total(list.map(Math.exp))) },
  norm: { op: (x, a, o) => x.norm({ ...axesOf(a), ...o }), at: (list) => Math.hypot(...list) },
  'norm 1': {
    op: (x, a, o) => x.norm({ ord: 1, ...axesOf(a), ...o }),
    at: (list) => total(list.map(Math.abs)),
  },
  'norm 3': {
    op: (x, a, o) => x.norm({ ord: 3, ...axesOf(a), ...o }),
    at: (list) => Math.cbrt(total(list.map((x) => Math.abs(x) ** 3))),
  },
  'norm infinity': {
    op: (x, a, o) => x.norm({ ord: Number.POSITIVE_INFINITY, ...axesOf(a), ...o }),
    at: (list) => Math.max(...list.map(Math.abs)),
  },
}

function axesOf(axes: number | number[] | undefined): { axes?: number | number[] } {
  return axes === undefined ? {} : { axes }
}

for (const [name, { op, at }] of Object.entries(reductions)) {
  test(`${name}: axes, keepDims and derivatives`, async (t) => {
    const x = sample([2, 3, 4], -2, 2)
    const v = [...x.dataSync()].map(Number)
    const pick = (i: number, j: number, k: number) => v[12 * i + 4 * j + k] as number
    const along = (n: number) => Array.from({ length: n }, (_, i) => i)
    await equals(t, op(x), at(v))
    const middle = along(2).map((i) => along(4).map((k) => at(along(3).map((j) => pick(i, j, k)))))
    await equals(t, op(x, 1), middle)
    await equals(t, op(x, -2), middle)
    const outer = along(3).map((j) => [at(along(2).flatMap((i) => along(4).map((k) => pick(i, j, k))))])
    await equals(t, op(x, [2, 0], { keepDims: true }), [outer] as NestedArray)
    checkGradient(t, (a) => op(a, [0, -1]), [x])
    t.throws(() => op(x, 3), { instanceOf: ShapeError, message: /axis 3/ })
    t.throws(() => op(x, [0, -3]), { instanceOf: ShapeError, message: /twice/ })
  })
}

test('sums of bool and uint8 do not overflow, and means of integers are floats', async (t) => {
  const x = tensor(new Uint8Array(300).fill(200))
  t.is(await x.sum().item(), 60000)
  t.is(x.sum().dtype, 'int64')
  t.is(await tensor([true, false, true]).sum().item(), 2)
  close(t, await tensor([1, 2], { dtype: 'int32' }).mean().item(), 1.5)
  close(t, await tensor([1, 2], { dtype: 'int32' }).variance().item(), 0.25)
})

test('reductions of nothing', async (t) => {
  const x = tensor(new Float32Array(0), { shape: [0, 2] })
  await equals(t, x.sum(0), [0, 0])
  await equals(t, x.prod(0), [1, 1])
  await equals(t, x.any(0), [0, 0])
  await equals(t, x.all(0), [1, 1])
  t.throws(() => x.max(0), { instanceOf: ShapeError, message: /empty/ })
})

test('any and all', async (t) => {
  const x = tensor([
    [0, 1],
    [2, 3],
  ])
  await equals(t, x.any(1), [1, 1])
  await equals(t, x.all(1), [0, 1])
  await equals(t, x.all(1, { keepDims: true }), [[0], [1]])
})

test('extrema of bool are any and all, and of nothing there are none', async (t) => {
  const x = tensor([
    [false, true],
    [true, true],
    [false, false],
  ])
  for (const extremum of [x.max(1), x.min(1), x.max(), x.min()]) t.is(extremum.dtype, 'bool')
  await equals(t, x.max(1), [1, 1, 0])
  await equals(t, x.min(1, { keepDims: true }), [[0], [1], [0]])
  await equals(t, x.max(), 1)
  await equals(t, x.min(), 0)
  t.throws(() => zeros([0, 2], { dtype: 'bool' }).max(0), { instanceOf: ShapeError, message: /max: .*empty/ })
})

test('argMax and argMin give the first of equals', async (t) => {
  const x = tensor([
    [1, 5, 5],
    [7, 2, 2],
  ])
  await equals(t, x.argMax(1), [1, 0])
  await equals(t, x.argMin(-1), [0, 1])
  await equals(t, x.argMax(), 3)
  await equals(t, x.argMax(0, { keepDims: true }), [[1, 0, 0]])
  await equals(t, tensor(Uint8Array.of(3, 0, 9)).argMin(), 1)
  t.is(x.argMax(1).dtype, 'int32')
})

test('products are differentiable where elements are zero', (t) => {
  const x = tensor(Float64Array.of(2, 0, 3, 0, 0, 4, 5), { shape: [7] })
  checkGradient(t, (a) => a.prod(), [tensor(Float64Array.of(2, 0, 3))])
  checkGradient(t, (a) => a.prod(), [x])
  checkGradient(t, (a) => a.cumprod(), [tensor(Float64Array.of(2, 0, 3, 0, 1.5))])
})

test('gradients at zero norm, zero spread and zero distance are zero', async (t) => {
  const zero = tensor(Float64Array.of(0, 0))
  await equals(t, grad((x: Tensor) => x.norm())(zero), [0, 0])
  await equals(t, grad((x: Tensor) => x.norm({ ord: 3 }))(zero), [0, 0])
  await equals(t, grad((x: Tensor) => x.std())(tensor(Float64Array.of(3, 3))), [0, 0])
  await equals(t, grad((x: Tensor) => x.normalize().sum())(zero.reshape([1, 2])), [[1e12, 1e12]])
  await equals(t, grad((x: Tensor) => x.cdist().sum())(tensor(Float64Array.of(1, 1), { shape: [2, 1] })), [
    [0],
    [0],
  ])
})

test('logSumExp and logSoftmax do not overflow, and minus infinity is no NaN', async (t) => {
  await equals(t, tensor(Float64Array.of(1000, 1000)).logSumExp(), 1000 + Math.LN2)
  const none = tensor(Float64Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY))
  await equals(t, none.logSumExp(), Number.NEGATIVE_INFINITY)
  await equals(t, grad((x: Tensor) => x.logSumExp())(none), [0, 0])
  await equals(t, tensor(Float64Array.of(0, -1000)).logSoftmax(), [0, -1000])
  await equals(t, tensor(Float64Array.of(1000, 0)).softmax(), [1, 0])
})

test('cumsum and cumprod', async (t) => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
  await equals(t, x.cumsum(1), [
    [1, 3, 6],
    [4, 9, 15],
  ])
  await equals(t, x.cumsum(0, { reverse: true }), [
    [5, 7, 9],
    [4, 5, 6],
  ])
  await equals(t, x.cumprod(-1), [
    [1, 2, 6],
    [4, 20, 120],
  ])
  checkGradient(t, (a) => a.cumsum(0).square(), [sample([3, 2])])
  checkGradient(t, (a) => a.cumprod(0), [sample([5, 2])])
})

test('softmax, logSoftmax, layerNorm and normalize', async (t) => {
  const x = sample([2, 4], -2, 2)
  const v = [...x.dataSync()].map(Number)
  const rows = [v.slice(0, 4), v.slice(4)]
  const soft = rows.map((row) => row.map((a) => Math.exp(a) / total(row.map(Math.exp))))
  await equals(t, x.softmax(), soft)
  await equals(
    t,
    x.logSoftmax(-1),
    soft.map((row) => row.map(Math.log)),
  )
  await equals(
    t,
    x.layerNorm(1, null, null, 1e-5),
    rows.map((row) => row.map((a) => (a - average(row)) / Math.sqrt(spread(row, 0) + 1e-5))),
  )
  await equals(
    t,
    x.normalize(),
    rows.map((row) => row.map((a) => a / Math.hypot(...row))),
  )
  for (const axis of [0, 1]) {
    checkGradient(t, (a) => a.softmax(axis), [x])
    checkGradient(t, (a) => a.logSoftmax(axis), [x])
    checkGradient(t, (a) => a.normalize(axis), [x])
  }
  checkGradient(t, (a, w, b) => a.layerNorm(1, w, b), [x, sample([4], 0.5, 1.5, 2), sample([4], -1, 1, 3)])
  t.throws(() => x.layerNorm(3), { instanceOf: ShapeError })
})
