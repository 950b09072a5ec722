/** The thread that charts are drawn on, for render.ts: Vega works in one piece, tenths of a second for a large chart. */
import { parentPort } from 'node:worker_threads'
import { type ErrorCode, HyperglowError } from '../core/errors.js'
import { drawn, type Form } from './draw.js'
import type { VegaLiteSpec } from './spec.js'

/** A chart to draw, and how. */
export interface Order {
  readonly number: number
  readonly spec: VegaLiteSpec
  readonly form: Form
}

/** What became of an order. */
export type Delivery = { readonly number: number } & (
  | { readonly drawn: string | Uint8Array }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string; readonly cause: unknown } }
)

async function draw({ number, spec, form }: Order): Promise<Delivery> {
  try {
    return { number, drawn: await drawn(spec, form) }
  } catch (error) {
    const { code, message, cause } =
      error instanceof HyperglowError
        ? error
        : { code: 'INTERNAL' as const, message: `drawing a chart: ${String(error)}`, cause: undefined }
    // Errors of other classes arrive as plain errors, and values that cannot be sent arrive as text.
    return { number, failed: { code, message, cause: cause instanceof Error ? cause : undefined } }
  }
}

parentPort?.on('message', async (order: Order) => parentPort?.postMessage(await draw(order)))
