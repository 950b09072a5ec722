/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** A JSON object. */
export type JsonObject = { [key: string]: Json }

/** A Vega-Lite specification: plain JSON. */
export type VegaLiteSpec = JsonObject

/** Options that every chart has. */
export interface ChartOptions {
  /** Heading of the chart; `null` for none, for example if the caption of a paper has it. */
  title?: string | null
  /** Width of a plotting area in pixels, without axes and legends. */
  width?: number
  /** Height of a plotting area in pixels, without axes and title. */
  height?: number
}
