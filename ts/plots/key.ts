/** The legend of a chart whose lines are layers: color, dash and marker of each with its name, in the order of the layers. */
import { textWidth } from './font.js'
import { opacityOf } from './live.js'
import type { JsonObject } from './spec.js'
import { ink, type LayerStyle } from './theme.js'

/** One line of a legend. */
export interface KeyEntry extends LayerStyle {
  readonly name: string
}

const rowHeight = 17
const sample = 30
const fontSize = 11

/**
 * The legend as a Vega-Lite view, to be placed beside others.
 *
 * @param height of its columns in pixels
 */
export function keyView(entries: readonly KeyEntry[], height: number, field: string): JsonObject {
  const perColumn = Math.max(1, Math.floor(height / rowHeight))
  const columns = Math.ceil(entries.length / perColumn)
  const rows = Math.ceil(entries.length / columns)
  const width = sample + 8 + Math.max(...entries.map(({ name }) => textWidth(name, fontSize))) + 14
  const values = entries.map(({ name }, i) => ({
    [field]: name,
    x: Math.floor(i / rows) * width,
    x2: Math.floor(i / rows) * width + sample,
    middle: Math.floor(i / rows) * width + sample / 2,
    text: Math.floor(i / rows) * width + sample + 7,
    y: (i % rows) * rowHeight + rowHeight / 2,
  }))
  const pixel = (name: string): JsonObject => ({ field: name, type: 'quantitative', scale: null, axis: null })
  const opacity = field === 'layer' ? { opacity: opacityOf(1) } : {}
  const styles = stylesBy(field, entries)
  return {
    width: columns * width,
    height,
    data: { values },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 1.8 },
        encoding: {
          x: pixel('x'),
          x2: { field: 'x2' },
          y: pixel('y'),
          color: styles.color,
          strokeDash: styles.dash,
          ...opacity,
        },
      },
      {
        mark: { type: 'point', filled: true, size: 48, opacity: 1 },
        encoding: { x: pixel('middle'), y: pixel('y'), color: styles.color, shape: styles.shape, ...opacity },
      },
      {
        mark: { type: 'text', align: 'left', baseline: 'middle', fontSize, color: ink },
        encoding: { x: pixel('text'), y: pixel('y'), text: { field, type: 'nominal' }, ...opacity },
      },
    ],
  }
}

/** The encodings that give each name its color, dash and marker, without legends. */
export function stylesBy(
  field: string,
  entries: readonly KeyEntry[],
): { color: JsonObject; dash: JsonObject; shape: JsonObject } {
  const domain = entries.map(({ name }) => name)
  const by = (range: JsonObject['range']): JsonObject => ({
    field,
    type: 'nominal',
    sort: null,
    scale: { domain, range: range as never },
    legend: null,
  })
  return {
    color: by(entries.map(({ color }) => color)),
    dash: by(entries.map(({ dash }) => (dash.length === 0 ? [1, 0] : [...dash]))),
    shape: by(entries.map(({ marker }) => marker)),
  }
}
