import { atLeast, type Checks, checkOptions } from '../core/options.js'
import { textTable } from '../core/text-table.js'
import { selectionChecks } from './check.js'
import type { DynamicsSelection, DynamicsSource, Trajectories } from './dynamics.js'
import { selectDynamics } from './dynamics.js'

/** Options of {@link dynamicsTable}. */
export interface DynamicsTableOptions extends DynamicsSelection {
  /** Maximum width in characters; further layers are in another block. Default 100. */
  width?: number
}

const checks: Checks<DynamicsTableOptions> = { ...selectionChecks, width: atLeast(1) }

/**
 * The dynamics as aligned text, for a terminal or a log: for each of the two measures one row per epoch and one column per layer; `-` for
 * no value.
 *
 * @param source a model with tracked dynamics, or `{ values, layers, evaluators }`
 * @returns lines without a line break at the end
 * @throws ShapeError, DataError, UnknownNameError, NumericalError as {@link selectDynamics}
 */
export function dynamicsTable(source: DynamicsSource, options: DynamicsTableOptions = {}): string {
  const given = checkOptions('dynamicsTable', options, checks)
  const { width = 100 } = given
  const trajectories = selectDynamics(source, given, 'dynamicsTable')
  return [
    ...blocksOf(trajectories, 'x', trajectories.xTitle, width),
    ...blocksOf(trajectories, 'y', trajectories.yTitle, width),
  ].join('\n\n')
}

function blocksOf(trajectories: Trajectories, side: 'x' | 'y', title: string, width: number): string[] {
  const { layers, evaluator, rows: kind } = trajectories
  const heading = title.startsWith(`${evaluator}(`) ? title : `${title}, ${evaluator}`
  const format = formatFor(layers.flatMap((layer) => layer[side]).filter(Number.isFinite))
  const cell = (value: number) => (Number.isNaN(value) ? '-' : format(value))
  const numbers = [kind, ...trajectories.numbers.map(String)]
  const columns = layers.map((layer) => [layer.layer, ...layer[side].map(cell)])
  const rows = numbers.map((number, row) => [number, ...columns.map((column) => column[row] as string)])
  return textTable(rows, { width })
    .split('\n\n')
    .map((block) => `${heading}\n${block}`)
}

/** One format for all values of a measure: four digits of the smallest, or powers of ten if that gets long. */
function formatFor(values: readonly number[]): (value: number) => string {
  const sizes = values.map(Math.abs).filter((size) => size > 0)
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0)
  if (sizes.length === 0) return (value) => value.toFixed(1)
  if (smallest < 1e-4 || largest >= 1e7) return (value) => value.toExponential(3)
  const decimals = Math.max(0, 3 - Math.floor(Math.log10(smallest)))
  return (value) => value.toFixed(decimals)
}
