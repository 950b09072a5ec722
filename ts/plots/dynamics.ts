import {
  ArgumentError,
  DataError,
  describe,
  NumericalError,
  ShapeError,
  unknownName,
} from '../core/errors.js'
import { axisTitles, evaluatorText, type RowKind } from '../dynamics/naming.js'
import { type Limits, limitsOf } from './limits.js'

/**
 * What a training run recorded of its layers.
 *
 * `values[n][e][l]` is the pair [measure of (H, X), measure of (H, Y)] of layer `l` in row `n` by evaluator
 * `e`: shape [N, E, L, 2]. NaN or null is a gap: an epoch that an evaluator was not due in, or samples that it has no answer for.
 */
export interface DynamicsLike extends MeasuredBy {
  readonly values: readonly (readonly (readonly (readonly (number | null)[])[])[])[]
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the E evaluators, such as `'HSIC'`. */
  readonly evaluators: readonly string[]
  /** Number of the epoch of each of the N rows, rising. Left out, figures number the rows and call them rows. */
  readonly epochs?: readonly number[] | null
}

/** What is known of the evaluators besides their names. */
export interface MeasuredBy {
  /** Unit of each evaluator's values, 'none' for numbers without one; null (or all left out) where it is not known, which figures then say. */
  readonly units?: readonly (string | null)[]
  /** Settings of each evaluator, which figures show. */
  readonly evaluatorSettings?: readonly unknown[]
  /** Samples that each evaluator's values were estimated from; null (or all left out) where it is not known. */
  readonly samples?: readonly (number | null)[]
  /** Entropy of the target's classes over the samples, in nats; null where the target is not classes, or not known. */
  readonly labelEntropy?: number | null
}

/** Dynamics read back from the disk, as `loadDynamics` gives them. */
export interface StoredDynamics extends MeasuredBy {
  readonly layers: readonly string[]
  readonly evaluators: readonly string[]
  readonly epochs?: readonly number[] | null
  /** Rows from the first on that are whole; others are not shown. */
  readonly completedEpochs?: number | null
  /** Means over batches, [N, E, L, 2] with the last axis fastest; epochs that were not reached are NaN. */
  averaged(): { readonly shape: readonly number[]; readonly values: ArrayLike<number> }
}

/** Recorded dynamics, a model that has recorded some, or dynamics read back from the disk. */
export type DynamicsSource = DynamicsLike | StoredDynamics | { dynamics(): DynamicsLike }

/** What of the dynamics to show, and how to name it. */
export interface DynamicsSelection {
  /** Index or name of the evaluator; default the first. */
  evaluator?: number | string
  /** Index or name of a layer, or several; default all. */
  layer?: number | string | readonly (number | string)[]
  /** Name of the compression measure; default from the evaluator, such as `HSIC(H, X)` or `I(H; X)`. */
  xTitle?: string
  /** Name of the generalization measure; default from the evaluator. */
  yTitle?: string
  /** Unit of both, for dynamics that do not tell it; 'none' for numbers without one. Where they tell it, another one is refused. */
  units?: string
}

/** The course of one layer through training. */
export interface Trajectory {
  readonly layer: string
  /** Place of the layer among all recorded ones: it keeps its color and marker when others are left out. */
  readonly place: number
  /** Compression measure by row, length N; NaN where there is none. */
  readonly x: readonly number[]
  /** Generalization measure by row, length N; NaN where there is none. */
  readonly y: readonly number[]
  /** Of several runs, whose means `x` and `y` are. */
  readonly runs?: CourseOfRuns
}

/** A layer's course in each of several runs. */
export interface CourseOfRuns {
  /** Standard error of the mean by row; NaN where fewer than two runs have a value. */
  readonly xError: readonly number[]
  readonly yError: readonly number[]
  /** The values of each run, [runs][N]. */
  readonly x: readonly (readonly number[])[]
  readonly y: readonly (readonly number[])[]
}

/** Trajectories of the chosen layers by one evaluator, checked: N >= 1, each value finite or NaN. */
export interface Trajectories {
  /** The evaluator with its settings. */
  readonly evaluator: string
  /** Its place among the recorded ones. */
  readonly evaluatorIndex: number
  /** Unit of the values, 'none' for numbers without one; null where it is not known. */
  readonly unit: string | null
  /** Samples that each value was estimated from; null where it is not known. */
  readonly samples: number | null
  /** Bounds of the two measures in their unit, where they are information and the bounds are known. */
  readonly limits: Limits
  readonly xTitle: string
  readonly yTitle: string
  /** What `numbers` count. */
  readonly rows: RowKind
  /** Number of each of the N rows, rising: of the epoch, or counted from 1. */
  readonly numbers: readonly number[]
  /** Names of the runs whose means are shown; empty for a single run. */
  readonly runs: readonly string[]
  /** How many layers were recorded, chosen or not. */
  readonly recorded: number
  readonly layers: readonly Trajectory[]
}

