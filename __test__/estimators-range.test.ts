/** Activations outside the bins. */
import test from 'ava'
import { Binned, Dense, IBSequential, key, normal, tensor } from '../ts/index.js'
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
