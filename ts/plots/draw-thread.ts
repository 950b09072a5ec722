/** The thread that charts are drawn on, for render.ts: Vega works in one piece, tenths of a second for a large chart. */
import { parentPort } from 'node:worker_threads'
import { type ErrorCode, HyperglowError } from '../core/errors.js'
import { pngOf, svgOf } from './draw.js'
import type { VegaLiteSpec } from './spec.js'

/** A chart to draw: its specification as SVG text, and that as an image where a scale is given. */
export interface Order {
  readonly number: number
  readonly spec: VegaLiteSpec
  /** Image pixels per unit of the chart. */
  readonly scale: number | undefined
}

/** What became of an order. */
export type Delivery = { readonly number: number } & (
  | { readonly drawn: string | Uint8Array }
  | { readonly failed: { readonly code: ErrorCode; readonly message: string; readonly cause: unknown } }
)

async function draw({ number, spec, scale }: Order): Promise<Delivery> {
  try {
    const svg = await svgOf(spec)
    return { number, drawn: scale === undefined ? svg : await pngOf(svg, scale) }
  } catch (error) {
    const { code, message, cause } =
      error instanceof HyperglowError
        ? error
        : { code: 'INTERNAL' as const, message: `drawing a chart: ${String(error)}`, cause: undefined }
    // Errors of other classes arrive as plain ones, and what cannot be sent as its text.
    return { number, failed: { code, message, cause: cause instanceof Error ? cause : undefined } }
  }
}

parentPort?.on('message', async (order: Order) => parentPort?.postMessage(await draw(order)))
