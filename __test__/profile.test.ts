import test from 'ava'
import {
  ArgumentError,
  Dense,
  evaluate,
  jit,
  type Profile,
  profile,
  Sequential,
  StateError,
  scope,
  type Tensor,
  tensor,
  Variable,
  valueAndGrad,
} from '../ts/index.js'

/** Numbers between -1 and 1. */
const numbers = (...shape: number[]) => {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return tensor(
    Float32Array.from({ length: count }, (_, i) => ((i * 48271) % 65537) / 32768.5 - 1),
    { shape },
  )
}

/** Properties of every profile. */
function sound(t: import('ava').ExecutionContext, { plans, milliseconds, bytes }: Profile<unknown>): void {
  const all = plans.flatMap(({ steps }) => steps)
  const share = all.reduce((sum, step) => sum + step.share, 0)
  t.true(share > 0 && share <= 1 + 1e-9, `the shares add up to ${share}`)
  const spent = plans.reduce((sum, plan) => sum + plan.runs * plan.milliseconds, 0)
  t.true(spent <= milliseconds, `${spent} ms of ${milliseconds}`)
  let moved = 0
  for (const { text, runs, milliseconds: whole, steps } of plans) {
    const [, count] = /^plan {2}(\d+) steps/.exec(text) as RegExpExecArray
    t.deepEqual(
      steps.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
      Array.from({ length: Number(count) }, (_, i) => i),
      'every step of the plan is in one line',
    )
    const sum = steps.reduce((total, step) => total + step.milliseconds, 0)
    t.true(sum <= whole * (1 + 1e-9), `steps take ${sum} ms, the run ${whole}`)
    for (const { bytesRead, bytesWritten, gigabytesPerSecond, milliseconds: own } of steps) {
      moved += runs * (bytesRead + bytesWritten)
      t.true(
        Math.abs(gigabytesPerSecond * own * 1e6 - bytesRead - bytesWritten) <=
          1e-6 * (bytesRead + bytesWritten),
      )
    }
  }
  t.is(moved, bytes)
}

test.serial('a profile of a compiled step has its steps, their bytes and their arithmetic', async (t) => {
  const w = new Variable(numbers(32, 16))
  const step = jit((x: Tensor) => {
    const { value, grads } = valueAndGrad(
      (at) => scope('layer', () => x.matmul(at).tanh().square().mean()),
      w,
    )
    w.assign(w.value.sub(grads.mul(0.1)))
    return value
  })
  const x = numbers(64, 32)
  await evaluate(x)
  const found = await profile(() => step(x), { runs: 5 })
  sound(t, found)
  t.is(found.plans.length, 1)
  const [plan] = found.plans
  t.is(plan?.runs, 5)
  t.is(typeof (await found.result.item()), 'number')
  const products = plan?.steps.filter(({ flops }) => flops !== undefined) ?? []
  t.deepEqual(
    products.map(({ flops }) => flops),
    [2 * 64 * 32 * 16, 2 * 64 * 32 * 16],
    'the product and its derivative in the weights',
  )
  t.true(products.every(({ scope: place }) => place.includes('layer')))
  t.true((products[0]?.bytesRead as number) >= 4 * (64 * 32 + 32 * 16))
  const text = String(found)
  t.regex(text, /^5 calls, [\d.]+ ms; 1 plan, /)
  t.regex(text, /matmul .*\[layer\]/)
  const shares = [...text.matchAll(/ ([\d.]+)%/g)].map(([, share]) => Number(share))
  t.deepEqual(
    shares,
    shares.toSorted((a, b) => b - a),
    'the slowest steps come first',
  )
  step.dispose()
})

test.serial(
  'tensors that the function returns are computed, and nothing is measured after the end',
  async (t) => {
    const a = numbers(100)
    await evaluate(a)
    const found = await profile(() => ({ sums: [a.exp().sum()] }))
    sound(t, found)
    t.is(found.plans.length, 1)
    t.notRegex(String(found.result.sums[0]), /lazy/)
    await evaluate(a.cos().sum())
    const empty = await profile(() => 3)
    t.is(empty.result, 3)
    t.deepEqual(empty.plans, [])
    t.is(empty.bytes, 0)
    t.regex(String(empty), /^1 call, [\d.]+ ms; 0 plans, 0\.00 ms, 0 B read and written$/)
  },
)

test.serial('a profile of fit has the training step', async (t) => {
  const train = async (work: (epochs: () => Promise<unknown>) => Promise<unknown>) => {
    const model = new Sequential({ inputShape: [8], seed: 3 })
    model.add(new Dense(16, { activation: 'relu' }))
    model.add(new Dense(3))
    model.compile({ optimizer: 'sgd', loss: 'crossEntropy', learningRate: 0.1 })
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % 3)
    const found = await work(() =>
      model.fit(numbers(40, 8), labels, { epochs: 3, batchSize: 8, validationSplit: 0, verbose: false }),
    )
    const weights = Object.values(model.weights).map((weight) => [...weight.dataSync()])
    model.dispose()
    return { found, weights }
  }
  const plain = await train((epochs) => epochs())
  const { found, weights } = await train((epochs) => profile(epochs))
  t.deepEqual(weights, plain.weights, 'a profile changes no bit of what is computed')
  const measured = found as Profile<unknown>
  sound(t, measured)
  const step = measured.plans.find(({ runs, text }) => runs === 15 && /layers\.1/.test(text))
  t.truthy(step, String(measured))
  const scopes = new Set(step?.steps.map((one) => one.scope))
  t.true([...scopes].some((name) => name.includes('layers.0')))
})

test.serial(
  'a profile is refused while another is under way, and ends with what the function throws',
  async (t) => {
    const inner = async () => {
      await t.throwsAsync(() => profile(() => 1), { instanceOf: StateError, message: /another profile/ })
      return 'outer'
    }
    t.is((await profile(inner)).result, 'outer')
    await t.throwsAsync(
      () =>
        profile(() => {
          throw new RangeError('mine')
        }),
      { instanceOf: RangeError, message: 'mine' },
    )
    t.is((await profile(() => 2)).result, 2)
    await t.throwsAsync(() => profile(3 as never), { instanceOf: ArgumentError, message: /profile: fn/ })
    await t.throwsAsync(() => profile(() => 1, { runs: 0 }), { instanceOf: ArgumentError, message: /runs/ })
  },
)
