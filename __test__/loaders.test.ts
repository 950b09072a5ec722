import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  augmented,
  type Batch,
  DataError,
  Dense,
  horizontalFlip,
  IOError,
  prefetch,
  Sequential,
  StateError,
  tensor,
  workerLoader,
} from '../ts/index.js'

const scratch = mkdtempSync(join(tmpdir(), 'hyperglow-loaders-'))
test.after.always(() => rmSync(scratch, { recursive: true, force: true }))
let modules = 0

/** A separate module with the given source. */
function moduleOf(source: string): URL {
  const path = join(scratch, `module-${modules++}.mjs`)
  writeFileSync(path, source)
  return pathToFileURL(path)
}

/** Waits until a condition is true, with a limit: the assertion after it fails then. */
async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isSo(); i++) await sleep(10)
}

// ---- prefetch

/** A source of numbers that records requests. */
function counter(count: number, log: string[] = [], wait = 0) {
  return {
    length: count,
    async *[Symbol.asyncIterator]() {
      try {
        for (let i = 0; i < count; i++) {
          log.push(`make ${i}`)
          if (wait > 0) await sleep(wait)
          yield i
        }
      } finally {
        log.push('end')
      }
    },
  }
}

test('prefetch gives the same in the same order, in every pass', async (t) => {
  const source = prefetch(counter(5), { batches: 3 })
  for (let pass = 0; pass < 2; pass++) {
    const seen: number[] = []
    for await (const value of source) seen.push(value)
    t.deepEqual(seen, [0, 1, 2, 3, 4])
  }
  const list = prefetch([7, 8])
  const seen: number[] = []
  for await (const value of list) seen.push(value)
  t.deepEqual(seen, [7, 8])
})

test('prefetch makes as many ahead as it is told, and no more', async (t) => {
  const log: string[] = []
  const iterator = prefetch(counter(10, log), { batches: 2 })[Symbol.asyncIterator]()
  await until(() => log.length > 1)
  await sleep(20)
  t.deepEqual(log, ['make 0', 'make 1'])
  t.is((await iterator.next()).value, 0)
  await until(() => log.length > 2)
  await sleep(20)
  t.deepEqual(log, ['make 0', 'make 1', 'make 2'])
  await iterator.return?.()
  t.is(log.at(-1), 'end')
  t.deepEqual(await iterator.next(), { value: undefined, done: true })
})

test('batches that nobody took are freed, and lazy ones are computed before they are asked for', async (t) => {
  const freed: number[] = []
  let made = 0
  async function* batches(): AsyncGenerator<Batch> {
    for (let i = 0; i < 4; i++) {
      made++
      yield {
        x: tensor([i]).mul(2),
        y: tensor([i]),
        [Symbol.dispose]: () => void freed.push(i),
      }
    }
  }
  for await (const { x } of prefetch(batches(), { batches: 2 })) {
    t.is(x.dataSync()[0], 0)
    await until(() => made === 3)
    break
  }
  // The last one was in the making.
  await until(() => freed.length === 2)
  t.deepEqual(freed, [1, 2])
})

test('an error comes in its place, and several may wait at once', async (t) => {
  async function* failing() {
    yield 1
    throw new RangeError('broken')
  }
  const iterator = prefetch(failing())[Symbol.asyncIterator]()
  await sleep(5)
  t.is((await iterator.next()).value, 1)
  await t.throwsAsync(iterator.next(), { instanceOf: RangeError, message: 'broken' })
  t.true((await iterator.next()).done)
  const slow = prefetch(counter(3, [], 5), { batches: 1 })[Symbol.asyncIterator]()
  const results = await Promise.all([slow.next(), slow.next(), slow.next(), slow.next()])
  t.deepEqual(
    results.map(({ value }) => value),
    [0, 1, 2, undefined],
  )
  t.throws(() => prefetch(3 as never), { instanceOf: ArgumentError, message: /source of prefetch/ })
})

test('fit takes prefetched and augmented data, and ends the same as without prefetching', async (t) => {
  const run = async (ahead: boolean) => {
    const data = new ArrayDataset(
      Float32Array.from({ length: 160 }, (_, i) => Math.sin(i)),
      Int32Array.from({ length: 10 }, (_, i) => i % 2),
      { inputShape: [1, 4, 4], batchSize: 4, shuffle: true },
    )
    const flipped = augmented(data, (batch, key) => {
      const { x, y } = horizontalFlip()(batch, key)
      return { x: x.reshape([-1, 16]), y }
    })
    const source = ahead ? prefetch(flipped) : flipped
    t.deepEqual([source.length, source.samples, source.classes], [3, 10, 2])
    const model = new Sequential({ inputShape: [16], seed: 1 })
    model.add(new Dense(2, { activation: 'softmax' })).compile({ learningRate: 0.1 })
    return (await model.fitDataset(source, { epochs: 3, verbose: false })).loss
  }
  t.deepEqual(await run(true), await run(false))
})

