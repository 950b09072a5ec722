/** Batches made by a user's module in worker threads. */

import { availableParallelism } from 'node:os'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag, oneOf, required, text, whole } from '../core/options.js'
import { inTurns } from '../core/turns.js'
import { tensorInTurns } from '../io/uploads.js'
import type { Batch, Dataset } from './loader.js'
import { shuffledOrder } from './order.js'
import { type PackedBatch, WorkerPool } from './worker-pool.js'
import type { WorkerCall } from './worker-protocol.js'

/** Options of {@link workerLoader}. */
export interface WorkerLoaderOptions {
  /** Number of samples: the function is called with their indices, from 0. */
  samples: number
  /** Samples in a batch; the last one may have fewer. Default 32. */
  batchSize?: number
  /** Shuffle the samples in every epoch. Default false. */
  shuffle?: boolean
  /** Seed of the orders. Default 0. */
  seed?: number
  /** Number of threads. Default: the number of processors minus one, at most 4. The batches are the same for any number. */
  workers?: number
  /** Number of batches that each thread may be ahead. Default 2. */
  ahead?: number
  /** Whether the function makes one sample from its index, or a batch from a list of indices. Default 'sample'. */
  call?: 'sample' | 'batch'
  /** Name of the exported function. Default 'default'. */
  export?: string
  /** Number of classes. If it is given, plain numbers in y are int32 class labels. */
  classes?: number
  /** Passed to every call as `data`: any cloneable value, such as paths and settings. */
  data?: unknown
}

const checks: Checks<WorkerLoaderOptions> = {
  samples: required(whole(1, 2 ** 31 - 1)),
  batchSize: whole(1),
  shuffle: flag,
  seed: whole(0),
  workers: whole(1, 256),
  ahead: whole(1, 1024),
  call: oneOf('sample', 'batch'),
  export: text,
  classes: whole(1),
  data: elsewhere(),
}

/** A dataset whose batches are made in worker threads. */
export interface WorkerLoader extends Dataset, AsyncDisposable {
  /** Number of running threads. */
  readonly threads: number
  /** Stops the threads. The next pass starts them again. */
  close(): Promise<void>
}

/**
 * A dataset whose samples are made by a function from the user's module, in worker threads, so that decoding blocks neither training nor
 * other samples. Batches come in order, and are the same for any number of threads.
 *
 *     // samples.js
 *     export default async function (index, { epoch, data }) {
 *       return { x: await pixelsOf(data.files[index]), y: data.labels[index] }
 *     }
 *
 *     const loader = workerLoader(new URL('./samples.js', import.meta.url), { samples: 5000, classes: 10, data: { files, labels } })
 *     await model.fitDataset(loader, { epochs: 10 })
 *
 * The function returns `{ x, y }`, each a number, a typed array, nested numbers or `{ dtype, shape, data }`; with `call: 'batch'` the first
 * axis is the sample axis. An exception reaches the consumer of the batches, with the stack of the thread in its `cause`. Threads start
 * with the first batch of a pass. They stop at once if the pass ends early, for example by the signal of `fit`; otherwise after some
 * seconds without work, or by `close`.
 *
 * @param url of the module: a URL of a file, or its path
 * @throws {ArgumentError} for an invalid url, and for data that cannot be cloned
 */
export function workerLoader(url: URL | string, options: WorkerLoaderOptions): WorkerLoader {
  const given = checkOptions('workerLoader', options, checks)
  return new Loader(moduleUrl(url), given)
}

function moduleUrl(url: unknown): string {
  const isText = typeof url === 'string' && url !== '' && !url.includes('\0')
  if (isText && !/^(?:data:|[a-z][a-z+.-]*:\/\/)/i.test(url)) {
    return pathToFileURL(isAbsolute(url) ? url : resolve(url)).href
  }
  const { protocol, href } = url instanceof URL ? url : isText ? parsed(url) : nothing
  if (protocol === 'file:' || protocol === 'data:') return href
  throw new ArgumentError(
    `workerLoader: given ${url instanceof URL ? href : describe(url)}, expected the module as a file: URL or a path, such as new URL('./samples.js', import.meta.url)`,
  )
}

const nothing = { protocol: '', href: '' }

function parsed(text: string): Pick<URL, 'protocol' | 'href'> {
  return URL.canParse(text) ? new URL(text) : nothing
}

