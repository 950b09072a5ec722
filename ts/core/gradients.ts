/** Derivatives of functions of tensors. They are built from the same operations, so they are differentiable too. */
import { full, zerosLike } from './create.js'
import { dtypeCode, isFloat, showShape } from './dtype.js'
import { ArgumentError, DTypeError, describe, ShapeError } from './errors.js'
import { native } from './native.js'
import { noteGradient } from './observer.js'
import { type Checks, checkOptions, checkValue, flag, whole } from './options.js'
import { Tensor } from './tensor.js'
import { type Leaf, leafValue, type Tensors, type TreeStructure, treeFlatten, treeLeaves } from './tree.js'
import { Variable, withValues } from './variable.js'

/** The point of a derivative: separate nodes, so that other uses of the same tensors do not count. */
interface Point<T> {
  inputs: Tensor[]
  /** The leaves as given. */
  leaves: readonly Leaf[]
  structure: TreeStructure<T>
  /** The argument of the function. */
  tree: Tensors<T>
  /** Runs `f` so that reads of the Variables among the leaves count, and computed values keep their history. */
  recorded<R>(f: () => R): R
}

function pointAt<T>(at: T): Point<T> {
  const { leaves, structure } = treeFlatten(at)
  const variables = new Map<Variable, Tensor>()
  const inputs = leaves.map((leaf) => {
    const value = leafValue(leaf)
    const input = Tensor.own(native.reshape(value.id, [...value.shape]))
    if (leaf instanceof Variable) {
      variables.set(leaf, input)
      value.dispose()
    }
    return input
  })
  const recorded = <R>(f: () => R): R => {
    native.enterTrace()
    try {
      return withValues(variables, f)
    } finally {
      native.leaveTrace()
    }
  }
  return { inputs, leaves, structure, tree: structure.unflatten(inputs) as Tensors<T>, recorded }
}

function checkFunction(op: string, f: unknown): void {
  if (typeof f === 'function') return
  throw new ArgumentError(`${op}: given ${describe(f)}, expected a function of tensors to differentiate`)
}

function checkResult(op: string, value: unknown): Tensor {
  if (!(value instanceof Tensor)) {
    const hint = value instanceof Promise ? 'an async function cannot be differentiated' : 'return a Tensor'
    throw new ArgumentError(`${op}: the function returned ${describe(value)}; ${hint}`)
  }
  if (!isFloat(value.dtype)) {
    throw new DTypeError(
      `${op}: the function returned ${value.dtype}, expected float32 or float64; cast before summing`,
    )
  }
  return value
}

function checkScalar(op: string, value: unknown): Tensor {
  const result = checkResult(op, value)
  if (result.rank !== 0) {
    throw new ShapeError(
      `${op}: the function returned ${showShape(result.shape)}, expected a scalar; reduce it with sum() or mean(), or use vjp()`,
    )
  }
  return result
}

/** Cotangents of `wrt`; zeros if the outputs do not depend on it. @internal */
export function pullBack(
  outputs: readonly Tensor[],
  seeds: readonly Tensor[],
  { inputs, leaves }: Pick<Point<unknown>, 'inputs' | 'leaves'>,
): Tensor[] {
  const ids = (list: readonly Tensor[]) => list.map((x) => x.id)
  const found = native.vjp(ids(outputs), ids(seeds), ids(inputs))
  return inputs.map((x, i) => {
    const leaf = leaves[i]
    if (leaf instanceof Variable) noteGradient(leaf, Boolean(found[i]))
    return found[i] ? Tensor.own(found[i]) : zerosLike(x)
  })
}

function checkCotangent(seed: Tensor, output: Tensor): void {
  const told = ({ dtype, shape }: Tensor) => `${dtype} ${showShape(shape)}`
  if (told(seed) === told(output)) return
  const ErrorClass = showShape(seed.shape) === showShape(output.shape) ? DTypeError : ShapeError
  throw new ErrorClass(
    `vjp: a cotangent ${told(seed)} for an output ${told(output)}; give one of the output's shape and dtype`,
  )
}

function scalarOne(like: Tensor): Tensor {
  return Tensor.own(native.constant(1, dtypeCode(like.dtype), []))
}

/** Result of {@link valueAndGrad}. */
export interface ValueAndGrad<T> {
  /** The value of the function. */
  value: Tensor
  /** Its gradient: a Tensor for every leaf, zeros for leaves without influence. */
  grads: Tensors<T>
}

/** The same with the auxiliary result of the function. */
export interface ValueAndGradAux<T, Aux> extends ValueAndGrad<T> {
  aux: Aux
}

/** Options of {@link valueAndGrad}. */
export interface AuxOptions {
  /** Whether the function returns `[loss, aux]`; default false. */
  hasAux?: boolean
}

