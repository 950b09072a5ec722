/** Functions traced once and replayed as a plan. */

import { isEager } from './debug.js'
import { isDivided } from './devices.js'
import { type DType, dtypeCode, isTypedArray, type Shape, type TypedArray } from './dtype.js'
import { ArgumentError, DisposedError, describe, StateError } from './errors.js'
import { native } from './native.js'
import { dtypeOfArray } from './nested.js'
import { closeScope, noteEvaluation, openScope, watch } from './registry.js'
import { atCallSite, countTrace, evaluated, isTracing, Tensor } from './tensor.js'
import { type Leaf, leafValue, type MapTree, type TreeStructure, treeFlatten } from './tree.js'
import { countMoves, Variable } from './variable.js'

/** Argument of a compiled function, instead of a tree of tensors. */
export type JitArgument<T> = MapTree<T, Tensor | Variable | number | TypedArray>

/** A compiled function. */
export interface Compiled<Args extends readonly object[], Result> {
  /**
   * Runs it, off the JavaScript thread; several calls may be in progress. The promise resolves when the results are computed.
   *
   * @throws {HyperglowError} at once if tracing fails; rejects if running fails, with the stack of the call
   */
  (...args: { [Index in keyof Args]: JitArgument<Args[Index]> }): Promise<Result>
  /** The plan of a call with such arguments, as text of `explain`; their values do not matter, and nothing runs. */
  explain(...args: { [Index in keyof Args]: JitArgument<Args[Index]> }): string
  /** The number of programs it holds, one per structure, shapes, dtypes and devices of arguments. */
  readonly programs: number
  /** Releases the programs. A later call throws {@link DisposedError}. */
  dispose(): void
}

/** Shape and dtype of an argument or result. */
interface Spec {
  readonly shape: Shape
  readonly dtype: DType
}

interface Program {
  readonly id: number
  readonly result: TreeStructure<unknown>
  /** Of each result. */
  readonly specs: readonly Spec[]
}

/** Maximum number of programs of a compiled function; beyond it the least recently used is dropped. */
const programLimit = 64

function isArgument(node: unknown): boolean {
  return typeof node === 'number' || node instanceof Tensor || node instanceof Variable || isTypedArray(node)
}

/** Releases all programs of a compiled function. */
function releaseAll(programs: Map<string, Program>): void {
  for (const { id } of programs.values()) native.jitRelease(id)
  programs.clear()
}

/** An argument: a tensor, or data that become one within the run. */
type Value = Tensor | (Spec & { readonly data: TypedArray })

const scalar = Object.freeze([])

/** The value of an argument leaf, and whether the tensor was made here. */
function argumentValue(leaf: Leaf | number | TypedArray): { value: Value; made: boolean } {
  if (typeof leaf === 'number') {
    return { value: { data: Float32Array.of(leaf), shape: scalar, dtype: 'float32' }, made: false }
  }
  if (isTypedArray(leaf)) {
    return { value: { data: leaf, shape: [leaf.length], dtype: dtypeOfArray(leaf) }, made: false }
  }
  return { value: leafValue(leaf), made: leaf instanceof Variable }
}

/** An argument as a tensor, for a function that runs uncompiled. */
function tensorOf(value: Value): Tensor {
  if (value instanceof Tensor) return value
  return Tensor.own(native.source(value.data, dtypeCode(value.dtype), [...value.shape]))
}

function placeholderFor(x: Value): Tensor {
  const like = x instanceof Tensor ? x.id : undefined
  return Tensor.own(native.jitArgument([...x.shape], dtypeCode(x.dtype), like))
}

function trace<Args extends readonly unknown[]>(
  f: (...args: Args) => unknown,
  structure: TreeStructure<Args>,
  values: readonly Value[],
): Program {
  native.jitBegin()
  openScope()
  countTrace(1)
  try {
    const placeholders = values.map(placeholderFor)
    const result = f(...(structure.unflatten(placeholders) as unknown as Args))
    if (result instanceof Promise) {
      throw new ArgumentError(
        `jit: the function returned ${describe(result)}; it must be synchronous: a compiled function only builds graph`,
      )
    }
    const { leaves, structure: shape } = treeFlatten(result)
    const results = leaves.map(leafValue)
    const specs = results.map(({ shape: extents, dtype }) => ({ shape: extents, dtype }))
    return { id: native.jitEnd(results.map((x) => x.id)), result: shape, specs }
  } catch (error) {
    native.jitAbort()
    throw error
  } finally {
    countTrace(-1)
    closeScope(new Set())
  }
}

/**
 * Runs `f` as `jit` would trace it, without effect: assignments do not happen, and tensors of the result must not be used.
 *
 * @internal
 */
export function rehearse<Args extends readonly object[], Result>(
  f: (...args: Args) => Result,
  ...args: { [Index in keyof Args]: JitArgument<Args[Index]> }
): Result {
  const { leaves, structure } = treeFlatten(args as unknown as Args, isArgument)
  const given = leaves.map(argumentValue)
  native.jitBegin()
  openScope()
  countTrace(1)
  try {
    const placeholders = given.map(({ value }) => placeholderFor(value))
    return f(...(structure.unflatten(placeholders) as unknown as Args))
  } finally {
    native.jitAbort()
    countTrace(-1)
    closeScope(new Set())
    for (const { value, made } of given) if (made) (value as Tensor).dispose()
  }
}

