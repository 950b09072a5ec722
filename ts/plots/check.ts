import { ArgumentError, describe } from '../errors.js'
import { checkOptions } from '../options.js'
import type { ScaleKind } from './scale.js'

/** @throws ArgumentError unless these are options of a chart, and the texts among them are texts */
export function checkChart(caller: string, options: object, names: readonly string[]): void {
  checkOptions(caller, options, names)
  for (const name of ['title', 'xTitle', 'yTitle', 'units']) {
    const value: unknown = (options as Record<string, unknown>)[name]
    if (value === undefined || typeof value === 'string' || (value === null && name === 'title')) continue
    throw new ArgumentError(`${caller}: ${name}: given ${describe(value)}, expected text`)
  }
}

/** @throws ArgumentError unless every size is a finite number of pixels above 0 */
export function checkSize(caller: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!(size > 0 && Number.isFinite(size))) {
      throw new ArgumentError(
        `${caller}: ${name}: given ${describe(size)}, expected a number of pixels above 0`,
      )
    }
  }
}

const kinds: readonly (ScaleKind | 'auto')[] = ['auto', 'linear', 'log', 'symlog']

/** @throws ArgumentError for an unknown scale, or a logarithmic one for values that are not positive */
export function checkScale(
  caller: string,
  option: string,
  kind: ScaleKind | 'auto',
  measure: string,
  values: readonly number[],
): void {
  if (!kinds.includes(kind)) {
    throw new ArgumentError(
      `${caller}: ${option}: given ${describe(kind)}, expected one of ${kinds.join(', ')}`,
    )
  }
  const wrong = kind === 'log' ? values.find((value) => value <= 0) : undefined
  if (wrong !== undefined) {
    throw new ArgumentError(
      `${caller}: ${option} 'log' needs positive values, but ${measure} has ${wrong}; use 'symlog' or 'linear'`,
    )
  }
}
