/** Estimators by nearest neighbors: values by the formulas written out, invariances, bad input. */
import test from 'ava'
import {
  ArgumentError,
  DataError,
  DTypeError,
  KLEntropy,
  KNN,
  KSG,
  type KSGOptions,
  MixedKSG,
  Ross,
  tensor,
  UnknownNameError,
} from '../ts/index.js'
import { warningsOf } from './warnings.js'

/** Numbers of a normal distribution from a fixed sequence. */
function normals(count: number, seed: number): number[] {
  let state = seed
  const uniform = () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
  return Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}

/** n pairs of d columns with correlation rho in each. */
function pairs(n: number, d: number, rho: number, seed = 1): { x: number[][]; y: number[][] } {
  const [a, b] = [normals(n * d, seed * 7919 + 1), normals(n * d, seed * 104729 + 3)]
  const rows = (at: (i: number) => number) =>
    Array.from({ length: n }, (_, i) => Array.from({ length: d }, (_, c) => at(i * d + c)))
  const x = rows((i) => a[i] as number)
  const y = rows((i) => rho * (a[i] as number) + Math.sqrt(1 - rho * rho) * (b[i] as number))
  return { x, y }
}

/** psi of a whole number. */
function psi(n: number): number {
  let sum = -0.5772156649015329
  for (let i = 1; i < n; i++) sum += 1 / i
  return sum
}

const far = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((v, c) => Math.abs(v - (b[c] as number))))
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const near = (t: { true(ok: boolean, why: string): void }, got: number, want: number, within: number) =>
  t.true(Math.abs(got - want) <= within, `${got} is not ${want}`)

/** KSG by its definition. */
function ksg(x: number[][], y: number[][], k: number, variant: 1 | 2): number {
  const n = x.length
  const terms = x.map((_, i) => {
    const others = x.map((_, j) => j).filter((j) => j !== i)
    const distance = (rows: number[][], j: number) => far(rows[i] as number[], rows[j] as number[])
    const joint = (j: number) => Math.max(distance(x, j), distance(y, j))
    const nearest = [...others].sort((a, b) => joint(a) - joint(b)).slice(0, k)
    const count = (rows: number[][]) => {
      if (variant === 1)
        return others.filter((j) => distance(rows, j) < joint(nearest[k - 1] as number)).length + 1
      const radius = Math.max(...nearest.map((j) => distance(rows, j)))
      return others.filter((j) => distance(rows, j) <= radius).length
    }
    return psi(count(x)) + psi(count(y))
  })
  return psi(k) - (variant === 2 ? 1 / k : 0) + psi(n) - mean(terms)
}

test('KSG is its formula, in both variants', async (t) => {
  const { x, y } = pairs(60, 2, 0.6)
  for (const variant of [1, 2] as const) {
    for (const k of [1, 4]) {
      near(t, await new KSG({ k, variant, standardize: false }).estimate(x, y), ksg(x, y, k, variant), 1e-12)
    }
  }
  const several = await new KSG({ k: [1, 4], standardize: false }).estimate(x, y)
  near(t, several, (ksg(x, y, 1, 1) + ksg(x, y, 4, 1)) / 2, 1e-12)
})

test('entropy of normal, uniform and scaled samples', async (t) => {
  const x = pairs(2000, 2, 0).x
  // H = ln(2 pi e); standard error about 0.03.
  for (const metric of ['maximum', 'euclidean'] as const) {
    near(t, await new KLEntropy({ metric }).estimate(x), Math.log(2 * Math.PI * Math.E), 0.1)
  }
  const wide = x.map((row) => row.map((v) => 3 * v))
  const difference = (await new KLEntropy().estimate(wide)) - (await new KLEntropy().estimate(x))
  near(t, difference, 2 * Math.log(3), 1e-12)
  near(t, await new KLEntropy({ base: 2 }).estimate(x), (await new KLEntropy().estimate(x)) / Math.LN2, 1e-12)
})

