/** Charts drawn on a separate thread, so that the event loop is free. */
import { ArgumentError } from '../core/errors.js'
import { HelperThread } from '../core/helper-thread.js'
import { nextTurn } from '../core/turns.js'
import type { Form } from './draw.js'
import type { DrawingTask } from './draw-thread.js'
import type { VegaLiteSpec } from './spec.js'

const drawingThread = new HelperThread<DrawingTask, string | Uint8Array>(
  new URL('./draw-thread.js', import.meta.url),
  'drawing a chart',
)

/**
 * Draws a specification in a {@link Form}: SVG is text, other forms are bytes.
 *
 * @throws StateError if a required package is not installed
 * @throws ArgumentError if Vega refuses the specification; the cause is its error
 */
export async function render(spec: VegaLiteSpec, form: Form): Promise<string | Uint8Array> {
  // Building the specification took a while, and so does copying it to the thread.
  await nextTurn()
  let result: Promise<string | Uint8Array>
  try {
    result = drawingThread.run({ spec, form })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ArgumentError(`chart: the specification cannot be drawn: ${why}`, { cause })
  }
  return result
}
