import test from 'ava'
import {
  BatchNorm2d,
  Conv2d,
  Dense,
  Dropout,
  Flatten,
  HSIC,
  HSICOutput,
  HSICSequential,
  IBSequential,
  jit,
  memory,
  mse,
  type Network,
  Sequential,
  StateError,
  type Tensor,
  tensor,
  Variable,
} from '../ts/index.js'

/** All that training changes: weights, state, the optimizer's memory, the random key. */
function everythingOf(model: Network): Record<string, number[]> {
  const variables: [string, Variable][] = [
    ...Object.entries(model.weights),
    ...Object.entries(model.stateVariables),
    ...(model.optimizer?.stateVariables() ?? new Map<string, Variable>()),
    ['rng', model.trainingState.record.rng],
  ]
  return Object.fromEntries(
    variables.map(([name, variable]) => [
      `${name} ${variable.version}`,
      [...variable.dataSync()].map(Number),
    ]),
  )
}

function networkOf(): Sequential {
  const model = new Sequential({ inputShape: [1, 8, 8], seed: 5 })
  model.add(new Conv2d(4, 3, { activation: 'relu' }))
  model.add(new BatchNorm2d())
  model.add(new Flatten())
  model.add(new Dropout(0.5))
  model.add(new Dense(3))
  return model
}

test.serial('explain shows the training step, and nothing runs or changes', (t) => {
  const model = networkOf()
  model.compile({ optimizer: 'adam', loss: 'crossEntropy', metrics: ['accuracy'] })
  const before = everythingOf(model)
  const held = memory()
  const text = model.explain({ batchSize: 6 })
  t.is(memory().buffers, held.buffers)
  t.is(memory().variables, held.variables)
  t.deepEqual(everythingOf(model), before)
  t.regex(text, /^plan {2}\d+ steps/)
  t.regex(text, /conv .*float32\(6, 1, 8, 8\).*\[.*layers\.0\]/)
  t.regex(text, /convWeightGrad/)
  t.regex(text, /out\d+ overwrites in\d+/)
  t.regex(text, /\non cpu, /)
  t.regex(model.explain(), /float32\(32, 1, 8, 8\)/)
  model.dispose()
})

test.serial('explain of the forward pass has neither gradients nor updates, and needs no compile', (t) => {
  const model = networkOf()
  const text = model.explain({ batchSize: 6, training: false })
  t.regex(text, /float32\(6, 1, 8, 8\)/)
  t.regex(text, /1 outputs {2}0 in place/)
  t.notRegex(text, /random/, 'no dropout')
  t.throws(() => model.explain(), { instanceOf: StateError, message: /explain: the model is not compiled/ })
  model.dispose()
})

test.serial('the evaluators of a step are part of it', (t) => {
  const model = (attached: boolean) => {
    const made = new IBSequential({ inputShape: [4], seed: 5, trackDynamics: attached })
    made.add(new Dense(5, { activation: 'tanh' }))
    made.add(new Dense(2))
    if (attached) made.attachEvaluator(new HSIC({ sigma: 2 }))
    return made.compile({ optimizer: 'sgd', loss: 'crossEntropy' })
  }
  const [plain, watched] = [model(false), model(true)]
  const before = everythingOf(watched)
  const [without, text] = [plain.explain(), watched.explain()]
  t.deepEqual(everythingOf(watched), before)
  t.notRegex(without, /centered/i)
  t.regex(text, /centered/i)
  plain.dispose()
  watched.dispose()
})

test.serial('training goes on as if nobody had asked', async (t) => {
  const train = async (asks: boolean) => {
    const model = networkOf()
    model.compile({ optimizer: 'sgd', loss: 'mse', learningRate: 0.1 })
    const x = tensor(
      Float32Array.from({ length: 640 }, (_, i) => Math.sin(i)),
      { shape: [10, 1, 8, 8] },
    )
    const y = tensor(
      Float32Array.from({ length: 30 }, (_, i) => Math.cos(i)),
      { shape: [10, 3] },
    )
    const epoch = () => model.fit(x, y, { epochs: 1, batchSize: 5, validationSplit: 0, verbose: false })
    if (asks) model.explain()
    await epoch()
    if (asks) model.explain({ training: false })
    await epoch()
    const weights = Object.values(model.weights).map((weight) => [...weight.dataSync()])
    model.dispose()
    return weights
  }
  t.deepEqual(await train(true), await train(false))
})

test.serial('a loss of ones own gets targets like the outputs', (t) => {
  const model = new Sequential({ inputShape: [4] })
  model.add(new Dense(3))
  model.compile({ loss: (p: Tensor, y: Tensor) => mse(p, y.mul(2)) })
  t.regex(model.explain({ batchSize: 7 }), /float32\(7, 3\)/)
  model.dispose()
})

test.serial('training by stages is explained by a profile', (t) => {
  const model = new HSICSequential({ inputShape: [4] })
  model.add(new Dense(3)).add(new HSICOutput(2))
  model.compile({ criterion: new HSIC({ sigma: 5 }) })
  t.throws(() => model.explain(), { instanceOf: StateError, message: /profile\(\(\) => model\.fit/ })
  t.regex(model.explain({ batchSize: 7, training: false }), /float32\(7, 2\)/)
  model.dispose()
})

test.serial('a compiled function explains itself', async (t) => {
  const w = new Variable(tensor([1, 2, 3]))
  const step = jit((x: Tensor) => {
    w.assign(w.value.add(x))
    return x.mul(w.value).sum()
  })
  const text = step.explain(Float32Array.of(4, 5, 6))
  t.regex(text, /float32\(3\)/)
  t.regex(text, /1 in place/)
  t.deepEqual([...w.dataSync()], [1, 2, 3])
  t.is(step.programs, 1)
  t.is(await (await step(Float32Array.of(1, 1, 1))).item(), 2 + 3 + 4)
  t.is(step.programs, 1)
  step.dispose()
  t.throws(() => step.explain(Float32Array.of(1, 1, 1)), { message: /disposed/ })
})
