import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { isList } from '../core/options.js'
import type { Shape } from '../ops/tensor.js'
import { perAxis, wholeNumber } from './arguments.js'

/** Zero padding: one width for all sides, one per axis, `[before, after]` per axis, or 'same' or 'valid'. */
export type Padding = number | readonly number[] | readonly (readonly [number, number])[] | 'same' | 'valid'

/** Geometry of a sliding window, one entry per spatial axis. */
export interface Window {
  kernel: readonly number[]
  stride: readonly number[]
  dilation: readonly number[]
}

/** Steps of a window: numbers, or one value per spatial axis. */
interface WindowSteps {
  readonly stride?: number | readonly number[] | undefined
  readonly dilation?: number | readonly number[] | undefined
}

/** Options of the sliding window of convolution layers: numbers, or one value per axis; steps and dilation of 1 by default. */
export function windowOf(
  what: string,
  rank: number,
  kernelSize: number | readonly number[],
  given: WindowSteps,
): Window {
  return {
    kernel: perAxis(`${what}: kernelSize`, kernelSize, rank, 1),
    stride: perAxis(`${what}: stride`, given.stride ?? 1, rank, 1),
    dilation: perAxis(`${what}: dilation`, given.dilation ?? 1, rank, 1),
  }
}

/** Checks a padding that does not depend on the input, at construction. */
export function checkPadding(what: string, padding: Padding | undefined, window: Window): void {
  if (padding !== undefined && padding !== 'same') paddingPairs(what, padding, window, [])
}

/** The number of groups of a convolution. Throws ArgumentError unless the number of filters is a multiple of it. */
export function groupsOf(what: string, filters: number, given = 1): number {
  const groups = wholeNumber(`${what}: groups`, given)
  if (filters % groups === 0) return groups
  throw new ArgumentError(`${what}: filters ${filters} cannot be split into ${groups} groups`)
}

/** Throws ShapeError unless the number of input channels is a multiple of the number of groups. */
export function checkGroups(name: string, inputShape: Shape, groups: number): void {
  const [channels] = inputShape as [number]
  if (channels % groups === 0) return
  throw new ShapeError(
    `${name}: ${channels} input channels cannot be split into ${groups} groups; input shape [${inputShape}]`,
  )
}

/**
 * Padding before and after each axis.
 *
 * 'same' gives `ceil(extent / stride)` outputs; an odd total has one more zero after than before.
 */
export function paddingPairs(
  what: string,
  padding: Padding,
  window: Window,
  spatial: Shape,
): [number, number][] {
  const rank = window.kernel.length
  if (padding === 'valid') return window.kernel.map(() => [0, 0])
  if (padding === 'same') {
    return window.kernel.map((kernel, axis) => {
      const extent = spatial[axis] as number
      const stride = window.stride[axis] as number
      const reach = (window.dilation[axis] as number) * (kernel - 1) + 1
      const total = Math.max((Math.ceil(extent / stride) - 1) * stride + reach - extent, 0)
      return [Math.floor(total / 2), Math.ceil(total / 2)]
    })
  }
  if (typeof padding !== 'number' && !isList(padding)) {
    throw new ArgumentError(
      `${what}: padding must be numbers, 'same' or 'valid', received ${describe(padding)}`,
    )
  }
  if (typeof padding === 'number' || !padding.some(isList)) {
    return perAxis(`${what}: padding`, padding as number | readonly number[], rank, 0).map((w) => [w, w])
  }
  const pairs = padding as readonly (readonly [number, number])[]
  if (pairs.length !== rank) {
    throw new ArgumentError(`${what}: padding needs ${rank} pairs [before, after], received ${pairs.length}`)
  }
  return Array.from(pairs, (pair) => {
    const [before, after] = pairOf(what, pair)
    return [before as number, after as number]
  })
}

function pairOf(what: string, pair: readonly [number, number]): readonly number[] {
  if (isList(pair)) return perAxis(`${what}: padding pair`, pair, 2, 0)
  throw new ArgumentError(`${what}: padding holds ${describe(pair)} among pairs, expected [before, after]`)
}

/**
 * Number of windows along each axis, `floor((extent + padding - dilation (kernel - 1) - 1) / stride) + 1`.
 *
 * `ceilMode` includes a last partial window, if it starts inside the input or the padding before the input.
 *
 * @throws ShapeError with the computed extents if an axis is shorter than the window
 */
export function windowExtents(
  name: string,
  spatial: Shape,
  window: Window,
  pairs: readonly (readonly [number, number])[],
  ceilMode = false,
): number[] {
  const extents = window.kernel.map((kernel, axis) => {
    const extent = spatial[axis] as number
    const stride = window.stride[axis] as number
    const [before, after] = pairs[axis] as readonly [number, number]
    const room = extent + before + after - (window.dilation[axis] as number) * (kernel - 1) - 1
    if (!ceilMode) return Math.floor(room / stride) + 1
    const windows = Math.ceil(room / stride) + 1
    return (windows - 1) * stride >= extent + before ? windows - 1 : windows
  })
  if (extents.some((extent) => extent < 1)) {
    throw new ShapeError(
      `${name}: the window does not fit: input [${spatial}], kernel [${window.kernel}], padding [${pairs.map((p) => p.join('+'))}], ` +
        `dilation [${window.dilation}] and stride [${window.stride}] give the output extents [${extents}]; ` +
        'use a smaller kernel or dilation, or more padding',
    )
  }
  return extents
}

/** Throws ShapeError unless the sample shape is `[channels, ...rank spatial axes]`. */
export function checkSpatialInput(name: string, inputShape: Shape, rank: number): void {
  if (inputShape.length !== rank + 1) {
    const axes = ['length', 'height, width', 'depth, height, width'][rank - 1]
    throw new ShapeError(`${name}: expected an input [channels, ${axes}], received [${inputShape}]`)
  }
}
