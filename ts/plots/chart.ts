import { resolve } from 'node:path'
import { ArgumentError, describe } from '../core/errors.js'
import { between, type Check, type Checks, checkOptions, checkValue, isPlainObject } from '../core/options.js'
import { writeAtomic } from '../io/atomic.js'
import { renderPng, renderSvg } from './render.js'
import type { VegaLiteSpec } from './spec.js'

/** Options of a PNG image. */
export interface PngOptions {
  /** Image pixels per unit of the chart, in (0, 16]; default 2, which a screen shows sharply. Print wants 3 to 4. */
  scale?: number
}

const checks: Checks<PngOptions> = { scale: between(0, 16, 'low') }
const anySpec: Check<VegaLiteSpec> = {
  expected: 'a Vega-Lite specification, a plain object',
  accepts: isPlainObject,
}

const extensions = ['.svg', '.png', '.html', '.vl.json'] as const

/**
 * A chart: a Vega-Lite specification and the ways to write it down.
 *
 * Drawing loads the optional packages vega, vega-lite and, for PNG, @resvg/resvg-js; `.vl.json` needs none.
 *
 * ```ts
 * const chart = informationPlane(model)
 * chart.spec.width = 400 // plain JSON: change what you like
 * await chart.save('plane.svg')
 * ```
 */
export class Chart {
  /** The Vega-Lite specification, with its data. */
  readonly spec: VegaLiteSpec

  constructor(spec: VegaLiteSpec) {
    this.spec = checkValue('Chart: spec', spec, anySpec)
  }

  /** The specification itself, so that `JSON.stringify(chart)` gives what Vega-Lite reads. */
  toJSON(): VegaLiteSpec {
    return this.spec
  }

  /**
   * Draws the chart as SVG text.
   *
   * @throws StateError where a drawing package is missing
   */
  async svg(): Promise<string> {
    return renderSvg(this.spec)
  }

  /**
   * Draws the chart as the bytes of a PNG image.
   *
   * @throws ArgumentError for a scale outside (0, 16]
   * @throws StateError where a drawing package is missing
   */
  async png(options: PngOptions = {}): Promise<Uint8Array> {
    const { scale = 2 } = checkOptions('png', options, checks)
    return renderPng(this.spec, scale)
  }

  /** A page without outside references that shows the chart and carries its specification as JSON. */
  private async html(): Promise<string> {
    const title = titleOf(this.spec).replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
    // "<" is escaped so that no text of the specification can end the script element.
    const json = JSON.stringify(this.spec).replaceAll('<', '\\u003c')
    return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>body { margin: 2rem; text-align: center; background: white } svg { max-width: 100%; height: auto }</style>
${await this.svg()}
<script type="application/json" id="vega-lite-spec">${json}</script>
</html>
`
  }

  private async content(
    extension: (typeof extensions)[number],
    options: PngOptions,
  ): Promise<string | Uint8Array> {
    switch (extension) {
      case '.svg':
        return this.svg()
      case '.png':
        return this.png(options)
      case '.html':
        return this.html()
      case '.vl.json':
        return `${JSON.stringify(this.spec, null, 2)}\n`
    }
  }

  /**
   * Writes the chart to a file, by its extension: `.svg`, `.png`, `.html` (one file, no network) or `.vl.json` (the
   * specification). Missing folders are made, and the file appears whole or not at all.
   *
   * @param options for `.png`
   * @returns the absolute path of the file
   * @throws ArgumentError for another extension, before anything is drawn
   * @throws StateError where a drawing package is missing
   * @throws IOError where the file cannot be written
   */
  async save(path: string, options: PngOptions = {}): Promise<string> {
    const extension =
      typeof path === 'string' ? extensions.find((end) => path.toLowerCase().endsWith(end)) : undefined
    if (extension === undefined) {
      throw new ArgumentError(
        `chart.save: given ${describe(path)}, expected a path ending in ${extensions.join(', ')}`,
      )
    }
    const given = checkOptions('chart.save', options, checks)
    const file = resolve(path)
    await writeAtomic(file, await this.content(extension, given))
    return file
  }
}

function titleOf(spec: VegaLiteSpec): string {
  const title = spec.title
  if (typeof title === 'string') return title
  const text = title !== null && typeof title === 'object' && 'text' in title ? title.text : undefined
  return typeof text === 'string' ? text : 'Chart'
}
