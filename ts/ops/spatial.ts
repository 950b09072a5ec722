/** The shared geometry of convolutions and pooling: strides, paddings and output extents per spatial axis. */
import { type Shape, showShape } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { type Checks, elsewhere, isList } from '../core/options.js'
import { perAxis } from './axes.js'

/** One number for all spatial axes, or one per axis. */
export type PerAxis = number | readonly number[]

/**
 * Zeros around the input: one number, one per axis, `[before, after]` per axis, `'valid'` for none, or `'same'` for an output of ceil(input
 * / stride) elements (an odd zero goes to the end).
 */
export type SpatialPadding = PerAxis | readonly (readonly [number, number])[] | 'same' | 'valid'

/** Resolved geometry, one number per spatial axis. */
export interface Geometry {
  kernel: number[]
  stride: number[]
  low: number[]
  high: number[]
  dilation: number[]
}

/** The optional fields of a {@link Geometry}. */
export interface GeometryOptions {
  /** Step between windows; default 1. */
  stride?: PerAxis
  /** Zeros around the input; default 0. */
  padding?: SpatialPadding
  /** Distance between the taps of the kernel; default 1. */
  dilation?: PerAxis
}

/** {@link resolveGeometry} checks the values: the valid values depend on the number of axes. */
export const geometryChecks: Checks<GeometryOptions> = {
  stride: elsewhere(),
  padding: elsewhere(),
  dilation: elsewhere(),
}

/** The extent of a dilated kernel, from its first to its last tap, both included. */
export function reach(kernel: number, dilation: number): number {
  return dilation * (kernel - 1) + 1
}

/** The spatial extents of an input (N, C, ...spatial). */
export function spatialShape(op: string, shape: Shape, kernelRank?: number): number[] {
  const rank = shape.length - 2
  if (rank < 1 || (kernelRank !== undefined && kernelRank !== rank)) {
    const spatial = kernelRank === undefined ? 'at least one spatial axis' : `${kernelRank} spatial axes`
    throw new ShapeError(`${op}: given ${showShape(shape)}, expected (batch, channels, ...) with ${spatial}`)
  }
  return shape.slice(2)
}

function isPairs(padding: SpatialPadding): padding is readonly (readonly [number, number])[] {
  return isList(padding) && (padding as readonly unknown[]).some(isList)
}

function resolvePadding(
  op: string,
  input: readonly number[],
  g: Omit<Geometry, 'low' | 'high'>,
  padding: SpatialPadding,
): Pick<Geometry, 'low' | 'high'> {
  const rank = input.length
  if (padding === 'valid') return { low: input.map(() => 0), high: input.map(() => 0) }
  if (padding === 'same') {
    const totals = input.map((n, i) => {
      const stride = g.stride[i] as number
      return Math.max(
        0,
        (Math.ceil(n / stride) - 1) * stride + reach(g.kernel[i] as number, g.dilation[i] as number) - n,
      )
    })
    return { low: totals.map((t) => Math.floor(t / 2)), high: totals.map((t) => Math.ceil(t / 2)) }
  }
  if (typeof padding !== 'number' && !isList(padding)) {
    throw new ArgumentError(
      `${op}: padding is ${describe(padding)}, expected a number, numbers, pairs, 'same' or 'valid'`,
    )
  }
  if (isPairs(padding)) {
    const side = (k: 0 | 1) =>
      perAxis(
        op,
        'padding',
        Array.from(padding, (pair) => (isList(pair) && pair.length === 2 ? pair[k] : Number.NaN)),
        rank,
        0,
        0,
      )
    return { low: side(0), high: side(1) }
  }
  const both = perAxis(op, 'padding', padding, rank, 0, 0)
  return { low: both, high: [...both] }
}

/** Checks and completes the geometry of windows of `kernel` over an input of spatial extents `input`. */
export function resolveGeometry(
  op: string,
  input: readonly number[],
  kernel: PerAxis,
  options: GeometryOptions,
  defaultStride: PerAxis = 1,
): Geometry {
  const rank = input.length
  const partial = {
    kernel: perAxis(op, 'kernelSize', kernel, rank, 1, 1),
    stride: perAxis(op, 'stride', options.stride ?? defaultStride, rank, 1, 1),
    dilation: perAxis(op, 'dilation', options.dilation, rank, 1, 1),
  }
  return { ...partial, ...resolvePadding(op, input, partial, options.padding ?? 0) }
}

/** The output extents: floor((in + low + high - reach) / stride) + 1. */
export function outputExtents(input: readonly number[], g: Geometry): number[] {
  return input.map((n, i) => {
    const span = n + (g.low[i] as number) + (g.high[i] as number)
    const over = span - reach(g.kernel[i] as number, g.dilation[i] as number)
    return over < 0 ? 0 : Math.floor(over / (g.stride[i] as number)) + 1
  })
}

/** Refuses kernels that reach beyond the padded input. */
export function checkFits(op: string, input: readonly number[], g: Geometry): void {
  const axis = outputExtents(input, g).indexOf(0)
  if (axis < 0) return
  throw new ShapeError(
    `${op}: on spatial axis ${axis} an input of ${input[axis]} padded by ${g.low[axis]} + ${g.high[axis]} is smaller than ` +
      `a kernel of ${g.kernel[axis]} dilated by ${g.dilation[axis]}; use a smaller kernel or more padding`,
  )
}