/**
 * Takes the wanted part out of recorded dynamics.
 *
 * @param caller name of the public function, for error messages
 * @throws ShapeError where `values` is not [N, E, L, 2] for the names given
 * @throws DataError where no epoch was recorded, two layers have one name, or epochs do not rise
 * @throws UnknownNameError for a layer or evaluator that is not there
 * @throws NumericalError where a value to be shown is infinite
 * @throws ArgumentError for a unit that is not that of the values
 */
export function selectDynamics(
  source: DynamicsSource,
  selection: DynamicsSelection,
  caller: string,
): Trajectories {
  const { values, layers, evaluators, epochs, ...measured } = readSource(source, caller)
  checkShape(values, layers, evaluators, caller)
  const e = indexOf(
    'evaluator',
    selection.evaluator === undefined ? 0 : selection.evaluator,
    evaluators,
    caller,
  )
  const wanted = selection.layer === undefined ? layers.map((_, index) => index) : selection.layer
  const list = Array.isArray(wanted) ? (wanted as readonly (number | string)[]) : [wanted]
  const places = [...new Set(list.map((layer) => indexOf('layer', layer, layers, caller)))]
  if (places.length === 0)
    throw new ArgumentError(`${caller}: layer: given an empty list, expected at least one`)
  const measurer = {
    evaluator: evaluators[e] as string,
    unit: measured.units?.[e] ?? null,
    settings: Object(measured.evaluatorSettings?.[e]) as Record<string, unknown>,
  }
  const names = axisTitles(measurer, selection, caller)
  const rows = epochs ? 'epoch' : 'row'
  const numbers = epochs ?? values.map((_, n) => n + 1)
  const take = (place: number, side: 0 | 1): number[] =>
    values.map((row, n) => {
      const value = row[e]?.[place]?.[side] ?? Number.NaN
      if (Number.isFinite(value) || Number.isNaN(value)) return value
      const what = `${side === 0 ? names.xTitle : names.yTitle} of layer ${layers[place]} in ${rows} ${numbers[n]}`
      throw new NumericalError(
        `${caller}: ${what} is ${value}, expected a finite number, or NaN for none; ` +
          'find what made it, or leave the layer out with the "layer" option',
      )
    })
  const samples = measured.samples?.[e] ?? null
  return {
    evaluator: evaluatorText(measurer),
    evaluatorIndex: e,
    ...names,
    samples,
    limits: limitsOf(names.unit, samples, measured.labelEntropy ?? null),
    rows,
    numbers,
    runs: [],
    recorded: layers.length,
    layers: places.map((place) => ({
      layer: layers[place] as string,
      place,
      x: take(place, 0),
      y: take(place, 1),
    })),
  }
}

/**
 * Trajectories of the rows that an evaluator gave a value in: between those it was due in, a line goes on. A gap within a row stays one.
 * Where there is no value at all, all rows stay.
 */
export function measuredRows(trajectories: Trajectories): Trajectories {
  const { numbers, layers } = trajectories
  const kept = numbers.flatMap((_, n) =>
    layers.some(({ x, y }) => !(Number.isNaN(x[n]) && Number.isNaN(y[n]))) ? [n] : [],
  )
  if (kept.length === 0) return trajectories
  const only = (values: readonly number[]) => kept.map((n) => values[n] as number)
  const onlyOfRuns = (course: CourseOfRuns): CourseOfRuns => ({
    xError: only(course.xError),
    yError: only(course.yError),
    x: course.x.map(only),
    y: course.y.map(only),
  })
  return {
    ...trajectories,
    numbers: only(numbers),
    layers: layers.map((layer) => ({
      ...layer,
      x: only(layer.x),
      y: only(layer.y),
      ...(layer.runs === undefined ? {} : { runs: onlyOfRuns(layer.runs) }),
    })),
  }
}

function readSource(source: DynamicsSource, caller: string): DynamicsLike {
  // Object() turns what is no object into an empty one, which then lacks the names.
  const given: { dynamics?: unknown } = Object(source)
  const read: Partial<DynamicsLike & StoredDynamics> = Object(
    typeof given.dynamics === 'function' ? given.dynamics() : source,
  )
  if (isNames(read.layers) && isNames(read.evaluators)) {
    const isPlain = Array.isArray(read.values)
    if (isPlain || typeof read.averaged === 'function') {
      const dynamics = isPlain ? (read as DynamicsLike) : unpack(read as StoredDynamics, caller)
      checkHeading(dynamics, caller)
      return dynamics
    }
  }
  throw new ArgumentError(
    `${caller}: given ${describe(source)}, expected { values, layers, evaluators }, ` +
      'a model that tracks its dynamics, or what loadDynamics gave',
  )
}

function isNames(list: unknown): list is readonly string[] {
  return Array.isArray(list) && list.every((name) => typeof name === 'string')
}

