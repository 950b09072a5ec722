/** Layers that overlap in a plot. */
import { layersText } from '../dynamics/naming.js'
import type { Point } from './labels.js'

/** A layer with its trajectory in pixels; a missing point is undefined. */
export interface Drawn {
  readonly layer: string
  readonly place: number
  readonly path: readonly (Point | undefined)[]
}

/** Layers of which only one is visible. */
export interface Stack<D extends Drawn = Drawn> {
  readonly layers: readonly D[]
  /** Whether they overlap along the whole trajectory, not only at the end. */
  readonly throughout: boolean
}

const far = ({ x, y }: Point, to: Point) => Math.hypot(x - to.x, y - to.y)

/** The last point of a trajectory with values. */
export function endOf({ path }: Drawn): Point | undefined {
  return path.findLast((point) => point !== undefined)
}

/**
 * Layers grouped by their last points: the ends of a stack are all within `radius` pixels of each other. A single layer is a stack of one;
 * a layer without a point is in none.
 */
export function stacksOf<D extends Drawn>(layers: readonly D[], radius: number): Stack<D>[] {
  const stacks: D[][] = []
  for (const layer of layers) {
    const end = endOf(layer)
    if (end === undefined) continue
    const open = stacks.find((stack) => stack.every((other) => far(endOf(other) as Point, end) <= radius))
    if (open === undefined) stacks.push([layer])
    else open.push(layer)
  }
  return stacks.map((stack) => {
    const first = stack[0] as D
    return { layers: stack, throughout: stack.every((other) => isSame(first, other, radius)) }
  })
}

function isSame(a: Drawn, b: Drawn, radius: number): boolean {
  return a.path.every((point, n) => {
    const other = b.path[n]
    if (point === undefined || other === undefined) return point === other
    return far(point, other) <= radius
  })
}

/** Text about stacks of two or more; empty if there are none. `end` names the end: `at epoch 300`. */
export function stacksText(stacks: readonly Stack[], end: string): string {
  const told = (throughout: boolean) =>
    stacks
      .filter((stack) => stack.layers.length > 1 && stack.throughout === throughout)
      .map(({ layers }) => `{${layersText(layers)}}`)
      .join(', ')
  const [always, last] = [told(true), told(false)]
  return [
    always === '' ? '' : `over each other all along: ${always}`,
    last === '' ? '' : `over each other ${end}: ${last}`,
  ]
    .filter((part) => part !== '')
    .join('; ')
}
