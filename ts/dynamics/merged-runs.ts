/** Runs of one experiment brought to the same rows, or refused where they do not go together. */
import { ArgumentError, DataError, describe, NumericalError } from '../core/errors.js'
import { isList } from '../core/options.js'
import { toJson } from '../io/json.js'
import type { DynamicsHeading, DynamicsSampling } from './heading.js'
import { type DynamicsLike, type DynamicsSource, readSource } from './source.js'

/** A run with a name of its own. */
export interface NamedRun {
  readonly name: string
  readonly dynamics: DynamicsSource
}

/** Runs on the same rows. */
export interface MergedRuns extends DynamicsHeading, DynamicsSampling {
  readonly names: readonly string[]
  /** Number of each of the N rows, rising: of the epoch, or counted from 1 where the runs do not tell. */
  readonly epochs: readonly number[]
  /** Whether the numbers are those of epochs. */
  readonly epochsKnown: boolean
  /** Of each run [N, E, L, 2], last axis fastest; NaN where it has none. */
  readonly values: readonly Float64Array[]
  /** What is to be said of the merging. */
  readonly remarks: readonly string[]
}

/**
 * Brings runs to the union of their epochs.
 *
 * @throws ArgumentError for something else than runs; DataError where there is none, where two have one name, or where they differ in layers,
 *   evaluators, units, settings, or in whether they number their epochs; NumericalError for an infinite value
 */
export function mergedRuns(given: Iterable<DynamicsSource | NamedRun>, caller: string): MergedRuns {
  const runs = namedRuns(given, caller).map(({ name, dynamics }) => ({
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
  const epochsKnown = first.dynamics.epochs !== null
  const numbers = runs.map(({ dynamics }) => dynamics.epochs ?? dynamics.values.map((_, n) => n + 1))
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
    epochsKnown,
    values: runs.map(({ name, dynamics }, run) =>
      onRows(name, dynamics, numbers[run] as readonly number[], epochs, caller),
    ),
    remarks: [...remarks, ...gapsOf(runs, numbers, epochs, epochsKnown)],
  }
}

/** Dynamics with all that they may leave out. */
type Headed = DynamicsHeading &
  DynamicsSampling &
  Pick<DynamicsLike, 'values'> & { readonly epochs: readonly number[] | null }

interface Run {
  readonly name: string
  readonly dynamics: Headed
}

function namedRuns(given: Iterable<DynamicsSource | NamedRun>, caller: string): NamedRun[] {
  const isIterable = typeof Object(given)[Symbol.iterator] === 'function' && typeof given !== 'string'
  if (!isIterable) {
    throw new ArgumentError(
      `${caller}: given ${describe(given)}, expected a list of runs; one run is a list of one: RunSet.of([model])`,
    )
  }
  return Array.from(given, (run, index) => {
    const { name, dynamics } = Object(run) as Partial<NamedRun>
    if (dynamics === undefined || typeof dynamics === 'function') {
      return { name: `run ${index + 1}`, dynamics: run as DynamicsSource }
    }
    if (typeof name === 'string' && name !== '') return { name, dynamics }
    throw new ArgumentError(`${caller}: the name of run ${index + 1} is ${describe(name)}, expected text`)
  })
}

function headed(dynamics: DynamicsLike, caller: string): Headed {
  const { evaluators, layers, values, units, evaluatorSettings, samples, labelEntropy, epochs } = dynamics
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
    epochs: isList(epochs) ? (epochs as readonly number[]) : null,
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
  if ((first.dynamics.epochs === null) === (run.dynamics.epochs === null)) return
  const [known, not] = first.dynamics.epochs === null ? [run, first] : [first, run]
  throw new DataError(
    `${caller}: ${known.name} numbers its epochs and ${not.name} does not; give all runs the numbers of their epochs, or none`,
  )
}

/** What the values of the runs were estimated from, and what to say where the runs differ in it. */
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

/** The runs that lack epochs which others have, in words. */
function gapsOf(
  runs: readonly Run[],
  numbers: readonly (readonly number[])[],
  epochs: readonly number[],
  epochsKnown: boolean,
): string[] {
  const kind = epochsKnown ? 'epochs' : 'rows'
  return runs.flatMap(({ name }, run) => {
    const own = new Set(numbers[run])
    const missing = epochs.filter((epoch) => !own.has(epoch))
    if (missing.length === 0) return []
    const shown = missing.slice(0, 5).join(', ')
    return `${name} lacks ${missing.length} of ${epochs.length} ${kind}: ${shown}${missing.length > 5 ? ', ...' : ''}`
  })
}

/** Values of a run at the rows of all. */
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
