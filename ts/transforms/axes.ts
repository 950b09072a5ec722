/** Axes of samples in trees of tensors. */
import { showShape } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { isList, isPlainObject } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { type TreePath, treeLeaves } from '../core/tree.js'
import { permute } from '../ops/movement.js'

/**
 * Axes of samples in a tree of tensors: a number for all its leaves (negative numbers count from the last axis), `null` for "the same for
 * all samples", or a tree like it, which may end early.
 */
export type MapAxes = number | null | readonly MapAxes[] | { readonly [name: string]: MapAxes }

const isAxis = (axes: unknown): axes is number | null => axes === null || Number.isSafeInteger(axes)

/** Whether a value is an axis or a tree of axes. */
export function areAxes(value: unknown): value is MapAxes {
  if (isAxis(value)) return true
  if (isList(value)) return (value as readonly unknown[]).every(areAxes)
  return isPlainObject(value) && Object.values(value).every(areAxes)
}

/**
 * The axis of each leaf of a tree, in the order of its leaves.
 *
 * @param what the option, for messages
 * @throws {ArgumentError} if the tree of axes has other names or another length, with the path
 */
export function axesOfLeaves(what: string, axes: MapAxes, tree: unknown): (number | null)[] {
  const walk = (at: MapAxes, node: unknown, path: TreePath): (number | null)[] => {
    if (isAxis(at)) return treeLeaves(node).map(() => at)
    const [given, expected] = [namesOf(at), namesOf(node)]
    if (
      isList(at) !== isList(node) ||
      expected === undefined ||
      `${given?.sort()}` !== `${[...expected].sort()}`
    ) {
      const place = path.length === 0 ? '' : ` at ${path.join('.')}`
      throw new ArgumentError(
        `vmap: ${what} has ${describe(at)}${place}, where the tree is ${describe(node)}; give a number, null, or a tree with the same names`,
      )
    }
    return expected.flatMap((name) =>
      walk((at as Record<string, MapAxes>)[name] as MapAxes, (node as Record<string, unknown>)[name], [
        ...path,
        name,
      ]),
    )
  }
  return walk(axes, tree, [])
}

/** Names (or indices) of a node of a tree, in order; undefined for a leaf. */
function namesOf(node: unknown): string[] | undefined {
  if (isList(node) || isPlainObject(node)) return Object.keys(node as object)
  return undefined
}

/**
 * A given axis as one counted from the first.
 *
 * @throws {ShapeError} if the shape has no such axis
 */
export function resolved(what: string, axis: number, x: Tensor, rank = x.rank): number {
  const found = axis < 0 ? axis + rank : axis
  if (found >= 0 && found < rank) return found
  throw new ShapeError(
    `vmap: ${what} is ${axis} for a tensor ${showShape(x.shape)}${rank === x.rank ? '' : ' of one sample'}; give an axis from ${-rank} to ${rank - 1}`,
  )
}

/** `x` with the axis `from` at position `to`, the others in order. */
export function movedAxis(x: Tensor, from: number, to: number): Tensor {
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== from)
  axes.splice(to, 0, from)
  return permute(x, axes)
}
