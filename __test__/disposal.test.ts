/** Models, optimizers and data sets that are released by hand. */
import test from 'ava'
import {
  Adam,
  ArrayDataset,
  Dense,
  DisposedError,
  HSIC,
  IBSequential,
  memory,
  ones,
  Sequential,
  StateError,
  Variable,
  zeros,
} from '../ts/index.js'

const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i))
const y = Int32Array.from({ length: 20 }, (_, i) => i % 2)
const quiet = { verbose: false }

function tracked() {
  const model = new IBSequential({ inputShape: [4], trackDynamics: true }).add(new Dense(8))
  model.add(new Dense(2, { activation: 'softmax' })).compile({ optimizer: 'adam' })
  return model.attachEvaluator(new HSIC({ sigma: 1 }))
}

test.serial('a disposed model holds no Variable, and refuses what would need one', async (t) => {
  const before = memory().variables
  const model = tracked()
  await model.fit(x, y, quiet)
  await model.predict(x)
  const dynamics = model.evaluatedDynamics
  model.dispose()
  model.dispose()
  t.is(memory().variables, before)
  t.true((await dynamics.data()).every(Number.isFinite), 'what was handed out stays')
  t.deepEqual([model.layers.length, model.numLayers, model.inputShape, model.countParams()], [2, 2, [4], 58])
  const uses: Record<string, () => unknown> = {
    fit: () => model.fit(x, y, quiet),
    evaluate: () => model.evaluate(x, y),
    predict: () => model.predict(x),
    save: () => model.save('never-written'),
    load: () => model.load('never-read'),
    call: () => model.call(ones([2, 4])),
    apply: () => model.apply({}, ones([2, 4])),
    weights: () => model.weights,
    parameters: () => model.parameters(),
    compile: () => model.compile(),
    add: () => model.add(new Dense(2)),
    attachEvaluator: () => model.attachEvaluator(new HSIC({ sigma: 1 })),
    dynamics: () => model.dynamics(),
    history: () => model.history,
    optimizer: () => model.optimizer,
  }
  for (const [name, use] of Object.entries(uses)) {
    const attempt = async () => use()
    await t.throwsAsync(attempt, { instanceOf: DisposedError, message: /IBSequential/ }, name)
  }
})

test.serial('a model at work refuses to be disposed of, and goes on', async (t) => {
  const model = tracked()
  const fit = model.fit(x, y, quiet)
  t.throws(() => model.dispose(), { instanceOf: StateError, message: /middle of fit/ })
  t.is((await fit).loss.length, 1)
  model.dispose()
  t.throws(() => model.history, { instanceOf: DisposedError })
})

test.serial('a model in a using block is released at its end', async (t) => {
  const before = memory().variables
  {
    using model = new Sequential({ inputShape: [4] }).add(new Dense(2, { activation: 'softmax' })).compile()
    await model.fit(x, y, quiet)
  }
  t.is(memory().variables, before)
})

test.serial('an optimizer forgets a disposed model and keeps what it knows of another', async (t) => {
  const optimizer = new Adam()
  const compiled = () =>
    new Sequential({ inputShape: [4] }).add(new Dense(2, { activation: 'softmax' })).compile({ optimizer })
  const other = new Variable(zeros([3]))
  optimizer.step([other], [ones([3])])
  const { size } = optimizer.stateVariables()
  t.throws(compiled, { instanceOf: StateError, message: /one for each model/ })
  optimizer.forget([other])
  const gone = compiled()
  await gone.fit(x, y, quiet)
  optimizer.step([other], [ones([3])])
  gone.dispose()
  t.deepEqual(
    [...optimizer.stateVariables().values()].map((variable) => variable.isDisposed),
    Array.from({ length: size }, () => false),
  )
  optimizer.forget([other])
  t.is(optimizer.stateVariables().size, 0)
  const next = compiled()
  await next.fit(x, y, quiet)
  next.dispose()
})

test.serial('a disposed optimizer holds no Variable and refuses to step', async (t) => {
  const before = memory().variables
  const weight = new Variable(zeros([3]))
  const optimizer = new Adam()
  optimizer.step([weight], [ones([3])])
  optimizer.dispose()
  optimizer.dispose()
  t.is(memory().variables, before + 1)
  const uses = [
    () => optimizer.step([weight], [ones([3])]),
    () => optimizer.prepare([weight]),
    () => optimizer.init([zeros([3])]),
    () => optimizer.stateVariables(),
    () => {
      optimizer.learningRate = 1
    },
  ]
  for (const use of uses) t.throws(use, { instanceOf: DisposedError, message: /'adam'/ })
  weight.dispose()
})

test.serial('a disposed data set releases its samples, and refuses to give them', async (t) => {
  const before = memory().buffers
  const data = new ArrayDataset(x, y, { inputShape: [4] })
  const [train] = data.split(0.2)
  data.dispose()
  data[Symbol.dispose]()
  t.is(memory().buffers, before)
  const model = new Sequential({ inputShape: [4] }).add(new Dense(2, { activation: 'softmax' })).compile()
  for (const gone of [data, train]) {
    t.throws(() => gone.source, { instanceOf: DisposedError, message: /ArrayDataset/ })
    t.throws(() => gone.subset([0]), { instanceOf: DisposedError })
    await t.throwsAsync(model.fitDataset(gone, quiet), { instanceOf: DisposedError, message: /ArrayDataset/ })
    await t.throwsAsync(async () => {
      for await (const batch of gone) t.fail(String(batch))
    })
  }
})
