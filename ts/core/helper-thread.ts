/** Work on a thread of its own, so that the event loop goes on meanwhile. */
import { parentPort, type Transferable, Worker } from 'node:worker_threads'
import { type ErrorCode, errorOfCode, HyperglowError, InternalError } from './errors.js'

/** What the thread is asked to do. */
interface Question<Order> {
  readonly number: number
  readonly order: Order
}

/** What became of it. */
type Reply<Answer> = { readonly number: number } & (
  | { readonly answer: Answer }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string; readonly cause: unknown } }
)

/** Who waits for an answer. */
interface Waiting<Answer> {
  resolve(answer: Answer): void
  reject(error: Error): void
}

/** A thread with its orders. It stays when they are done; without an order it keeps no process alive. */
class Running<Order, Answer> {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting<Answer>>()
  #orders = 0

  /** @param onEnd called when it can work no more */
  constructor(url: URL, what: string, onEnd: () => void) {
    // Without the options of this process, some of which are for its own script alone, such as --input-type.
    this.#worker = new Worker(url, { execArgv: [] })
    this.#worker.on('message', (reply: Reply<Answer>) => this.#settle(reply))
    const end = (reason: string) => {
      onEnd()
      for (const { reject } of this.#waiting.values()) {
        reject(new InternalError(`${what}: its thread ended: ${reason}`))
      }
      this.#waiting.clear()
    }
    this.#worker.on('error', (error) => end(error.message))
    this.#worker.on('exit', (code) => end(`exit code ${code}`))
    this.#worker.unref()
  }

  ask(order: Order): Promise<Answer> {
    const number = this.#orders++
    this.#worker.postMessage({ number, order } satisfies Question<Order>)
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }))
  }

  #settle(reply: Reply<Answer>): void {
    const waiting = this.#waiting.get(reply.number)
    this.#waiting.delete(reply.number)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('answer' in reply) {
      waiting?.resolve(reply.answer)
      return
    }
    const { code, message, cause } = reply.failed
    const error = errorOfCode(code, message)
    if (cause !== undefined) error.cause = cause
    waiting?.reject(error)
  }
}

/** A thread that answers orders, made for the first one and made anew where it ended. */
export class HelperThread<Order, Answer> {
  readonly #url: URL
  readonly #what: string
  #running: Running<Order, Answer> | undefined

  /** @param url the module of the thread, which calls {@link serve}; @param what its work, for messages */
  constructor(url: URL, what: string) {
    this.#url = url
    this.#what = what
  }

  /**
   * Has an order done; orders are copied, and done one after the other.
   *
   * @throws DataCloneError, at once, for an order that cannot be copied
   * @throws InternalError (rejects) where the thread ends; the errors of the work by their classes
   */
  ask(order: Order): Promise<Answer> {
    this.#running ??= new Running(this.#url, this.#what, () => {
      this.#running = undefined
    })
    return this.#running.ask(order)
  }
}

/**
 * Answers orders; for the module of the thread.
 *
 * @param what the work, for messages; @param work does it; @param moved what of an answer is moved to the other side and not copied
 */
export function serve<Order, Answer>(
  what: string,
  work: (order: Order) => Promise<Answer>,
  moved: (answer: Answer) => Transferable[] = () => [],
): void {
  parentPort?.on('message', async ({ number, order }: Question<Order>) => {
    try {
      const answer = await work(order)
      parentPort?.postMessage({ number, answer } satisfies Reply<Answer>, moved(answer))
    } catch (error) {
      const { code, message, cause } =
        error instanceof HyperglowError
          ? error
          : { code: 'INTERNAL' as const, message: `${what}: ${String(error)}`, cause: undefined }
      // Errors of other classes arrive as plain ones, and what cannot be sent is left out.
      const failed = { code, message, cause: cause instanceof Error ? cause : undefined }
      parentPort?.postMessage({ number, failed } satisfies Reply<Answer>)
    }
  })
}