// ---- workerLoader

const squares = `export default async function (index, { epoch, data }) {
  if (index % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  return { x: Float32Array.of(index, index * index, data.offset + epoch), y: index % 2 }
}`

async function rowsOf(source: AsyncIterable<Batch>): Promise<number[][]> {
  const rows: number[][] = []
  for await (const { x, y } of source) {
    const values = (await x.array()) as number[][]
    const labels = (await y.array()) as number[]
    for (const [i, row] of values.entries()) rows.push([...row, labels[i] as number])
  }
  return rows
}

test('samples made in threads come in order, the same for any number of threads', async (t) => {
  const url = moduleOf(squares)
  const options = { samples: 11, batchSize: 4, classes: 2, data: { offset: 10 } }
  for (const workers of [1, 3]) {
    await using loader = workerLoader(url, { ...options, workers })
    t.deepEqual([loader.length, loader.samples, loader.batchSize, loader.classes], [3, 11, 4, 2])
    for (const epoch of [0, 1]) {
      t.deepEqual(
        await rowsOf(loader),
        Array.from({ length: 11 }, (_, i) => [i, i * i, 10 + epoch, i % 2]),
      )
    }
  }
  const shuffled = async (workers: number) => {
    await using loader = workerLoader(url, { ...options, workers, shuffle: true, seed: 4 })
    return [await rowsOf(loader), await rowsOf(loader)]
  }
  const [first, second] = await shuffled(1)
  t.deepEqual(await shuffled(4), [first, second])
  t.notDeepEqual(
    first?.map(([i]) => i),
    second?.map(([i]) => i),
  )
  t.deepEqual(
    first?.map(([i]) => i as number).sort((a, b) => a - b),
    Array.from({ length: 11 }, (_, i) => i),
  )
})

test('a module may make whole batches, of any form of arrays', async (t) => {
  const url = moduleOf(`export function load(indices) {
    return {
      x: { dtype: 'uint8', shape: [indices.length, 1, 2], data: Uint8Array.from(indices.flatMap((i) => [i, 2 * i])) },
      y: indices.map((i) => [i / 2]),
    }
  }`)
  await using loader = workerLoader(url, {
    samples: 5,
    batchSize: 3,
    call: 'batch',
    export: 'load',
    workers: 2,
  })
  const seen: unknown[] = []
  for await (const { x, y } of loader) seen.push([x.dtype, await x.array(), y.dtype, await y.array()])
  t.deepEqual(seen, [
    ['uint8', [[[0, 0]], [[1, 2]], [[2, 4]]], 'float32', [[0], [0.5], [1]]],
    ['uint8', [[[3, 6]], [[4, 8]]], 'float32', [[1.5], [2]]],
  ])
})

test('what goes wrong in a thread reaches fit, with its stack', async (t) => {
  const url = moduleOf(`function decode(index) {
    if (index === 5) throw new RangeError('sample 5 is damaged')
    return Float32Array.of(index)
  }
  export default (index) => ({ x: decode(index), y: 0 })`)
  const loader = workerLoader(url, { samples: 8, batchSize: 2, classes: 2, workers: 2 })
  const model = new Sequential({ inputShape: [1] })
  model.add(new Dense(2, { activation: 'softmax' })).compile({})
  const thrown = await t.throwsAsync(model.fitDataset(loader, { verbose: false }), {
    instanceOf: DataError,
    message: /samples 4, 5: RangeError: sample 5 is damaged/,
  })
  t.regex(
    String((thrown.cause as Error).stack),
    /RangeError: sample 5 is damaged\n.*at decode .*module-\d+\.mjs/s,
  )
  t.is(loader.threads, 0)
})

