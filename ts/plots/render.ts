/** Charts drawn on a thread of their own, so that the event loop goes on meanwhile. */
import { ArgumentError } from '../core/errors.js'
import { HelperThread } from '../core/helper-thread.js'
import { nextTurn } from '../core/turns.js'
import type { Form } from './draw.js'
import type { Order } from './draw-thread.js'
import type { VegaLiteSpec } from './spec.js'

const studio = new HelperThread<Order, string | Uint8Array>(
  new URL('./draw-thread.js', import.meta.url),
  'drawing a chart',
)

/**
 * Draws a specification as {@link Form} says: SVG is text, all else bytes.
 *
 * @throws StateError where a package that it needs is not installed
 * @throws ArgumentError where they refuse the specification; the cause is their error
 */
export async function render(spec: VegaLiteSpec, form: Form): Promise<string | Uint8Array> {
  // The copy for the thread takes a while, and so did making the specification.
  await nextTurn()
  let answer: Promise<string | Uint8Array>
  try {
    answer = studio.ask({ spec, form })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ArgumentError(`chart: the specification cannot be drawn: ${why}`, { cause })
  }
  return answer
}
