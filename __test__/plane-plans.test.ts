/** What the plan of an information plane computes once for all its pairs. */
import test from 'ava'
import {
  Binned,
  type Estimator,
  evaluate,
  explain,
  KSG,
  key,
  normal,
  type Tensor,
  tensor,
} from '../ts/index.js'

const n = 60
const options = { dtype: 'float64' } as const

async function segment(): Promise<Tensor[]> {
  const draw = (seed: number, width: number) => normal(key(seed), [n, width], options)
  const layers = [1, 2, 3].map((seed) => draw(seed, 4).tanh())
  const parts = [draw(4, 6), ...layers, draw(5, 1)]
  await evaluate(parts)
  return parts
}

/** How many steps of the plan of a segment are `operation`. */
function steps(estimator: Estimator, parts: Tensor[], operation: string): number {
  const pairs = estimator.evaluateSegment(parts, { target: 'numbers' }).flat()
  return [...explain(pairs).matchAll(new RegExp(`^ *\\d+ +${operation} `, 'gm'))].length
}

test('noise that separates equal values is drawn once for each shape and side', async (t) => {
  // The layers share a shape and a side, so they share their noise as well; the input and the target have their own.
  t.is(steps(new KSG(), await segment(), 'normal'), 3)
  t.is(steps(new KSG({ jitter: 0 }), await segment(), 'normal'), 0)
})

test('psi is computed once for all counts', async (t) => {
  const plan = explain(new KSG({ jitter: 0 }).evaluateSegment(await segment()).flat())
  t.is([...plan.matchAll(/polygamma/g)].length, 1)
})

test('rows are numbered once: bins, input, target, and the pairs of each layer with both', async (t) => {
  const parts = await segment()
  t.is(steps(new Binned(), parts, 'uniqueRows'), 3 + 1 + 1 + 6)
  // With a correction the information may exceed the entropy of the rows, which is then measured as well.
  t.is(steps(new Binned({ millerMadow: true }), parts, 'uniqueRows'), 3 + 1 + 1 + 6 + 3)
})

test('information of bins is at most the entropy of either side, to the last digit', async (t) => {
  const y = tensor(Int32Array.from({ length: n }, (_, i) => Number(i % 3 === 0)))
  const x = tensor(
    Float64Array.from({ length: n }, (_, i) => (i % 3 === 0 ? 0.5 : -0.5)),
    { shape: [n, 1] },
  )
  const { value, limit } = await new Binned().estimate(x, y, { details: true })
  t.true(value <= limit && value > limit - 1e-12, `${value} of ${limit}`)
  t.true((await new Binned().criterion(x, y).item()) <= limit)
})
