import test from 'ava'
import { ArgumentError, DataError, DeviceError, ShapeError, UnknownNameError } from '../ts/core/errors.js'
import { grad } from '../ts/core/transforms.js'
import {
  CKA,
  deltaKernel,
  Estimator,
  gaussianKernel,
  HSIC,
  type HSICOptions,
  hsicLoss,
  imqKernel,
  kernelMatrix,
  laplacianKernel,
  linearKernel,
  medianSigma,
  polynomialKernel,
} from '../ts/estimators/index.js'
import { ones, type Tensor, tensor } from '../ts/ops/tensor.js'
import { close, numericalGradient, sample } from './close.js'

const n = 8
const x = sample([n, 3], 1)
const y = sample([n, 2], 2).add(x.slice([0, 0], [n, 2]))

type Matrix = number[][]
const rowsOf = (v: Tensor): Matrix => v.arraySync() as Matrix
const gram = (rows: Matrix, k: (a: number[], b: number[]) => number): Matrix =>
  rows.map((a) => rows.map((b) => k(a, b)))
const squared = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + (v - (b[i] as number)) ** 2, 0)
const gaussian = (sigma: number) => (a: number[], b: number[]) => Math.exp(-squared(a, b) / (2 * sigma ** 2))
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) =>
    (b[0] as number[]).map((_, j) =>
      row.reduce((sum, v, k) => sum + v * ((b[k] as number[])[j] as number), 0),
    ),
  )
const trace = (a: Matrix) => a.reduce((sum, row, i) => sum + (row[i] as number), 0)
const centering = (m: number): Matrix =>
  Array.from({ length: m }, (_, i) => Array.from({ length: m }, (_, j) => Number(i === j) - 1 / m))

/** tr(K H L H), product by product. */
function traceKHLH(k: Matrix, l: Matrix): number {
  const h = centering(k.length)
  return trace(times(times(times(k, h), l), h))
}

test('HSIC is tr(KHLH)/(n-1)^2, and its variants differ by the scale', (t) => {
  const value = traceKHLH(gram(rowsOf(x), gaussian(1.3)), gram(rowsOf(y), gaussian(1.3)))
  const hsic = (options: Partial<HSICOptions>) => new HSIC({ sigma: 1.3, ...options }).criterion(x, y)
  close(t, hsic({}), [value / (n - 1) ** 2], 1e-12)
  close(t, hsic({ estimator: 'biasedN2' }), [value / n ** 2], 1e-12)
  close(t, hsic({ estimator: 'pyglow' }), [value / (n - 1)], 1e-12)
})

test('the unbiased estimator is the three-term formula of Song et al.', (t) => {
  const hollow = (m: Matrix) => m.map((row, i) => row.map((v, j) => (i === j ? 0 : v)))
  const k = hollow(gram(rowsOf(x), gaussian(1.3)))
  const l = hollow(gram(rowsOf(y), gaussian(0.7)))
  const sum = (m: Matrix) => m.flat().reduce((a, b) => a + b, 0)
  const want =
    (trace(times(k, l)) + (sum(k) * sum(l)) / ((n - 1) * (n - 2)) - (2 / (n - 2)) * sum(times(k, l))) /
    (n * (n - 3))
  close(t, new HSIC({ sigma: 1.3, sigmaY: 0.7, estimator: 'unbiased' }).criterion(x, y), [want], 1e-12)
})

test('kernel matrices', (t) => {
  const rows = rowsOf(x)
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0)
  const l1 = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + Math.abs(v - (b[i] as number)), 0)
  for (const [kernel, k] of [
    [gaussianKernel({ sigma: 1.3 }), gaussian(1.3)],
    [gaussianKernel({ sigma: 5, scaleSqrtD: true }), gaussian(5 * Math.sqrt(3))],
    [laplacianKernel({ sigma: 1.7 }), (a: number[], b: number[]) => Math.exp(-l1(a, b) / 1.7)],
    [linearKernel(), dot],
    [polynomialKernel({ gamma: 0.5 }), (a: number[], b: number[]) => (0.5 * dot(a, b) + 1) ** 3],
    [imqKernel({ c: 1.2 }), (a: number[], b: number[]) => 1 / Math.sqrt(1.44 + squared(a, b))],
    [deltaKernel(), (a: number[], b: number[]) => Number(squared(a, b) === 0)],
  ] as const) {
    close(t, kernelMatrix(kernel, x), gram(rows, k).flat(), 1e-12)
    close(
      t,
      new HSIC({ kernel }).criterion(x, y),
      [
        traceKHLH(
          gram(rows, k),
          gram(
            rowsOf(y),
            kernel.name === 'gaussian' && kernel.params.scaleSqrtD ? gaussian(5 * Math.SQRT2) : k,
          ),
        ) /
          (n - 1) ** 2,
      ],
      1e-11,
    )
  }
})

