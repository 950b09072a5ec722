/** Work on a separate thread, so that the event loop is free. */
import { parentPort, type Transferable, Worker } from 'node:worker_threads'
import { type ErrorCode, errorOfCode, HyperglowError, InternalError } from './errors.js'

/** A task sent to the thread. */
interface Request<Task> {
  readonly id: number
  readonly task: Task
}

/** The result of a request, or its error. */
type Reply<Result> = { readonly id: number } & (
  | { readonly result: Result }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string; readonly cause: unknown } }
)

/** Settles the promise of a request. */
interface PendingTask<Result> {
  resolve(result: Result): void
  reject(error: Error): void
}

/** A thread and its pending tasks. It stays alive when they are done, but does not keep the process alive. */
class TaskThread<Task, Result> {
  readonly #worker: Worker
  readonly #pending = new Map<number, PendingTask<Result>>()
  #count = 0

  /** @param onEnd called when the thread has ended */
  constructor(url: URL, what: string, onEnd: () => void) {
    // Some options of this process, such as --input-type, do not apply to the script of a thread.
    this.#worker = new Worker(url, { execArgv: [] })
    this.#worker.on('message', (reply: Reply<Result>) => this.#settle(reply))
    const end = (reason: string) => {
      onEnd()
      for (const { reject } of this.#pending.values()) {
        reject(new InternalError(`${what}: its thread ended: ${reason}`))
      }
      this.#pending.clear()
    }
    this.#worker.on('error', (error) => end(error.message))
    this.#worker.on('exit', (code) => end(`exit code ${code}`))
    this.#worker.unref()
  }

  run(task: Task): Promise<Result> {
    const id = this.#count++
    this.#worker.postMessage({ id, task } satisfies Request<Task>)
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }))
  }

  #settle(reply: Reply<Result>): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#worker.unref()
    if ('result' in reply) {
      pending?.resolve(reply.result)
      return
    }
    const { code, message, cause } = reply.failed
    const error = errorOfCode(code, message)
    if (cause !== undefined) error.cause = cause
    pending?.reject(error)
  }
}

/** Runs tasks on one thread, which is started by the first task and restarted by the first task after it has ended. */
export class HelperThread<Task, Result> {
  readonly #url: URL
  readonly #what: string
  #thread: TaskThread<Task, Result> | undefined

  /** @param url module of the thread, which calls {@link serve}; @param what description of the work for messages */
  constructor(url: URL, what: string) {
    this.#url = url
    this.#what = what
  }

  /**
   * Runs a task. The task is copied; tasks run in order.
   *
   * @throws DataCloneError, synchronously, if the task cannot be copied
   * @throws InternalError (as a rejection) if the thread ends; errors of the work keep their class
   */
  run(task: Task): Promise<Result> {
    this.#thread ??= new TaskThread(this.#url, this.#what, () => {
      this.#thread = undefined
    })
    return this.#thread.run(task)
  }
}

/**
 * Runs the tasks of a {@link HelperThread}; call it in the module of the thread.
 *
 * @param what description of the work for messages; @param work runs a task; @param moved parts of a result that are transferred instead of
 *   copied
 */
export function serve<Task, Result>(
  what: string,
  work: (task: Task) => Promise<Result>,
  moved: (result: Result) => Transferable[] = () => [],
): void {
  parentPort?.on('message', async ({ id, task }: Request<Task>) => {
    try {
      const result = await work(task)
      parentPort?.postMessage({ id, result } satisfies Reply<Result>, moved(result))
    } catch (error) {
      const { code, message, cause } =
        error instanceof HyperglowError
          ? error
          : { code: 'INTERNAL' as const, message: `${what}: ${String(error)}`, cause: undefined }
      // Fields of an error that cannot be sent are left out.
      const failed = { code, message, cause: cause instanceof Error ? cause : undefined }
      parentPort?.postMessage({ id, failed } satisfies Reply<Result>)
    }
  })
}
