/** The class Tensor. Import it from `../ops/tensor.js`, which also installs the operations as methods. */
import { inspect } from 'node:util'
import { inspectNode, isEager } from './debug.js'
import { type Device, nameOfDevice } from './devices.js'
import { type DType, dtypeOfCode, type Shape, showShape, sizeOf, type TypedArray } from './dtype.js'
import { ArgumentError, DisposedError, describe, ShapeError, StateError } from './errors.js'
import { native } from './native.js'
import { type NestedArray, nest, nestInTurns, show } from './nested.js'
import { readInTurns, readNow, takesTurns } from './reading.js'
import { noteCreated, noteEvaluation, type Owned, watchTensor } from './registry.js'
import { settled } from './turns.js'

// structuredClone shows the text of the function in its error.
const whyNoClone = () => 'a Tensor has no values to clone until it is read: clone those, await t.data()'

let tracing = 0

/** True while `jit` or `vmap` traces a function. */
export function isTracing(): boolean {
  return tracing > 0
}

/** Marks the start (+1) or end (-1) of a trace by `jit` or `vmap`. */
export function countTrace(change: 1 | -1): void {
  tracing += change
}

let mapping = 0

/** True while `vmap` traces a function: tensors stand for the values of one sample. */
export function isMapping(): boolean {
  return mapping > 0
}

/** Marks the start (+1) or end (-1) of a trace by `vmap`. */
export function countMap(change: 1 | -1): void {
  mapping += change
  countTrace(change)
}

/**
 * A promise of work on another thread, whose errors get the stack of the call that requested the work; `null` means completed work.
 */
export function atCallSite(
  promise: Promise<void> | null,
  caller: (...args: never[]) => unknown,
): Promise<void> {
  if (promise === null) return settled()
  const site: { stack?: string } = {}
  Error.captureStackTrace(site, caller)
  // Work of many callers may end in the same turn.
  return promise.then(settled, (error: unknown) => {
    if (error instanceof Error) {
      const frames = site.stack?.split('\n').slice(1) ?? []
      error.stack = [`${error.name}: ${error.message}`, ...frames].join('\n')
    }
    throw error
  })
}

/** Computes nodes; rejects if the computation cannot begin or fails, with the stack of the caller. */
export function evaluated(ids: number[], caller: (...args: never[]) => unknown): Promise<void> {
  let run: Promise<void> | null
  try {
    run = native.evaluate(ids)
  } catch (error) {
    return Promise.reject(error)
  }
  return atCallSite(run, caller)
}

/**
 * An immutable array of numbers, or the promise of one: a node of a lazy graph.
 *
 * Operations build graph and return at once; {@link Tensor.data}, {@link Tensor.item} and {@link Tensor.array} compute the values off the
 * JavaScript thread. A tensor that is not computed owns no memory. Memory of computed tensors is released by {@link Tensor.dispose}, at the
 * end of a `using` block or of `tidy`, or by the garbage collector.
 *
 *     const y = x.matmul(w).add(b).relu()
 *     console.log(y.shape, await y.array())
 */
export class Tensor {
  /** Makes `structuredClone` and `postMessage` refuse a tensor; otherwise they would give `{}`. @internal */
  readonly uncloneable = whyNoClone
  readonly #owned: Owned
  #shape: Shape | undefined
  #dtype: DType | undefined

  private constructor(id: number, shape?: Shape, dtype?: DType) {
    this.#owned = { id }
    this.#shape = shape
    this.#dtype = dtype
    watchTensor(this, this.#owned)
    noteCreated(this.#owned)
  }

  /** Recognizes tensors by a private member, so that no proxy and no similar object passes, and the check never throws. */
  static [Symbol.hasInstance](value: unknown): value is Tensor {
    return typeof value === 'object' && value !== null && #owned in value
  }

  /** A tensor that owns one native handle; shape (frozen) and dtype if they are already known. @internal */
  static own(id: number, shape?: Shape, dtype?: DType): Tensor {
    if (isEager() && tracing === 0) inspectNode(id)
    return new Tensor(id, shape, dtype)
  }

  /** The handle shared with the finalizer. @internal */
  static ownedBy(tensor: Tensor): Owned {
    return tensor.#owned
  }

  /** The handle of the node. */
  get id(): number {
    const { id } = this.#owned
    if (id === 0) throw this.#disposedError()
    return id
  }

  #disposedError(): DisposedError {
    const known = this.#shape ? ` ${this.#dtype ?? ''} ${showShape(this.#shape)}`.replace('  ', ' ') : ''
    return new DisposedError(
      `the tensor${known} was disposed of (by dispose(), "using", tidy() or because it was made while jit or vmap traced); ` +
        'keep it until its last use, or return it from tidy() or from the compiled function',
    )
  }

  /** True once {@link Tensor.dispose} was called. */
  get isDisposed(): boolean {
    return this.#owned.id === 0
  }

  /** Extents, outermost first; `[]` for a scalar. */
  get shape(): Shape {
    this.#shape ??= Object.freeze(native.shapeOf(this.id))
    return this.#shape
  }

  /** The type of the elements. */
  get dtype(): DType {
    this.#dtype ??= dtypeOfCode(native.dtypeOf(this.id))
    return this.#dtype
  }

  /**
   * Device of the tensor. A constant, such as `zeros(shape)` without a device, is computed wherever it is used, and otherwise on the
   * default device.
   */
  get device(): Device {
    return nameOfDevice(native.deviceOf(this.id))
  }

  /** The number of axes; 0 for a scalar. */
  get rank(): number {
    return this.shape.length
  }

  /** The number of elements; 1 for a scalar. */
  get size(): number {
    return sizeOf(this.shape)
  }

  #refuseTracing(method: string): void {
    if (tracing === 0) return
    throw new StateError(
      `${method}(): a value was requested while jit or vmap traces a function, when tensors have no values yet; ` +
        'return the tensor from the function and read it outside, or choose between values with where()',
    )
  }

