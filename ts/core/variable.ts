/** State of a program: weights, statistics, counters. */
import { type Device, type DeviceRequest, deviceNumber, nameOfDevice } from './devices.js'
import { type DType, type Shape, showShape, sizeOf, type TypedArray } from './dtype.js'
import {
  ArgumentError,
  DeviceError,
  DisposedError,
  DTypeError,
  describe,
  ShapeError,
  StateError,
} from './errors.js'
import { native } from './native.js'
import { noteAssigned } from './observer.js'
import { type Checks, checkOptions, elsewhere, flag, text } from './options.js'
import { watch } from './registry.js'
import { constant } from './scalars.js'
import { evaluated, isMapping, isTracing, noNumber, recognizeVariables, Tensor } from './tensor.js'

/** Options of a {@link Variable}. */
export interface VariableOptions {
  /** Its name in messages and files, by convention a path such as `layers.2.kernel`; default `'variable'`. */
  name?: string
  /** Whether optimizers may change it; default true. */
  trainable?: boolean
  /** Device of the Variable, until {@link Variable.to} moves it; by default the device of its first value. */
  device?: DeviceRequest
}

const checks: Checks<VariableOptions> = { name: text, trainable: flag, device: elsewhere() }

// structuredClone shows the text of the function in its error.
const whyNoClone = () => 'a Variable has no values to clone until it is read: clone those, await v.data()'

const substitutes = new Map<Variable, Tensor>()

let moves = 0

/** Number of moves of Variables: a compiled function depends on the devices that its Variables had during tracing. */
export function countMoves(): number {
  return moves
}

/** Runs `f` while Variables read as the given tensors, unless `f` assigns them. Derivatives see these reads. */
export function withValues<T>(values: ReadonlyMap<Variable, Tensor>, f: () => T): T {
  const before = new Map([...values.keys()].map((variable) => [variable, substitutes.get(variable)]))
  for (const [variable, value] of values) substitutes.set(variable, value)
  try {
    return f()
  } finally {
    for (const [variable, value] of before) {
      const assigned = !substitutes.delete(variable)
      if (value !== undefined && !assigned) substitutes.set(variable, value)
    }
  }
}

/**
 * A slot whose value can be replaced by one of the same shape and dtype. Reading gives the current value; a later assignment does not
 * change tensors that were read before. Inside `jit`, reads and assignments become part of the compiled function.
 *
 *     const counter = new Variable(zeros([]), { name: 'counter', trainable: false })
 *     counter.assign(counter.value.add(1))
 */
export class Variable {
  /** As for tensors. @internal */
  readonly uncloneable = whyNoClone
  /** Its name. */
  name: string
  /** Whether optimizers may change it. */
  trainable: boolean
  /** Extents, which never change. */
  readonly shape: Shape
  /** The type of the elements, which never changes. */
  readonly dtype: DType
  /** `before` is the number of assignments before the last move. */
  readonly #slot: { id: number; released: boolean; before: number }

  /** Recognizes Variables by a private member; see Tensor. */
  static [Symbol.hasInstance](value: unknown): value is Variable {
    return typeof value === 'object' && value !== null && #slot in value
  }

  constructor(initial: Tensor, options: VariableOptions = {}) {
    if (!(initial instanceof Tensor)) {
      throw new ArgumentError(
        `Variable: given ${describe(initial)}, expected a Tensor to start with; make one with tensor(...)`,
      )
    }
    const { name = 'variable', trainable = true, device } = checkOptions('Variable', options, checks)
    const number = device === undefined ? undefined : deviceNumber('Variable', device)
    this.name = name
    this.trainable = trainable
    this.shape = initial.shape
    this.dtype = initial.dtype
    const slot = { id: native.variableNew(initial.id, number), released: false, before: 0 }
    this.#slot = slot
    watch(this, slot, release)
  }

  get #id(): number {
    if (!this.#slot.released) return this.#slot.id
    throw new DisposedError(
      `the Variable "${this.name}" ${showShape(this.shape)} was disposed of; keep it until its last use`,
    )
  }

