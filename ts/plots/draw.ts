import { createHash } from 'node:crypto'
import { ArgumentError, StateError } from '../core/errors.js'
import { fontFamily, fontFiles, hasLettersOf, textWidth } from './font.js'
import type { VegaLiteSpec } from './spec.js'

// The drawing packages are large and optional: they are loaded when the first chart is drawn, and described here
// by the few members used, so that the library's own types do not need them.

interface TextItem {
  readonly font?: string
  readonly fontSize?: number
  readonly fontWeight?: string | number
  readonly limit?: number
}

interface Vega {
  parse(spec: unknown): unknown
  View: new (
    runtime: unknown,
    options: { renderer: 'none' },
  ) => { toSVG(): Promise<string>; finalize(): void }
  textMetrics: { width(item: TextItem, text: unknown): number }
}

interface VegaLite {
  compile(spec: VegaLiteSpec): { spec: unknown }
}

interface Resvg {
  renderAsync(
    svg: string,
    options: {
      fitTo: { mode: 'zoom'; value: number }
      font: {
        loadSystemFonts: boolean
        fontFiles: readonly string[]
        defaultFontFamily: string
        sansSerifFamily: string
      }
    },
  ): Promise<{ asPng(): Uint8Array }>
}

/** Loads a package by name; exchangeable so that a missing one can be tested. */
export type Importer = (name: string) => Promise<unknown>

const importPackage: Importer = (name) => import(name)

async function load<T>(name: string, purpose: string, importer: Importer): Promise<T> {
  try {
    return (await importer(name)) as T
  } catch (cause) {
    throw new StateError(
      `${purpose} needs the package ${name}, which cannot be loaded; ` +
        'install the drawing packages with "npm install vega@6 vega-lite@6 @resvg/resvg-js@2", ' +
        "or save the chart as '.vl.json', which needs none",
      { cause },
    )
  }
}

const measured = new WeakSet<object>()

/**
 * Lets Vega measure the shipped typeface by its real widths. Without a canvas it guesses 0.8 of the font size a
 * letter, which leaves gaps in legends and cuts long labels. Text in other typefaces is measured as before.
 */
function measureOurText(vega: Vega): void {
  const metrics = vega.textMetrics
  if (measured.has(metrics)) return
  measured.add(metrics)
  const otherwise = metrics.width
  metrics.width = (item, text) => {
    if (item.font !== fontFamily) return otherwise(item, text)
    const width = textWidth(text == null ? '' : String(text).trim(), item.fontSize ?? 11, item.fontWeight)
    return item.limit !== undefined && item.limit > 0 ? Math.min(width, item.limit) : width
  }
}

/**
 * Draws a specification as SVG text. Vega marks the rows of data that it is given, so they are not to be used for anything else.
 *
 * @throws StateError where vega or vega-lite is not installed
 * @throws ArgumentError where they refuse the specification; the cause is their error
 */
export async function svgOf(spec: VegaLiteSpec, importer: Importer = importPackage): Promise<string> {
  const vega = await load<Vega>('vega', 'drawing a chart', importer)
  const vegaLite = await load<VegaLite>('vega-lite', 'drawing a chart', importer)
  measureOurText(vega)
  try {
    const compiled = vegaLite.compile(spec).spec
    const view = new vega.View(vega.parse(compiled), { renderer: 'none' })
    try {
      return withOwnIds(await view.toSVG())
    } finally {
      view.finalize()
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ArgumentError(`chart: the specification cannot be drawn: ${why}`, { cause })
  }
}

/**
 * The same SVG with names of gradients and clip paths that depend on its content alone. Vega counts them through the life
 * of the process, so that one chart drawn twice would differ, and two charts in one page could share a name.
 */
function withOwnIds(svg: string): string {
  const ids = [
    ...new Set([...svg.matchAll(/ id="((?:gradient_|clip)\d+)"/g)].map((match) => match[1] as string)),
  ]
  const named = (prefix: string) =>
    svg.replace(/(?<=id="|url\(#)(?:gradient_|clip)\d+(?="|\))/g, (id) => `${prefix}${ids.indexOf(id)}`)
  const digest = createHash('sha256').update(named('')).digest('hex')
  return named(`hg-${digest.slice(0, 8)}-`)
}

/**
 * Turns SVG text into a PNG image.
 *
 * @param scale image pixels per unit of the chart
 * @throws StateError where @resvg/resvg-js is not installed
 */
export async function pngOf(
  svg: string,
  scale: number,
  importer: Importer = importPackage,
): Promise<Uint8Array> {
  const resvg = await load<Resvg>('@resvg/resvg-js', 'drawing a PNG image', importer)
  const image = await resvg.renderAsync(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: {
      // The machine's fonts are slow to list and differ: only for letters that ours lacks.
      loadSystemFonts: !hasLettersOf(svg),
      fontFiles,
      defaultFontFamily: 'Inter',
      sansSerifFamily: 'Inter',
    },
  })
  return image.asPng()
}
