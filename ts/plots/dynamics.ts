import { ArgumentError, DataError, describe, NumericalError, ShapeError, unknownName } from '../errors.js'

/**
 * What a training run recorded of its layers.
 *
 * `values[n][e][l]` is the pair [measure of (H, X), measure of (H, Y)] of layer `l` in epoch `n + 1` by evaluator
 * `e`: shape [N, E, L, 2].
 */
export interface DynamicsLike {
  readonly values: readonly (readonly (readonly (readonly number[])[])[])[]
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the E evaluators, such as `'HSIC'`. */
  readonly evaluators: readonly string[]
}

/** Dynamics read back from the disk, as `loadDynamics` gives them. */
export interface StoredDynamics {
  readonly layers: readonly string[]
  readonly evaluators: readonly string[]
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
  /** Unit of both, set in brackets after the names; default `nats` for estimators of mutual information. */
  units?: string
}

/** The course of one layer through training. */
export interface Trajectory {
  readonly layer: string
  /** Place of the layer among all recorded ones: it keeps its colour and marker when others are left out. */
  readonly place: number
  /** Compression measure by epoch, length N. */
  readonly x: readonly number[]
  /** Generalization measure by epoch, length N. */
  readonly y: readonly number[]
}

/** Trajectories of the chosen layers by one evaluator, checked: N >= 1, all finite. */
export interface Trajectories {
  readonly evaluator: string
  readonly xTitle: string
  readonly yTitle: string
  /** N. */
  readonly epochs: number
  readonly layers: readonly Trajectory[]
}

/**
 * Takes the wanted part out of recorded dynamics.
 *
 * @param caller name of the public function, for error messages
 * @throws ShapeError where `values` is not [N, E, L, 2] for the names given
 * @throws DataError where no epoch was recorded, or two layers have one name
 * @throws UnknownNameError for a layer or evaluator that is not there
 * @throws NumericalError where a value to be shown is not finite
 */
export function selectDynamics(
  source: DynamicsSource,
  selection: DynamicsSelection,
  caller: string,
): Trajectories {
  const { values, layers, evaluators } = readSource(source, caller)
  checkShape(values, layers, evaluators, caller)
  const e = indexOf('evaluator', selection.evaluator ?? 0, evaluators, caller)
  const wanted = selection.layer ?? layers.map((_, index) => index)
  const list = typeof wanted === 'object' ? wanted : [wanted]
  const places = [...new Set(list.map((layer) => indexOf('layer', layer, layers, caller)))]
  if (places.length === 0)
    throw new ArgumentError(`${caller}: layer: given an empty list, expected at least one`)
  const evaluator = evaluators[e] as string
  const names = measureNames(evaluator, selection)
  const take = (place: number, side: 0 | 1): number[] =>
    values.map((epoch, n) => {
      const value = epoch[e]?.[place]?.[side] as number
      if (Number.isFinite(value)) return value
      const what = `${side === 0 ? names.xTitle : names.yTitle} of layer ${layers[place]} in epoch ${n + 1}`
      throw new NumericalError(
        `${caller}: ${what} is ${value}, expected a finite number; ` +
          'find what made it, or leave the layer out with the "layer" option',
      )
    })
  return {
    evaluator,
    ...names,
    epochs: values.length,
    layers: places.map((place) => ({
      layer: layers[place] as string,
      place,
      x: take(place, 0),
      y: take(place, 1),
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
    if (Array.isArray(read.values)) return read as DynamicsLike
    if (typeof read.averaged === 'function') return unpack(read as StoredDynamics, caller)
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
  let reached = epochs
  while (reached > 0 && flat.slice((reached - 1) * size, reached * size).every(Number.isNaN)) reached--
  const pairAt = (start: number) => flat.slice(start, start + 2)
  const range = (length: number) => Array.from({ length }, (_, index) => index)
  return {
    layers: stored.layers,
    evaluators: stored.evaluators,
    values: range(reached).map((n) =>
      range(evaluators).map((e) => range(layers).map((l) => pairAt(n * size + (e * layers + l) * 2))),
    ),
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

const mutualInformation = /^(binned|kde|knn|ksg|edge|mine|mutual)/i

/** Names of the two measures: `I(H; X) [nats]` for estimators of mutual information, else `HSIC(H, X)` and alike. */
function measureNames(evaluator: string, selection: DynamicsSelection): { xTitle: string; yTitle: string } {
  const isInformation = mutualInformation.test(evaluator)
  const name = /^[\w-]+/.exec(evaluator)?.[0] ?? evaluator
  const title = (side: 'X' | 'Y') => (isInformation ? `I(H; ${side})` : `${name}(H, ${side})`)
  const units = selection.units ?? (isInformation ? 'nats' : '')
  const withUnits = (text: string) => (units === '' ? text : `${text} [${units}]`)
  return {
    xTitle: withUnits(selection.xTitle ?? title('X')),
    yTitle: withUnits(selection.yTitle ?? title('Y')),
  }
}
