/** Runs of one experiment on common rows, or a refusal if they do not match. */
import { ArgumentError, DataError, describe, NumericalError } from '../core/errors.js'
import { checkValue, listOf, text } from '../core/options.js'
import { toJson } from '../io/json.js'
import type { DynamicsHeading, DynamicsSampling } from './heading.js'
import type { RowKind } from './naming.js'
import { type DynamicsLike, type DynamicsSource, readSource, rowNumbers } from './source.js'

/** A run with its name. */
export interface NamedRun {
  /** Default `run 1` and so on. */
  readonly name?: string
  readonly dynamics: DynamicsSource
  /** Notes on the run, which join the notes of the set. */
  readonly notes?: readonly string[]
}

/** Runs on common rows. */
export interface MergedRuns extends DynamicsHeading, DynamicsSampling {
  readonly names: readonly string[]
  /** Number of each of the N rows, ascending: the epoch, or counted from 1 if the runs have no numbers. */
  readonly epochs: readonly number[]
  /** Kind of the numbers. */
  readonly rowKind: RowKind
  /** For each run [N, E, L, 2], last axis fastest; NaN for missing values. */
  readonly values: readonly Float64Array[]
  /** Notes on the merge. */
  readonly remarks: readonly string[]
}

/**
 * Extends runs to the union of their epochs.
 *
 * @throws ArgumentError unless given runs; DataError if there is none, if two have one name, or if they differ in layers, evaluators,
 *   units, settings, or kind of row numbers; NumericalError for an infinite value
 */
export function mergedRuns(given: Iterable<DynamicsSource | NamedRun>, caller: string): MergedRuns {
  const list = namedRuns(given, caller)
  const runs = list.map(({ name, dynamics }) => ({
    name,
    dynamics: headed(readSource(dynamics, `${caller}: ${name}`), caller),
  }))
  const first = runs[0]
  if (first === undefined) throw new DataError(`${caller}: given no run, expected at least one`)
  for (const [index, { name }] of runs.entries()) {
    if (runs.findIndex((other) => other.name === name) === index) continue
    throw new DataError(`${caller}: two runs are named "${name}"; give each its own name`)
  }
  for (const { name, dynamics } of runs) checkAlike(first, { name, dynamics }, caller)
  const { rowKind } = first.dynamics
  const numbers = runs.map(({ dynamics }) => dynamics.numbers)
  const epochs = [...new Set(numbers.flat())].sort((a, b) => a - b)
  const { layers, evaluators, units, evaluatorSettings } = first.dynamics
  const { samples, labelEntropy, remarks } = samplingOf(runs)
  return {
    names: runs.map(({ name }) => name),
    layers: [...layers],
    evaluators: [...evaluators],
    units,
    evaluatorSettings,
    samples,
    labelEntropy,
    epochs,
    rowKind,
    values: runs.map(({ name, dynamics }, run) =>
      onRows(name, dynamics, numbers[run] as readonly number[], epochs, caller),
    ),
    remarks: [
      ...list.flatMap(({ notes }) => notes ?? []),
      ...remarks,
      ...gapsOf(runs, numbers, epochs, rowKind),
    ],
  }
}

/** Dynamics with all optional fields. */
type Headed = DynamicsHeading &
  DynamicsSampling &
  Pick<DynamicsLike, 'values'> & { readonly rowKind: RowKind; readonly numbers: readonly number[] }

interface Run {
  readonly name: string
  readonly dynamics: Headed
}

const texts = listOf(text)

function namedRuns(
  given: Iterable<DynamicsSource | NamedRun>,
  caller: string,
): (NamedRun & { readonly name: string })[] {
  const isIterable = typeof Object(given)[Symbol.iterator] === 'function' && typeof given !== 'string'
  if (!isIterable) {
    throw new ArgumentError(
      `${caller}: given ${describe(given)}, expected a list of runs; one run is a list of one: RunSet.of([model])`,
    )
  }
  return Array.from(given, (run, index) => {
    const own = `run ${index + 1}`
    const { name = own, dynamics, notes = [] } = Object(run) as Partial<NamedRun>
    if (dynamics === undefined || typeof dynamics === 'function') {
      return { name: own, dynamics: run as DynamicsSource }
    }
    checkValue(`${caller}: the name of ${own}`, name, text)
    checkValue(`${caller}: notes of ${own}`, notes, texts)
    return { name, dynamics, notes }
  })
}

