/** The arguments of figures, tables and sets of runs: recorded dynamics from any source. */

import { ArgumentError, DataError, describe, ShapeError, unknownName } from '../core/errors.js'
import type { RowKind } from './naming.js'

/**
 * Recorded dynamics of a training run.
 *
 * `values[n][e][l]` is the pair [measure of (H, X), measure of (H, Y)] of layer `l` in row `n` by evaluator `e`: shape [N, E, L, 2]. NaN or
 * null is a missing value: an epoch without a measurement, or samples without an answer.
 */
export interface DynamicsLike extends MeasuredBy {
  readonly values: readonly (readonly (readonly (readonly (number | null)[])[])[])[]
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the E evaluators, such as `'HSIC'`. */
  readonly evaluators: readonly string[]
  /** Number of the epoch of each of the N rows, ascending. Without it, figures number the rows and call them rows. */
  readonly epochs?: readonly number[] | null
  /**
   * Training steps up to each of the N rows. If all are known and ascending, and `epochs` is left out or null, figures number the rows by
   * steps.
   */
  readonly steps?: readonly (number | null)[] | null
}

/** Properties of the evaluators besides their names. */
export interface MeasuredBy {
  /** Unit of each evaluator's values, 'none' for numbers without one; null (or left out) if it is not known, which figures then say. */
  readonly units?: readonly (string | null)[]
  /** Settings of each evaluator, shown in figures. */
  readonly evaluatorSettings?: readonly unknown[]
  /** Samples of each evaluator's values, the maximum if batches differ; null (or left out) if it is not known. */
  readonly samples?: readonly (number | null)[]
  /** Entropy of the target's classes over the samples, in nats; null if the target is not classes, or not known. */
  readonly labelEntropy?: number | null
}

/** Dynamics read from disk, as returned by `loadDynamics`. */
export interface StoredDynamics extends MeasuredBy {
  readonly layers: readonly string[]
  readonly evaluators: readonly string[]
  readonly epochs?: readonly number[] | null
  /** Number of complete rows from the first on; other rows are not shown. */
  readonly completedEpochs?: number | null
  /** Means over batches, [N, E, L, 2] with the last axis fastest; missing epochs are NaN. */
  averaged(): { readonly shape: readonly number[]; readonly values: ArrayLike<number> }
}

/** Recorded dynamics, a model with recorded dynamics, or dynamics read from disk. */
export type DynamicsSource = DynamicsLike | StoredDynamics | { dynamics(): DynamicsLike }

/**
 * Dynamics of a source as plain data, checked.
 *
 * @param caller name of the public function, for error messages
 * @throws ArgumentError unless given dynamics; ShapeError if `values` is not [N, E, L, 2] for the given names; DataError if no epoch was
 *   recorded, two layers have one name, or epochs are not ascending
 */
export function readSource(source: DynamicsSource, caller: string): DynamicsLike {
  // Object() converts any other value to an empty object, which then lacks the names.
  const given: { dynamics?: unknown } = Object(source)
  const read: Partial<DynamicsLike & StoredDynamics> = Object(
    typeof given.dynamics === 'function' ? given.dynamics() : source,
  )
  if (isNames(read.layers) && isNames(read.evaluators)) {
    const isPlain = Array.isArray(read.values)
    if (isPlain || typeof read.averaged === 'function') {
      const dynamics = isPlain ? (read as DynamicsLike) : unpack(read as StoredDynamics, caller)
      checkHeading(dynamics, caller)
      checkShape(dynamics, caller)
      return dynamics
    }
  }
  throw new ArgumentError(
    `${caller}: given ${describe(source)}, expected { values, layers, evaluators }, ` +
      'a model with tracked dynamics, or the result of loadDynamics',
  )
}

function isNames(list: unknown): list is readonly string[] {
  return Array.isArray(list) && list.every((name) => typeof name === 'string')
}

/** The completed epochs of a stored run, as nested arrays. */
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
  const { layers: layerNames, evaluators: evaluatorNames, epochs: numbers } = stored
  const { units, evaluatorSettings, samples, labelEntropy } = stored
  return {
    layers: layerNames,
    evaluators: evaluatorNames,
    ...(units === undefined ? {} : { units }),
    ...(evaluatorSettings === undefined ? {} : { evaluatorSettings }),
    ...(samples === undefined ? {} : { samples }),
    ...(labelEntropy === undefined ? {} : { labelEntropy }),
    epochs: numbers?.slice(0, reached) ?? null,
    values: range(reached).map((n) =>
      range(evaluators).map((e) => range(layers).map((l) => pairAt(n * size + (e * layers + l) * 2))),
    ),
  }
}

/** Checks the optional fields of dynamics. */
function checkHeading(dynamics: DynamicsLike, caller: string): void {
  const { values, evaluators, units, evaluatorSettings, samples, labelEntropy, epochs, steps } = dynamics
  const count = evaluators.length
  const fits = (list: unknown, length: number) => Array.isArray(list) && list.length === length
  const isUnit = (unit: unknown) => unit === null || typeof unit === 'string'
  if (units !== undefined && !(fits(units, count) && units.every(isUnit))) {
    throw new ArgumentError(
      `${caller}: units: given ${describe(units)}, expected ${count} names or null, one per evaluator`,
    )
  }
  if (evaluatorSettings !== undefined && !fits(evaluatorSettings, count)) {
    throw new ArgumentError(
      `${caller}: evaluatorSettings: given ${describe(evaluatorSettings)}, expected ${count}, one per evaluator`,
    )
  }
  const isCount = (value: unknown) => value === null || (Number.isInteger(value) && (value as number) > 0)
  if (samples !== undefined && !(fits(samples, count) && samples.every(isCount))) {
    throw new ArgumentError(
      `${caller}: samples: given ${describe(samples)}, expected ${count} whole numbers or null, one per evaluator`,
    )
  }
  const entropy = labelEntropy ?? 0
  if (!(Number.isFinite(entropy) && entropy >= 0)) {
    throw new ArgumentError(
      `${caller}: labelEntropy: given ${describe(labelEntropy)}, expected a number of at least 0, or null`,
    )
  }
  const isStep = (value: unknown) => value === null || (Number.isSafeInteger(value) && (value as number) >= 0)
  if ((steps ?? null) !== null && !(fits(steps, values.length) && steps?.every(isStep))) {
    throw new DataError(
      `${caller}: steps: given ${describe(steps)}, expected ${values.length} whole numbers or null, one for each row of values`,
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

function checkShape({ values, layers, evaluators }: DynamicsLike, caller: string): void {
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

/** Kind and values of the row numbers: epochs if they are known, otherwise steps, otherwise indices from 1. */
export function rowNumbers({ epochs, steps, values }: Pick<DynamicsLike, 'epochs' | 'steps' | 'values'>): {
  readonly kind: RowKind
  readonly numbers: readonly number[]
} {
  if (epochs) return { kind: 'epoch', numbers: epochs }
  const known = steps?.filter((step) => step !== null) ?? []
  const rises = known.every((step, n) => n === 0 || step > (known[n - 1] as number))
  if (known.length === values.length && rises) return { kind: 'step', numbers: known }
  return { kind: 'row', numbers: values.map((_, n) => n + 1) }
}

/**
 * Index of a layer or an evaluator given by name or index; a negative index counts from the end.
 *
 * @throws UnknownNameError, ArgumentError for an unknown one
 */
export function placeOf(kind: string, wanted: unknown, names: readonly string[], caller: string): number {
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