/**
 * Compiles a function of tensors: it is traced once per structure, shapes, dtypes and devices of its arguments and then replayed, with one
 * native call per run.
 *
 *     const step = jit((x: Tensor, y: Tensor, rate: Tensor) => {
 *       const { value, grads } = valueAndGrad((w) => loss(net.apply(w, x), y), weights)
 *       for (const [i, w] of weights.entries()) w.assign(w.value.sub(grads[i].mul(rate)))
 *       return value
 *     })
 *     const loss = await step(x, y, 0.1)
 *
 * Numbers among the arguments become float32 scalars, so another learning rate needs no new trace. Typed arrays become tensors of one axis.
 * Both are copied at the call. Variables may be arguments, or be read and assigned inside. Other tensors used inside are constants of the
 * program. The function runs only while it is traced: side effects other than assignments happen once, and values cannot be read inside.
 *
 * A compiled function runs on one device: that of its arguments and of the Variables it uses. It is traced again after a Variable moves.
 *
 * @param f synchronous, of trees of Tensors; returns a tree of Tensors
 */
export function jit<Args extends readonly object[], Result>(
  f: (...args: Args) => Result,
): Compiled<Args, Result> {
  if (typeof f !== 'function') {
    throw new ArgumentError(`jit: given ${describe(f)}, expected a function of tensors to compile`)
  }
  const programs = new Map<string, Program>()
  let disposed = false

  let moves = countMoves()

  const find = (structure: TreeStructure<Args>, values: readonly Value[]): Program => {
    // Older programs would run on the device that a Variable has left.
    if (moves !== countMoves()) releaseAll(programs)
    moves = countMoves()
    const kind = isDivided()
      ? (x: Value) => `${x.dtype}${x.shape.join()}${x instanceof Tensor ? x.device : ''}`
      : (x: Value) => `${x.dtype}${x.shape.join()}`
    const key = `${structure.key}|${values.map(kind).join(';')}`
    const known = programs.get(key)
    const program = known ?? trace(f, structure, values)
    // Deleted and set again: a Map keeps the order of insertion, so the first entry is the least recently used.
    programs.delete(key)
    programs.set(key, program)
    const [oldest] = programs
    if (programs.size > programLimit && oldest) {
      programs.delete(oldest[0])
      native.jitRelease(oldest[1].id)
    }
    return program
  }

  const checkUsable = () => {
    if (disposed)
      throw new DisposedError('jit: this compiled function was disposed of; keep it until its last use')
    if (isTracing()) {
      throw new StateError(
        'jit: a compiled function was called while another is traced; call the plain function inside and compile the outer one',
      )
    }
  }

  const run = (...args: { [Index in keyof Args]: JitArgument<Args[Index]> }): Promise<Result> => {
    checkUsable()
    const { leaves, structure } = treeFlatten(args as unknown as Args, isArgument)
    const given = leaves.map(argumentValue)
    try {
      const values = given.map(({ value }) => value)
      if (isEager()) {
        const result = f(...(structure.unflatten(values.map(tensorOf)) as unknown as Args))
        const ids = treeFlatten(result as object).leaves.map((leaf) => leafValue(leaf).id)
        return evaluated(ids, compiled).then(() => result)
      }
      const program = find(structure, values)
      const ids = Float64Array.from(values, (value) => (value instanceof Tensor ? value.id : 0))
      const data = values.flatMap((value) => (value instanceof Tensor ? [] : [value.data]))
      let run: ReturnType<typeof native.jitRun>
      try {
        run = native.jitRun(program.id, ids, data)
      } catch (error) {
        return Promise.reject(error)
      }
      const { outputs, done } = Array.isArray(run) ? { outputs: run, done: null } : run
      const own = (id: number, index: number) => {
        const { shape, dtype } = program.specs[index] as Spec
        return Tensor.own(id, shape, dtype)
      }
      const result = program.result.unflatten(outputs.map(own)) as Result
      noteEvaluation()
      return atCallSite(done, compiled).then(() => result)
    } finally {
      for (const { value, made } of given) if (made) (value as Tensor).dispose()
    }
  }

  const compiled = Object.defineProperty(run, 'programs', { get: () => programs.size }) as Compiled<
    Args,
    Result
  >
  compiled.explain = (...args) => {
    checkUsable()
    const { leaves, structure } = treeFlatten(args as unknown as Args, isArgument)
    const given = leaves.map(argumentValue)
    try {
      const program = find(
        structure,
        given.map(({ value }) => value),
      )
      return native.jitExplain(program.id)
    } finally {
      for (const { value, made } of given) if (made) (value as Tensor).dispose()
    }
  }
  compiled.dispose = () => {
    disposed = true
    releaseAll(programs)
  }
  watch(compiled, programs, releaseAll)
  return compiled
}
