/**
 * What people report in public of native parts of Node packages, of training and of networks whose weights come from others, tried here. A test is
 * named after the report: repository#number.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import * as hg from '../ts/index.js'
import {
  ArrayDataset,
  Dense,
  key,
  memory,
  normal,
  Sequential,
  type Tensor,
  tensor,
  tidy,
} from '../ts/index.js'
import { functionCalls } from './fuzz/call.js'
import { operations } from './fuzz/operations.js'

const run = promisify(execFile)
const library = JSON.stringify(new URL('../ts/index.js', import.meta.url).href)
/** Runs a separate program with the library as `hg`; throws if it fails. */
const program = (source: string, ...flags: string[]) =>
  run(process.execPath, [...flags, '--input-type=module', '-e', `import * as hg from ${library}\n${source}`])

const quiet = { verbose: false }
const x = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i))
const y = Int32Array.from({ length: 50 }, (_, i) => i % 3)
const data = (batchSize = 16) => new ArrayDataset(x, y, { inputShape: [4], batchSize, seed: 2 })
function classifier(seed = 1): Sequential {
  const model = new Sequential({ inputShape: [4], seed })
  model.add(new Dense(8, { activation: 'tanh' })).add(new Dense(3, { activation: 'softmax' }))
  model.compile({ optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'] })
  return model
}
const weightsOf = async (model: Sequential) =>
  Promise.all(
    Object.values(model.weights).map(async (weight) => [...((await weight.data()) as Float32Array)]),
  )

test('tensorflow/tfjs#1482, tensorflow/tfjs#123: a second fit while one runs is refused, and the first goes on', async (t) => {
  const model = classifier()
  const first = model.fitDataset(data(), { epochs: 3, ...quiet })
  await t.throwsAsync(model.fitDataset(data(), { epochs: 1, ...quiet }), {
    instanceOf: hg.StateError,
    message: /fit/,
  })
  t.is((await first).loss.length, 3)
  await t.notThrowsAsync(model.fitDataset(data(), { epochs: 1, ...quiet }))
})

test('tensorflow/tfjs#631, #1101: fit and fitDataset show their progress', async (t) => {
  const { stdout, stderr } = await program(`
    const x = new Float32Array(80), y = new Int32Array(20)
    const made = () => {
      const model = new hg.Sequential({ inputShape: [4] }).add(new hg.Dense(2))
      return model.compile({ optimizer: 'sgd', loss: 'crossEntropy' })
    }
    await made().fit(hg.tensor(x, { shape: [20, 4] }), y, { epochs: 2, verbose: true })
    await made().fitDataset(new hg.ArrayDataset(x, y, { inputShape: [4] }), { epochs: 2, verbose: true })
  `)
  t.is((stdout + stderr).match(/epoch 2\/2/gi)?.length, 2, stdout + stderr)
})

test('pyro-ppl/numpyro#251: what is shown of a training does not change it', async (t) => {
  const { stdout } = await program(`
    const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i)), y = Int32Array.from({ length: 20 }, (_, i) => i % 2)
    const sums = []
    for (const verbose of [true, false]) {
      const model = new hg.Sequential({ inputShape: [4], seed: 5 }).add(new hg.Dense(2))
      model.compile({ optimizer: 'adam', loss: 'crossEntropy' })
      const { loss } = await model.fit(hg.tensor(x, { shape: [20, 4] }), y, { epochs: 3, verbose })
      sums.push(JSON.stringify([loss, ...(await Promise.all(Object.values(model.weights).map(async (w) => [...await w.data()])))]))
    }
    console.log('same ' + (sums[0] === sums[1] && sums[0].length > 50))
  `)
  t.regex(stdout, /same true/)
})

/** Throws if more objects are alive than before; the collector may have taken others. */
function isNoMore(t: ExecutionContext, before: ReturnType<typeof live>, what = ''): void {
  const now = live()
  for (const of of ['nodes', 'buffers', 'variables'] as const) {
    t.true(now[of] <= before[of], `${what}: ${now[of]} ${of}, ${before[of]} before`)
  }
}

/** What is alive now. */
function live(): { nodes: number; buffers: number; variables: number } {
  const { nodes, buffers, variables } = memory()
  return { nodes, buffers, variables }
}

test.serial('ekzhang/jax-js#75: no operation, and no gradient of one, leaves anything behind', async (t) => {
  const exports = hg as unknown as Readonly<Record<string, unknown>>
  // Operations on tensors alone: Variables stay until they are disposed of.
  const calls = functionCalls(exports, operations).filter(({ args }) => {
    const { variables } = live()
    return tidy(() => args().every((one) => typeof one !== 'function')) && live().variables === variables
  })
  let count = 0
  for (const { name, args, run } of calls) {
    const once = () => tidy(() => (run(args()) instanceof Promise ? 'later' : 'now'))
    if (once() === 'later') continue
    count++
    const before = live()
    for (let i = 0; i < 1000; i++) once()
    isNoMore(t, before, name)
  }
  t.true(count > 150, String(count))
  const leaky = ['gelu', 'solve', 'sign', 'lstsq'].filter((name) => typeof exports[name] === 'function')
  t.deepEqual(leaky, ['gelu', 'solve', 'sign'])
  for (const f of [
    (v: Tensor) => v.gelu().sum(),
    (v: Tensor) => v.matmul(v.transpose()).add(hg.eye(3, 3).mul(5)).solve(v).sum(),
    (v: Tensor) => v.sign().mul(v).sum(),
  ]) {
    const v = normal(key(1), [3, 3])
    await hg.evaluate(v)
    const step = async () => {
      using slope = tidy(() => hg.grad(f)(v))
      await hg.evaluate(slope)
    }
    await step()
    const before = live()
    for (let i = 0; i < 300; i++) await step()
    isNoMore(t, before, String(f))
  }
})

test.serial(
  'ekzhang/jax-js#151: steps that are queued take no longer than those that are awaited one by one',
  async (t) => {
    const step = hg.jit((v: Tensor) => v.matmul(v).mul(0.01).tanh())
    const start = normal(key(1), [300, 300])
    await hg.evaluate(start)
    const time = async (work: () => Promise<unknown>) => {
      const begin = performance.now()
      await work()
      return performance.now() - begin
    }
    const awaited = async () => {
      for (let i = 0; i < 10; i++) (await step(start)).dispose()
    }
    const queued = async () => {
      for (const result of await Promise.all(Array.from({ length: 10 }, () => step(start)))) result.dispose()
    }
    const times = { awaited: [] as number[], queued: [] as number[] }
    for (let round = 0; round < 12; round++) {
      times.awaited.push(await time(awaited))
      times.queued.push(await time(queued))
    }
    const least = (of: number[]) => Math.min(...of)
    t.true(least(times.queued) < 1.7 * least(times.awaited), JSON.stringify(times))
    step.dispose()
  },
)

test.serial(
  'tensorflow/tfjs-layers!506: a training that lets others have their turn is not much slower for it',
  async (t) => {
    const width = 256
    const rows = await normal(key(5), [64, width]).data()
    const x = tensor(rows, { shape: [64, width] })
    const make = () => {
      const w = new hg.Variable(normal(key(6), [width, width]).mul(0.01))
      const sgd = new hg.SGD({ learningRate: 0.01 })
      const step = (v: Tensor) => {
        const { value, grads } = hg.valueAndGrad(
          ({ w }: { w: Tensor }) => v.matmul(w).tanh().matmul(w).square().mean(),
          { w },
        )
        sgd.step({ w }, grads)
        return value
      }
      return { w, sgd, step }
    }
    const steps = 60
    const plain = make()
    const program = hg.jit(plain.step)
    const alone = async () => {
      for (let i = 0; i < steps; i++) (await program(x)).dispose()
    }
    const trained = make()
    const task = {
      parameters: { w: trained.w },
      optimizers: { sgd: trained.sgd },
      step: ({ v }: { v: Tensor }) => ({ loss: trained.step(v) }),
    }
    const batches = {
      *[Symbol.iterator]() {
        for (let i = 0; i < steps; i++) yield { v: tensor(rows, { shape: [64, width] }) }
      },
    }
    const fitted = () => hg.fit(task, batches, { epochs: 1, ...quiet })
    const times = { alone: [] as number[], fitted: [] as number[] }
    let turns = 0
    const others = setInterval(() => turns++, 1)
    for (let round = 0; round < 8; round++) {
      for (const [name, work] of Object.entries({ alone, fitted })) {
        const begin = performance.now()
        await work()
        times[name as keyof typeof times].push(performance.now() - begin)
      }
    }
    clearInterval(others)
    t.true(turns > 8)
    t.true(Math.min(...times.fitted) < 2.5 * Math.min(...times.alone), JSON.stringify(times))
    program.dispose()
  },
)

/** The reply of a worker thread with the library as `hg`. */
function worker(source: string): Promise<unknown> {
  const code = `import * as hg from ${library}\nimport { parentPort } from 'node:worker_threads'\n${source}`
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
  return new Promise((resolve, reject) => {
    let answer: unknown
    thread.on('message', (message) => {
      answer = message
    })
    thread.on('error', reject)
    thread.on('exit', (code) => (code === 0 ? resolve(answer) : reject(new Error(`exit code ${code}`))))
  })
}

test('microsoft/onnxruntime#24486: two worker threads train at a time, and this one too', async (t) => {
  const training = `
    const x = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i)), y = Int32Array.from({ length: 50 }, (_, i) => i % 3)
    const model = new hg.Sequential({ inputShape: [4], seed: 1 }).add(new hg.Dense(3))
    model.compile({ optimizer: 'adam', loss: 'crossEntropy' })
    const { loss } = await model.fitDataset(new hg.ArrayDataset(x, y, { inputShape: [4], batchSize: 16, seed: 2 }), { epochs: 20, verbose: false })
    parentPort.postMessage(loss)
  `
  const model = classifier()
  const [one, other] = await Promise.all([
    worker(training),
    worker(training),
    model.fitDataset(data(), { epochs: 20, ...quiet }),
  ])
  t.deepEqual(one, other)
  t.is((one as number[]).length, 20)
})

test('napi-rs/napi-rs#1220, napi-rs/napi-rs#518, oxc-project/oxc!18723: a process ends well with work under way, by its end and by exit', async (t) => {
  const pending = `
    const x = hg.normal(hg.key(1), [800, 800])
    for (let i = 0; i < 5; i++) hg.evaluate(x.matmul(x).add(i)).catch(() => {})
  `
  for (const end of ['', 'process.exit(0)', 'setTimeout(() => process.exit(0), 3)']) {
    const { stderr } = await program(pending + end)
    t.is(stderr, '', end)
  }
  t.is(await worker(`${pending}\nparentPort.postMessage('done')`), 'done')
  t.is(await worker(`${pending}\nparentPort.postMessage('done')\nprocess.exit(0)`), 'done')
})

test('napi-rs/napi-rs#2555: tensors are collected in worker threads while work is under way', async (t) => {
  const source = `
    import { setFlagsFromString } from 'node:v8'
    import { runInNewContext } from 'node:vm'
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc')
    for (let round = 0; round < 20; round++) {
      const work = []
      for (let i = 0; i < 20; i++) work.push(hg.normal(hg.key(i), [50, 50]).matmul(hg.ones([50, 50])).sum().item())
      collect()
      await Promise.all(work)
    }
    parentPort.postMessage('done')
  `
  const before = memory().bytes
  t.deepEqual(await Promise.all([worker(source), worker(source)]), ['done', 'done'])
  // What threads held is given back when they end.
  t.true(memory().bytes - before < 1e6, `${memory().bytes - before} bytes`)
})

test('get-bb/bb#1120, node-red/node-red#5795: nothing runs at installation, of this package and of those that it needs', (t) => {
  const read = (name: string) => JSON.parse(readFileSync(join(packageRoot, name), 'utf8'))
  const { scripts, dependencies } = read('package.json')
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']
  t.deepEqual(
    atInstall.filter((name) => name in scripts),
    [],
  )
  t.true(Object.keys(dependencies).length < 5)
  const locked = Object.entries(read('package-lock.json').packages) as [
    string,
    { dev?: boolean; hasInstallScript?: boolean },
  ][]
  t.deepEqual(
    locked.filter(([, one]) => one.hasInstallScript && !one.dev).map(([name]) => name),
    [],
  )
  t.regex(readFileSync(join(packageRoot, 'README.md'), 'utf8'), /no install scripts/)
})

test('chrhenning/hypnettorch#4, JJGO/hyperlight#3, JJGO/hyperlight#4: one forward takes a set of weights for each sample, of dense and of recurrent networks', (t) => {
  const layers = [
    [new Dense(3, { activation: 'tanh' }), [4]],
    [new hg.RNN(3), [5, 4]],
    [new hg.GRU(3, { returnSequences: true }), [5, 4]],
    [new hg.TimeDistributed(new Dense(3)), [5, 4]],
  ] as const
  for (const [layer, shape] of layers) {
    layer.declare([...shape])
    const weights = Object.fromEntries(
      Object.entries(layer.paramShapes).map(([path, own], i) => [
        path,
        normal(key(i), [2, ...own], { dtype: 'float64' }),
      ]),
    )
    const input = normal(key(9), [2, ...shape], { dtype: 'float64' })
    const apply = (w: Record<string, Tensor>, v: Tensor) => (layer as hg.Layer).apply(w, v, hg.evalContext())
    const both = apply(weights, input)
    for (const i of [0, 1]) {
      const own = Object.fromEntries(
        Object.entries(weights).map(([path, w]) => [path, w.slice([i], [i + 1]).squeeze(0)]),
      )
      const far = both
        .slice([i], [i + 1])
        .sub(apply(own, input.slice([i], [i + 1])))
        .abs()
        .max()
        .itemSync()
      t.true(far < 1e-12, `${layer.name}: ${far}`)
    }
  }
})

test('chrhenning/hypnettorch#5: one hypernetwork makes the weights of two architectures, and learns from both', async (t) => {
  const networks = [
    new Sequential({ inputShape: [3] }).add(new Dense(5, { activation: 'tanh' })).add(new Dense(2)),
    new Sequential({ inputShape: [4] }).add(new Dense(2)),
  ]
  const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)
  const shapes = networks.map((network) => Object.entries(network.paramShapes))
  const most = Math.max(...shapes.map((own) => own.reduce((sum, [, shape]) => sum + sizeOf(shape), 0)))
  const maker = new Sequential({ inputShape: [2], seed: 1 }).add(new Dense(8, { activation: 'tanh' }))
  maker.add(new Dense(most))
  const made = (w: Record<string, Tensor>, network: number) => {
    const flat = maker.apply(w, tensor([network === 0 ? [1, 0] : [0, 1]])).flatten(0)
    let start = 0
    return Object.fromEntries(
      (shapes[network] as [string, readonly number[]][]).map(([path, shape]) => {
        start += sizeOf(shape)
        return [path, flat.slice([start - sizeOf(shape)], [start]).reshape([...shape])]
      }),
    )
  }
  const inputs = [normal(key(1), [20, 3]), normal(key(2), [20, 4])]
  const losses = (w: Record<string, Tensor>) =>
    networks.map((network, i) =>
      network
        .apply(made(w, i), inputs[i] as Tensor)
        .sub(1)
        .square()
        .mean(),
    )
  const adam = new hg.Adam({ learningRate: 0.02 })
  const step = hg.jit(() => {
    const both = (w: Record<string, Tensor>) => {
      const [a, b] = losses(w) as [Tensor, Tensor]
      return [a.add(b), { a, b }] as const
    }
    const { grads, aux } = hg.valueAndGrad(both, maker.trainableWeights, { hasAux: true })
    adam.step(maker.trainableWeights, grads)
    return aux
  })
  const first = await step()
  for (let i = 0; i < 100; i++) await step()
  const last = await step()
  for (const side of ['a', 'b'] as const) {
    t.true((await last[side].item()) < 0.5 * (await first[side].item()), side)
  }
  step.dispose()
})

test('JJGO/hyperlight#10: batch normalization takes weights that another network made', async (t) => {
  const norm = new hg.BatchNorm1d()
  norm.declare([4])
  norm.initialize({ noWeights: true })
  t.deepEqual(norm.paramShapes, { gamma: [4], beta: [4] })
  const made = new Dense(8, { kernelInitializer: 'heNormal' })
  made.declare([2])
  made.initialize({})
  const input = normal(key(3), [6, 4])
  const loss = (w: Tensor) => {
    const all = tensor([[1, 0.5]])
      .matmulT(w, { transposeB: true })
      .flatten(0)
    const weights = { gamma: all.slice([0], [4]), beta: all.slice([4]) }
    const ctx = { ...hg.evalContext(norm.stateValues()), training: true, update: () => {} }
    return norm.apply(weights, input, ctx).square().sum()
  }
  t.true((await hg.grad(loss)(made.weights().kernel).abs().sum().item()) > 0)
  for (const name of ['heNormal', 'glorotUniform', 'lecunNormal', 'uniformFanIn'] as const) {
    const initializer = hg.initializers[name]()
    t.deepEqual(initializer(key(1), [4], 4, 4, 'float32').shape, [4])
  }
})

test.serial(
  'tensorflow/tfjs#460, tensorflow/tfjs#4457: predictions leave nothing behind, of more samples than a batch has, too',
  async (t) => {
    const model = classifier()
    const input = tensor(x, { shape: [50, 4] })
    const once = async () => {
      const prediction = await model.predict(input, { batchSize: 8 })
      if ('dispose' in prediction) prediction.dispose()
    }
    for (let i = 0; i < 3; i++) await once()
    const before = live()
    for (let i = 0; i < 200; i++) await once()
    isNoMore(t, before)
  },
)

test('keras-team/keras#13780, #12681, tensorflow/tensorflow#27993: evaluate gives the mean over samples, whatever the batches', async (t) => {
  const model = classifier()
  const before = await weightsOf(model)
  const whole = await model.evaluate(data(50))
  for (const batchSize of [49, 16, 7]) {
    const { loss, metrics } = await model.evaluate(data(batchSize))
    t.true(Math.abs(loss - whole.loss) < 1e-6, `${batchSize}: ${loss}, ${whole.loss}`)
    t.is(metrics.accuracy, whole.metrics.accuracy)
  }
  t.deepEqual(await weightsOf(model), before)
  // The loss of a training step is that before the step: of a full batch that of the epoch before.
  const [first] = (await model.fitDataset(data(50), { epochs: 1, ...quiet })).loss
  t.true(Math.abs((first as number) - whole.loss) < 1e-6)
})

test('pytorch/pytorch#5059, xingyizhou/CenterNet#233: what augmentation draws differs from sample to sample and from epoch to epoch, and comes back by its seed', async (t) => {
  const images = new Float32Array(8 * 4)
  const source = () =>
    new ArrayDataset(images, new Int32Array(8), { inputShape: [1, 2, 2], batchSize: 4, shuffle: false })
  const epochs = async () => {
    const set = hg.augmented(source(), hg.noise({ std: 1 }), { seed: 3 })
    const found: number[][] = []
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const batch of set) found.push([...((await batch.x.data()) as Float32Array)])
    }
    return found
  }
  const first = await epochs()
  const samples = first.flatMap((batch) =>
    Array.from({ length: 4 }, (_, i) => batch.slice(4 * i, 4 * i + 4).join()),
  )
  t.is(samples.length, 16)
  t.is(new Set(samples).size, 16)
  t.deepEqual(await epochs(), first)
})
