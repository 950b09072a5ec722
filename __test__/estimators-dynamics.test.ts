/** Estimators as evaluators of a model: schedules, samples, and recorded values. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  Binned,
  CKA,
  Dense,
  DiscriminantMI,
  EDGE,
  type Estimator,
  explain,
  GaussianCopulaMI,
  GaussianMI,
  HSIC,
  IBSequential,
  KDE,
  KSG,
  loadDynamics,
  MutualInformation,
  type NestedArray,
  RenyiMI,
  ResidualMI,
  Ross,
  StudentCopulaMI,
  type Tensor,
  tensor,
  theoryReport,
} from '../ts/index.js'
import { close } from './close.js'
import { sample } from './helpers.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'
import { warningsOf } from './warnings.js'

const tracked = () => classifier({ trackDynamics: true, seed: 3 })
/** Gives an estimator a unique name, which identifies its warnings among those of other tests of this process. */
function named<E extends Estimator>(estimator: E, name: string): E {
  return Object.defineProperty(estimator, 'name', { value: name })
}

/** The messages of warnings of a code that hold `text`. */
async function messagesOf(wanted: string, text: string, run: () => Promise<unknown>): Promise<string[]> {
  const warnings = await warningsOf(run)
  return warnings
    .filter(({ code, message }) => code === wanted && message.includes(text))
    .map(({ message }) => message)
}

const valuesOf = async (x: Tensor) => (await x.array()) as number[][][][]

test('several evaluators on one model, in one pass: [N, E, L, 2] with names', async (t) => {
  const model = tracked()
    .attachEvaluator(new HSIC({ sigma: 1 }))
    .attachEvaluator(new Binned())
    .attachEvaluator(new KDE({ variance: 0.1 }))
    .attachEvaluator(new KSG())
    .attachEvaluator(new CKA())
    .attachEvaluator(new RenyiMI({ alpha: 2 }))
    .attachEvaluator(new EDGE())
  await model.fitDataset(dataset(512, 256), { epochs: 2 })
  const { shape, evaluators, values } = model.dynamics()
  t.deepEqual(shape, [2, 7, 2, 2])
  t.deepEqual(evaluators, ['HSIC', 'Binned', 'KDE', 'KSG', 'CKA', 'RenyiMI', 'EDGE'])
  t.true(values.flat(3).every(Number.isFinite))
})

test('every k batches: the other batches do not count', async (t) => {
  const model = tracked()
    .attachEvaluator(new HSIC({ sigma: 1 }))
    .attachEvaluator(new HSIC({ sigma: 1 }), { every: 2 })
  await model.fitDataset(dataset(96, 32), { epochs: 1 })
  const batches = (await model.batchDynamics.array()) as number[][][][][]
  const rows = batches[0] as number[][][][]
  t.is(rows.length, 3)
  t.deepEqual(rows[0]?.[0], rows[0]?.[1])
  t.true(rows[1]?.[1]?.flat().every(Number.isNaN))
  t.deepEqual(rows[2]?.[0], rows[2]?.[1])
  const mean = (model.dynamics().values[0] as number[][][])[1] as number[][]
  close(
    t,
    [mean[0]?.[0] as number],
    [((rows[0]?.[1]?.[0]?.[0] as number) + (rows[2]?.[1]?.[0]?.[0] as number)) / 2],
    1e-6,
  )
})

test('a probe is looked at after every epoch, with the weights of that moment', async (t) => {
  const { x, y } = points(100, 5)
  const probe = { x: tensor(x, { shape: [100, 4] }), y: tensor(y) }
  const model = tracked()
    .attachEvaluator(new HSIC({ sigma: 1 }))
    .attachEvaluator(new HSIC({ sigma: 1 }), { evaluateOn: { probe } })
    .attachEvaluator(new MutualInformation(), { evaluateOn: { probe }, every: 2 })
  await model.fitDataset(dataset(64, 32), { epochs: 2 })
  const values = await valuesOf(model.evaluatedDynamics)
  const { hidden } = model.forward(probe.x)
  const target = probe.y.oneHot(3)
  const hsic = new HSIC({ sigma: 1 })
  const want = hidden.map((h) => [
    hsic.criterion(h, probe.x).itemSync(),
    hsic.criterion(h, target).itemSync(),
  ])
  const probed = (values[1] as number[][][])[1] as number[][]
  close(t, probed.flat(), want.flat(), 1e-5)
  t.true(values[0]?.[2]?.flat().every((v) => v >= 0))
  t.true(values[1]?.[2]?.flat().every(Number.isNaN), 'not due in the second epoch')
})

test("evaluateOn 'epoch' takes the first samples of the epoch and changes no weight", async (t) => {
  const plain = tracked()
  await plain.fitDataset(dataset(96, 32, true), { epochs: 2 })
  const model = tracked().attachEvaluator(new GaussianCopulaMI(), { evaluateOn: 'epoch', samples: 70 })
  await model.fitDataset(dataset(96, 32, true), { epochs: 2 })
  t.deepEqual(await weightsOf(model), await weightsOf(plain))
  t.deepEqual(model.dynamics().shape, [2, 1, 2, 2])
})

