import { resolve } from 'node:path'
import { ArgumentError, describe } from '../core/errors.js'
import {
  above,
  between,
  type Check,
  type Checks,
  checkOptions,
  checkValue,
  isPlainObject,
} from '../core/options.js'
import { writeAtomic } from '../io/atomic.js'
import type { Raster, Step } from './draw.js'
import { type LiveMeta, liveMetaOf, withLiveTitle } from './live.js'
import { type PagePart, pageOf } from './page.js'
import { render } from './render.js'
import type { VegaLiteSpec } from './spec.js'

/** Physical size. */
export interface PaperOptions {
  /** Width on paper in centimeters: 8 for a journal column, 16 for a page. Default: one unit of the chart is 1/96 inch. */
  cm?: number
}

/** Options of a PNG image. */
export interface PngOptions extends PaperOptions {
  /** Image pixels per unit of the chart, in (0, 16]; default 2, sharp on a screen. Leave it out if `cm` is given. */
  scale?: number
  /** Image pixels per inch if `cm` is given; default 300. */
  dpi?: number
}

/** Options of an animation. */
export interface AnimationOptions extends PngOptions {
  /** Duration of the animation in seconds; default 6. */
  seconds?: number
  /** Duration of the last frame in seconds; default 2. */
  rest?: number
  /** Maximum number of frames; default 40. From more epochs, frames evenly spaced in log(1 + epoch) are taken. */
  frames?: number
}

const paperChecks: Checks<PaperOptions> = { cm: between(0, 200, 'low') }
const pngChecks: Checks<PngOptions> = { ...paperChecks, scale: between(0, 16, 'low'), dpi: between(1, 2400) }
const filmChecks: Checks<AnimationOptions> = {
  ...pngChecks,
  seconds: above(0),
  rest: above(0),
  frames: between(2, 1000),
}
const anySpec: Check<VegaLiteSpec> = {
  expected: 'a Vega-Lite specification, a plain object',
  accepts: isPlainObject,
}

const extensions = ['.svg', '.png', '.pdf', '.html', '.apng', '.vl.json'] as const

/**
 * A chart: a Vega-Lite specification with methods that write it.
 *
 * Drawing loads the optional packages vega, vega-lite and, for images, @resvg/resvg-js, for PDF pdfkit; `.vl.json` needs none.
 *
 * ```ts
 * const chart = informationPlane(model, { width: 240, height: 190 })
 * chart.spec.background = '#fafafa' // plain JSON, free to change
 * await chart.save('plane.pdf', { cm: 8 })
 * ```
 */
export class Chart {
  /** The Vega-Lite specification, with its data. */
  readonly spec: VegaLiteSpec

  constructor(spec: VegaLiteSpec) {
    this.spec = checkValue('Chart: spec', spec, anySpec)
  }

  /** The specification itself, so `JSON.stringify(chart)` is a Vega-Lite file. */
  toJSON(): VegaLiteSpec {
    return this.spec
  }

  /**
   * Draws the chart as SVG text.
   *
   * @throws StateError if a drawing package is missing
   */
  async svg(options: PaperOptions = {}): Promise<string> {
    return (await render(this.spec, { kind: 'svg', ...checkOptions('svg', options, paperChecks) })) as string
  }

  /**
   * Draws the chart as the bytes of a PNG image.
   *
   * @throws ArgumentError for a scale outside (0, 16], and for scale and cm together
   * @throws StateError if a drawing package is missing
   */
  async png(options: PngOptions = {}): Promise<Uint8Array> {
    return (await render(this.spec, { kind: 'png', ...rasterOf('png', options) })) as Uint8Array
  }

  /**
   * Draws the chart as the bytes of a one-page PDF, as vectors with an embedded font.
   *
   * @throws ArgumentError for characters missing in the shipped font, and for images and patterns in the specification
   * @throws StateError if a drawing package is missing
   */
  async pdf(options: PaperOptions = {}): Promise<Uint8Array> {
    const given = checkOptions('pdf', options, paperChecks)
    return (await render(this.spec, { kind: 'pdf', title: titleOf(this.spec), ...given })) as Uint8Array
  }

  /**
   * Draws the chart epoch by epoch as an animated PNG, which browsers play; programs without animation show the last epoch.
   *
   * @throws ArgumentError for a chart without epochs
   * @throws StateError if a drawing package is missing
   */
  async animation(options: AnimationOptions = {}): Promise<Uint8Array> {
    const { seconds = 6, rest = 2, frames = 40, ...raster } = checkOptions('animation', options, filmChecks)
    const meta = liveMetaOf(this.spec)
    if (meta === undefined || meta.epochs.length < 2) {
      throw new ArgumentError(
        'animation: this chart has no epochs, expected an information plane or an epochs plot of at least 2',
      )
    }
    const steps = stepsOf(meta, { seconds, rest, frames })
    return (await render(withLiveTitle(this.spec), {
      kind: 'apng',
      steps,
      ...rasterOf('animation', raster),
    })) as Uint8Array
  }

