import { ArgumentError } from '../core/errors.js'
import { above, type Check, type Checks, elsewhere, isList, oneOf } from '../core/options.js'
import type { DynamicsSelection } from './dynamics.js'
import type { ChartOptions } from './spec.js'
import type { ScaleKind } from './ticks.js'

const pixels: Check<number> = { expected: 'a number of pixels above 0', accepts: above(0).accepts }
/** A string, which may be empty. */
export const anyText: Check<string> = { expected: 'a text', accepts: (value) => typeof value === 'string' }

/** Checks of {@link ChartOptions}. */
export const chartChecks: Checks<ChartOptions> = {
  title: {
    expected: 'a text, or null for none',
    accepts: (value) => value === null || typeof value === 'string',
  },
  width: pixels,
  height: pixels,
}

/** Checks of {@link DynamicsSelection}. */
export const selectionChecks: Checks<DynamicsSelection> = {
  evaluator: elsewhere(),
  layer: elsewhere(),
  xTitle: anyText,
  yTitle: anyText,
  units: anyText,
}

/** The check of an axis scale. */
export const scaleKind: Check<ScaleKind> = oneOf('linear', 'log', 'symlog')

/** The check of an axis range. */
export const domainCheck: Check<readonly [number, number]> = {
  expected: 'two finite numbers, the first below the second',
  accepts: (value) => {
    const [low, high, ...more] = isList(value) ? (value as number[]) : []
    return Number.isFinite(low) && Number.isFinite(high) && more.length === 0 && Number(low) < Number(high)
  },
}

/** @throws ArgumentError for a logarithmic scale of values that are not positive */
export function checkScale(
  caller: string,
  option: string,
  kind: ScaleKind,
  measure: string,
  values: readonly number[],
): void {
  const wrong = kind === 'log' ? values.find((value) => value <= 0) : undefined
  if (wrong !== undefined) {
    throw new ArgumentError(
      `${caller}: ${option} 'log' needs positive values, but ${measure} has ${wrong}; use 'symlog' or 'linear'`,
    )
  }
}
