/** Matrices of derivatives. */
import { eye } from '../core/create.js'
import { isFloat } from '../core/dtype.js'
import { ArgumentError, DTypeError, describe } from '../core/errors.js'
import { grad, vjp } from '../core/gradients.js'
import { type Checks, checkOptions, checkValue, oneOf, whole } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { leafValue, type MapTree, type Tensors, treeFlatten, treeLeaves } from '../core/tree.js'
import { permute, reshape, slice } from '../ops/movement.js'
import { jvp } from './products.js'
import { vmap } from './vmap.js'

/** How {@link jacobian} goes: from the results back, or from the arguments forward. */
export type JacobianMode = 'reverse' | 'forward'

/** Options of {@link jacobian}. */
export interface JacobianOptions {
  /** Index of the argument to differentiate with respect to; default the first. */
  wrt?: number
  /** `'reverse'` costs as many backward passes as the result has elements, `'forward'` about as many forward passes as the argument has
   * elements; default the one with fewer. */
  mode?: JacobianMode
}

const checks: Checks<JacobianOptions> = { wrt: whole(0), mode: oneOf('reverse', 'forward') }

/**
 * The Jacobian of a function, as a function of the same arguments: for each leaf of the result a tree like the argument, of tensors
 * (...result, ...argument). All rows (or columns) are computed at once.
 *
 *     const j = jacobian((x: Tensor) => w.matmul(x.expandDims(1)).squeeze())(x) // (rows of w, columns of w)
 *
 * @param f returns a tree of float tensors
 */
export function jacobian<Args extends readonly unknown[], Result, Position extends number = 0>(
  f: (...args: Args) => Result,
  options: JacobianOptions & { wrt?: Position } = {},
): (...args: Args) => MapTree<Result, Tensors<Args[Position]>> {
  if (typeof f !== 'function') {
    throw new ArgumentError(`jacobian: given ${describe(f)}, expected a function of tensors`)
  }
  const { wrt = 0, mode } = checkOptions('jacobian', options as JacobianOptions, checks)
  return (...args) => {
    if (wrt >= args.length) {
      throw new ArgumentError(
        `jacobian: wrt is ${wrt}, and the function was called with ${args.length} arguments; count arguments from 0`,
      )
    }
    const at = args[wrt] as Args[Position]
    const of = (point: unknown): Result => {
      const replaced: unknown[] = [...args]
      replaced[wrt] = point
      return f(...(replaced as unknown as Args))
    }
    const result = of(at)
    const [from, to] = [leavesOf(at), leavesOf(result)]
    const chosen = mode ?? (sizeOf(to) <= sizeOf(from) ? 'reverse' : 'forward')
    const blocks = chosen === 'reverse' ? backward(of, at, to) : forward(of, at, from)
    const { structure } = treeFlatten(at)
    const rows = blocks.map((row) => structure.unflatten(row))
    return treeFlatten(result).structure.unflatten(rows) as MapTree<Result, Tensors<Args[Position]>>
  }
}

/**
 * The Hessian of a function with respect to one argument, as a function of the same arguments: for each leaf of the argument a tree like
 * the argument, of tensors (...leaf, ...other leaf).
 *
 * @param f returns a float scalar, twice differentiable
 * @param wrt the index of the argument; default the first
 */
export function hessian<Args extends readonly unknown[], Position extends number = 0>(
  f: (...args: Args) => Tensor,
  wrt: Position = 0 as Position,
): (...args: Args) => MapTree<Tensors<Args[Position]>, Tensors<Args[Position]>> {
  checkValue('hessian: wrt', wrt as number, whole(0))
  const slopes = grad(f, wrt)
  return jacobian(slopes, { wrt, mode: 'reverse' })
}

function leavesOf(tree: unknown): Tensor[] {
  return treeLeaves(tree).map((leaf) => {
    const value = leafValue(leaf)
    if (isFloat(value.dtype)) return value
    throw new DTypeError(`jacobian: ${value.dtype} has no derivatives; give float32 or float64 tensors`)
  })
}

const sizeOf = (leaves: readonly Tensor[]) => leaves.reduce((sum, { size }) => sum + size, 0)

/** The rows of an identity matrix as trees of tensors like `leaves`, side by side; the rows are samples. */
function basis(leaves: readonly Tensor[]): Tensor[] {
  const size = sizeOf(leaves)
  let start = 0
  return leaves.map(({ shape, dtype, size: own }) => {
    const columns = slice(eye(size, size, { dtype }), [0, start], [size, start + own])
    start += own
    return reshape(columns, [size, ...shape])
  })
}

/** The parts of `all` (rows, ...) that belong to each leaf, in its shape. */
function parts(all: Tensor, leaves: readonly Tensor[]): Tensor[] {
  let start = 0
  return leaves.map(({ shape, size }) => {
    const rows = slice(all, [start], [start + size])
    start += size
    return reshape(rows, [...shape, ...all.shape.slice(1)])
  })
}

/** Blocks by result and argument: one backward pass for each element of the result. */
function backward(f: (at: unknown) => unknown, at: unknown, to: readonly Tensor[]): Tensor[][] {
  const pull = vmap((...seeds: Tensor[]) => {
    const { grads } = vjp(f, at as object, (value) => treeFlatten(value).structure.unflatten(seeds) as never)
    return treeLeaves(grads) as Tensor[]
  })
  const found = pull(...basis(to)).map((all) => parts(all, to))
  return to.map((_, row) => found.map((blocks) => blocks[row] as Tensor))
}

/** The same, with one forward pass for each element of the argument. */
function forward(f: (at: unknown) => unknown, at: unknown, from: readonly Tensor[]): Tensor[][] {
  const { structure } = treeFlatten(at)
  const push = vmap((...tangents: Tensor[]) => {
    const moved = jvp(f, at as object, structure.unflatten(tangents) as never)
    return treeLeaves(moved.tangents) as Tensor[]
  })
  return push(...basis(from)).map((all) =>
    parts(all, from).map((block, column) => {
      const rank = (from[column] as Tensor).rank
      const axes = block.shape.map((_, axis) => (axis + rank) % block.rank)
      return block.rank === 0 ? block : permute(block, axes)
    }),
  )
}
