/** Bounds of information as lines in a plot. */
import { limitName, limitText } from '../dynamics/naming.js'
import type { Limit } from './limits.js'
import type { AxisScale } from './scale.js'
import type { JsonObject } from './spec.js'
import { faint } from './theme.js'

/**
 * A bound as a dashed line across the plotting area, with its name outside: above for the x axis, at the right for the y axis.
 *
 * @param isShort leaves the value to the subtitle
 * @param away pixels from the right end of the plotting area to the name
 * @param field of the axis, if it differs from the side
 */
export function limitLayers(
  limit: Limit,
  side: 'x' | 'y',
  scale: AxisScale,
  {
    unit,
    isShort,
    away = 6,
    field = side,
  }: { readonly unit: string; readonly isShort: boolean; readonly away?: number; readonly field?: string },
): JsonObject[] {
  const text = isShort ? limitName(limit.kind, unit) : limitText(limit.kind, unit, limit.value)
  const at: JsonObject = { [side]: { field, type: 'quantitative', scale: scale.scale } }
  const data: JsonObject = { values: [{ [field]: limit.value, text }] }
  const place: JsonObject = side === 'x' ? { y: { value: -4 } } : { x: { value: 'width' } }
  const align: JsonObject =
    side === 'x' ? { align: 'center', baseline: 'bottom' } : { align: 'left', baseline: 'middle', dx: away }
  return [
    { data, mark: { type: 'rule', color: faint, strokeWidth: 1.1, strokeDash: [6, 4] }, encoding: at },
    {
      data,
      mark: { type: 'text', fontSize: limitSize, color: faint, ...align },
      encoding: { ...at, ...place, text: { field: 'text', type: 'nominal' } },
    },
  ]
}

/** Font size of the names of bounds. */
export const limitSize = 11
