import { createHash } from 'node:crypto'
import { ArgumentError, HyperglowError } from '../core/errors.js'
import { pdfOf } from './draw-pdf.js'
import { fontFamily, fontFiles, hasLettersOf, textWidth } from './font.js'
import { shownEpoch } from './live.js'
import { type Importer, importPackage, loadPackage, type VegaView } from './packages.js'
import { unable } from './pdf-context.js'
import { AnimatedPng, withResolution } from './png.js'
import type { VegaLiteSpec } from './spec.js'

interface TextItem {
  readonly font?: string
  readonly fontSize?: number
  readonly fontWeight?: string | number
  readonly limit?: number
}

interface Vega {
  parse(spec: unknown): unknown
  View: new (runtime: unknown, options: { renderer: 'none' }) => VegaView
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
  ): Promise<RenderedImage>
}

interface RenderedImage {
  readonly width: number
  readonly height: number
  /** RGBA. */
  readonly pixels: Uint8Array
  asPng(): Uint8Array
}

const measured = new WeakSet<object>()

/**
 * Makes Vega measure the shipped font by its real widths. Without a canvas Vega assumes 0.8 of the font size per letter, which leaves gaps
 * in legends and truncates long labels. Text in other fonts is measured as before.
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

/** The output of a drawing. Sizes on paper are in centimeters; without one, a unit of the chart is a pixel, or 1/96 inch of a page. */
export type Form =
  | { readonly kind: 'svg'; readonly cm?: number }
  | ({ readonly kind: 'png' } & Raster)
  | { readonly kind: 'pdf'; readonly cm?: number; readonly title: string }
  | ({ readonly kind: 'apng'; readonly steps: readonly Step[] } & Raster)

/** Resolution of an image: pixels per unit, or per inch for a width on paper. */
export interface Raster {
  readonly scale: number
  readonly cm?: number
  readonly dpi: number
}

/** A frame of an animation: its last epoch, and its duration in milliseconds. */
export interface Step {
  readonly epoch: number
  readonly delay: number
}

/**
 * Draws a specification. Vega marks the rows of its data, so do not use the data afterward.
 *
 * @throws StateError if a required package is not installed
 * @throws ArgumentError if Vega refuses the specification; the cause is its error
 */
export async function drawn(
  spec: VegaLiteSpec,
  form: Form,
  importer: Importer = importPackage,
): Promise<string | Uint8Array> {
  return withView(spec, importer, async (view) => {
    const svg = withOwnIds(await view.toSVG())
    const size = sizeOf(svg)
    switch (form.kind) {
      case 'svg':
        return form.cm === undefined ? svg : onPaper(svg, size, form.cm)
      case 'png': {
        const image = await imageOf(svg, scaleOf(form, size), importer)
        const png = image.asPng()
        return form.cm === undefined ? png : withResolution(png, form.dpi)
      }
      case 'pdf': {
        // Without a browser Vega does not load images, and would leave them out silently.
        if (/<image\b/.test(svg)) throw unable('images')
        const scale = form.cm === undefined ? 1 : (form.cm / 2.54) * (96 / size.width)
        return pdfOf(view, size, { scale, title: form.title, importer })
      }
      case 'apng':
        return filmOf(view, size, form, importer)
    }
  })
}

async function withView<T>(
  spec: VegaLiteSpec,
  importer: Importer,
  draw: (view: VegaView) => Promise<T>,
): Promise<T> {
  const vega = await loadPackage<Vega>('vega', 'drawing a chart', importer)
  const vegaLite = await loadPackage<VegaLite>('vega-lite', 'drawing a chart', importer)
  measureOurText(vega)
  try {
    const compiled = vegaLite.compile(spec).spec
    const view = new vega.View(vega.parse(compiled), { renderer: 'none' })
    try {
      return await draw(view)
    } finally {
      view.finalize()
    }
  } catch (cause) {
    if (cause instanceof HyperglowError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ArgumentError(`chart: the specification cannot be drawn: ${why}`, { cause })
  }
}

interface Pixels {
  readonly width: number
  readonly height: number
}

function sizeOf(svg: string): Pixels {
  const [, width, height] = /width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? []
  return { width: Number(width), height: Number(height) }
}

function scaleOf({ scale, cm, dpi }: Raster, { width }: Pixels): number {
  return cm === undefined ? scale : ((cm / 2.54) * dpi) / width
}

/** The same SVG with a size on paper instead of pixels. */
function onPaper(svg: string, { width, height }: Pixels, cm: number): string {
  const tall = Number(((cm * height) / width).toPrecision(6))
  return svg.replace(/width="[\d.]+" height="[\d.]+"/, `width="${cm}cm" height="${tall}cm"`)
}

/** The frames of an animation: the view at each step. */
async function filmOf(
  view: VegaView,
  size: Pixels,
  film: { readonly steps: readonly Step[] } & Raster,
  importer: Importer,
): Promise<Uint8Array> {
  const scale = scaleOf(film, size)
  let animation: AnimatedPng | undefined
  for (const { epoch, delay } of film.steps) {
    await view.signal(shownEpoch, epoch).runAsync()
    const { width, height, pixels } = await imageOf(await view.toSVG(), scale, importer)
    animation ??= new AnimatedPng(width, height)
    animation.add({ pixels, delay })
  }
  return (animation as AnimatedPng).bytes(film.cm === undefined ? undefined : film.dpi)
}

/**
 * The same SVG with names of gradients and clip paths that depend only on its content. Vega counts the names over the life of the process,
 * so one chart drawn twice would differ, and two charts in one page could share a name.
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
 * Turns SVG text into an image.
 *
 * @param scale image pixels per unit of the chart
 * @throws StateError if @resvg/resvg-js is not installed
 */
async function imageOf(svg: string, scale: number, importer: Importer): Promise<RenderedImage> {
  const resvg = await loadPackage<Resvg>('@resvg/resvg-js', 'drawing a PNG image', importer)
  return resvg.renderAsync(svg, {
    fitTo: { mode: 'zoom', value: scale },
    font: {
      // System fonts are slow to list and differ between machines: load them only for characters that the shipped font lacks.
      loadSystemFonts: !hasLettersOf(svg),
      fontFiles,
      defaultFontFamily: 'Inter',
      sansSerifFamily: 'Inter',
    },
  })
}
