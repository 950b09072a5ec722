/** The t copula: its quantiles, and the estimate by values beside the lazy one. */
import test from 'ava'
import { normalScores } from '../ts/estimators/ranks.js'
import { positionsOf, studentLogDensity, studentOf, studentScores } from '../ts/estimators/student.js'
import { key, normal, StudentCopulaMI, tensor } from '../ts/index.js'

const n = 999
const ranks = tensor(
  Float64Array.from({ length: n }, (_, i) => i),
  { shape: [n, 1] },
)

test('quantiles of t agree with closed forms', (t) => {
  const closed: Record<number, (p: number) => number> = {
    1: (p) => Math.tan(Math.PI * (p - 0.5)),
    2: (p) => (2 * p - 1) / Math.sqrt(2 * p * (1 - p)),
  }
  for (const [nu, quantile] of Object.entries(closed)) {
    const got = studentScores(positionsOf(normalScores(ranks)), studentOf(Number(nu))).dataSync()
    for (let i = 0; i < n; i++) {
      const want = quantile((i + 1) / (n + 1))
      t.true(
        Math.abs(Number(got[i]) - want) <= 1e-6 * (1 + Math.abs(want)),
        `nu ${nu}, rank ${i + 1}: ${got[i]}, expected ${want}`,
      )
    }
  }
})

test('the density of t at 0 and beyond', (t) => {
  const at = tensor(Float64Array.from([0, 2]))
  const [zero, two] = studentLogDensity(at, studentOf(1)).dataSync()
  t.true(Math.abs(Number(zero) + Math.log(Math.PI)) < 1e-12)
  t.true(Math.abs(Number(two) + Math.log(5 * Math.PI)) < 1e-12)
})

test('the estimate is the value of the criterion, in every unit', async (t) => {
  const x = normal(key(1), [300, 2], { dtype: 'float64' })
  const y = normal(key(2), [300, 1], { dtype: 'float64' }).add(x.slice([0, 0], [null, 1]))
  for (const base of [Math.E, 2]) {
    const estimator = new StudentCopulaMI({ base })
    const lazy = await estimator.criterion(x, y).item()
    t.true(Math.abs((await estimator.estimate(x, y)) - lazy) < 1e-12)
  }
})