  /**
   * A page that opens without a network: the chart with tooltips and, for a chart of epochs, a slider over the epochs and a selection of
   * layers. It contains the specification as JSON.
   *
   * @throws StateError if a drawing package is missing
   */
  async html(): Promise<string> {
    return pageOf(titleOf(this.spec), [await this.part()])
  }

  /** The chart as a part of a page. @internal */
  async part(caption?: string): Promise<PagePart> {
    const figure = { kind: 'figure', spec: withLiveTitle(this.spec), svg: await this.svg() } as const
    return caption === undefined ? figure : { ...figure, caption }
  }

  private async content(
    extension: (typeof extensions)[number],
    options: AnimationOptions,
  ): Promise<string | Uint8Array> {
    switch (extension) {
      case '.svg':
        return this.svg(options)
      case '.png':
        return this.png(options)
      case '.pdf':
        return this.pdf(options)
      case '.html':
        return this.html()
      case '.apng':
        return this.animation(options)
      case '.vl.json':
        return `${JSON.stringify(this.spec, null, 2)}\n`
    }
  }

  /**
   * Writes the chart to a file, by its extension: `.svg`, `.png`, `.pdf`, `.html` (one page, no network), `.apng` (an animation over the
   * epochs) or `.vl.json` (the specification). Missing folders are created, and the file appears complete or not at all.
   *
   * @param options for the format of the extension; options of other formats are refused
   * @returns the absolute path of the file
   * @throws ArgumentError for another extension or option, before anything is drawn
   * @throws StateError if a drawing package is missing
   * @throws IOError if the file cannot be written
   */
  async save(path: string, options: AnimationOptions = {}): Promise<string> {
    const extension =
      typeof path === 'string' ? extensions.find((end) => path.toLowerCase().endsWith(end)) : undefined
    if (extension === undefined) {
      throw new ArgumentError(
        `chart.save: given ${describe(path)}, expected a path ending in ${extensions.join(', ')}`,
      )
    }
    const given = checkOptions(`chart.save to ${extension}`, options, checksOf[extension])
    const file = resolve(path)
    await writeAtomic(file, await this.content(extension, given))
    return file
  }
}

const checksOf: Readonly<Record<(typeof extensions)[number], Checks<AnimationOptions>>> = {
  '.svg': paperChecks as Checks<AnimationOptions>,
  '.png': pngChecks as Checks<AnimationOptions>,
  '.pdf': paperChecks as Checks<AnimationOptions>,
  '.html': {} as Checks<AnimationOptions>,
  '.apng': filmChecks,
  '.vl.json': {} as Checks<AnimationOptions>,
}

function rasterOf(caller: string, options: PngOptions): Raster {
  const { scale, cm, dpi } = checkOptions(caller, options, pngChecks)
  if (scale !== undefined && cm !== undefined) {
    throw new ArgumentError(
      `${caller}: given scale ${scale} and cm ${cm}, expected one of them: cm and dpi determine the scale`,
    )
  }
  if (dpi !== undefined && cm === undefined) {
    throw new ArgumentError(`${caller}: given dpi ${dpi} without cm, expected both, or scale`)
  }
  return { scale: scale ?? 2, dpi: dpi ?? 300, ...(cm === undefined ? {} : { cm }) }
}

/** The frames of an animation: all epochs, or those nearest to even steps of log(1 + epoch); the last one is held. */
function stepsOf(
  { epochs }: LiveMeta,
  { seconds, rest, frames }: { seconds: number; rest: number; frames: number },
): Step[] {
  const log = (epoch: number) => Math.sign(epoch) * Math.log1p(Math.abs(epoch))
  const [first, last] = [epochs[0] as number, epochs.at(-1) as number]
  const even = Array.from(
    { length: frames },
    (_, i) => log(first) + (i / (frames - 1)) * (log(last) - log(first)),
  )
  const nearest = even.map((at) =>
    epochs.reduce((a, b) => (Math.abs(log(b) - at) < Math.abs(log(a) - at) ? b : a)),
  )
  const shown = epochs.length <= frames ? epochs : [...new Set(nearest)]
  const delay = (1000 * seconds) / shown.length
  return shown.map((epoch) => ({ epoch, delay: epoch === last ? 1000 * rest : delay }))
}

function titleOf(spec: VegaLiteSpec): string {
  const title = spec.title
  if (typeof title === 'string') return title
  const text = title !== null && typeof title === 'object' && 'text' in title ? title.text : undefined
  return typeof text === 'string' ? text : 'Chart'
}
