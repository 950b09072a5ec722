/** What a reader of a picture on a screen may change: its names in specifications, shared with the page and the animation. */
import type { JsonObject } from './spec.js'

/** Field of `usermeta` under which a specification says what may be changed. */
export const liveMeta = 'hyperglow'

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
      { name: 'shownEpoch', value: meta.epochs.at(-1) ?? 0 },
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
