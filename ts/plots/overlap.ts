/** Layers that lie over each other in a picture. */
import { layersText } from '../dynamics/naming.js'
import type { Point } from './labels.js'

/** A layer with its course in pixels; a point that is not there is undefined. */
export interface Drawn {
  readonly layer: string
  readonly place: number
  readonly path: readonly (Point | undefined)[]
}

/** Layers of which a reader sees one. */
export interface Stack<D extends Drawn = Drawn> {
  readonly layers: readonly D[]
  /** Whether they lie over each other all the way, and not at the end alone. */
  readonly throughout: boolean
}

const far = ({ x, y }: Point, to: Point) => Math.hypot(x - to.x, y - to.y)

/** The last point of a course that is there. */
export function endOf({ path }: Drawn): Point | undefined {
  return path.findLast((point) => point !== undefined)
}

/**
 * Layers in stacks by where they end: the ends of a stack are all within `radius` pixels of each other. A layer by itself is a stack of one; one
 * without a point is in none.
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

/** What a picture says of stacks of two and more; empty where there is none. `end` names the end: `at epoch 300`. */
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