  /**
   * Computes the values, off this thread. Large arrays are copied in chunks, so that the event loop is not blocked.
   *
   * @returns a copy, row-major; bool becomes a Uint8Array of 0 and 1, int64 a BigInt64Array
   * @throws {NumericalError} (rejects) if the computation has no result, with the stack of this call
   * @throws {DeviceError} (rejects) if there is not enough memory for the values or their copy
   */
  data(): Promise<TypedArray> {
    this.#refuseTracing('data')
    const { id, shape, dtype } = this
    const node = { id, shape, dtype }
    let run: Promise<void> | null
    try {
      run = native.evaluate([id])
      noteEvaluation()
      if (run === null && !takesTurns(node)) {
        const values = readNow(node)
        return settled().then(() => values)
      }
    } catch (error) {
      return Promise.reject(error)
    }
    // Held until it is read, so that a dispose() in between has no effect.
    native.retain(id)
    return atCallSite(run, this.data)
      .then(() => readInTurns(node))
      .finally(() => native.release([id]))
  }

  /** Like {@link Tensor.data}, but blocks the JavaScript thread until the values are computed. */
  dataSync(): TypedArray {
    this.#refuseTracing('dataSync')
    const values = readNow(this)
    noteEvaluation()
    return values
  }

  #single(method: string): void {
    this.#refuseTracing(method)
    if (this.size === 1) return
    throw new ShapeError(
      `${method}(): a tensor ${showShape(this.shape)} has ${this.size} elements, expected one; ` +
        'reduce it with sum() or mean(), or use data() or array()',
    )
  }

  /**
   * The value of a tensor of one element; bool gives 0 or 1, int64 the nearest number.
   *
   * @throws {ShapeError} unless there is exactly one element
   */
  item(): Promise<number> {
    this.#single('item')
    return this.data().then((values) => Number(values[0]))
  }

  /** Like {@link Tensor.item}, but blocks the JavaScript thread. */
  itemSync(): number {
    this.#single('itemSync')
    return Number(this.dataSync()[0])
  }

  /**
   * The values as nested arrays of numbers (a number for a scalar); bool gives 0 and 1. Large arrays are nested in chunks, like the copies
   * of {@link Tensor.data}.
   */
  array(): Promise<NestedArray> {
    this.#refuseTracing('array')
    const { shape } = this
    return this.data().then((values) => nestInTurns(values, shape))
  }

  /** Like {@link Tensor.array}, but blocks the JavaScript thread. */
  arraySync(): NestedArray {
    this.#refuseTracing('arraySync')
    return nest(this.dataSync(), this.shape)
  }

  /** Releases the memory at once. A second call is allowed; any other use afterward throws {@link DisposedError}. */
  dispose(): void {
    const owned = this.#owned
    if (owned.id === 0) return
    // Later errors can name the tensor by its shape.
    if (this.#shape === undefined) this.#shape = Object.freeze(native.dispose(owned.id))
    else native.release([owned.id])
    owned.id = 0
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
      'JSON: a Tensor has no values to write until it is read; write those: JSON.stringify(await t.array())',
    )
  }

  /**
   * The text of {@link Tensor.toString} in a template string; operators of JavaScript are refused, which would compute with NaN or with text.
   *
   * @throws {StateError} for `t > 1`, `t + 1`, `Math.abs(t)` and the like
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw noNumber('Tensor', 't')
  }

  /** Values if they are computed, otherwise shape and "lazy". Computes nothing. */
  toString(): string {
    if (this.isDisposed) return 'Tensor (disposed)'
    const head = `Tensor ${this.dtype} ${showShape(this.shape)}`
    if (tracing > 0 || !native.isReady(this.id)) return `${head} lazy`
    try {
      return `${head}\n${show(readNow(this), this.shape, this.dtype)}`
    } catch (error) {
      return `${head} failed: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/** The error for a tensor or Variable as operand of an operator of JavaScript. @internal */
export function noNumber(kind: string, values: string): StateError {
  return new StateError(
    `a ${kind} is not a number for the operators of JavaScript (+ - * / < > ==) and functions of Math; ` +
      `use ${values}.add(1), ${values}.sub(1), ${values}.greater(1), where(${values}.greater(1), a, b), or read the number first: await ${values}.item()`,
  )
}

/**
 * The handle of an operand.
 *
 * @throws {ArgumentError} unless it is a tensor
 */
export function idOf(op: string, x: Tensor): number {
  if (x instanceof Tensor) return x.id
  throw new ArgumentError(`${op}: given ${describe(x)}, expected a Tensor; ${mendOperand(x)}`)
}

let isVariable: (x: unknown) => boolean = () => false

/** Sets the test for Variables, whose module imports this one. */
export function recognizeVariables(test: (x: unknown) => boolean): void {
  isVariable = test
}

function mendOperand(x: unknown): string {
  return isVariable(x) ? 'read the Variable first: variable.value' : 'make one with tensor(...)'
}