test('modules that are not there, or export something else, are told of', async (t) => {
  const first = async (url: URL | string, options: object = {}) => {
    await using loader = workerLoader(url, { samples: 2, workers: 1, ...options })
    await rowsOf(loader)
  }
  await t.throwsAsync(first(join(scratch, 'none.mjs')), {
    instanceOf: IOError,
    message: /none\.mjs.*check the URL/,
  })
  await t.throwsAsync(first(moduleOf('export const a = 1')), {
    message: /exports a, and no function "default"/,
  })
  await t.throwsAsync(first(moduleOf('export default () => 3')), {
    message: /returned 3, expected \{ x, y \}/,
  })
  await t.throwsAsync(first(moduleOf('export default (i) => ({ x: new Float32Array(i + 1), y: 0 })')), {
    message: /x of sample 1 is float32 \(2\), x of sample 0 is float32 \(1\)/,
  })
  await t.throwsAsync(first(moduleOf('export default () => ({ x: [[1], [1, 2]], y: 0 })')), {
    message: /data\[1\] has 2 elements/,
  })
  await t.throwsAsync(first(moduleOf('export default () => ({ x: 1, y: 0.5 })'), { classes: 2 }), {
    message: /int32 cannot hold/,
  })
  await t.throwsAsync(first(moduleOf('export default () => ({ x: [1], y: [1] })'), { call: 'batch' }), {
    message: /shape \(1\), expected 2 samples/,
  })
  await t.throwsAsync(first(moduleOf('export default () => process.exit(3)')), {
    message: /the thread ended with 3/,
  })
  await t.throwsAsync(first(moduleOf('this is no module')), { message: /SyntaxError/ })
  t.throws(() => workerLoader('https://a.b/c.js', { samples: 1 }), {
    instanceOf: ArgumentError,
    message: /file: URL/,
  })
  t.throws(() => workerLoader(new URL('https://a.b/c.js'), { samples: 1 }), { instanceOf: ArgumentError })
  t.throws(() => workerLoader('a.js', { samples: 1, data: () => {} }), {
    instanceOf: ArgumentError,
    message: /cannot be cloned/,
  })
})

const endless = 'export default (index) => { if (index > 1) for (;;); return { x: [index], y: 0 } }'

test('abort stops threads at once, whatever they are doing', async (t) => {
  const loader = workerLoader(moduleOf(endless), { samples: 8, batchSize: 1, classes: 2, workers: 2 })
  const model = new Sequential({ inputShape: [1] })
  model.add(new Dense(2, { activation: 'softmax' })).compile({})
  const controller = new AbortController()
  const training = model.fitDataset(loader, { verbose: false, signal: controller.signal })
  await until(() => loader.threads === 2)
  // By now both are at samples that never end.
  await sleep(200)
  controller.abort(new Error('enough'))
  await t.throwsAsync(training, { message: 'enough' })
  await until(() => loader.threads === 0)
  t.is(loader.threads, 0)
})

test('leaving a pass stops its threads, and another pass begins anew', async (t) => {
  const loader = workerLoader(moduleOf(endless), { samples: 8, batchSize: 1, workers: 2, ahead: 1 })
  for (let pass = 0; pass < 2; pass++) {
    for await (const { x } of loader) {
      t.is(await x.item(), 0)
      break
    }
    t.is(loader.threads, 0)
  }
})

test('two passes at once leave each other alone, and close tells who waits', async (t) => {
  const loader = workerLoader(moduleOf(squares), {
    samples: 9,
    batchSize: 2,
    data: { offset: 0 },
    workers: 2,
  })
  const whole = rowsOf(loader)
  for await (const _ of loader) break
  t.is((await whole).length, 9)
  await loader.close()
  const stuck = workerLoader(moduleOf('export default () => new Promise(() => {})'), {
    samples: 4,
    batchSize: 1,
    workers: 1,
  })
  const waiting = stuck[Symbol.asyncIterator]().next()
  await sleep(50)
  await stuck.close()
  await t.throwsAsync(waiting, { instanceOf: StateError, message: /threads were stopped/ })
  t.is(stuck.threads, 0)
})

test('a program ends by itself with a loader that is left open, and after one that is closed', async (t) => {
  const url = moduleOf(squares)
  const index = new URL('../ts/index.js', import.meta.url)
  const run = async (last: string) => {
    const program = moduleOf(`import { workerLoader } from ${JSON.stringify(index)}
      const loader = workerLoader(${JSON.stringify(url)}, { samples: 9, batchSize: 1, workers: 2, data: { offset: 0 } })
      for await (const { x } of loader) await x.data()
      ${last}
      console.log('over')`)
    const start = performance.now()
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(program)])
    return [stdout.trim(), performance.now() - start < 60_000]
  }
  // Finished batches when a pass is left.
  const late = `for (let i = 0; i < 20; i++) {
    for await (const _ of loader) {
      for (const start = performance.now(); performance.now() - start < 20; );
      break
    }
  }`
  t.deepEqual(await run(''), ['over', true])
  t.deepEqual(await run('await loader.close()'), ['over', true])
  t.deepEqual(await run(late), ['over', true])
})
