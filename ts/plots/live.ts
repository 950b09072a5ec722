/** What a reader of a picture on a screen may change: its names in specifications, shared with the page and the animation. */
import { type RowKind, readingHint } from '../dynamics/naming.js'
import type { JsonObject } from './spec.js'

/** Field of `usermeta` under which a specification says what may be changed. */
export const liveMeta = 'hyperglow'

/** The parameter of the last epoch that is shown. */
export const shownEpoch = 'shownEpoch'

/** What of a picture may be changed while it is looked at. */
export interface LiveMeta {
  /** What the epochs count: `epoch` or `row`. */
  readonly rows: string
  /** Epochs that the slider stops at, rising; a picture with fewer than two has no slider. */
  readonly epochs: readonly number[]
  /** Layers to choose from. */
  readonly layers: readonly string[]
}

/**
 * The parameters of a picture of layers by epoch, as members of its specification: the last epoch that is shown, the layers that are (null for
 * all), and the one that the reader points at (null for none). On paper they keep these values.
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

/** The opacity of a mark, less for layers that the reader does not point at. */
export function opacityOf(value: number): JsonObject {
  return {
    condition: { test: 'emphasized === null || datum.layer === emphasized', value },
    value: value * 0.15,
  }
}

/** What of a specification may be changed; undefined where it does not say. */
export function liveMetaOf(spec: JsonObject): LiveMeta | undefined {
  const meta = (Object(spec.usermeta) as Record<string, unknown>)[liveMeta]
  const { epochs, layers, rows } = Object(meta) as Partial<LiveMeta>
  const isLive = Array.isArray(epochs) && Array.isArray(layers) && typeof rows === 'string'
  return isLive ? { epochs, layers, rows } : undefined
}

/** The same specification where the line under the title that names the last epoch names the shown one: for pictures that go through epochs. */
export function withLiveTitle(spec: JsonObject): JsonObject {
  const meta = liveMetaOf(spec)
  const title = Object(spec.title) as { subtitle?: unknown }
  const lines = title.subtitle
  if (meta === undefined || !Array.isArray(lines)) return spec
  const fixed = readingHint(meta.rows as RowKind, meta.epochs)
  const last = String(meta.epochs.at(-1))
  const at = lines.indexOf(fixed)
  if (fixed === '' || at < 0) return spec
  const start = JSON.stringify(fixed.slice(0, fixed.length - last.length))
  const texts = lines.map((line, i) => (i === at ? `${start} + ${shownEpoch}` : JSON.stringify(line)))
  return { ...spec, title: { ...title, subtitle: { expr: `[${texts.join(', ')}]` } } as JsonObject }
}
