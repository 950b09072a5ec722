/** The thread that charts are drawn on, for render.ts: Vega works in one piece, tenths of a second for a large chart. */
import { serve } from '../core/helper-thread.js'
import { drawn, type Form } from './draw.js'
import type { VegaLiteSpec } from './spec.js'

/** A chart to draw, and how. */
export interface Order {
  readonly spec: VegaLiteSpec
  readonly form: Form
}

serve<Order, string | Uint8Array>('drawing a chart', ({ spec, form }) => drawn(spec, form))
