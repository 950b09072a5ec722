/** Models, tasks, data sets and estimators on every device, against the same on the default one. */
import { join } from 'node:path'
import test from 'ava'
import {
  ArrayDataset,
  BatchNorm1d,
  bootstrap,
  type Callback,
  Checkpoint,
  createEstimator,
  Dense,
  type Device,
  DeviceError,
  Dropout,
  deviceInfo,
  devices,
  type EstimatorName,
  estimatorNames,
  evaluate,
  HSIC,
  HSICOutput,
  HSICSequential,
  halfJackknife,
  type IBSequential,
  jit,
  KSG,
  layerMeasures,
  load,
  loadCheckpoint,
  logisticProbe,
  memory,
  mse,
  ones,
  permutationTest,
  Sequential,
  SGD,
  StateError,
  type Task,
  type Tensor,
  TreeDataset,
  tensor,
  fit as trainTask,
  Variable,
  VIB,
  valueAndGrad,
  zeros,
} from '../ts/index.js'
import { close, numbers } from './helpers.js'
import { inFolder } from './in-folder.js'
import { classifier, points, weightsOf } from './toy-task.js'

/** Sums of 32 bits in another order. */
const tolerance = 1e-4
const here = deviceInfo().name as Device
const others = devices()
  .map(({ name }) => name as Device)
  .filter((name) => name !== here)
const { x, y } = points(24)
const options = { batchSize: 8, verbose: false, validationSplit: 0.25 } as const

/** A model with weights, statistics, random numbers and an optimizer with moments. */
function model(device: Device = here): Sequential {
  return new Sequential({ inputShape: [4], seed: 5, device })
    .add(new Dense(6, { activation: 'tanh' }))
    .add(new BatchNorm1d())
    .add(new Dropout(0.2))
    .add(new Dense(3, { activation: 'softmax' }))
    .compile({
      optimizer: 'adam',
      learningRate: 0.02,
      metrics: ['accuracy'],
      lossOptions: { weight: tensor([1, 2, 0.5]) },
    }) as Sequential
}

function devicesOf(one: Sequential | IBSequential): string[] {
  const { weights, stateVariables, optimizer, trainingState } = one
  const all = [
    ...Object.values(weights),
    ...Object.values(stateVariables),
    ...(optimizer?.stateVariables().values() ?? []),
    trainingState.record.rng,
  ]
  return [...new Set(all.map(({ device }) => device))]
}

async function same(t: Parameters<typeof close>[0], one: Sequential, other: Sequential): Promise<void> {
  close(t, await weightsOf(one), await weightsOf(other), tolerance)
}