const auxChecks: Checks<AuxOptions> = { hasAux: flag }

/**
 * The value of `f` at a tree of tensors or Variables, and its gradient there.
 *
 *     const { value, grads } = valueAndGrad((w) => loss(net.apply(w, x), y), net.weights)
 *
 * The gradient is with respect to the argument of `f`, and to reads of those Variables inside `f`; the same tensor in a closure is a
 * constant. With `hasAux`, `f` returns `[loss, aux]` and `aux` is passed on.
 *
 * @param f returns a float scalar
 * @throws {ShapeError} if `f` returns anything but a scalar
 */
export function valueAndGrad<T>(f: (at: Tensors<T>) => Tensor, at: T): ValueAndGrad<T>
export function valueAndGrad<T, Aux>(
  f: (at: Tensors<T>) => readonly [Tensor, Aux],
  at: T,
  options: { hasAux: true },
): ValueAndGradAux<T, Aux>
export function valueAndGrad<T, Aux>(
  f: (at: Tensors<T>) => Tensor | readonly [Tensor, Aux],
  at: T,
  options: AuxOptions = {},
): ValueAndGrad<T> | ValueAndGradAux<T, Aux> {
  const { hasAux = false } = checkOptions('valueAndGrad', options, auxChecks)
  checkFunction('valueAndGrad', f)
  const { inputs, leaves, structure, tree, recorded } = pointAt(at)
  return recorded(() => {
    const result = f(tree)
    const [output, aux] = hasAux ? checkPair(result) : [result, undefined]
    const value = checkScalar('valueAndGrad', output)
    const grads = structure.unflatten(pullBack([value], [scalarOne(value)], { inputs, leaves })) as Tensors<T>
    return hasAux ? { value, grads, aux: aux as Aux } : { value, grads }
  })
}

function checkPair(result: unknown): readonly [unknown, unknown] {
  if (Array.isArray(result) && result.length === 2) return [result[0], result[1]]
  throw new ArgumentError(
    `valueAndGrad: with hasAux the function returns [loss, aux], but it returned ${describe(result)}`,
  )
}

/**
 * The gradient of a function, as a function of the same arguments.
 *
 *     const slope = grad((x: Tensor) => x.sin().sum())
 *     const curvature = grad((x: Tensor) => slope(x).sum())
 *
 * @param f returns a float scalar
 * @param wrt the index of the argument to differentiate with respect to; default the first
 */
export function grad<Args extends readonly unknown[], Position extends number = 0>(
  f: (...args: Args) => Tensor,
  wrt: Position = 0 as Position,
): (...args: Args) => Tensors<Args[Position]> {
  checkFunction('grad', f)
  checkValue('grad: wrt', wrt as number, whole(0))
  return (...args) => {
    if (wrt >= args.length) {
      throw new ArgumentError(
        `grad: wrt is ${wrt}, and the function was called with ${args.length} arguments; count arguments from 0`,
      )
    }
    const { inputs, leaves, structure, tree, recorded } = pointAt(args[wrt] as Args[Position])
    return recorded(() => {
      const replaced: unknown[] = [...args]
      replaced[wrt] = tree
      const value = checkScalar('grad', f(...(replaced as unknown as Args)))
      return structure.unflatten(pullBack([value], [scalarOne(value)], { inputs, leaves })) as Tensors<
        Args[Position]
      >
    })
  }
}

/**
 * The vector-Jacobian product: the value of `f` (a tree of float tensors) at a tree, and the gradient there of
 * sum(value * cotangents).
 *
 * @param cotangents a tree like the value, or a function from the value to such a tree; default ones
 */
export function vjp<T, R>(
  f: (at: Tensors<T>) => R,
  at: T,
  cotangents?: Tensors<R> | ((value: R) => Tensors<R>),
): { value: R; grads: Tensors<T> } {
  checkFunction('vjp', f)
  const { inputs, leaves, structure, tree, recorded } = pointAt(at)
  return recorded(() => {
    const value = f(tree)
    const outputs = treeLeaves(value).map((leaf) => checkResult('vjp', leafValue(leaf)))
    const given =
      typeof cotangents === 'function' ? (cotangents as (value: R) => Tensors<R>)(value) : cotangents
    const seeds =
      given === undefined
        ? outputs.map((y) => full(y.shape, 1, { dtype: y.dtype }))
        : treeLeaves(given).map(leafValue)
    if (seeds.length !== outputs.length) {
      throw new ArgumentError(
        `vjp: ${seeds.length} cotangents for ${outputs.length} outputs; give a tree like the value`,
      )
    }
    for (const [i, seed] of seeds.entries()) checkCotangent(seed, outputs[i] as Tensor)
    return { value, grads: structure.unflatten(pullBack(outputs, seeds, { inputs, leaves })) as Tensors<T> }
  })
}