test('several widths average their kernels', (t) => {
  const one = (sigma: number) => kernelMatrix(gaussianKernel({ sigma }), x)
  const want = one(1).add(one(5)).div(2).dataSync() as Float64Array
  close(t, kernelMatrix(gaussianKernel({ sigma: [1, 5] }), x), want)
})

test('the median heuristic takes the middle of all pair distances', (t) => {
  const line = tensor([0, 1, 3, 7], { shape: [4, 1], dtype: 'float64' })
  close(t, medianSigma(line), [(3 + 4) / 2]) // distances 1 2 3 4 6 7
  close(t, medianSigma(tensor([0, 1, 3], { shape: [3, 1], dtype: 'float64' })), [2])
  const ties = tensor([0, 0, 0, 0, 5], { shape: [5, 1], dtype: 'float64' })
  close(t, medianSigma(ties), [5])
  close(t, medianSigma(ones([4, 2], { dtype: 'float64' })), [1])
  const own = new HSIC({ sigma: 'median' }).criterion(x, y).itemSync()
  const fixed = new HSIC({ sigma: medianSigma(x).itemSync(), sigmaY: medianSigma(y).itemSync() })
  close(t, fixed.criterion(x, y), [own])
})

test('nHSIC is tr(Kc (Kc + eps n I)^-1 Lc (Lc + eps n I)^-1)', (t) => {
  const h = centering(n)
  const regularized = (k: Matrix): Matrix => {
    const centered = times(times(h, k), h)
    const shifted = centered.map((row, i) => row.map((v, j) => v + (i === j ? 0.01 * n : 0)))
    return times(centered, inverse(shifted))
  }
  const want = trace(
    times(regularized(gram(rowsOf(x), gaussian(1.3))), regularized(gram(rowsOf(y), gaussian(1.3)))),
  )
  close(t, new HSIC({ sigma: 1.3, variant: 'nHSIC', epsilon: 0.01 }).criterion(x, y), [want], 1e-10)
})

/** Gauss-Jordan elimination; enough for small positive definite matrices. */
function inverse(a: Matrix): Matrix {
  const m = a.map((row, i) => [...row, ...row.map((_, j) => Number(i === j))])
  m.forEach((pivot, i) => {
    const scale = pivot[i] as number
    for (let j = 0; j < pivot.length; j++) pivot[j] = (pivot[j] as number) / scale
    m.forEach((row, k) => {
      if (k === i) return
      const factor = row[i] as number
      for (let j = 0; j < row.length; j++) row[j] = (row[j] as number) - factor * (pivot[j] as number)
    })
  })
  return m.map((row) => row.slice(a.length))
}

test('CKA of a rotated and scaled copy is 1, of a constant 0', (t) => {
  const cka = new CKA()
  const turn = tensor([0, 1, 0, 0, 0, 1, 1, 0, 0], { shape: [3, 3], dtype: 'float64' })
  close(t, cka.criterion(x, x.matmul(turn).mul(3)), [1], 1e-12)
  close(t, cka.criterion(x, ones([n, 2], { dtype: 'float64' })), [0])
})

test('a constant tells nothing', (t) => {
  const constant = ones([n, 2], { dtype: 'float64' })
  for (const variant of ['plain', 'nHSIC'] as const) {
    close(t, new HSIC({ sigma: 1, variant }).criterion(x, constant), [0], 1e-12)
  }
})

test('gradients agree with finite differences in both arguments', (t) => {
  for (const options of [
    { sigma: 1.3 },
    { sigma: 1.3, estimator: 'unbiased' },
    { sigma: 1.3, kernel: 'laplacian' },
    { kernel: 'imq' },
    { kernel: 'polynomial', gamma: 0.5 },
    { kernel: 'linear' },
    { sigma: 5, scaleSqrtD: true, variant: 'nHSIC', epsilon: 1e-3 },
    { sigma: [1, 2] },
  ] as HSICOptions[]) {
    const hsic = new HSIC(options)
    const inX = (v: Tensor) => hsic.criterion(v, y)
    const inY = (v: Tensor) => hsic.criterion(x, v)
    close(t, grad(inX)(x), numericalGradient(inX, x), 1e-6)
    close(t, grad(inY)(y), numericalGradient(inY, y), 1e-6)
  }
})