for (const device of others) {
  test(`a model trains, evaluates and predicts on ${device} as on ${here}`, async (t) => {
    const [one, other] = [model(), model(device)]
    t.is(other.device, device)
    t.deepEqual(devicesOf(other), [device])
    close(t, await weightsOf(other), await weightsOf(one), 1e-12)
    const [a, b] = [
      await one.fit(x, y, { ...options, epochs: 2 }),
      await other.fit(x, y, { ...options, epochs: 2 }),
    ]
    await same(t, other, one)
    close(t, [b.loss, b.validationLoss as number[]], [a.loss, a.validationLoss as number[]], tolerance)
    t.deepEqual(devicesOf(other), [device])
    const [p, q] = [await one.predict(x), await other.predict(x)]
    t.is(q.device, device)
    close(t, await q.array(), await p.array(), tolerance)
    const [e, f] = [await one.evaluate(x, y), await other.evaluate(x, y)]
    close(t, [f.loss, f.metrics.accuracy as number], [e.loss, e.metrics.accuracy as number], tolerance)
    using seen = await other.activations(x, { layers: 'dense_1' })
    using known = await one.activations(x, { layers: 'dense_1' })
    const values = async (from: typeof seen) => [
      ...((await from.runs[0]?.layer(2, 'dense_1')?.read())?.data ?? []),
    ]
    close(t, (await values(seen)) as number[], (await values(known)) as number[], tolerance)
    t.regex(other.explain(), /plan/)
  })

  test(`a model that moves to ${device} in between trains as one that stays`, async (t) => {
    const [stays, moves] = [model(), model()]
    for (const one of [stays, moves]) await one.fit(x, y, { ...options, epochs: 1 })
    const weight = moves.weights['layers.0.kernel'] as Variable
    const before = weight.version
    t.is(await moves.to(device), moves)
    t.is(weight.device, device)
    t.is(weight.version, before)
    t.deepEqual(devicesOf(moves), [device])
    for (const one of [stays, moves]) await one.fit(x, y, { ...options, epochs: 1 })
    await same(t, moves, stays)
    await moves.to(here)
    for (const one of [stays, moves]) await one.fit(x, y, { ...options, epochs: 1 })
    await same(t, moves, stays)
    t.deepEqual(moves.history?.epochs, [3])
  })

  test(`data on ${here} and on ${device} train models on both`, async (t) => {
    const expected = model()
    await expected.fitDataset(new ArrayDataset(x, y, { inputShape: [4], batchSize: 8, classes: 3 }), {
      epochs: 1,
      verbose: false,
    })
    for (const place of [here, device]) {
      const data = new ArrayDataset(x, y, { inputShape: [4], batchSize: 8, classes: 3, device: place })
      t.is(data.device, place)
      for await (const batch of data) t.deepEqual([batch.x.device, batch.y.device], [place, place])
      const batches = {
        async *[Symbol.asyncIterator]() {
          yield* data
        },
      }
      for (const on of [here, device]) {
        for (const source of [data, batches]) {
          const one = model(on)
          await one.fitDataset(source, { epochs: 1, verbose: false })
          await same(t, one, expected)
          const { loss } = await one.evaluate(source)
          close(t, loss, (await expected.evaluate(data)).loss, tolerance)
        }
      }
    }
    t.is(new ArrayDataset(tensor(x, { shape: [24, 4], device }), y).source.y.device, device)
  })

  test(`weights of samples and of classes are on ${device}`, async (t) => {
    const sampleWeight = numbers(24, 0, 2)
    const make = (on: Device) => classifier({ device: on })
    const [one, other] = [make(here), make(device)]
    for (const each of [one, other]) {
      await each.fit(x, y, { ...options, epochs: 2, sampleWeight, classWeight: { 1: 3 } })
    }
    close(t, await weightsOf(other), await weightsOf(one), tolerance)
  })

  test(`evaluators look at layers on ${device}`, async (t) => {
    const planes = []
    for (const on of [here, device]) {
      const one = classifier({ device: on, trackDynamics: true })
        .attachEvaluator(new HSIC({ sigma: 2 }))
        .attachEvaluator(new KSG(), { evaluateOn: 'epoch' })
        .attachEvaluator(new HSIC({ sigma: 1, device: here }), { evaluateOn: 'epoch' })
        .attachEvaluator(new HSIC({ sigma: 2 }), { evaluateOn: { probe: { x, y } } })
      await one.fit(x, y, { ...options, epochs: 2 })
      planes.push(await one.evaluatedDynamics.array())
    }
    close(t, planes[1] as number[], planes[0] as number[], 1e-3)
    const wrong = classifier({ device, trackDynamics: true }).attachEvaluator(
      new HSIC({ sigma: 1, device: here }),
    )
    await t.throwsAsync(wrong.fit(x, y, options), {
      instanceOf: DeviceError,
      message: new RegExp(`HSIC asks for the device "${here}".*steps that run on "${device}"`),
    })
  })

  test(`layer-wise training and the variational bottleneck run on ${device}`, async (t) => {
    const local = async (on: Device) => {
      const one = new HSICSequential({ inputShape: [4], device: on, seed: 2 })
      one.add(new Dense(5, { activation: 'tanh' })).add(new HSICOutput(3))
      one.compile({
        criterion: new HSIC({ sigma: 2 }),
        regularizeCoeff: 2,
        learningRate: 0.01,
        optimizer: 'adam',
      })
      await one.fit(x, y, { ...options, preEpochs: 1, postEpochs: 1 })
      return weightsOf(one)
    }
    close(t, await local(device), await local(here), tolerance)
    const bottleneck = async (on: Device) => {
      const encoder = new Sequential({ inputShape: [4], device: on }).add(new Dense(4)) as Sequential
      const decoder = new Sequential({ inputShape: [2], device: on, seed: 1 }).add(new Dense(3)) as Sequential
      const one = new VIB({ encoder, decoder, hiddenDim: 2 }).compile({ learningRate: 0.01 })
      await one.fit(x, y, { ...options, epochs: 1 })
      const p = await one.predict(x, { numSamples: 2 })
      t.is(p.device, on)
      return [...(await weightsOf(encoder)), ...((await p.array()) as number[][])]
    }
    close(t, await bottleneck(device), await bottleneck(here), tolerance)
  })

  test(`a checkpoint of ${here} is gone on with on ${device}, and the other way round`, async (t) => {
    for (const [first, second] of [
      [here, device],
      [device, here],
    ] as const) {
      await inFolder(async (folder) => {
        const whole = model(first)
        await whole.fit(x, y, { ...options, epochs: 4 })
        const cut = model(first)
        await cut.fit(x, y, { ...options, epochs: 2, callbacks: [new Checkpoint(folder, { everySteps: 2 })] })
        const resumed = model(second)
        await resumed.fit(x, y, {
          ...options,
          epochs: 4,
          resume: folder,
          callbacks: [new Checkpoint(folder, { everySteps: 2 })],
        })
        await same(t, resumed, whole)
        t.deepEqual(devicesOf(resumed), [second])
        const other = model(second)
        await loadCheckpoint(folder, other)
        t.deepEqual(devicesOf(other), [second])
        await whole.save(join(folder, 'model'))
        await other.load(join(folder, 'model'))
        await same(t, other, whole)
        const built = await load(join(folder, 'model'), { device: second })
        t.is(built.device, second)
        await same(t, built as Sequential, whole)
      })
    }
  })

  test(`a task runs on ${device}, where its Variables are`, async (t) => {
    class Line implements Task<{ x: Tensor; y: Tensor }> {
      readonly parameters
      readonly optimizers = { sgd: new SGD({ learningRate: 0.1, momentum: 0.5 }) }
      constructor(slope: Device, offset: Device = slope) {
        this.parameters = {
          slope: new Variable(ones([]), { device: slope }),
          offset: new Variable(zeros([]), { device: offset }),
        }
      }
      step({ x, y }: { x: Tensor; y: Tensor }) {
        const { value, grads } = valueAndGrad(
          ({ slope, offset }: { slope: Tensor; offset: Tensor }) => mse(x.mul(slope).add(offset), y),
          this.parameters as unknown as { slope: Variable; offset: Variable },
        )
        this.optimizers.sgd.step(this.parameters, grads as never)
        return { loss: value }
      }
    }
    const all = new Float32Array(numbers(16))
    const data = new TreeDataset({ x: all, y: all.map((v) => 3 * v + 1) }, { batchSize: 4 })
    const away = new TreeDataset({ x: all, y: all.map((v) => 3 * v + 1) }, { batchSize: 4, device })
    const train = async (task: Line, from: typeof data) => {
      const { history } = await trainTask(task, from, { epochs: 3, verbose: false })
      return [...history.loss, await task.parameters.slope.value.item()]
    }
    const expected = await train(new Line(here), data)
    for (const from of [data, away]) close(t, await train(new Line(device), from), expected, tolerance)
    const task = new Line(here)
    await train(task, data)
    for (const one of Object.values(task.parameters)) await one.to(device)
    const stayed = new Line(here)
    await train(stayed, data)
    close(t, await train(task, data), await train(stayed, data), tolerance)
    await t.throwsAsync(train(new Line(here, device), data), {
      instanceOf: DeviceError,
      message: new RegExp(`two devices, 'slope' on "${here}" and 'offset' on "${device}".*await variable.to`),
    })
  })

  for (const name of estimatorNames) {
    test(`${name} estimates on ${device} as on ${here}`, async (t) => {
      const short: Partial<Record<EstimatorName, object>> = {
        hsic: { sigma: 1 },
        club: { steps: 10, hidden: [4] },
        infoNCE: { steps: 10, hidden: [4] },
        mine: { steps: 10, hidden: [4] },
        nwj: { steps: 10, hidden: [4] },
        smile: { steps: 10, hidden: [4] },
      }
      const n = 48
      const left = numbers(n * 2)
      const right = Float64Array.from(
        { length: n },
        (_, i) => (left[2 * i] as number) + 0.3 * Math.sin(11 * i),
      )
      const labels = Int32Array.from({ length: n }, (_, i) => i % 2)
      const isOfClasses = ['discrete', 'discriminant', 'ross'].includes(name)
      const a =
        name === 'discrete'
          ? Int32Array.from(labels, (c, i) => (i % 5 === 0 ? 1 - c : c))
          : tensor(left, { shape: [n, 2] })
      const b = isOfClasses ? labels : right
      const estimator = (on?: Device) =>
        createEstimator(name, { ...short[name], ...(on === undefined ? {} : { device: on }) } as never)
      const expected = await estimator().estimate(a, b)
      const close6 = (got: number) => t.true(Math.abs(got - expected) < 1e-4, `${got}, expected ${expected}`)
      close6(await estimator(device).estimate(a, b))
      const there = (given: typeof a | typeof b) =>
        given instanceof Float64Array || given instanceof Int32Array
          ? tensor(given, { device })
          : given.to(device)
      // An array goes beside the tensor.
      close6(await estimator().estimate(there(a), b))
      await t.throwsAsync(estimator().estimate(there(a), tensor(b)), {
        instanceOf: DeviceError,
        message: new RegExp(`x is on "${device}" and y on "${here}"`),
      })
      close6(await estimator(here).estimate(there(a), tensor(b)))
    })
  }

  test(`tests, intervals, probes and measures of samples on ${device}`, async (t) => {
    const measured = async (on: Device) => {
      const h = tensor(numbers(60), { shape: [30, 2], device: on })
      const other = h.square().sum(1)
      const labels = Int32Array.from({ length: 30 }, (_, i) => i % 2)
      const hsic = new HSIC({ sigma: 1 })
      const { pValue } = await permutationTest(h, other, hsic, { permutations: 19 })
      const { value, bias } = await bootstrap(
        [h, other],
        (a, b) => hsic.criterion(a as Tensor, b as Tensor),
        {
          resamples: 10,
        },
      )
      const { standardError } = await halfJackknife(h, other, hsic)
      const { objective } = await logisticProbe(h, labels)
      const { effectiveRank } = await layerMeasures(h, ['effectiveRank'])
      return [pValue, value, bias, standardError, objective, effectiveRank]
    }
    close(t, await measured(device), await measured(here), 1e-8)
  })

  test(`${here} measures layers of a model that trains on ${device}`, async (t) => {
    const one = classifier({ device })
    const found: number[] = []
    const callback: Callback = {
      async onEpochEnd() {
        const h = (await one.predict(x)).to(here)
        found.push(await new HSIC({ sigma: 1 }).estimate(h, tensor(x, { shape: [24, 4] })))
      },
    }
    const training = one.fit(x, y, { ...options, epochs: 2, callbacks: [callback] })
    const beside = await new HSIC({ sigma: 1 }).estimate(tensor(x, { shape: [24, 4] }), y)
    await training
    t.is(found.length, 2)
    t.true([...found, beside].every(Number.isFinite))
  })

  test(`operands on ${here} and ${device} are refused on the line where they meet`, async (t) => {
    const one = model(device)
    const given = tensor(x, { shape: [24, 4] })
    const message = new RegExp(`operands on "(${here}|${device})" and on "(${here}|${device})"`)
    t.throws(() => one.call(given), { instanceOf: DeviceError, message })
    await t.notThrowsAsync(one.call(given.to(device)).data())
    const optimizer = new SGD({ momentum: 0.5 })
    const w = new Variable(zeros([2]), { name: 'w' })
    optimizer.step([w], [ones([2])])
    await w.to(device)
    t.throws(() => optimizer.step([w], [ones([2])]), {
      instanceOf: DeviceError,
      message: new RegExp(`its state 'sgd.step' is on "${here}" and the parameter '0' on "${device}"`),
    })
    for (const held of optimizer.stateVariables().values()) await held.to(device)
    t.notThrows(() => optimizer.step([w], [ones([2])]))
    t.throws(() => optimizer.step([w, new Variable(zeros([1]))], [ones([2]), ones([1])]), {
      instanceOf: DeviceError,
      message: /two devices, '0' on .* and '1' on /,
    })
  })

  test(`a function that was compiled follows its Variable to ${device}`, async (t) => {
    const w = new Variable(tensor([1, 2]), { name: 'w' })
    const step = jit((k: Tensor) => {
      w.assign(w.value.add(k))
      return w.value.sum()
    })
    t.is(await (await step(1)).item(), 5)
    const kept = w.value
    await w.to(device)
    t.is(kept.device, here)
    t.is(await (await step(1)).item(), 7)
    t.is(step.programs, 1)
    t.is(w.version, 2)
    await t.throwsAsync(w.to('tpu' as Device), { instanceOf: DeviceError })
    t.is(w.device, device)
  })

  test(`a model does not move to ${device} while it trains`, async (t) => {
    const one = model()
    const refused: unknown[] = []
    const callback: Callback = {
      async onEpochEnd() {
        await one.to(device).catch((error: unknown) => refused.push(error))
      },
    }
    await one.fit(x, y, { ...options, epochs: 1, callbacks: [callback] })
    t.true(refused[0] instanceof StateError)
    t.is(one.device, here)
  })

  test.serial(`nothing is left on ${device} after a move or a dispose`, async (t) => {
    const count = () => memory().devices[device]
    // The plans of the steps, which a device keeps with their workspace.
    await (async () => {
      using first = await model().to(device)
      await first.fit(x, y, { ...options, epochs: 1 })
      await first.predict(x)
    })()
    const before = count()
    const one = model()
    await one.fit(x, y, { ...options, epochs: 1 })
    const wasHere = memory().devices[here]?.bytes as number
    await one.to(device)
    t.true((count()?.bytes as number) > (before?.bytes as number))
    t.true((memory().devices[here]?.bytes as number) < wasHere)
    await one.fit(x, y, { ...options, epochs: 1 })
    using prediction = await one.predict(x)
    await evaluate(prediction)
    await one.to(here)
    prediction.dispose()
    t.is(count()?.bytes, before?.bytes)
    t.is(count()?.buffers, before?.buffers)
    await one.to(device)
    one.dispose()
    t.is(count()?.bytes, before?.bytes)
    t.is(count()?.buffers, before?.buffers)
  })
}
