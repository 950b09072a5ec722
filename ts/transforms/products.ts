/** Products of derivatives with vectors that need no matrix of derivatives. */
import { zeros } from '../core/create.js'
import { showShape } from '../core/dtype.js'
import { DTypeError, ShapeError } from '../core/errors.js'
import { grad, pullBack, vjp } from '../core/gradients.js'
import type { Tensor } from '../core/tensor.js'
import { leafValue, type Tensors, treeFlatten, treeLeaves, treeMap } from '../core/tree.js'

/**
 * The Jacobian-vector product: the value of `f` (a tree of float tensors) at a tree, and the rate at which the value changes when the tree
 * moves in the direction of `tangents`.
 *
 *     const { value, tangents } = jvp((x: Tensor) => x.sin(), tensor([0, 1]), tensor([1, 1]))
 *
 * It is the derivative of a vector-Jacobian product in its cotangents, where it is linear. Work of the vector-Jacobian product that does
 * not depend on them is not in the plan.
 *
 * @param tangents a tree like `at`
 * @throws {ShapeError} or {DTypeError} for a tangent of another shape or dtype
 */
export function jvp<T, R>(
  f: (at: Tensors<T>) => R,
  at: T,
  tangents: Tensors<T>,
): { value: R; tangents: Tensors<R> } {
  const directions = likeLeaves('jvp', 'tangents', at, tangents)
  let cotangents: Tensor[] = []
  const { value, grads } = vjp(f, at, (value) => {
    const seeds = treeMap(value, (leaf) => {
      const { shape, dtype, device } = leafValue(leaf)
      return zeros(shape, { dtype, device })
    })
    cotangents = treeLeaves(seeds) as Tensor[]
    return seeds as Tensors<R>
  })
  const found = pullBack(treeLeaves(grads) as Tensor[], directions, {
    inputs: cotangents,
    leaves: cotangents,
  })
  return { value, tangents: treeFlatten(value).structure.unflatten(found) as Tensors<R> }
}

/**
 * The product of the Hessian of `f` at a tree with a vector, without the Hessian: the gradient of the slope of `f` along `vector`.
 *
 *     const curvature = hvp((w: Tensor) => loss(w), w, direction)
 *
 * @param f returns a float scalar, twice differentiable
 * @param vector a tree like `at`
 * @throws {ShapeError} or {DTypeError} for a vector of another shape or dtype
 */
export function hvp<T>(f: (at: Tensors<T>) => Tensor, at: T, vector: Tensors<T>): Tensors<T> {
  likeLeaves('hvp', 'vector', at, vector)
  const slopes = grad(f as (...args: readonly unknown[]) => Tensor) as (at: unknown) => Tensors<T>
  return vjp((point: Tensors<T>) => slopes(point), at, vector as never).grads
}

/** The leaves of a tree that must be like another, leaf by leaf. */
function likeLeaves(what: string, name: string, at: unknown, given: unknown): Tensor[] {
  const [of, leaves] = [treeFlatten(at), treeFlatten(given)]
  if (of.structure.key !== leaves.structure.key) {
    throw new ShapeError(
      `${what}: ${name} has ${leaves.leaves.length} leaves for a point with ${of.leaves.length}; give a tree like the point`,
    )
  }
  return leaves.leaves.map((leaf, i) => {
    const [x, like] = [leafValue(leaf), of.leaves[i] as { shape: readonly number[]; dtype: string }]
    if (x.dtype !== like.dtype || `${x.shape}` !== `${like.shape}`) {
      const ErrorClass = x.dtype === like.dtype ? ShapeError : DTypeError
      throw new ErrorClass(
        `${what}: ${name} has ${x.dtype} ${showShape(x.shape)} for ${like.dtype} ${showShape(like.shape)}; give it the shape and dtype of the point`,
      )
    }
    return x
  })
}