class Loader implements WorkerLoader {
  readonly samples: number
  readonly batchSize: number
  readonly classes: number | undefined
  readonly #shuffle: boolean
  readonly #seed: number
  /** Number of batches being made at a time. */
  readonly #window: number
  readonly #pool: WorkerPool
  #passes = 0

  constructor(url: string, options: WorkerLoaderOptions) {
    const { workers = Math.max(1, Math.min(4, availableParallelism() - 1)), ahead = 2, classes } = options
    this.samples = options.samples
    this.batchSize = options.batchSize ?? 32
    this.classes = classes
    this.#shuffle = options.shuffle ?? false
    this.#seed = options.seed ?? 0
    this.#window = workers * ahead
    const call: WorkerCall = options.call ?? 'sample'
    const setup = {
      url,
      name: options.export ?? 'default',
      call,
      labels: classes !== undefined,
      data: cloned(options.data),
    }
    this.#pool = new WorkerPool(setup, workers)
  }

  get length(): number {
    return Math.ceil(this.samples / this.batchSize)
  }

  get threads(): number {
    return this.#pool.alive
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [Symbol.asyncIterator](): AsyncIterator<Batch> {
    const epoch = this.#passes++
    return new Pass(this.#pool, this, epoch, this.#window)
  }

  /** The indices of the samples in the order of an epoch; undefined for ascending order. */
  async orderOf(epoch: number): Promise<Int32Array | undefined> {
    return this.#shuffle ? inTurns(shuffledOrder(this.samples, this.#seed, epoch)) : undefined
  }
}

/** @throws {ArgumentError} for values that cannot be cloned */
function cloned(data: unknown): unknown {
  try {
    return structuredClone(data)
  } catch (cause) {
    throw new ArgumentError(
      `workerLoader: data is ${describe(data)}, which cannot be cloned for the threads; give plain values, and make the rest in the module`,
      { cause },
    )
  }
}

/** One pass. Not a generator: its `return` would wait for the current batch. */
class Pass implements AsyncIterator<Batch> {
  readonly #pool: WorkerPool
  readonly #loader: Loader
  readonly #epoch: number
  readonly #order: Promise<Int32Array | undefined>
  readonly #window: number
  /** Requested batches, in order. */
  readonly #asked: Promise<PackedBatch>[] = []
  #at = 0
  #isOver = false
  /** Ends the wait for a batch. */
  #leave: () => void = () => {}
  readonly #left = new Promise<undefined>((resolve) => {
    this.#leave = () => resolve(undefined)
  })

  constructor(pool: WorkerPool, loader: Loader, epoch: number, window: number) {
    this.#pool = pool
    this.#loader = loader
    this.#epoch = epoch
    this.#window = window
    this.#order = loader.orderOf(epoch)
    // The request for the first batch reports the error.
    this.#order.catch(() => {})
  }

  async next(): Promise<IteratorResult<Batch>> {
    const order = await this.#order
    const { samples, batchSize } = this.#loader
    while (!this.#isOver && this.#asked.length < this.#window && this.#at < samples) {
      const places = Array.from({ length: Math.min(batchSize, samples - this.#at) }, (_, i) => this.#at + i)
      const indices = order === undefined ? places : places.map((place) => order[place] as number)
      this.#at += batchSize
      const made = this.#pool.run(this, this.#epoch, indices)
      // Awaited later.
      made.catch(() => {})
      this.#asked.push(made)
    }
    const next = this.#isOver ? undefined : this.#asked.shift()
    if (next === undefined) return { value: undefined, done: true }
    let packed: PackedBatch | undefined
    try {
      packed = await Promise.race([next, this.#left])
    } catch (error) {
      await this.return()
      throw error
    }
    if (packed === undefined) return { value: undefined, done: true }
    const [x, y] = [await tensorInTurns(packed.x), await tensorInTurns(packed.y)]
    const batch: Batch = {
      x,
      y,
      [Symbol.dispose]() {
        x.dispose()
        y.dispose()
      },
    }
    return { value: batch, done: false }
  }

  /** Ends the pass, and stops the threads that work for it. */
  async return(): Promise<IteratorResult<Batch>> {
    this.#isOver = true
    this.#leave()
    await this.#pool.leave(this)
    return { value: undefined, done: true }
  }
}
