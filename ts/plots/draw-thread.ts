/** The thread that charts are drawn on, for render.ts: Vega blocks its thread for tenths of a second on a large chart. */
import { serve } from '../core/helper-thread.js'
import { drawn, type Form } from './draw.js'
import type { VegaLiteSpec } from './spec.js'

/** A specification and the {@link Form} to draw it in. */
export interface DrawingTask {
  readonly spec: VegaLiteSpec
  readonly form: Form
}

serve<DrawingTask, string | Uint8Array>('drawing a chart', ({ spec, form }) => drawn(spec, form))
