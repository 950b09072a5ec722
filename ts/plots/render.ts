/** Charts drawn on a separate thread, so that the event loop is free. */
import { Worker } from 'node:worker_threads'
import { ArgumentError, errorOfCode, InternalError } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import type { Form } from './draw.js'
import type { Delivery, Order } from './draw-thread.js'
import type { VegaLiteSpec } from './spec.js'

/** The caller of an order. */
interface Waiting {
  resolve(drawn: string | Uint8Array): void
  reject(error: Error): void
}

/** A thread with its orders. It starts with the first chart and stays; while idle it does not keep the process alive. */
class Studio {
  // Without the options of this process, some of which are for its own script only, such as --input-type.
  readonly #worker = new Worker(new URL('./draw-thread.js', import.meta.url), { execArgv: [] })
  readonly #waiting = new Map<number, Waiting>()
  #orders = 0

  /** @param onEnd called when the thread has ended */
  constructor(onEnd: () => void) {
    this.#worker.on('message', (delivery: Delivery) => this.#deliver(delivery))
    const end = (reason: string) => {
      onEnd()
      for (const { reject } of this.#waiting.values()) {
        reject(new InternalError(`drawing a chart: its thread ended: ${reason}`))
      }
      this.#waiting.clear()
    }
    this.#worker.on('error', (error) => end(error.message))
    this.#worker.on('exit', (code) => end(`exit code ${code}`))
    this.#worker.unref()
  }

  draw(spec: VegaLiteSpec, form: Form): Promise<string | Uint8Array> {
    const number = this.#orders++
    try {
      this.#worker.postMessage({ number, spec, form } satisfies Order)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      return Promise.reject(new ArgumentError(`chart: the specification cannot be drawn: ${why}`, { cause }))
    }
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }))
  }

  #deliver(delivery: Delivery): void {
    const waiting = this.#waiting.get(delivery.number)
    this.#waiting.delete(delivery.number)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ('drawn' in delivery) {
      waiting?.resolve(delivery.drawn)
      return
    }
    const { code, message, cause } = delivery.failed
    const error = errorOfCode(code, message)
    if (cause !== undefined) error.cause = cause
    waiting?.reject(error)
  }
}

let studio: Studio | undefined

/**
 * Draws a specification in a {@link Form}: SVG is text, other forms are bytes.
 *
 * @throws StateError if a required package is not installed
 * @throws ArgumentError if Vega refuses the specification; the cause is its error
 */
export async function render(spec: VegaLiteSpec, form: Form): Promise<string | Uint8Array> {
  // Copying for the thread takes a while, and so did making the specification.
  await nextTurn()
  studio ??= new Studio(() => {
    studio = undefined
  })
  return studio.draw(spec, form)
}