test('float32 keeps its digits for a kernel 1,000 times wider than the data', (t) => {
  const hsic = new HSIC({ sigma: 1000 })
  const exact = hsic.criterion(x, y).itemSync()
  const single = hsic.criterion(x.cast('float32'), y.cast('float32')).itemSync()
  t.true(Math.abs(single / exact - 1) < 1e-5, `${single} against ${exact}`)
})

test('labels are compared as classes, not as numbers', (t) => {
  const labels = tensor(Int32Array.from([0, 1, 9, 2, 0, 1, 9, 2]))
  const hot = labels.oneHot(10).cast('float64')
  for (const options of [
    { sigma: 1.3 },
    { sigma: 1.3, kernelY: 'linear' },
    { sigma: 1.3, kernelY: 'delta' },
  ] as HSICOptions[]) {
    const hsic = new HSIC(options)
    close(t, hsic.criterion(x, labels), [hsic.criterion(x, hot).itemSync()], 1e-6)
  }
})

test('a segment gives one pair per layer, equal to separate calls', (t) => {
  const hidden = [sample([n, 2, 4], 3), sample([n, 5], 4)]
  const image = sample([n, 1, 2, 2], 5)
  for (const variant of ['plain', 'nHSIC'] as const) {
    const hsic = new HSIC({ sigma: 2, variant })
    const pairs = hsic.evaluateSegment([image, ...hidden, y])
    t.is(pairs.length, 2)
    pairs.forEach(([hx, hy], index) => {
      const h = hidden[index] as Tensor
      close(t, hx as Tensor, [hsic.criterion(h, image).itemSync()])
      close(t, hy as Tensor, [hsic.criterion(h, y).itemSync()])
    })
  }
  t.throws(() => new HSIC({ sigma: 1 }).evaluateSegment([x, y]), { instanceOf: ArgumentError })
})

class Correlation extends Estimator {
  criterion(a: Tensor, b: Tensor) {
    return a.sub(a.mean()).mul(b.sub(b.mean())).mean()
  }
}

test('an own criterion serves as estimator and as loss', async (t) => {
  const correlation = new Correlation()
  t.is(await correlation.estimate([1, 2, 3], [2, 4, 6]), 4 / 3)
  const h = sample([n, 3], 6)
  close(t, correlation.evaluateSegment([x, h, x])[0]?.[0] as Tensor, [correlation.criterion(h, x).itemSync()])
  const loss = hsicLoss(h, x, x, correlation, 3)
  close(t, loss, [-2 * correlation.criterion(h, x).itemSync()])
})

test('estimate takes plain arrays', async (t) => {
  const hsic = new HSIC({ sigma: 1.3 })
  const value = await hsic.estimate(rowsOf(x), rowsOf(y))
  close(t, [value], [hsic.criterion(x, y).itemSync()])
  t.deepEqual(hsic.params, { sigma: 1.3 })
})

test('wrong options are refused at construction', (t) => {
  const missing = t.throws(() => new HSIC({ kernel: 'gaussian' }), { instanceOf: ArgumentError })
  t.regex(missing.message, /sigma is missing/)
  t.throws(() => new HSIC({ sigma: 0 }), { instanceOf: ArgumentError })
  t.throws(() => new HSIC({ sigma: -1 }), { instanceOf: ArgumentError })
  t.throws(() => new HSIC({ sigma: [] }), { instanceOf: ArgumentError })
  t.throws(() => new HSIC({ kernel: 'gausian' as 'gaussian', sigma: 1 }), { instanceOf: UnknownNameError })
  t.throws(() => new HSIC({ sigma: 1, sigmma: 2 } as HSICOptions), { instanceOf: UnknownNameError })
  t.throws(() => new HSIC({ sigma: 1, estimator: 'fair' as 'biased' }), { instanceOf: UnknownNameError })
  t.throws(() => new HSIC({ sigma: 1, device: 'cuda' }), { instanceOf: DeviceError })
  t.notThrows(() => new HSIC({ kernel: 'linear' }))
})

