/** Interactive parameters of plots on a screen: their names in specifications, shared with the page and the animation. */
import { type RowKind, readingHint, readingHintOfSeveral } from '../dynamics/naming.js'
import type { JsonObject } from './spec.js'

/** Field of `usermeta` with the interactive parameters of a specification. */
const liveMeta = 'hyperglow'

/** The parameter of the last shown epoch. */
export const shownEpoch = 'shownEpoch'

/** Interactive parameters of a plot. */
export interface LiveMeta {
  /** Kind of the rows: `epoch` or `row`. */
  readonly rows: string
  /** Epochs of the slider, ascending; a plot with fewer than two has no slider. */
  readonly epochs: readonly number[]
  /** Selectable layers. */
  readonly layers: readonly string[]
}

/**
 * The parameters of a plot of layers by epoch, as members of its specification: the last shown epoch, the shown layers (null for all), and
 * the layer under the pointer (null for none). In files they keep their values.
 */
export function liveMembers(meta: LiveMeta): JsonObject {
  return {
    params: [
      { name: shownEpoch, value: meta.epochs.at(-1) ?? 0 },
      { name: 'shownLayers', value: null },
      { name: 'emphasized', value: null },
    ],
    usermeta: { [liveMeta]: { rows: meta.rows, epochs: [...meta.epochs], layers: [...meta.layers] } },
  }
}

/** Whether a row's layer is shown, for a filter. */
export const isShownLayer = '(shownLayers === null || indexof(shownLayers, datum.layer) >= 0)'

/** The rows of shown layers up to the shown epoch, as a transform. */
export const shownRows: JsonObject = { filter: `datum.epoch <= shownEpoch && ${isShownLayer}` }

/**
 * The last shown row of a layer, as a filter among {@link shownRows}. In a figure of several evaluators the slider also stops at epochs
 * in which this one was not due: then its rows have the epoch of the next row, see {@link nextOf}.
 *
 * @param numbers numbers of the rows
 * @param all numbers of the rows of the whole figure
 */
export function isLastShown(numbers: readonly number[], all: readonly number[]): string {
  return numbers.length === all.length ? 'datum.epoch === shownEpoch' : '!(datum.nextEpoch <= shownEpoch)'
}

/** The members that {@link isLastShown} needs in row `n`. */
export function nextOf(
  numbers: readonly number[],
  all: readonly number[],
  n: number,
): { nextEpoch?: number } {
  const nextEpoch = numbers[n + 1]
  return numbers.length === all.length || nextEpoch === undefined ? {} : { nextEpoch }
}

/** The opacity of a mark, lower for layers that are not under the pointer. */
export function opacityOf(value: number): JsonObject {
  return {
    condition: { test: 'emphasized === null || datum.layer === emphasized', value },
    value: value * 0.15,
  }
}

/** The interactive parameters of a specification; undefined if there are none. */
export function liveMetaOf(spec: JsonObject): LiveMeta | undefined {
  const meta = (Object(spec.usermeta) as Record<string, unknown>)[liveMeta]
  const { epochs, layers, rows } = Object(meta) as Partial<LiveMeta>
  const isLive = Array.isArray(epochs) && Array.isArray(layers) && typeof rows === 'string'
  return isLive ? { epochs, layers, rows } : undefined
}

/** The same specification with the shown epoch instead of the last epoch in the subtitle: for plots of epochs. */
export function withLiveTitle(spec: JsonObject): JsonObject {
  const meta = liveMetaOf(spec)
  const title = Object(spec.title) as { subtitle?: unknown }
  const lines = title.subtitle
  if (meta === undefined || !Array.isArray(lines)) return spec
  const hints = [readingHint, readingHintOfSeveral].map((hint) => hint(meta.rows as RowKind, meta.epochs))
  const at = lines.findIndex((line) => line !== '' && hints.includes(line))
  if (at < 0) return spec
  const fixed: string = lines[at]
  const last = String(meta.epochs.at(-1))
  const start = JSON.stringify(fixed.slice(0, fixed.length - last.length))
  const texts = lines.map((line, i) => (i === at ? `${start} + ${shownEpoch}` : JSON.stringify(line)))
  return { ...spec, title: { ...title, subtitle: { expr: `[${texts.join(', ')}]` } } as JsonObject }
}
