/** Convolution (cross-correlation, as in neural networks) over any number of spatial axes, and its transpose. */
import { showShape, sizeOf } from '../core/dtype.js'
import { ShapeError } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, elsewhere, required, whole } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { perAxis } from './axes.js'
import { pad } from './padding.js'
import {
  checkFits,
  type GeometryOptions,
  geometryChecks,
  outputExtents,
  type PerAxis,
  reach,
  resolveGeometry,
  spatialShape,
} from './spatial.js'

const own = Tensor.own

/** Options of {@link conv}. */
export interface ConvolutionOptions extends GeometryOptions {
  /** Number of independent groups of channels; default 1. */
  groups?: number
}

const convChecks: Checks<ConvolutionOptions> = { ...geometryChecks, groups: whole(1) }

/**
 * Convolution of x (N, C, ...spatial) with w (O, C / groups, ...kernel) -> (N, O, ...out), out = floor((in + padding -
 * dilation (k - 1) - 1) / stride) + 1 on each axis.
 *
 * @throws {ShapeError} if channels or axes do not match, or the kernel is larger than the padded input
 */
export function conv(x: Tensor, w: Tensor, options: ConvolutionOptions = {}): Tensor {
  const [xId, wId] = [idOf('conv', x), idOf('conv', w)]
  const input = spatialShape('conv', x.shape, w.rank - 2)
  const { groups = 1, ...geometry } = checkOptions('conv', options, convChecks)
  const g = resolveGeometry('conv', input, w.shape.slice(2), geometry)
  return own(native.conv(xId, wId, g.stride, g.low, g.high, g.dilation, groups))
}

/**
 * Convolution with unshared weights, as in a locally connected layer: x (N, C, ...spatial) with w (O, C, ...kernel, ...out), a kernel for
 * every output position -> (N, O, ...out).
 *
 * @throws {ShapeError} if channels, axes or positions do not match, or the kernel is larger than the padded input
 */
export function localConv(x: Tensor, w: Tensor, options: GeometryOptions = {}): Tensor {
  const [xId, wId] = [idOf('localConv', x), idOf('localConv', w)]
  const input = spatialShape('localConv', x.shape, (w.rank - 2) / 2)
  const given = checkOptions('localConv', options, geometryChecks)
  const g = resolveGeometry('localConv', input, w.shape.slice(2, 2 + input.length), given)
  return own(native.localConv(xId, wId, g.stride, g.low, g.high, g.dilation))
}

/** Options of {@link convTranspose}. */
export interface TransposedConvolutionOptions extends Omit<ConvolutionOptions, 'padding'> {
  /** Padding of the convolution that it transposes: elements cut from the result; default 0. */
  padding?: PerAxis | readonly (readonly [number, number])[]
  /** Elements added at the end of each axis of the result; default 0. */
  outputPadding?: PerAxis
}

const transposedChecks: Checks<TransposedConvolutionOptions> = {
  stride: elsewhere(),
  padding: elsewhere(),
  dilation: elsewhere(),
  groups: whole(1),
  outputPadding: elsewhere(),
}

/**
 * Transposed convolution of x (N, C, ...in) with w (C, O / groups, ...kernel) -> (N, O, ...out), out = (in - 1) stride -
 * 2 padding + dilation (k - 1) + outputPadding + 1 on each axis.
 */
export function convTranspose(x: Tensor, w: Tensor, options: TransposedConvolutionOptions = {}): Tensor {
  const [xId, wId] = [idOf('convTranspose', x), idOf('convTranspose', w)]
  const input = spatialShape('convTranspose', x.shape, w.rank - 2)
  const { groups = 1, outputPadding, ...geometry } = checkOptions('convTranspose', options, transposedChecks)
  const g = resolveGeometry('convTranspose', input, w.shape.slice(2), geometry)
  const extra = perAxis('convTranspose', 'outputPadding', outputPadding, input.length, 0, 0)
  const full = input.map(
    (n, i) => (n - 1) * (g.stride[i] as number) + reach(g.kernel[i] as number, g.dilation[i] as number),
  )
  const output = full.map((n, i) => n - (g.low[i] as number) - (g.high[i] as number) + (extra[i] as number))
  if (!output.every((n) => n > 0)) {
    throw new ShapeError(
      `convTranspose: padding cuts ${showShape(full)} down to ${showShape(output)}, where every extent must be at least 1; pad less`,
    )
  }
  // Additional elements first restore those cut at the end; elements beyond the reach of the kernel are 0.
  const high = g.high.map((n, i) => Math.max(0, n - (extra[i] as number)))
  const beyond = g.high.map((n, i) => Math.max(0, (extra[i] as number) - n))
  const spatial = output.map((n, i) => n - (beyond[i] as number))
  const result = own(native.convInputGrad(xId, wId, g.stride, g.low, high, g.dilation, groups, spatial))
  if (beyond.every((n) => n === 0)) return result
  return pad(result, [[0, 0], [0, 0], ...beyond.map((n): [number, number] => [0, n])])
}

/** Options of {@link unfold}. */
export interface UnfoldOptions extends GeometryOptions {
  /** Extents of the windows. */
  kernelSize: PerAxis
}

const unfoldChecks: Checks<UnfoldOptions> = { ...geometryChecks, kernelSize: required(elsewhere<PerAxis>()) }

/**
 * Every window as a column: (N, C, ...spatial) -> (N, C * prod(kernel), L), L the number of windows, row-major over the output extents.
 * Columns are ordered by channel first, like a flattened convolution kernel.
 */
export function unfold(x: Tensor, options: UnfoldOptions): Tensor {
  idOf('unfold', x)
  const input = spatialShape('unfold', x.shape)
  const given = checkOptions('unfold', options, unfoldChecks)
  const g = resolveGeometry('unfold', input, given.kernelSize, given)
  checkFits('unfold', input, g)
  const padded = pad(x, [
    [0, 0],
    [0, 0],
    ...g.low.map((low, i): [number, number] => [low, g.high[i] as number]),
  ])
  const extents = padded.shape.slice(2)
  const taps = offsets(g.kernel, extents, g.dilation)
  const starts = offsets(outputExtents(input, g), extents, g.stride)
  const index = new Int32Array(taps.length * starts.length)
  for (const [i, tap] of taps.entries()) {
    for (const [j, start] of starts.entries()) index[i * starts.length + j] = tap + start
  }
  const [n, c] = x.shape as [number, number]
  const flat = own(native.reshape(padded.id, [n, c, sizeOf(extents)]))
  const columns = own(native.take(flat.id, own(native.source(index, 2, [index.length])).id, 2))
  return own(native.reshape(columns.id, [n, c * taps.length, starts.length]))
}

/** Flat positions, within `extents`, of a grid of `counts` points `steps` apart, row-major. */
function offsets(counts: readonly number[], extents: readonly number[], steps: readonly number[]): number[] {
  let found = [0]
  for (const [axis, count] of counts.entries()) {
    const extent = extents[axis] as number
    const step = steps[axis] as number
    found = found.flatMap((base) => Array.from({ length: count }, (_, i) => base * extent + i * step))
  }
  return found
}
