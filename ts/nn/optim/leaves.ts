import { ArgumentError } from '../../core/errors.js'
import { treeMap } from '../../core/tree.js'
import type { Variable } from '../../core/variable.js'
import type { Tensor } from '../../ops/tensor.js'

/** Nested arrays and records with leaves of one kind. */
export type Nested<T> = T | readonly Nested<T>[] | { readonly [name: string]: Nested<T> }

/** A leaf and its path, e.g. `layers.2.kernel`. */
export interface Leaf<T> {
  readonly path: string
  readonly value: T
}

/** All Tensors or Variables of a tree with their paths, depth first, in the order of the tree. */
export function leavesOf<T extends Tensor | Variable>(tree: Nested<T>): Leaf<T>[] {
  const leaves: Leaf<T>[] = []
  treeMap<unknown, void>(tree, (leaf, path) => {
    leaves.push({ path: path.join('.'), value: leaf as T })
  })
  return leaves
}

/** A tree of the same structure whose leaves are `replace(path, leaf)`. */
export function rebuild<G extends Nested<Tensor>>(
  tree: G,
  replace: (path: string, leaf: Tensor) => Tensor,
): G {
  return treeMap<unknown, Tensor>(tree, (leaf, path) => replace(path.join('.'), leaf as Tensor)) as G
}

/** Pairs every leaf of `tree` with the gradient at the same path; a missing or surplus gradient throws. */
export function pairWith<T extends Tensor | Variable>(
  tree: Nested<T>,
  grads: Nested<Tensor>,
): { path: string; value: T; grad: Tensor }[] {
  const byPath = new Map(leavesOf(grads).map(({ path, value }) => [path, value]))
  const received = [...byPath.keys()].join(', ')
  const pairs = leavesOf(tree).map(({ path, value }) => {
    const grad = byPath.get(path)
    if (grad === undefined) {
      throw new ArgumentError(
        `no gradient for the parameter '${path}'; gradients must have the structure of the parameters, received ${received || 'none'}`,
      )
    }
    byPath.delete(path)
    return { path, value, grad }
  })
  const [extra] = byPath.keys()
  if (extra !== undefined) {
    throw new ArgumentError(
      `gradient '${extra}' belongs to no parameter; give gradients of the same structure`,
    )
  }
  return pairs
}
