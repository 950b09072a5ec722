/** An aborted fit never waits for a promise that does not resolve. */
import test, { type ExecutionContext } from 'ava'
import {
  ArgumentError,
  type Batch,
  type BatchSource,
  Estimator,
  type IBSequential,
  StateError,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { classifier, dataset, points, weightsOf } from './toy-task.js'

const never = () => new Promise<never>(() => {})
const quiet = { verbose: false }

function batch(): Batch {
  const { x, y } = points(8)
  return { x: tensor(x, { shape: [8, 4] }), y: tensor(y) }
}

/** Yields a batch, then waits as instructed; records whether it was told to end. */
class Silent implements AsyncIterable<Batch> {
  told = false
  /** Resolves when the second batch is asked for. */
  readonly asked: Promise<void>
  #ask = () => {}
  readonly #wait: () => Promise<Batch>

  constructor(wait: () => Promise<Batch> = never) {
    this.#wait = wait
    this.asked = new Promise((resolve) => {
      this.#ask = resolve
    })
  }

  [Symbol.asyncIterator](): AsyncIterator<Batch> {
    let given = 0
    return {
      next: async () => {
        if (given++ === 0) return { value: batch(), done: false }
        this.#ask()
        return { value: await this.#wait(), done: false }
      },
      return: () => {
        this.told = true
        return never()
      },
    }
  }
}

/** Runs work that waits for ever unless its signal ends it, and checks that the model is free afterward. */
async function ends(
  t: ExecutionContext,
  model: IBSequential,
  begin: (signal: AbortSignal) => Promise<unknown>,
  waiting: Promise<unknown>,
): Promise<void> {
  const stop = new AbortController()
  const reason = new Error('enough')
  const work = begin(stop.signal)
  await Promise.race([waiting, work])
  stop.abort(reason)
  t.is(await t.throwsAsync(work), reason)
  const before = await weightsOf(model)
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(await weightsOf(model), before, 'nothing is written later')
  await t.notThrowsAsync(model.fitDataset(dataset(16, 8), quiet))
}

test('an abort ends waiting for a generator, in training, validation and evaluation', async (t) => {
  const model = classifier()
  const [a, b, c] = [new Silent(), new Silent(), new Silent()]
  await ends(t, model, (signal) => model.fitDataset(a, { ...quiet, signal }), a.asked)
  const validation = (signal: AbortSignal) =>
    model.fitDataset(dataset(16, 8), { ...quiet, signal, validation: b })
  await ends(t, model, validation, b.asked)
  await ends(t, model, (signal) => model.evaluate(c, { signal }), c.asked)
  t.true(a.told && b.told && c.told, 'return() of the iterators was called')
})

test('a batch that comes after the abort is dropped, and an error too', async (t) => {
  for (const late of [() => Promise.resolve(batch()), () => Promise.reject(new Error('late'))]) {
    const model = classifier()
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const data = new Silent(async () => {
      await gate
      return late()
    })
    await ends(t, model, (signal) => model.fitDataset(data, { ...quiet, signal }), data.asked)
    const before = await weightsOf(model)
    open()
    await new Promise((resolve) => setImmediate(resolve))
    t.deepEqual(await weightsOf(model), before)
  }
})

test('an abort ends waiting for each hook of a callback', async (t) => {
  const hooks = ['onTrainBegin', 'onEpochBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const
  for (const hook of hooks) {
    const model = classifier()
    let reached = () => {}
    const waiting = new Promise<void>((resolve) => {
      reached = resolve
    })
    const callback = {
      [hook]: () => {
        reached()
        return never()
      },
    }
    const begin = (signal: AbortSignal) =>
      model.fitDataset(dataset(64, 8), { ...quiet, signal, callbacks: [callback] })
    await ends(t, model, begin, waiting)
  }
})

test('an abort ends waiting for an evaluator at the end of an epoch', async (t) => {
  let reached = () => {}
  let open = () => {}
  const waiting = new Promise<void>((resolve) => {
    reached = resolve
  })
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  class Slow extends Estimator {
    criterion(x: Tensor): Tensor {
      return x.mean()
    }
    override async measureSegment(): Promise<number[][]> {
      reached()
      await gate
      throw new Error('late')
    }
  }
  const model = classifier({ trackDynamics: true }).attachEvaluator(new Slow(), { evaluateOn: 'epoch' })
  const stop = new AbortController()
  const fit = model.fitDataset(dataset(16, 8), { ...quiet, signal: stop.signal })
  await waiting
  stop.abort(new Error('enough'))
  await t.throwsAsync(fit, { message: 'enough' })
  open()
  await new Promise((resolve) => setImmediate(resolve))
  t.is(model.dynamics().shape[0], 0, 'the epoch was cut short')
  t.notThrows(() => model.compile())
})

test('what a callback throws ends the wait for a generator', async (t) => {
  const model = classifier()
  const data = new Silent()
  const reason = new TypeError('mine')
  const onBatchEnd = () => {
    throw reason
  }
  t.is(await t.throwsAsync(model.fitDataset(data, { ...quiet, callbacks: [{ onBatchEnd }] })), reason)
  t.true(data.told)
  await t.notThrowsAsync(model.fitDataset(dataset(16, 8), quiet))
})

test('a generator may wait for the callback of the batch before', async (t) => {
  let seen = (_: number) => {}
  let before: Promise<unknown> = Promise.resolve()
  const data: BatchSource = {
    async *[Symbol.asyncIterator]() {
      for (let i = 0; i < 3; i++) {
        await before
        before = new Promise((resolve) => {
          seen = resolve
        })
        yield batch()
      }
    },
  }
  const ended: number[] = []
  const onBatchEnd = (index: number) => {
    ended.push(index)
    seen(index)
  }
  await classifier().fitDataset(data, { ...quiet, callbacks: [{ onBatchEnd }] })
  t.deepEqual(ended, [0, 1, 2])
})

test('a generator that fails ends the fit with its error', async (t) => {
  const reason = new Error('no such file')
  const data: BatchSource = {
    async *[Symbol.asyncIterator]() {
      yield batch()
      throw reason
    },
  }
  const model = classifier()
  t.is(await t.throwsAsync(model.fitDataset(data, quiet)), reason)
  await t.notThrowsAsync(model.fitDataset(dataset(16, 8), quiet))
})

test('one generator gives its batches to one fit at a time', async (t) => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  let reached = () => {}
  const asked = new Promise<void>((resolve) => {
    reached = resolve
  })
  const generator = (async function* () {
    yield batch()
    reached()
    await gate
    yield batch()
  })()
  const [a, b] = [classifier(), classifier()]
  const first = a.fitDataset(generator, quiet)
  await asked
  await t.throwsAsync(b.fitDataset(generator, quiet), {
    instanceOf: StateError,
    message: /already being read/,
  })
  open()
  await t.notThrowsAsync(first)
})

test('iterators that are none are refused', async (t) => {
  const wrong: unknown[] = [
    { [Symbol.iterator]: () => ({}) },
    { [Symbol.asyncIterator]: () => null },
    { [Symbol.iterator]: () => ({ next: () => 3 }) },
  ]
  for (const data of wrong) {
    await t.throwsAsync(classifier().fitDataset(data as BatchSource, quiet), { instanceOf: ArgumentError })
  }
})