  /** Device of the Variable. */
  get device(): Device {
    return nameOfDevice(native.variableDevice(this.#id))
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  /** The current value, as a separate tensor: disposing of it does not affect the Variable. */
  get value(): Tensor {
    const id = this.#id
    const substitute = substitutes.size === 0 ? undefined : substitutes.get(this)?.id
    if (substitute === undefined) return Tensor.own(native.variableRead(id), this.shape, this.dtype)
    native.retain(substitute)
    return Tensor.own(substitute, this.shape, this.dtype)
  }

  /** Number of assignments; assignments of a failed run do not count. */
  get version(): number {
    return this.#slot.before + native.variableVersion(this.#id)
  }

  /**
   * Replaces the value; a number fills all elements.
   *
   * @throws {ShapeError} or {DTypeError} if the value's shape or dtype differs
   * @throws {StateError} inside a function that `vmap` maps
   * @throws {DeviceError} if the value is on another device; copy it: `x.to(variable.device)`
   */
  assign(value: Tensor | number): void {
    const id = this.#id
    if (isMapping()) {
      throw new StateError(
        `assign to "${this.name}": vmap maps a function of values, and a Variable has one value for all samples; return the new value, and assign what you make of the values of all samples`,
      )
    }
    noteAssigned(this)
    if (typeof value === 'number') {
      using filled = constant(`assign to "${this.name}"`, value, this.dtype, this.shape)
      native.variableAssign(id, filled.id)
      substitutes.delete(this)
      return
    }
    if (!(value instanceof Tensor)) {
      throw new ArgumentError(
        `assign to "${this.name}": given ${describe(value)}, expected a Tensor or a number`,
      )
    }
    if (value.dtype !== this.dtype) {
      throw new DTypeError(
        `assign to "${this.name}": given ${value.dtype}, expected ${this.dtype}; cast it: value.cast('${this.dtype}')`,
      )
    }
    const { shape } = value
    if (shape.length !== this.rank || shape.some((n, i) => n !== this.shape[i])) {
      throw new ShapeError(
        `assign to "${this.name}": given ${showShape(shape)}, expected ${showShape(this.shape)}; a Variable keeps its shape`,
      )
    }
    native.variableAssign(id, value.id)
    substitutes.delete(this)
  }

  /**
   * Moves it to another device. Tensors that were read before stay on their device, and functions compiled by `jit` are traced again.
   *
   *     await w.to('reference')
   *
   * @returns this Variable, when its value is on the device and the memory on the old one is released
   * @throws {DeviceError} (rejects) for a missing device, or without enough memory on it; nothing has changed then
   */
  async to(device: DeviceRequest): Promise<this> {
    await Variable.move(`Variable "${this.name}": to`, [this], device)
    return this
  }

  /**
   * Moves Variables as {@link Variable.to} does, all or none.
   *
   * @internal
   */
  static async move(what: string, variables: Iterable<Variable>, device: DeviceRequest): Promise<void> {
    if (isTracing()) {
      throw new DeviceError(
        `${what}: a Variable was to move to "${device}" while a function is being compiled, which runs on one device; move it before the function is called`,
      )
    }
    const number = deviceNumber(what, device)
    const moving = [...new Set(variables)].filter((one) => native.variableDevice(one.#id) !== number)
    const copies = new Map<Variable, { version: number; copy: Tensor }>()
    try {
      // A Variable assigned during the copy is copied again.
      for (let stale = moving; stale.length > 0; ) {
        const ids = stale.map((one) => {
          copies.get(one)?.copy.dispose()
          using value = one.value
          const copy = Tensor.own(native.to(value.id, number))
          copies.set(one, { version: one.version, copy })
          return copy.id
        })
        await evaluated(ids, Variable.move)
        stale = moving.filter((one) => !one.isDisposed && one.version !== copies.get(one)?.version)
      }
      for (const [one, { version, copy }] of copies) {
        if (one.isDisposed) continue
        const slot = one.#slot
        const before = slot.id
        slot.id = native.variableNew(copy.id, number)
        slot.before = version
        native.variableRelease(before)
      }
      if (copies.size > 0) moves++
    } finally {
      for (const { copy } of copies.values()) copy.dispose()
    }
  }

  /** The current values, see {@link Tensor.data}. */
  data(): Promise<TypedArray> {
    using value = this.value
    return value.data()
  }

  /** Like {@link Variable.data}, but blocks the JavaScript thread. */
  dataSync(): TypedArray {
    using value = this.value
    return value.dataSync()
  }

  /** True once {@link Variable.dispose} was called. */
  get isDisposed(): boolean {
    return this.#slot.released
  }

  /** Releases its memory. A second call is allowed; any other use afterward throws {@link DisposedError}. */
  dispose(): void {
    release(this.#slot)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /**
   * Refused: JSON holds values, which are read with `await`.
   *
   * @throws {StateError} always
   */
  toJSON(): never {
    throw new StateError(
      `JSON: the Variable "${this.name}" has no values to write until it is read; write those: JSON.stringify(await v.value.array())`,
    )
  }

  /**
   * As for tensors.
   *
   * @throws {StateError} for `v > 1`, `v + 1`, `Math.abs(v)` and the like
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw noNumber('Variable', 'v.value')
  }

  toString(): string {
    const kind = this.trainable ? '' : ' (not trained)'
    return `Variable "${this.name}" ${this.dtype} ${showShape(this.shape)}${kind}`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

recognizeVariables((x) => x instanceof Variable)

function release(slot: { id: number; released: boolean }): void {
  if (slot.released) return
  slot.released = true
  native.variableRelease(slot.id)
}
