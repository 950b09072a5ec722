/** Changes during a fit: which are allowed and which are refused. */
import test from 'ava'
import {
  Adam,
  ArgumentError,
  type Callback,
  Dense,
  HSIC,
  Sequential,
  SGD,
  StateError,
  tensor,
  UnknownNameError,
  Variable,
} from '../ts/index.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const quiet = { verbose: false }

test('a model that trains refuses to be changed, from outside and from callbacks', async (t) => {
  const model = classifier({ trackDynamics: true })
  const [layer] = model.layers
  const changes: Record<string, () => unknown> = {
    compile: () => model.compile({ optimizer: 'adam' }),
    attachEvaluator: () => model.attachEvaluator(new HSIC({ sigma: 1 })),
    add: () => model.add(new Dense(3)),
    train: () => model.train(),
    eval: () => model.eval(),
    trainable: () => {
      if (layer !== undefined) layer.trainable = false
    },
    load: () => model.load('nowhere'),
    fit: () => model.fitDataset(dataset(8, 8)),
    evaluate: () => model.evaluate(dataset(8, 8)),
  }
  for (const [name, change] of Object.entries(changes)) {
    const fit = model.fitDataset(dataset(64, 8), quiet)
    await t.throwsAsync(async () => change(), { instanceOf: StateError }, name)
    await fit
    if (name === 'evaluate') continue
    const inside: Callback = { onBatchEnd: () => change() as Promise<void> }
    await t.throwsAsync(
      model.fitDataset(dataset(64, 8), { ...quiet, callbacks: [inside] }),
      { instanceOf: StateError },
      name,
    )
  }
  const reference = classifier({ trackDynamics: true })
  t.is(model.evaluators.length, reference.evaluators.length)
  t.true(layer?.trainable)
})

test('afterward everything can be changed', async (t) => {
  const model = classifier({ trackDynamics: true })
  await model.fitDataset(dataset(16, 8), quiet)
  const [layer] = model.layers
  if (layer !== undefined) layer.trainable = false
  const before = (await weightsOf(model)).slice(0, 2)
  model
    .compile({ optimizer: 'adam' })
    .attachEvaluator(new HSIC({ sigma: 1 }))
    .train()
  await model.fitDataset(dataset(16, 8), quiet)
  t.deepEqual((await weightsOf(model)).slice(0, 2), before, 'a frozen layer stays as it is')
})

test('callbacks may read weights, compute with them and set the learning rate', async (t) => {
  const model = classifier()
  const { x } = points(4)
  const seen: number[] = []
  await model.fitDataset(dataset(16, 8), {
    ...quiet,
    epochs: 2,
    callbacks: [
      {
        async onEpochEnd() {
          await weightsOf(model)
          seen.push(model.apply({}, tensor(x, { shape: [4, 4] })).shape[1] as number)
          if (model.optimizer !== undefined) model.optimizer.learningRate = 0.001
        },
      },
    ],
  })
  t.deepEqual(seen, [3, 3])
  t.is(model.optimizer?.learningRate, 0.001)
})

test('an optimizer object belongs to one model, which may be compiled again', async (t) => {
  const adam = new Adam({ learningRate: 0.01 })
  const make = () => new Sequential({ inputShape: [4], seed: 1 }).add(new Dense(3))
  const model = make().compile({ optimizer: adam })
  t.throws(() => make().compile({ optimizer: adam }), { instanceOf: StateError, message: /new Adam/ })
  t.notThrows(() => model.compile({ optimizer: adam, metrics: ['accuracy'] }))
  const sgd = new SGD()
  const w = new Variable(tensor([1, 2]))
  sgd.step([w], [tensor([1, 1])])
  t.throws(() => make().compile({ optimizer: sgd }), { instanceOf: StateError })
})

test('callbacks are checked before training', async (t) => {
  const trainWith = (callbacks: unknown) =>
    classifier().fitDataset(dataset(8, 8), { ...quiet, callbacks } as never)
  for (const wrong of [[null], [undefined], [() => {}], [[]], [{}], [{ epochEnd() {} }], new Array(1), 'x']) {
    await t.throwsAsync(trainWith(wrong), { instanceOf: ArgumentError })
  }
  await t.throwsAsync(trainWith([{ onBatchEnd: 5 }]), {
    instanceOf: ArgumentError,
    message: /onBatchEnd .* is 5/,
  })
  for (const name of ['onEpochEndd', 'onYield', 'on_epoch_end']) {
    await t.throwsAsync(trainWith([{ onEpochEnd() {}, [name]() {} }]), { instanceOf: UnknownNameError })
  }
  await t.throwsAsync(trainWith([{ onEpochEndd() {} }]), { message: /did you mean "onEpochEnd"/ })
  class Count {
    calls = 0
    onBatchEnd() {
      this.calls++
    }
  }
  const count = new Count()
  await trainWith([count])
  t.is(count.calls, 1)
})

test('the first line of the progress says what is held out', async (t) => {
  const { x, y } = points(50)
  const lines: string[] = []
  const { write } = process.stderr
  process.stderr.write = (text: unknown) => {
    lines.push(String(text))
    return true
  }
  try {
    await classifier().fit(x, y, { verbose: true, numClasses: 3 })
    await classifier().fit(x, y, { verbose: true, validationSplit: 0 })
  } finally {
    process.stderr.write = write
  }
  const said = lines.filter((line) => line.startsWith('training on'))
  t.deepEqual(said, [
    'training on 40 samples, validating on 10 (validationSplit 0.2; Keras holds out none)\n',
    'training on 50 samples, validating on none\n',
  ])
  t.is(lines[0], said[0])
})
