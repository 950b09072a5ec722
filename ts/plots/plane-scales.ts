/** The axes of planes and trajectories: their values and their bounds. */
import { oneOf } from '../core/options.js'
import { baseOfUnit } from '../estimators/unit.js'
import { checkScale } from './check.js'
import type { Trajectories } from './dynamics.js'
import { isNear, type Limit, type Limits } from './limits.js'
import type { AxisScale } from './scale.js'
import { chooseScale } from './scale.js'
import type { ScaleKind } from './ticks.js'

/** Display of several runs: the standard error of the mean, the single runs, or neither. */
export type Band = 'se' | 'runs' | 'none'

/** Check of {@link Band}. */
export const bandOf = oneOf('se', 'runs', 'none')

/** Size of a plotting area in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** Axes as set by the caller. */
export interface MeasureScales {
  /** Scale of the compression axis, measure(H, X). */
  xScale?: ScaleKind
  /** Scale of the generalization axis, measure(H, Y). */
  yScale?: ScaleKind
  xDomain?: readonly [number, number]
  yDomain?: readonly [number, number]
}

/** All shown values of one measure, those of runs and of error bars included. */
function shownValues({ layers }: Trajectories, measure: 'x' | 'y', band: Band): number[] {
  return layers
    .flatMap((layer) => {
      const means = layer[measure]
      if (layer.runs === undefined || band === 'none') return means
      if (band === 'runs') return [...means, ...layer.runs[measure].flat()]
      const errors = layer.runs[measure === 'x' ? 'xError' : 'yError']
      return [
        ...means,
        ...means.flatMap((mean, n) => [-1, 1].map((sign) => mean + sign * (errors[n] as number))),
      ]
    })
    .filter(Number.isFinite)
}

/** Smallest length of an axis of information, in nats: about the error of an estimate of zero. */
const leastInformation = 0.1

/** The bounds to draw: near the values of their measure, and within the range of the axis. */
export function drawnLimits(trajectories: Trajectories, options: MeasureScales, band: Band): Limits {
  const [x, y] = (['x', 'y'] as const).map((side) => drawnLimit(trajectories, side, options, band))
  return { ...(x === undefined ? {} : { x }), ...(y === undefined ? {} : { y }) }
}

function drawnLimit(
  trajectories: Trajectories,
  measure: 'x' | 'y',
  options: MeasureScales,
  band: Band,
): Limit | undefined {
  const limit = trajectories.limits[measure]
  if (limit === undefined) return undefined
  const domain = measure === 'x' ? options.xDomain : options.yDomain
  const isDrawn =
    domain === undefined
      ? isNear(limit, shownValues(trajectories, measure, band))
      : limit.value >= domain[0] && limit.value <= domain[1]
  return isDrawn ? limit : undefined
}

/** The scale for all values of one measure and its bound, by the options. */
export function measureScale(
  trajectories: Trajectories,
  measure: 'x' | 'y',
  options: MeasureScales,
  place: { readonly side: 'x' | 'y'; readonly length: number },
  { caller, band }: { readonly caller: string; readonly band: Band },
): AxisScale {
  const [kind = 'linear', domain] =
    measure === 'x' ? [options.xScale, options.xDomain] : [options.yScale, options.yDomain]
  const values = shownValues(trajectories, measure, band)
  const title = measure === 'x' ? trajectories.xTitle : trajectories.yTitle
  checkScale(caller, `${measure}Scale`, kind, title, domain ?? values)
  const limit = drawnLimit(trajectories, measure, options, band)
  const base = trajectories.unit === null ? undefined : baseOfUnit(trajectories.unit)
  return chooseScale(limit === undefined ? values : [...values, limit.value], kind, {
    ...place,
    span: Math.max(
      base === undefined ? 0 : leastInformation / Math.log(base),
      (trajectories.limits[measure]?.value ?? 0) * 0.1,
    ),
    ...(domain === undefined ? {} : { domain }),
  })
}

/** The two axes of a plane of that size. */
export function planeScales(
  trajectories: Trajectories,
  options: MeasureScales,
  size: Size,
  context: { readonly caller: string; readonly band: Band },
): [x: AxisScale, y: AxisScale] {
  return [
    measureScale(trajectories, 'x', options, { side: 'x', length: size.width }, context),
    measureScale(trajectories, 'y', options, { side: 'y', length: size.height }, context),
  ]
}
