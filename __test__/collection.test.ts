/** Dropped objects are collected with everything they hold: counts of Variables, buffers and nodes return to their earlier values. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import {
  Adam,
  ArrayDataset,
  augment,
  augmented,
  BatchNorm1d,
  bootstrap,
  Checkpoint,
  Dense,
  EarlyStopping,
  fit as fitTask,
  HSIC,
  HSICOutput,
  HSICSequential,
  HSICSigma,
  IBSequential,
  jit,
  KSG,
  kFold,
  layerSimilarity,
  load,
  logisticProbe,
  MINE,
  memory,
  mixup,
  type NetworkOptions,
  noise,
  normal,
  ones,
  permutationTest,
  prefetch,
  Residual,
  Sequential,
  spectrum,
  splitDataset,
  type Task,
  type Tensor,
  TreeDataset,
  tensor,
  Variable,
  VIB,
  valueAndGrad,
  workerLoader,
  zeros,
} from '../ts/index.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i))
const y = Int32Array.from({ length: 20 }, (_, i) => i % 2)
const quiet = { verbose: false }
const layers = () => [new Dense(8), new Dense(2, { activation: 'softmax' })] as const

function classifier() {
  const [hidden, output] = layers()
  return new Sequential({ inputShape: [4] }).add(hidden).add(output).compile()
}

function tracked(options: Partial<NetworkOptions> = {}) {
  const [hidden, output] = layers()
  const model = new IBSequential({ inputShape: [4], trackDynamics: true, ...options }).add(hidden)
  return model
    .add(output)
    .compile()
    .attachEvaluator(new HSIC({ sigma: 1 }))
}

/** Counts after the collector has had its turns. */
async function settled() {
  for (let turn = 0; turn < 6; turn++) {
    collect()
    await pause(10)
  }
  const { variables, buffers, nodes } = memory()
  return { variables, buffers, nodes }
}

const shared = new ArrayDataset(x, y, { inputShape: [4] })
const adam = new Adam()
const endless = new AbortController().signal
const samples = () => tensor(x, { shape: [40, 2] })
let folder: string

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hyperglow-collection-'))
})
test.after.always(() => rm(folder, { recursive: true }))