test('information of normal pairs, within four standard errors', async (t) => {
  const { x, y } = pairs(2000, 1, 0.8)
  const truth = -0.5 * Math.log(1 - 0.64)
  for (const estimator of [
    new KSG(),
    new KSG({ variant: 2 }),
    new KSG({ copula: true }),
    new KNN(),
    new MixedKSG(),
  ]) {
    near(t, await estimator.estimate(x, y), truth, 4 * (0.8 / Math.sqrt(2000)) + 0.02)
  }
})

test('independent samples: the mean over 20 draws is near 0', async (t) => {
  for (const estimator of [new KSG(), new KSG({ variant: 2 }), new MixedKSG()]) {
    const values = []
    for (let seed = 1; seed <= 20; seed++) {
      const { x, y } = pairs(200, 1, 0, seed)
      values.push(await estimator.estimate(x, y))
    }
    near(t, mean(values), 0, 0.04)
  }
})

test('the order of samples and of arguments does not matter; shifts and maps of columns as documented', async (t) => {
  const { x, y } = pairs(300, 2, 0.7)
  const order = x.map((_, i) => (i * 7) % 300)
  const permuted = (rows: number[][]) => order.map((i) => rows[i] as number[])
  for (const estimator of [new KSG(), new KSG({ variant: 2 }), new KNN(), new MixedKSG()]) {
    const value = await estimator.estimate(x, y)
    near(t, await estimator.estimate(permuted(x), permuted(y)), value, 1e-12)
    near(t, await estimator.estimate(y, x), value, 1e-12)
    near(
      t,
      await estimator.estimate(
        x.map((row) => row.map((v) => v + 8)),
        y,
      ),
      value,
      1e-9,
    )
  }
  const copula = new KSG({ copula: true })
  const bent = x.map(([a = 0, b = 0]) => [Math.exp(a), b ** 3])
  t.is(await copula.estimate(bent, y), await copula.estimate(x, y))
  const scaled = x.map(([a = 0, b = 0]) => [100 * a, b])
  near(t, await new KSG().estimate(scaled, y), await new KSG().estimate(x, y), 1e-9)
})

test('jitter is reproducible, and separates equal samples', async (t) => {
  const { x, y } = pairs(100, 1, 0.5)
  const rounded = (rows: number[][]) => rows.map((row) => row.map((v) => Math.round(v)))
  const estimate = (options: KSGOptions) => new KSG(options).estimate(rounded(x), rounded(y))
  const value = await estimate({ jitter: 1e-10, seed: 3 })
  t.is(await estimate({ jitter: 1e-10, seed: 3 }), value)
  t.not(await estimate({ jitter: 1e-10, seed: 4 }), value)
})

test('classes: Ross is its formula, labels and one-hot rows are the same, and samples alone in a class are left out', async (t) => {
  const { x } = pairs(40, 2, 0)
  const labels = x.map((_, i) => i % 3)
  const rows = x.map((row, i) => row.map((v) => v + (labels[i] as number)))
  const n = rows.length
  const terms = rows.map((row, i) => {
    const all = rows.map((other, j) => ({ j, d: far(row, other) })).filter(({ j }) => j !== i)
    const own = all.filter(({ j }) => labels[j] === labels[i]).map(({ d }) => d)
    const radius = own.sort((a, b) => a - b)[2] as number
    return psi(own.length + 1) + psi(all.filter(({ d }) => d < radius).length + 1)
  })
  const want = psi(n) + psi(3) - mean(terms)
  const ross = new Ross({ standardize: false })
  near(t, await ross.estimate(rows, Int32Array.from(labels)), want, 1e-12)
  const oneHot = labels.map((label) => [0, 1, 2].map((c) => Number(c === label)))
  near(t, await ross.estimate(rows, oneHot), want, 1e-12)
  near(t, await new KSG({ standardize: false }).estimate(rows, Int32Array.from(labels)), want, 1e-12)
  const withLone = [...rows, [0.1, 0.2]]
  near(t, await ross.estimate(withLone, Int32Array.from([...labels, 9])), want, 1e-12)
})

