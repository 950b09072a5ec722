/** Worker threads that make batches: started on demand, and stopped after some time without work. */

import { Worker } from 'node:worker_threads'
import { DataError, describe, IOError, StateError } from '../core/errors.js'
import type { PackedArray, WorkerAnswer, WorkerFailure, WorkerSetup, WorkerTask } from './worker-protocol.js'

/** Time for which idle threads are kept, in milliseconds: from one epoch to the next. */
const idleTime = 5000

/** A batch from a thread. */
export interface PackedBatch {
  readonly x: PackedArray
  readonly y: PackedArray
}

interface QueuedTask {
  /** The pass of the task. */
  readonly owner: object
  readonly task: WorkerTask
  readonly resolve: (batch: PackedBatch) => void
  readonly reject: (error: unknown) => void
}

/** A thread, and its current task. */
interface Thread {
  readonly worker: Worker
  job: QueuedTask | undefined
}

/** Threads for the tasks of one loader. */
export class WorkerPool {
  readonly #setup: WorkerSetup
  readonly #size: number
  readonly #threads = new Set<Thread>()
  readonly #queue: QueuedTask[] = []
  #timer: NodeJS.Timeout | undefined
  #nextId = 0

  constructor(setup: WorkerSetup, size: number) {
    this.#setup = setup
    this.#size = size
  }

  /** Number of running threads. */
  get alive(): number {
    return this.#threads.size
  }

  /** Makes a batch on an idle thread. Rejects with the error of the thread. */
  run(owner: object, epoch: number, indices: readonly number[]): Promise<PackedBatch> {
    const made = new Promise<PackedBatch>((resolve, reject) => {
      this.#queue.push({ owner, task: { id: this.#nextId++, epoch, indices }, resolve, reject })
    })
    this.#assign()
    return made
  }

  /** Drops the tasks of a pass: stops the threads that work on them at once, and all threads if no other pass has tasks. */
  async leave(owner: object): Promise<void> {
    for (const job of this.#queue.splice(0)) if (job.owner !== owner) this.#queue.push(job)
    const isWanted =
      this.#queue.length > 0 || [...this.#threads].some(({ job }) => job && job.owner !== owner)
    await this.#stop(({ job }) => !isWanted || job?.owner === owner)
    if (isWanted) this.#assign()
  }

  /** Stops all threads at once, also during a task. Calls that wait for a batch reject. */
  async close(): Promise<void> {
    for (const { reject } of this.#queue.splice(0)) reject(closed())
    await this.#stop(() => true)
  }

  async #stop(isMeant: (thread: Thread) => boolean): Promise<void> {
    clearTimeout(this.#timer)
    const threads = [...this.#threads].filter(isMeant)
    for (const thread of threads) {
      this.#threads.delete(thread)
      thread.job?.reject(closed())
      thread.job = undefined
    }
    await Promise.all(threads.map(({ worker }) => worker.terminate()))
  }

  /** Assigns waiting tasks to idle threads. */
  #assign(): void {
    clearTimeout(this.#timer)
    while (this.#queue.length > 0) {
      const free = [...this.#threads].find(({ job }) => job === undefined)
      if (free === undefined && this.#threads.size >= this.#size) break
      const thread = free ?? this.#start()
      thread.job = this.#queue.shift() as QueuedTask
      thread.worker.ref()
      thread.worker.postMessage(thread.job.task)
    }
    if ([...this.#threads].some(({ job }) => job !== undefined)) return
    // A timer that does not keep a program running.
    this.#timer = setTimeout(() => void this.close(), idleTime).unref()
  }

  #start(): Thread {
    const worker = new Worker(new URL('./worker-entry.js', import.meta.url), { workerData: this.#setup })
    const thread: Thread = { worker, job: undefined }
    this.#threads.add(thread)
    worker.on('message', (answer: WorkerAnswer) => this.#answered(thread, answer))
    worker.on('error', (error: unknown) => this.#lost(thread, failureOf(error)))
    worker.on('exit', (code) =>
      this.#lost(thread, { name: 'Error', message: `the thread ended with ${code}`, stack: undefined }),
    )
    return thread
  }

  #answered(thread: Thread, answer: WorkerAnswer): void {
    // A late result of a thread that is being stopped: its exit is awaited, so it stays in the list.
    if (!this.#threads.has(thread)) return
    const { job } = thread
    thread.job = undefined
    thread.worker.unref()
    if (job === undefined) return
    if ('failed' in answer) job.reject(this.#errorOf(job.task, answer.failed))
    else job.resolve(answer)
    this.#assign()
  }

  /** A thread that has ended. */
  #lost(thread: Thread, failure: WorkerFailure): void {
    const { job } = thread
    thread.job = undefined
    if (!this.#threads.delete(thread)) return
    job?.reject(this.#errorOf(job.task, failure))
    if (this.#queue.length > 0) this.#assign()
  }

  /** The error of a thread, with the thread's stack as its cause. */
  #errorOf({ indices }: WorkerTask, { name, message, stack }: WorkerFailure): Error {
    const cause = new Error(message)
    cause.name = name
    if (stack !== undefined) cause.stack = stack
    const samples = indices.length > 4 ? `${indices.slice(0, 4).join(', ')} ...` : indices.join(', ')
    const isMissing = /Cannot find module/.test(message)
    const text = `workerLoader: ${this.#setup.url}, samples ${samples}: ${name}: ${message}`
    return isMissing ? new IOError(`${text}; check the URL`, { cause }) : new DataError(text, { cause })
  }
}

const closed = () =>
  new StateError('workerLoader: its threads were stopped while a batch was being made; begin another pass')

function failureOf(error: unknown): WorkerFailure {
  if (!(error instanceof Error)) return { name: 'Error', message: describe(error), stack: undefined }
  return { name: error.name, message: error.message, stack: error.stack }
}
