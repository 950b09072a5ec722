/** Activations outside the bins. */
import test from 'ava'
import {
  Binned,
  CKA,
  Dense,
  IBSequential,
  key,
  layerSimilarity,
  measure,
  normal,
  tensor,
} from '../ts/index.js'
import { warningsOf } from './warnings.js'

const n = 200
const x = normal(key(1), [n, 4], { dtype: 'float64' })

async function messagesOf(run: () => Promise<unknown>): Promise<string[]> {
  const ofRange = (await warningsOf(run)).filter(({ code }) => code === 'HYPERGLOW_OUT_OF_RANGE')
  return ofRange.map(({ message }) => message)
}

test.serial('an estimate with activations outside the bins says how many, once', async (t) => {
  const binned = new Binned()
  const messages = await messagesOf(async () => {
    for (let i = 0; i < 2; i++) await binned.estimate(x.mul(4).relu(), x)
  })
  t.is(messages.length, 1)
  t.regex(
    messages[0] as string,
    /Binned: \d\d % of the activations of x lie outside the bins on \[-1,1\].*binSize/,
  )
  const { warnings } = await binned.estimate(x.mul(4), x, { details: true })
  t.is(warnings.filter((text) => /lie outside/.test(text)).length, 1)
  for (const options of [{ binSize: 0.07 }, { range: 'data' as const }, { range: [-50, 50] as const }]) {
    t.deepEqual(await messagesOf(() => new Binned(options).estimate(x.mul(4), x)), [])
  }
  t.deepEqual(await messagesOf(() => new Binned().estimate(x.tanh(), x)), [])
})

/** Warnings that CKA of wide layers is biased. */
async function ofBias(run: () => Promise<unknown>): Promise<string[]> {
  const found = (await warningsOf(run)).filter(({ code }) => code === 'HYPERGLOW_CKA_BIAS')
  return found.map(({ message }) => message)
}

test.serial('biased CKA of wide layers warns once, wherever it is computed', async (t) => {
  const wide = [normal(key(2), [40, 60]), normal(key(3), [40, 60])] as const
  const said =
    /CKA of .* is biased: for unrelated data of these widths it is 0\.\d+ on average; unbiased: true has 0/
  const ways: Record<string, (cka: CKA) => Promise<unknown>> = {
    estimate: (cka) => cka.estimate(...wide),
    batches: (cka) => cka.estimateBatches([wide, wide]),
    matrix: (cka) => layerSimilarity(cka, wide),
    'two matrices': (cka) => layerSimilarity(cka, [wide[0]], { others: [wide[1]] }),
    batch: (cka) => trained(cka, 'batch'),
    epoch: (cka) => trained(cka, 'epoch'),
  }
  for (const [name, way] of Object.entries(ways)) {
    const cka = new CKA()
    const messages = await ofBias(async () => {
      for (let round = 0; round < 2; round++) await way(cka)
      await cka.estimate(...wide)
    })
    t.is(messages.length, 1, `${name}: ${messages}`)
    t.regex(messages[0] as string, said, name)
    t.deepEqual(await ofBias(() => way(new CKA({ unbiased: true }))), [], name)
  }
  const narrow = [x.cast('float32'), x.mul(2).cast('float32')]
  t.deepEqual(await ofBias(() => layerSimilarity(new CKA(), narrow)), [])
  const model = new IBSequential({ inputShape: [30] }).add(new Dense(50))
  const { notes } = await measure(await model.activations(normal(key(4), [40, 30])), new CKA())
  t.regex(notes.join('; '), /CKA of layer 'dense_1' of run 'seed 0' in epoch 0 is biased/)
})

/** Trains a wide network with an evaluator. */
async function trained(evaluator: CKA, evaluateOn: 'batch' | 'epoch'): Promise<void> {
  const model = new IBSequential({ inputShape: [30], trackDynamics: true })
    .add(new Dense(50, { activation: 'tanh' }))
    .add(new Dense(2, { activation: 'softmax' }))
    .compile({ loss: 'crossEntropy' })
    .attachEvaluator(evaluator, { evaluateOn })
  const labels = Int32Array.from({ length: 40 }, (_, i) => i % 2)
  await model.fit(normal(key(4), [40, 30]), labels, {
    epochs: 2,
    batchSize: 40,
    validationSplit: 0,
    verbose: false,
  })
}

for (const evaluateOn of ['batch', 'epoch'] as const) {
  test.serial(`an evaluator on the ${evaluateOn} names the layer, once`, async (t) => {
    const train = async (activation: 'relu' | 'tanh', binned: Binned) => {
      const model = new IBSequential({ inputShape: [4], trackDynamics: true })
        .add(new Dense(6, { activation, name: 'wide' }))
        .add(new Dense(2, { activation: 'softmax' }))
        .compile({ loss: 'crossEntropy' })
        .attachEvaluator(binned, { evaluateOn })
      const labels = Int32Array.from({ length: n }, (_, i) => i % 2)
      await model.fit(tensor(await x.mul(9).cast('float32').array()), labels, {
        epochs: 2,
        batchSize: 100,
        verbose: false,
      })
    }
    const messages = await messagesOf(() => train('relu', new Binned()))
    t.is(messages.length, 1)
    t.regex(messages[0] as string, /activations of layer .*wide/)
    t.deepEqual(await messagesOf(() => train('tanh', new Binned())), [])
    t.deepEqual(await messagesOf(() => train('relu', new Binned({ binSize: 0.07 }))), [])
  })
}