test('a store holds what memory holds', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'dynamics-'))
  try {
    const model = classifier({ trackDynamics: true, saveDynamics: dir, seed: 3 })
      .attachEvaluator(new HSIC({ sigma: 1 }), { every: 2 })
      .attachEvaluator(new KDE(), { evaluateOn: 'epoch' })
    await model.fitDataset(dataset(96, 32), { epochs: 2 })
    const stored = (await loadDynamics(dir)).averaged()
    t.deepEqual([...stored.values], [...(await model.evaluatedDynamics.data())])
    t.true([...stored.values].every(Number.isFinite))
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('class targets are never numbers: KSG takes Ross for them', async (t) => {
  const x = sample([60, 2])
  const labels = tensor(Int32Array.from({ length: 60 }, (_, i) => i % 3))
  const h = sample([60, 2], -1, 1, 9)
  const [pair] = new KSG().evaluateSegment([x, h, labels.oneHot(3)], { target: 'classes' })
  close(t, pair?.[1] as Tensor, [new KSG().criterion(h, labels).itemSync()], 1e-6)
  const [own] = new GaussianCopulaMI().evaluateSegment([x, h, labels.oneHot(3)], { target: 'classes' })
  close(t, own?.[1] as Tensor, [new DiscriminantMI().criterion(h, labels).itemSync()], 1e-6)
})

test('kernel matrices of the input are made once for all layers', (t) => {
  const x = sample([32, 4])
  const layers = [sample([32, 3], -1, 1, 2), sample([32, 3], -1, 1, 3)]
  const count = (hidden: Tensor[]) => {
    const scalars = new CKA({ kernel: 'rbf' }).evaluateSegment([x, ...hidden, x]).flat()
    return explain(scalars).match(/matmul/g)?.length ?? 0
  }
  const [one, two] = [count(layers.slice(0, 1)), count(layers)]
  t.true(two - one <= one / 2, `${one} products for one layer, ${two} for two`)
})

test('a wide layer is measured', async (t) => {
  const model = new IBSequential({ inputShape: [4], trackDynamics: true })
  model.add(new Dense(12_544, { activation: 'tanh' })).add(new Dense(3, { activation: 'softmax' }))
  model
    .compile()
    .attachEvaluator(new HSIC({ sigma: 5 }))
    .attachEvaluator(new Binned())
    .attachEvaluator(new KDE())
  await model.fitDataset(dataset(64, 64), { epochs: 1 })
  t.true((model.dynamics().values.flat(3) as NestedArray[]).every((v) => Number.isFinite(v)))
})

test('wrong schedules are refused', (t) => {
  const attach = (options: object, evaluator = new MutualInformation()) =>
    tracked().attachEvaluator(evaluator, options)
  const refused = t.throws(() => attach({}), { code: 'ARGUMENT' })
  t.regex(refused.message, /evaluateOn: 'epoch'/)
  t.throws(() => attach({ evaluateOn: 'sometimes' }), { code: 'ARGUMENT', message: /probe/ })
  t.throws(() => attach({ evaluateOn: { probe: { x: [1] } } }), { code: 'ARGUMENT' })
  t.throws(() => attach({ evaluateOn: 'epoch', every: 0 }), { code: 'ARGUMENT', message: /every must be.*0/ })
  t.throws(() => attach({ evaluateon: 'epoch' }), { code: 'UNKNOWN_NAME' })
})

test('a batch that is small for an estimator is warned of, once', async (t) => {
  const warnings = await messagesOf('HYPERGLOW_FEW_SAMPLES', 'Small', () =>
    tracked().attachEvaluator(named(new KSG(), 'Small')).fitDataset(dataset(96, 32), { epochs: 1 }),
  )
  t.is(warnings.length, 1)
  t.regex(warnings[0] as string, /Small is unreliable with 32 samples/)
})

test('a last batch with too few samples for its columns is passed over', async (t) => {
  for (const estimator of [
    new GaussianMI(),
    new StudentCopulaMI(),
    new GaussianCopulaMI(),
    new ResidualMI(),
  ]) {
    const model = tracked().attachEvaluator(estimator)
    const warnings = await messagesOf('HYPERGLOW_SMALL_BATCH', 'batch 1', () =>
      model.fitDataset(dataset(74, 64), { epochs: 1 }),
    )
    t.regex(warnings[0] as string, /fewer than the 20 samples|fewer than the 14 samples/, estimator.name)
    t.deepEqual(model.batchDynamics.shape.slice(0, 2), [1, 1])
    t.true(model.dynamics().values.flat(3).every(Number.isFinite), estimator.name)
  }
})

test('an estimator of classes has no value for continuous inputs: NaN, and a warning', async (t) => {
  for (const on of ['batch', 'epoch'] as const) {
    for (const estimator of [named(new DiscriminantMI(), `LDA${on}`), named(new Ross(), `Ross${on}`)]) {
      const model = tracked().attachEvaluator(estimator, { evaluateOn: on })
      const warnings = await messagesOf('HYPERGLOW_NO_VALUE', estimator.name, () =>
        model.fitDataset(dataset(128, 64), { epochs: 2 }),
      )
      t.is(warnings.length, 1, estimator.name)
      const pairs = model.dynamics().values.flat(2) as unknown as number[][]
      t.true(
        pairs.every(([compression, relevance]) => Number.isNaN(compression) && Number.isFinite(relevance)),
      )
    }
  }
})

test('what a layer has no answer for is NaN, with the reason, and training goes on', async (t) => {
  const auto = named(new MutualInformation(), 'auto')
  const x = points(64).x
  const model = tracked().attachEvaluator(auto, {
    evaluateOn: { probe: { x: x.subarray(0, 4 * 5), y: Int32Array.from([0, 1, 2, 0, 1]) } },
  })
  const warnings = await messagesOf('HYPERGLOW_NO_VALUE', 'auto', () =>
    model.fitDataset(dataset(64, 32), { epochs: 1 }),
  )
  t.regex(warnings[0] as string, /at least 6 samples, received 5/)
  t.true(model.dynamics().values.flat(3).every(Number.isNaN))
})

test('wide layers: the discriminant bound is computed among the samples', async (t) => {
  const model = new IBSequential({ inputShape: [4], trackDynamics: true })
  model.add(new Dense(12_544, { activation: 'tanh' })).add(new Dense(3, { activation: 'softmax' }))
  model
    .compile()
    .attachEvaluator(new DiscriminantMI())
    .attachEvaluator(new MutualInformation(), { evaluateOn: 'epoch' })
  await model.fitDataset(dataset(128, 128), { epochs: 1 })
  const [discriminant, auto] = model.dynamics().values[0] as number[][][]
  const relevances = [discriminant?.[0]?.[1], auto?.[0]?.[1]] as [number, number]
  t.true(relevances[0] > 0.3 && relevances[0] < Math.log(3), `${relevances}`)
  t.true(relevances[1] >= relevances[0] - 1e-3, `${relevances}`)
})

test('the report after training: bounds of every layer', async (t) => {
  const model = tracked().attachEvaluator(new Binned({ bins: 4, range: 'data' }), { evaluateOn: 'epoch' })
  await model.fitDataset(dataset(256, 32), { epochs: 2 })
  const report = theoryReport(model.dynamics(), { n: 256, classes: 3 })
  t.is(report.layers.length, 2)
  t.regex(report.text, /layer .*I\(X;T\)/)
  t.true(
    report.layers.every(({ generalizationGap, errorAtLeast }) => generalizationGap > 0 && errorAtLeast >= 0),
  )
  // H(Y) is that of the samples, which are no three classes of one size.
  const { labelEntropy } = model.dynamics()
  t.true((labelEntropy as number) < Math.log(3))
  const told = theoryReport(model.dynamics(), { n: 256, classes: 3, targetEntropy: labelEntropy as number })
  t.deepEqual(report.layers, told.layers)
  const even = theoryReport({ ...model.dynamics(), labelEntropy: null }, { n: 256, classes: 3 })
  t.true((even.layers[0]?.relevanceAtMost as number) > (told.layers[0]?.relevanceAtMost as number))
  t.throws(() => theoryReport(model.dynamics(), { n: 256, classes: 3, evaluator: 'Bined' }), {
    code: 'UNKNOWN_NAME',
  })
  for (const base of [1, 0.5, Number.NaN]) {
    t.throws(() => theoryReport(model.dynamics(), { n: 256, classes: 3, base }), { message: /base.*above 1/ })
  }
})

test('the report takes the last epoch that an evaluator was due in, and no measure of dependence', async (t) => {
  const model = tracked()
    .attachEvaluator(new KDE(), { evaluateOn: 'epoch', every: 2 })
    .attachEvaluator(new HSIC({ sigma: 1 }))
    .attachEvaluator(new Ross())
  await model.fitDataset(dataset(128, 64), { epochs: 2 })
  const report = theoryReport(model.dynamics(), { n: 128, classes: 3, evaluator: 'KDE' })
  t.regex(report.text, /^KDE, epoch 1 of 2, the last one that it was due in, in nats/)
  t.true(report.layers.every(({ compression }) => Number.isFinite(compression)))
  const first = theoryReport(model.dynamics(), { n: 128, classes: 3 })
  t.regex(first.text, /^KDE \(first of 3 evaluators\), epoch 1 of 2/)
  t.throws(() => theoryReport(model.dynamics(), { n: 128, classes: 3, evaluator: 'HSIC' }), {
    code: 'ARGUMENT',
    message: /HSIC measures dependence/,
  })
  t.throws(() => theoryReport(model.dynamics(), { n: 128, classes: 3, evaluator: 'Ross' }), {
    code: 'ARGUMENT',
    message: /Ross has no I\(X; T\)/,
  })
})