test('small classes use the neighbors they have; one class tells nothing', async (t) => {
  const x = [[0], [1], [5], [6], [7], [8]]
  t.true(Number.isFinite(await new Ross().estimate(x, Int32Array.of(0, 0, 1, 1, 1, 1))))
  t.is(await new Ross().estimate(x, Int32Array.of(4, 4, 4, 4, 4, 4)), 0)
  await t.throwsAsync(new Ross().estimate(x, Int32Array.of(0, 1, 2, 3, 4, 5)), {
    instanceOf: DataError,
    message: /a class of their own/,
  })
})

test('constant arguments carry no information', async (t) => {
  const { x } = pairs(50, 2, 0)
  const same = x.map(() => [0.1, 0.3])
  for (const estimator of [new KSG(), new KSG({ variant: 2 }), new KSG({ copula: true }), new MixedKSG()]) {
    t.is(await estimator.estimate(x, same), 0)
    t.is(await estimator.estimate(same, same), 0)
  }
  t.is(await new KNN().estimate(x, same), 0)
  t.is(
    await new Ross().estimate(
      same,
      Int32Array.from(x, (_, i) => i % 2),
    ),
    0,
  )
  // A constant column beside another one is as good as absent.
  const padded = x.map(([a = 0]) => [a, 0.7])
  const single = x.map(([a = 0]) => [a])
  const y = pairs(50, 1, 0.5, 9).x
  near(t, await new KSG().estimate(padded, y), await new KSG().estimate(single, y), 1e-12)
})

test('discrete data: the mixed estimator is near the plug-in value, and k coinciding samples are named by the others', async (t) => {
  const x = Array.from({ length: 400 }, (_, i) => [i % 4])
  near(t, await new MixedKSG().estimate(x, x), Math.log(4), 0.01)
  await t.throwsAsync(new KLEntropy().estimate(x), {
    instanceOf: DataError,
    message: /sample 0 occurs 100 times/,
  })
  await t.throwsAsync(new KNN().estimate(x, x), { instanceOf: DataError, message: /MixedKSG/ })
})

test.serial('KSG without jitter warns of repeated samples, once', async (t) => {
  const ksg = new KSG({ jitter: 0 })
  const x = Array.from({ length: 40 }, (_, i) => [i % 4])
  const warnings = await warningsOf(async () => {
    for (let round = 0; round < 2; round++) await ksg.estimate(x, x)
  })
  t.is(warnings.filter(({ message }) => /KSG: 40 samples coincide/.test(message)).length, 1)
})

test('refusals say what was given', async (t) => {
  const { x, y } = pairs(4, 1, 0.5)
  await t.throwsAsync(new KSG({ k: 4 }).estimate(x, y), {
    instanceOf: DataError,
    message: /at least 5 samples, received 4/,
  })
  await t.throwsAsync(new KLEntropy({ k: 4 }).estimate(x), {
    instanceOf: DataError,
    message: /at least 5 samples/,
  })
  await t.throwsAsync(new MixedKSG().estimate(x, y), { instanceOf: DataError })
  await t.throwsAsync(new KSG().estimate([[1], [Number.NaN], [3], [4]], y), {
    instanceOf: DataError,
    message: /sample 1/,
  })
  await t.throwsAsync(new KLEntropy().estimate([[1], [2], [3], [Number.POSITIVE_INFINITY]]), {
    instanceOf: DataError,
  })
  t.throws(() => new KSG({ k: 0 }), {
    instanceOf: ArgumentError,
    message: /k must be a whole number of at least 1/,
  })
  t.throws(() => new KSG({ k: [] }), { instanceOf: ArgumentError })
  t.throws(() => new KSG({ variant: 3 as never }), { instanceOf: ArgumentError })
  t.throws(() => new KSG({ jitter: -1 }), { instanceOf: ArgumentError })
  t.throws(() => new KSG({ neighbors: 3 } as never), { instanceOf: UnknownNameError })
  t.throws(() => new KLEntropy({ metric: 'l1' as never }), { instanceOf: UnknownNameError })
  t.throws(() => new KLEntropy({ base: 1 }), { instanceOf: ArgumentError })
  const ids = tensor([0, 1, 0, 1], { dtype: 'int32' })
  t.throws(() => new Ross().criterion(ids, ids), { instanceOf: DTypeError })
})
