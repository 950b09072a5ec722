/** Trees: tensors (or Variables) nested in arrays and plain objects, to any depth. */
import { ArgumentError, describe } from './errors.js'
import { callable, checkValue, isList, isPlainObject } from './options.js'
import { Tensor } from './tensor.js'
import { Variable } from './variable.js'

/** A leaf of a tree. */
export type Leaf = Tensor | Variable

/** Tensors nested in arrays and records. */
export type Tree = Tensor | readonly Tree[] | { readonly [name: string]: Tree }

/** A tree of the same structure as `T` with `R` for every leaf. */
export type MapTree<T, R> = T extends Leaf | number
  ? R
  : T extends readonly unknown[]
    ? { [Index in keyof T]: MapTree<T[Index], R> }
    : T extends object
      ? { [Name in keyof T]: MapTree<T[Name], R> }
      : T

/** A tree of the same structure as `T` with a Tensor for every leaf. */
export type Tensors<T> = MapTree<T, Tensor>

/** The path of a leaf: names and indices from the root. */
export type TreePath = readonly (string | number)[]

function show(path: TreePath): string {
  return path.length === 0 ? 'the root' : path.join('.')
}

function isRecord(node: unknown): node is Record<string, unknown> {
  return isPlainObject(node)
}

/** Maximum depth of a tree. */
const deepest = 500

function refuseDepth(): never {
  throw new ArgumentError(
    `a tree contains itself, or is nested deeper than ${deepest} levels; give tensors in arrays and plain objects, each inside the next`,
  )
}

function refuse(node: unknown, path: TreePath): never {
  throw new ArgumentError(
    `given ${describe(node)} at ${show(path)} of a tree, expected a Tensor, a Variable, an array or a plain object of such`,
  )
}

/**
 * Calls `visit` on every leaf, in order, and builds the tree of its results.
 *
 * @param isLeaf the test for leaves; default Tensors and Variables. `undefined` and `null` are kept.
 * @throws {ArgumentError} for any other value in the tree, with its path
 */
export function treeMap<T, R>(
  tree: T,
  visit: (leaf: Leaf, path: TreePath) => R,
  isLeaf: (node: unknown) => boolean = isTensorOrVariable,
): MapTree<T, R> {
  checkValue('treeMap: visit', visit, callable())
  checkValue('treeMap: isLeaf', isLeaf, callable())
  const walk = (node: unknown, path: TreePath): unknown => {
    if (isLeaf(node)) return visit(node as Leaf, path)
    if (node === undefined || node === null) return node
    if (path.length >= deepest) return refuseDepth()
    if (isList(node)) return (node as unknown[]).map((child, i) => walk(child, [...path, i]))
    if (!isRecord(node)) return refuse(node, path)
    return Object.fromEntries(
      Object.entries(node).map(([name, child]) => [name, walk(child, [...path, name])]),
    )
  }
  return walk(tree, []) as MapTree<T, R>
}

function isTensorOrVariable(node: unknown): boolean {
  return node instanceof Tensor || node instanceof Variable
}

/** A tree without its leaves; see {@link treeFlatten}. */
export interface TreeStructure<T> {
  /** Text that is equal for equal structures. */
  readonly key: string
  /** The number of leaves. */
  readonly size: number
  /** The tree with other leaves, in order. */
  unflatten<R>(leaves: readonly R[]): MapTree<T, R>
}

type Skeleton = number | null | undefined | Skeleton[] | { [name: string]: Skeleton }

function fill<R>(skeleton: Skeleton, leaves: readonly R[]): unknown {
  if (typeof skeleton === 'number') return leaves[skeleton]
  if (skeleton === null || skeleton === undefined) return skeleton
  if (Array.isArray(skeleton)) return skeleton.map((child) => fill(child, leaves))
  return Object.fromEntries(Object.entries(skeleton).map(([name, child]) => [name, fill(child, leaves)]))
}

/** The leaves of a tree, in order, and its structure, which does not reference them. */
export function treeFlatten<T>(
  tree: T,
  isLeaf: (node: unknown) => boolean = isTensorOrVariable,
): { leaves: Leaf[]; structure: TreeStructure<T> } {
  const leaves: Leaf[] = []
  const skeleton = treeMap(tree, (leaf) => leaves.push(leaf) - 1, isLeaf) as Skeleton
  const size = leaves.length
  return {
    leaves,
    structure: {
      key: JSON.stringify(skeleton) ?? 'undefined',
      size,
      unflatten: <R>(replacements: readonly R[]) => {
        if (!isList(replacements) || replacements.length !== size) {
          const given = isList(replacements) ? `${replacements.length} leaves` : describe(replacements)
          throw new ArgumentError(`unflatten: given ${given}, expected an array of ${size} leaves`)
        }
        return fill(skeleton, replacements) as MapTree<T, R>
      },
    },
  }
}

/** The leaves of a tree, in order. */
export function treeLeaves(tree: unknown): Leaf[] {
  return treeFlatten(tree).leaves
}

/** The value of a leaf; for a Variable, the current one. */
export function leafValue(leaf: Leaf): Tensor {
  if (leaf instanceof Variable) return leaf.value
  if (leaf instanceof Tensor) return leaf
  throw new ArgumentError(`leafValue: given ${describe(leaf)}, expected a Tensor or a Variable`)
}