test('options that the chosen kernels do not have are refused', (t) => {
  const refused: [HSICOptions, RegExp][] = [
    [{ kernel: 'linear', sigma: 5 }, /sigma: given 5, .* 'linear'.* choose 'gaussian' or 'laplacian'/],
    [{ kernel: 'delta', scaleSqrtD: true }, /scaleSqrtD/],
    [{ sigma: 5, degree: 2 }, /degree: .* choose 'polynomial'/],
    [{ sigma: 5, kernelY: 'delta', sigmaY: 2 }, /sigmaY: .* kernelY 'delta'/],
    [{ kernel: gaussianKernel({ sigma: 1 }), sigma: 2 }, /the given gaussian/],
    [{ sigma: 5, epsilon: 1e-3 }, /epsilon: given 0.001, which only nHSIC has/],
    [{ sigma: 5, precision: 'float32' }, /precision/],
  ]
  for (const [options, message] of refused) {
    t.throws(() => new HSIC(options), { instanceOf: ArgumentError, message })
  }
  t.notThrows(
    () => new HSIC({ kernel: 'linear', kernelY: 'laplacian', sigmaY: 1, sigma: 2, scaleSqrtD: false }),
  )
})

test('too few or unequal samples are refused', (t) => {
  const hsic = new HSIC({ sigma: 1 })
  t.throws(() => hsic.criterion(sample([1, 3]), sample([1, 2])), { instanceOf: DataError })
  t.throws(() => hsic.criterion(sample([4, 3]), sample([5, 2])), { instanceOf: ShapeError })
  const unbiased = new HSIC({ sigma: 1, estimator: 'unbiased' })
  t.throws(() => unbiased.criterion(sample([3, 3]), sample([3, 2])), { instanceOf: DataError })
})

test('the unbiased estimate of correlated normals is the population value to its sampling error', (t) => {
  // Box-Muller on a fixed sequence; population HSIC of a bivariate normal with unit kernels, as in the closed form.
  const m = 400
  const r = 0.8
  let seed = 12345
  const next = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return (seed + 0.5) / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next())
  const a = Float64Array.from({ length: m }, normal)
  const b = a.map((v) => r * v + Math.sqrt(1 - r * r) * normal())
  const column = (values: Float64Array) => tensor(values, { shape: [m, 1] })
  const c = 1 + 2
  const population =
    (c * c - 4 * r * r) ** -0.5 + 1 / c - 2 * (2 * 2) ** -0.5 * ((1 + 1 / 2) ** 2 - (r * r) / 4) ** -0.5
  const value = new HSIC({ sigma: 1, estimator: 'unbiased' }).criterion(column(a), column(b)).itemSync()
  t.true(Math.abs(value - population) < 0.015, `${value} against ${population}`)
})

test('nHSIC of float32 has the values and gradients of float64', (t) => {
  // 33 samples and a ridge of 1e-5: the inverse is worse than the rounding of a float32 kernel matrix allows.
  const [p, q] = [sample([33, 3], 1), sample([33, 2], 2)]
  const measure = new HSIC({ sigma: 2, variant: 'nHSIC', epsilon: 1e-5 })
  const of = (x: Tensor, y: Tensor) => grad((z: Tensor) => measure.criterion(z, y))(x)
  const [x32, y32] = [p.cast('float32'), q.cast('float32')]
  const [exact, single] = [of(x32.cast('float64'), y32.cast('float64')), of(x32, y32)]
  t.is(single.dtype, 'float32')
  const size = Math.sqrt(exact.square().mean().itemSync())
  close(t, single.cast('float64').div(size), exact.div(size).dataSync() as Float64Array, 1e-6)
  close(
    t,
    [measure.criterion(x32, y32).itemSync()],
    [measure.criterion(x32.cast('float64'), y32.cast('float64')).itemSync()],
    1e-6,
  )
})

test('nHSIC computed in float32 has three digits, and the dtype of the data', (t) => {
  const [p, q] = [sample([200, 6], 1), sample([200, 2], 2)]
  const options = { sigma: 5, scaleSqrtD: true, variant: 'nHSIC' } as const
  const [exact, quick] = [new HSIC(options), new HSIC({ ...options, precision: 'float32' })]
  const of = (measure: HSIC) => (z: Tensor) => measure.criterion(z, q)
  const [a, b] = [of(exact)(p).itemSync(), of(quick)(p).itemSync()]
  t.true(Math.abs(b / a - 1) < 1e-3, `${b} against ${a}`)
  t.is(quick.criterion(p, q).dtype, 'float64')
  t.is(quick.criterion(p.cast('float32'), q.cast('float32')).dtype, 'float32')
  const [slope, other] = [grad(of(exact))(p), grad(of(quick))(p)]
  t.is(other.dtype, 'float64')
  const error = other.sub(slope).norm().div(slope.norm()).itemSync()
  t.true(error > 0 && error < 1e-2, String(error))
})
