import { ArgumentError } from '../errors.js'
import { Tensor } from '../tensor.js'
import { Variable } from '../variable.js'

/** Nested arrays, records and maps with leaves of one kind. */
export type Nested<T> = T | readonly Nested<T>[] | { readonly [name: string]: Nested<T> } | ReadonlyMap<string, Nested<T>>

/** A leaf and its path, e.g. `layers.2.kernel`. */
export interface Leaf<T> {
  readonly path: string
  readonly value: T
}

/** All Tensors or Variables of a tree with their paths, depth first, in the order of the tree. */
export function leavesOf<T extends Tensor | Variable>(tree: Nested<T>, path = ''): Leaf<T>[] {
  if (tree instanceof Tensor || tree instanceof Variable) return [{ path, value: tree as T }]
  if (tree === null || typeof tree !== 'object') {
    throw new ArgumentError(`expected a tree of tensors, found ${String(tree)} at '${path || 'the root'}'`)
  }
  return entriesOf(tree).flatMap(([name, child]) => leavesOf(child, path === '' ? name : `${path}.${name}`))
}

/** A tree of the same structure whose leaves are `replace(path)`. */
export function rebuild<T extends Tensor | Variable, R>(
  tree: Nested<T>,
  replace: (path: string) => R,
  path = '',
): Nested<R> {
  if (tree instanceof Tensor || tree instanceof Variable) return replace(path)
  const children = entriesOf(tree as Exclude<Nested<T>, T>).map(
    ([name, child]) => [name, rebuild(child, replace, path === '' ? name : `${path}.${name}`)] as const,
  )
  if (Array.isArray(tree)) return children.map(([, child]) => child)
  return tree instanceof Map ? new Map(children) : Object.fromEntries(children)
}

/** Pairs every leaf of `tree` with the gradient at the same path; a gradient too few or too many throws. */
export function pairWith<T extends Tensor | Variable>(
  tree: Nested<T>,
  grads: Nested<Tensor>,
): { path: string; value: T; grad: Tensor }[] {
  const byPath = new Map(leavesOf(grads).map(({ path, value }) => [path, value]))
  const pairs = leavesOf(tree).map(({ path, value }) => {
    const grad = byPath.get(path)
    if (grad === undefined) {
      throw new ArgumentError(
        `no gradient for the parameter '${path}'; gradients must have the structure of the parameters, received ${[...byPath.keys()].join(', ')}`,
      )
    }
    byPath.delete(path)
    return { path, value, grad }
  })
  const [extra] = byPath.keys()
  if (extra !== undefined) {
    throw new ArgumentError(`gradient '${extra}' belongs to no parameter; give gradients of the same structure`)
  }
  return pairs
}

function entriesOf<T>(tree: Exclude<Nested<T>, T>): [string, Nested<T>][] {
  if (tree instanceof Map) return [...tree.entries()]
  return Object.entries(tree as Record<string, Nested<T>>)
}
