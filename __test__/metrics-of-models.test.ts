/** Metrics by name use a model's probabilities, for any last activation. */
import test from 'ava'
import { Dense, type LossName, rocAUC, Sequential, StateError, softmax, tensor } from '../ts/index.js'
import { close, numbers } from './helpers.js'
import { warningsOf } from './warnings.js'

const n = 41
const x = Float32Array.from(numbers(2 * n, -2, 2))
const inputs = tensor(x, { shape: [n, 2] })
const labels = Int32Array.from({ length: n }, (_, i) => (i * i + (i % 5)) % 3)

function ending(activation: 'softmax' | 'linear', loss: LossName, metrics: string[]): Sequential {
  const model = new Sequential({ inputShape: [2], seed: 3 }).add(new Dense(3, { activation }))
  return model.compile({ loss, metrics })
}

/** Probabilities of the classes, a row for each sample, by plain arithmetic. */
async function probabilities(model: Sequential): Promise<number[][]> {
  const values = [...((await (await model.predict(inputs)).data()) as Float32Array)]
  const rows = Array.from({ length: n }, (_, i) => values.slice(3 * i, 3 * i + 3).map(Math.exp))
  return rows.map((row) => row.map((one) => one / row.reduce((sum, other) => sum + other)))
}

/** Mean over the classes of the share of pairs, one of the class and one of another, that are in order. */
function areaOf(rows: readonly (readonly number[])[]): number {
  const shares = [0, 1, 2].map((c) => {
    const of = (isOfClass: boolean) =>
      rows.flatMap((row, i) => ((labels[i] === c) === isOfClass ? [row[c] as number] : []))
    const [inside, outside] = [of(true), of(false)]
    const right = inside.flatMap((a) => outside.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)))
    return right.reduce((sum: number, one) => sum + one, 0) / right.length
  })
  return shares.reduce((sum, share) => sum + share) / 3
}

for (const loss of ['crossEntropy', 'softmaxFocal'] as const) {
  test(`${loss}: metrics of probabilities are the same with softmax as the last layer and without`, async (t) => {
    const names = ['logLoss', 'brier', 'perplexity', 'calibrationError', 'rocAUC', 'averagePrecision']
    const open = ending('linear', loss, names)
    const rows = await probabilities(open)
    const ofTruth = rows.map((row, i) => row[labels[i] as number] as number)
    const logLoss = -ofTruth.reduce((sum, p) => sum + Math.log(p), 0) / n
    const squares = rows.map((row, i) =>
      row.reduce((sum, p, c) => sum + (p - Number(c === labels[i])) ** 2, 0),
    )
    const expected = {
      logLoss,
      brier: squares.reduce((sum, one) => sum + one) / n,
      perplexity: Math.exp(logLoss),
      rocAUC: areaOf(rows),
    }
    const found = (await open.evaluate(inputs, labels, { batchSize: 7 })).metrics
    for (const [name, value] of Object.entries(expected)) close(t, [found[name] as number], [value], 1e-5)
    const closed = (await ending('softmax', loss, names).evaluate(inputs, labels, { batchSize: 7 })).metrics
    for (const name of names) close(t, [closed[name] as number], [found[name] as number], 1e-6)
  })
}

test('ranking metrics of logits take softmax first, which changes the order of samples', async (t) => {
  const scores = tensor(numbers(3 * n, -2, 2), { shape: [n, 3] })
  const truth = tensor(labels)
  const ofLogits = await rocAUC(scores, truth, { logits: true }).item()
  const ofProbabilities = await rocAUC(softmax(scores.cast('float64'), 1), truth).item()
  close(t, [ofLogits], [ofProbabilities], 1e-6)
  t.true(Math.abs(ofLogits - (await rocAUC(scores, truth).item())) > 1e-4)
})

test("the threshold of 'sigmoidFocal' is 0, as that of all logits", async (t) => {
  const model = new Sequential({ inputShape: [2], seed: 3 }).add(new Dense(1))
  model.compile({ loss: 'sigmoidFocal', metrics: ['accuracy', 'recall'] })
  const truth = Float32Array.from(labels, (label) => Number(label === 1))
  const logits = [...((await (await model.predict(inputs)).data()) as Float32Array)]
  const right = logits.filter((logit, i) => Number(logit > 0) === truth[i]).length
  const hits = logits.filter((logit, i) => logit > 0 && truth[i] === 1).length
  const { metrics } = await model.evaluate(inputs, truth)
  close(t, [metrics.accuracy as number], [right / n], 1e-12)
  close(t, [metrics.recall as number], [hits / truth.filter((one) => one === 1).length], 1e-12)
})

test.serial('a focal or margin loss that does not go with the last activation is warned about', async (t) => {
  const yes = Float32Array.from(labels, (label) => Number(label === 1))
  const signs = yes.map((value) => 2 * value - 1)
  const cases: [LossName, 'sigmoid' | 'linear' | 'softmax' | 'tanh', number][] = [
    ['sigmoidFocal', 'sigmoid', 1],
    ['sigmoidFocal', 'linear', 0],
    ['softmaxFocal', 'sigmoid', 1],
    ['softmaxFocal', 'softmax', 0],
    ['hinge', 'sigmoid', 1],
    ['hinge', 'tanh', 0],
    ['squaredHinge', 'sigmoid', 1],
    ['multiMargin', 'softmax', 1],
    ['multiMargin', 'linear', 0],
  ]
  for (const [loss, activation, count] of cases) {
    const isOfClasses = loss === 'softmaxFocal' || loss === 'multiMargin'
    const model = new Sequential({ inputShape: [2] }).add(new Dense(isOfClasses ? 3 : 1, { activation }))
    model.compile({ loss })
    const found = await warningsOf(() =>
      model.evaluate(inputs, isOfClasses ? labels : loss === 'sigmoidFocal' ? yes : signs),
    )
    const codes = found.filter(({ code }) => code === 'HYPERGLOW_LOSS_ACTIVATION')
    t.is(codes.length, count, `${loss} ${activation}`)
  }
})

test('fit says why there is nothing to train', async (t) => {
  const made = (noWeights: boolean) =>
    new Sequential({ inputShape: [2], noWeights }).add(new Dense(3)).compile({})
  const refused = (model: Sequential, message: RegExp) =>
    t.throwsAsync(model.fit(inputs, labels), { instanceOf: StateError, message })
  await refused(made(true), /nothing to train.*noWeights.*leave noWeights out/)
  const frozen = made(false)
  frozen.freeze('**')
  await refused(frozen, /nothing to train.*frozen.*unfreeze\('\*\*'\)/)
  frozen.unfreeze('**')
  await t.notThrowsAsync(frozen.fit(inputs, labels, { verbose: false }))
})