const cases: Record<string, (round: number) => Promise<unknown>> = {
  'compiled functions': async () => {
    const v = new Variable(zeros([3]))
    const f = jit((addend: Tensor) => {
      v.assign(v.value.add(addend))
      return v.value.sum()
    })
    await f(ones([3]))
  },
  'compiled functions that were disposed of': async () => {
    const v = new Variable(zeros([3]))
    const f = jit((addend: Tensor) => v.value.add(addend))
    await f(ones([3]))
    f.dispose()
  },
  'compiled functions that fail': async (round) => {
    const v = new Variable(zeros([2, 2]))
    const f = jit((matrix: Tensor) => {
      v.assign(matrix.cholesky())
      if (round % 2 === 0) throw new Error('refused')
    })
    await Promise.resolve(zeros([2, 2]))
      .then(f)
      .catch(() => {})
  },
  'assignments that fail': async () => {
    const v = new Variable(zeros([2, 2]))
    v.assign(zeros([2, 2]).cholesky())
    await v.data().catch(() => {})
  },
  'models that were made': async () =>
    classifier()
      .call(ones([2, 4]))
      .data(),
  'models that were fitted': async () => classifier().fit(x, y, { ...quiet, epochs: 2 }),
  'networks trained layer by layer': async () => {
    const [hidden] = layers()
    const model = new HSICSequential({ inputShape: [4] }).add(hidden).add(new HSICOutput(2))
    await model.compile({ criterion: new HSIC({ sigma: 1 }) }).fitDataset(shared, quiet)
  },
  'networks trained layer by layer that were disposed of': async () => {
    const [hidden] = layers()
    using model = new HSICSequential({ inputShape: [4] }).add(hidden).add(new Dense(2))
    await model.compile({ criterion: new HSIC({ sigma: 1 }) }).preTrainingLoop(1, shared, undefined, quiet)
    await model.matchUnits(shared)
    await model.predictClasses(x)
  },
  'sigma networks': async () => {
    const model = new HSICSigma({ inputShape: [4], sigmas: [1, 2] }, [new Dense(3), new HSICOutput(2)])
    const criterion = (sigma: number) => new HSIC({ sigma })
    await model.compile({ pre: { criterion } }).fitDataset(shared, quiet)
  },
  'variational bottlenecks': async () => {
    const encoder = new Sequential({ inputShape: [4] }).add(new Dense(4))
    const decoder = new Sequential({ inputShape: [2] }).add(new Dense(2))
    const model = new VIB({ encoder, decoder, hiddenDim: 2 }).compile()
    await model.fitDataset(shared, quiet)
    await model.evaluate(shared)
    await model.predict(x, { numSamples: 2 })
    await model.generate(2).probabilities.data()
  },
  'models fitted with a signal that lives on': async () =>
    classifier().fit(x, y, { ...quiet, signal: endless }),
  'models compiled with an optimizer that lives on': async () => {
    const [hidden, output] = layers()
    const model = new Sequential({ inputShape: [4] }).add(hidden).add(output)
    await model.compile({ optimizer: adam }).fit(x, y, quiet)
    // An optimizer is one model's at a time.
    adam.forget(model.parameters())
  },
  'models fitted on a data set that lives on': async () => classifier().fitDataset(shared, quiet),
  'models and their data sets': async () => {
    const data = new ArrayDataset(x, y, { inputShape: [4] })
    const [train, validation] = data.split(0.2)
    await classifier().fitDataset(train, { ...quiet, validation })
  },
  'augmented data, and batches made ahead': async (round) => {
    const change = augment([noise({ std: 0.1 }), mixup({ classes: 2 })])
    const data = prefetch(augmented(shared, change), { batches: 2 })
    await classifier().fitDataset(data, quiet)
    for await (using batch of data) if (batch.x.rank > 0 && round % 2 === 0) break
  },
  'data made in threads': async () => {
    const source = 'export default (index) => ({ x: [index, 1, 2, 3], y: index % 2 })'
    await using data = workerLoader(`data:text/javascript,${encodeURIComponent(source)}`, {
      samples: 8,
      batchSize: 3,
      classes: 2,
      workers: 1,
    })
    await classifier().fitDataset(data, quiet)
    for await (using batch of data) if (batch.x.rank > 0) break
  },
  'parts and folds of data': async () => {
    const { train, validation } = splitDataset(shared, { validation: 0.2, stratify: true })
    await classifier().fitDataset(train, { ...quiet, validation })
    for (const fold of kFold(shared, { folds: 2 })) await classifier().fitDataset(fold.train, quiet)
  },
  'models fitted on batches': async () =>
    classifier().fitDataset([{ x: ones([4, 4]), y: zeros([4], { dtype: 'int32' }) }], quiet),
  'models that were evaluated': async () => classifier().evaluate(x, y),
  'models that predicted': async () => classifier().predict(x),
  'models whose layers were looked at': async () => {
    const { runs } = await classifier().activations(x, { y, layers: '**' })
    for (const layer of runs[0]?.layers ?? []) await runs[0]?.layer(0, layer)?.read()
    using _unread = await classifier().activations(x)
    await classifier().activations([{ x: ones([4, 4]), y: zeros([4], { dtype: 'int32' }) }])
  },
  'models whose fit was aborted': async () => {
    const abort = new AbortController()
    const fit = classifier().fit(x, y, { ...quiet, epochs: 1000, signal: abort.signal })
    await pause(1)
    abort.abort()
    await fit.catch(() => {})
  },
  'models whose fit failed': async () => {
    const fails = {
      onEpochEnd() {
        throw new Error('refused')
      },
    }
    await classifier()
      .fit(x, y, { ...quiet, callbacks: [fails] })
      .catch(() => {})
    await classifier()
      .fit(x, y.with(3, 7), quiet)
      .catch(() => {})
  },
  'models whose callbacks stopped and remembered': async (round) => {
    const callbacks = [
      new EarlyStopping({ monitor: 'loss', mode: 'max' }),
      new Checkpoint(join(folder, `run-${round}`), { everySteps: 1 }),
    ]
    await classifier().fit(x, y, { ...quiet, epochs: 4, callbacks })
    const again = [
      new EarlyStopping({ monitor: 'loss', mode: 'max' }),
      new Checkpoint(join(folder, `run-${round}`), { everySteps: 1 }),
    ]
    await classifier().fit(x, y, {
      ...quiet,
      epochs: 9,
      callbacks: again,
      resume: join(folder, `run-${round}`),
    })
  },
  'tasks that were trained on records of arrays': async () => {
    const w = new Variable(zeros([4]), { name: 'w' })
    const optimizers = { adam: new Adam() }
    const task: Task<{ x: Tensor }> = {
      parameters: { w },
      optimizers,
      step({ x }, { key, step }) {
        const { value, grads } = valueAndGrad(
          (at) =>
            x
              .sub(at.w)
              .add(normal(key, [4]))
              .square()
              .mean(),
          { w },
        )
        optimizers.adam.step({ w }, grads)
        return {
          loss: value,
          logs: { step: step.cast('float32') },
          segment: { input: x, layers: [['w', x.mul(w.value)]], target: x },
        }
      },
    }
    await fitTask(task, new TreeDataset({ x: tensor(x, { shape: [20, 4] }) }), {
      ...quiet,
      evaluators: [new HSIC({ sigma: 1 })],
    })
  },
  'models saved and loaded': async (round) => {
    const path = join(folder, `model-${round}`)
    await classifier().save(path)
    await classifier().load(path)
    await load(path)
  },
  'nested models, owned and not': async () => {
    const make = (noWeights: boolean) =>
      new Sequential({ inputShape: [4], noWeights })
        .add(new Residual([new Dense(4, { activation: 'tanh' }), new BatchNorm1d()]))
        .add(new Dense(3, { activation: 'softmax' }))
    const model = make(false).compile({ optimizer: 'adam' })
    model.freeze('layers.0')
    await model.fit(x, y, quiet)
    await make(true)
      .apply(model.module.weights(), tensor(x, { shape: [y.length, 4] }))
      .data()
  },
  'tracked models with evaluators': async () => {
    const model = tracked().attachEvaluator(new KSG(), { evaluateOn: 'epoch' })
    model.attachEvaluator(new KSG(), { evaluateOn: { probe: { x, y } } })
    await model.fit(x, y, { ...quiet, epochs: 2 })
    await model.evaluatedDynamics.data()
    model.dynamics()
  },
  'tracked models that save their dynamics': async (round) =>
    tracked({ saveDynamics: { dir: join(folder, `dynamics-${round}`), raw: true } }).fit(x, y, quiet),
  'models with metrics that keep samples': async () => {
    const model = classifier().compile({ metrics: ['rocAUC', 'f1', 'calibrationError'] }) as Sequential
    await model.fit(x, y, { ...quiet, epochs: 2 })
    await model.evaluate(x, y)
  },
  'resamples, shuffles and probes': async () => {
    await bootstrap([samples()], (rows) => (rows as Tensor).mean(), { resamples: 5 })
    await permutationTest(samples(), samples(), new HSIC({ sigma: 1 }), { permutations: 5 })
    await logisticProbe(samples().slice([0], [20]), y)
    await layerSimilarity('svcca', [samples(), samples()])
    await spectrum(samples())
  },
  'trained estimators': async () => new MINE({ steps: 5 }).estimate(samples(), samples()),
}

for (const [name, make] of Object.entries(cases)) {
  test.serial(`nothing is left of ${name}`, async (t) => {
    // What is made once for all, such as warnings and plans, is there before anything is counted.
    for (let round = -2; round < 0; round++) await make(round)
    const before = await settled()
    for (let round = 0; round < 4; round++) await make(round)
    t.deepEqual(await settled(), before)
  })
}