/** The epochs that a stored run reached, as nested arrays. */
function unpack(stored: StoredDynamics, caller: string): DynamicsLike {
  const { shape, values } = stored.averaged()
  const [epochs = 0, evaluators = 0, layers = 0] = shape
  const size = evaluators * layers * 2
  if (shape.length !== 4 || shape[3] !== 2 || values.length !== epochs * size) {
    throw new ShapeError(
      `${caller}: averaged() gave the shape [${shape.join(', ')}] and ${values.length} values, expected [N, E, L, 2]`,
    )
  }
  const flat = Array.from(values)
  let reached = Math.min(epochs, stored.completedEpochs ?? epochs)
  while (reached > 0 && flat.slice((reached - 1) * size, reached * size).every(Number.isNaN)) reached--
  const pairAt = (start: number) => flat.slice(start, start + 2)
  const range = (length: number) => Array.from({ length }, (_, index) => index)
  const { layers: layerNames, evaluators: evaluatorNames, units, evaluatorSettings, epochs: numbers } = stored
  return {
    layers: layerNames,
    evaluators: evaluatorNames,
    ...(units === undefined ? {} : { units }),
    ...(evaluatorSettings === undefined ? {} : { evaluatorSettings }),
    epochs: numbers?.slice(0, reached) ?? null,
    values: range(reached).map((n) =>
      range(evaluators).map((e) => range(layers).map((l) => pairAt(n * size + (e * layers + l) * 2))),
    ),
  }
}

/** Checks what dynamics tell besides their values, as far as they do. */
function checkHeading(
  { values, evaluators, units, evaluatorSettings, epochs }: DynamicsLike,
  caller: string,
): void {
  const count = evaluators.length
  const fits = (list: unknown, length: number) => Array.isArray(list) && list.length === length
  const isUnit = (unit: unknown) => unit === null || typeof unit === 'string'
  if (units !== undefined && !(fits(units, count) && units.every(isUnit))) {
    throw new ArgumentError(
      `${caller}: units: given ${describe(units)}, expected ${count} names or null, one an evaluator`,
    )
  }
  if (evaluatorSettings !== undefined && !fits(evaluatorSettings, count)) {
    throw new ArgumentError(
      `${caller}: evaluatorSettings: given ${describe(evaluatorSettings)}, expected ${count}, one an evaluator`,
    )
  }
  if (epochs === undefined || epochs === null) return
  const rises = (number: unknown, n: number) =>
    Number.isFinite(number) && (n === 0 || (number as number) > (epochs[n - 1] as number))
  if (!fits(epochs, values.length) || !epochs.every(rises)) {
    throw new DataError(
      `${caller}: epochs: given ${describe(epochs)}, expected ${values.length} rising numbers, one for each row of values`,
    )
  }
}

function checkShape(
  values: DynamicsLike['values'],
  layers: readonly string[],
  evaluators: readonly string[],
  caller: string,
): void {
  if (values.length === 0 || evaluators.length === 0 || layers.length === 0) {
    throw new DataError(
      `${caller}: no dynamics are recorded (${values.length} epochs, ${evaluators.length} evaluators, ` +
        `${layers.length} layers); set trackDynamics, attach an evaluator, and train at least one epoch`,
    )
  }
  const twice = layers.find((name, index) => layers.indexOf(name) !== index)
  if (twice !== undefined)
    throw new DataError(`${caller}: two layers are named "${twice}"; give each its own name`)
  const expected = `[${values.length}, ${evaluators.length}, ${layers.length}, 2]`
  const check = (list: unknown, length: number, where: string) => {
    if (Array.isArray(list) && list.length === length) return
    throw new ShapeError(
      `${caller}: values${where}: given ${describe(list)}, expected an array of ${length}; ` +
        `values must be ${expected} = [epochs, evaluators, layers, 2]`,
    )
  }
  values.forEach((epoch, n) => {
    check(epoch, evaluators.length, `[${n}]`)
    epoch.forEach((byLayer, e) => {
      check(byLayer, layers.length, `[${n}][${e}]`)
      byLayer.forEach((pair, l) => {
        check(pair, 2, `[${n}][${e}][${l}]`)
      })
    })
  })
}

function indexOf(kind: string, wanted: unknown, names: readonly string[], caller: string): number {
  if (typeof wanted === 'number') {
    const index = wanted < 0 ? wanted + names.length : wanted
    if (Number.isInteger(index) && index >= 0 && index < names.length) return index
    throw new ArgumentError(`${caller}: ${kind}: given ${wanted}, expected an index below ${names.length}`)
  }
  const index = names.indexOf(wanted as string)
  if (index < 0) throw unknownName(kind, wanted, names)
  if (names.indexOf(wanted as string, index + 1) > 0) {
    throw new ArgumentError(`${caller}: several ${kind}s are named "${wanted}"; give the index instead`)
  }
  return index
}