function headed(dynamics: DynamicsLike, caller: string): Headed {
  const { evaluators, layers, values, units, evaluatorSettings, samples, labelEntropy } = dynamics
  const { kind: rowKind, numbers } = rowNumbers(dynamics)
  const unknown = evaluators.map(() => null)
  return {
    layers,
    evaluators,
    values,
    units: units ?? unknown,
    evaluatorSettings: evaluators.map((name, e) =>
      toJson(`${caller}: the settings of ${name}`, evaluatorSettings?.[e] ?? {}),
    ),
    samples: samples ?? unknown,
    labelEntropy: labelEntropy ?? null,
    rowKind,
    numbers,
  }
}

function checkAlike(first: Run, run: Run, caller: string): void {
  for (const part of ['layers', 'evaluators', 'units', 'evaluatorSettings'] as const) {
    const [was, is] = [JSON.stringify(first.dynamics[part]), JSON.stringify(run.dynamics[part])]
    if (was === is) continue
    throw new DataError(
      `${caller}: the runs do not go together: ${part} of ${first.name} are ${was}, of ${run.name} ${is}; measure all runs the same way, or make a set of each kind`,
    )
  }
  const [was, is] = [first.dynamics.rowKind, run.dynamics.rowKind]
  if (was === is) return
  throw new DataError(
    `${caller}: ${first.name} numbers its values by ${was}, ${run.name} by ${is}; give all runs the numbers of their epochs, or of their steps`,
  )
}

/** The samples of the values of the runs, and remarks if the runs differ. */
function samplingOf(runs: readonly Run[]): DynamicsSampling & { remarks: string[] } {
  const remarks: string[] = []
  const { evaluators } = (runs[0] as Run).dynamics
  const samples = evaluators.map((name, e) => {
    const counts = runs.map(({ dynamics }) => dynamics.samples[e] ?? null)
    if (counts.includes(null)) return null
    const [least, most] = [Math.min(...(counts as number[])), Math.max(...(counts as number[]))]
    if (least !== most) {
      remarks.push(
        `${name}: the runs were estimated from ${least} to ${most} samples; the bias of an estimate depends on their number`,
      )
    }
    return most
  })
  const entropies = runs.map(({ dynamics }) => dynamics.labelEntropy)
  if (entropies.includes(null)) return { samples, labelEntropy: null, remarks }
  const known = entropies as number[]
  return { samples, labelEntropy: known.reduce((sum, one) => sum + one, 0) / known.length, remarks }
}

/** The runs without some of the epochs of others, as text. */
function gapsOf(
  runs: readonly Run[],
  numbers: readonly (readonly number[])[],
  epochs: readonly number[],
  rowKind: RowKind,
): string[] {
  return runs.flatMap(({ name }, run) => {
    const own = new Set(numbers[run])
    const missing = epochs.filter((epoch) => !own.has(epoch))
    if (missing.length === 0) return []
    const shown = missing.slice(0, 5).join(', ')
    return `${name} lacks ${missing.length} of ${epochs.length} ${rowKind}s: ${shown}${missing.length > 5 ? ', ...' : ''}`
  })
}

/** Values of a run on the common rows. */
function onRows(
  name: string,
  { values, layers, evaluators }: Headed,
  own: readonly number[],
  epochs: readonly number[],
  caller: string,
): Float64Array {
  const width = evaluators.length * layers.length * 2
  const rows = new Float64Array(epochs.length * width).fill(Number.NaN)
  const places = new Map(epochs.map((epoch, row) => [epoch, row]))
  for (const [n, row] of values.entries()) {
    const start = (places.get(own[n] as number) as number) * width
    for (const [at, value] of row.flat(2).entries()) {
      const number = value ?? Number.NaN
      if (Number.isFinite(number) || Number.isNaN(number)) {
        rows[start + at] = number
        continue
      }
      const layer = layers[Math.floor(at / 2) % layers.length]
      throw new NumericalError(
        `${caller}: ${name} holds ${describe(value)} for layer ${layer} in row ${n + 1}, expected a finite number, or NaN for none`,
      )
    }
  }
  return rows
}
