/** How often a training step goes through the native boundary: counted, call by call. */
import test from 'ava'
import { native } from '../ts/core/native.js'
import {
  ArrayDataset,
  Dense,
  evaluate,
  HSIC,
  IBSequential,
  jit,
  key,
  normal,
  ones,
  type Tensor,
  Variable,
} from '../ts/index.js'

/** Names of native calls, in order, while something is watched. */
let calls: string[] | undefined
const addon = native as unknown as Record<string, (...args: unknown[]) => unknown>
for (const [name, call] of Object.entries(addon)) {
  if (typeof call !== 'function') continue
  addon[name] = (...args) => {
    calls?.push(name)
    return call(...args)
  }
}

async function callsOf(work: () => Promise<unknown>): Promise<string[]> {
  calls = []
  try {
    await work()
    return calls
  } finally {
    calls = undefined
  }
}

/** V8 is told of memory once in several evaluations. */
const isReport = (name: string) => name === 'memory' || name === 'adjustExternalMemory'

const batch = 16
/** Calls of an epoch of so many steps, after an epoch in which the step was compiled. */
async function epoch(steps: number, { tracked = false, watched = false } = {}): Promise<string[]> {
  const model = new IBSequential({ inputShape: [4], trackDynamics: tracked, seed: 1 })
  model.add(new Dense(8, { activation: 'relu' }))
  model.add(new Dense(3, { activation: 'softmax' }))
  model.compile({ optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'] })
  if (tracked) model.attachEvaluator(new HSIC({ sigma: 1 }))
  const x = normal(key(1), [steps * batch, 4])
  await evaluate(x)
  const y = Int32Array.from({ length: steps * batch }, (_, i) => i % 3)
  const data = new ArrayDataset(x, y, { batchSize: batch, shuffle: true })
  const callbacks = watched ? [{ onBatchEnd() {} }] : []
  const all = await callsOf(() => model.fitDataset(data, { epochs: 2, verbose: false, callbacks }))
  return all.filter((name) => !isReport(name))
}

/**
 * Calls whose number grows with the steps, by name, per step. Rounded: the means of an epoch, which are read once, take a call or two more
 * if their run is still in progress.
 */
async function perStep(options: { tracked?: boolean; watched?: boolean }): Promise<Record<string, number>> {
  const [few, many] = [await epoch(10, options), await epoch(60, options)]
  const count = (list: readonly string[], name: string) => list.filter((one) => one === name).length
  const steps = 2 * (60 - 10)
  const names = [...new Set(many)]
  const counts = names.map(
    (name) => [name, Math.round((count(many, name) - count(few, name)) / steps)] as const,
  )
  return Object.fromEntries(counts.filter(([, value]) => value !== 0))
}

test.serial('a training step is one native call', async (t) => {
  t.deepEqual(await perStep({}), { jitRun: 1 })
})

test.serial('a step whose dynamics are kept is three: run, read, release', async (t) => {
  t.deepEqual(await perStep({ tracked: true }), { jitRun: 1, readSync: 1, release: 1 })
})

test.serial('a step whose loss a callback is told is three: run, read, release', async (t) => {
  t.deepEqual(await perStep({ watched: true }), { jitRun: 1, readSync: 1, release: 1 })
})

test.serial(
  'numbers, typed arrays and Variables are arguments of a run, and results know their shape',
  async (t) => {
    const f = jit((x: Tensor, rows: Tensor, rate: Tensor) => x.take(rows).mul(rate))
    const x = ones([4, 2])
    const variable = new Variable(x)
    const rows = Int32Array.of(2, 0, 1)
    const run = async (argument: Tensor | Variable) => {
      const y = await f(argument, rows, 0.5)
      t.deepEqual([y.shape, y.dtype], [[3, 2], 'float32'])
      y.dispose()
    }
    await run(x)
    await run(variable)
    const ofTensor = await callsOf(() => run(x))
    t.deepEqual(ofTensor, ['jitRun', 'release'])
    t.deepEqual(await callsOf(() => run(variable)), ['variableRead', 'jitRun', 'release', 'release'])
  },
)

test.serial('values that are there are read in two calls, and a tensor goes in one', async (t) => {
  const x = ones([4]).add(1)
  await evaluate(x)
  t.deepEqual(x.shape, [4])
  t.is(x.dtype, 'float32')
  t.deepEqual(await callsOf(() => x.data()), ['evaluate', 'readSync'])
  t.deepEqual(await callsOf(async () => x.dataSync()), ['readSync'])
  const unknown = ones([4]).add(1)
  t.deepEqual(await callsOf(async () => unknown.dispose()), ['dispose'])
  t.throws(() => unknown.id, { message: /the tensor \(4\) was disposed of/ })
})
