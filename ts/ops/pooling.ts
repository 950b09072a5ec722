/** Maxima and averages over windows of the spatial axes of (N, C, ...spatial). */
import { type DType, dtypeCode, isFloat, showShape, withRoom } from '../core/dtype.js'
import { ArgumentError } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Checks, checkOptions, elsewhere, flag, required } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { perAxis } from './axes.js'
import { cast, div } from './elementwise.js'
import { reshape } from './movement.js'
import {
  checkFits,
  type Geometry,
  outputExtents,
  type PerAxis,
  reach,
  resolveGeometry,
  spatialShape,
} from './spatial.js'

const own = Tensor.own

/** Options of pooling. */
export interface PoolingOptions {
  /** Extents of the windows. */
  kernelSize: PerAxis
  /** Step between windows; default the kernel size. */
  stride?: PerAxis
  /** Elements added around the input, which are never the maximum; default 0. */
  padding?: PerAxis
  /** Whether windows that begin in the input but reach beyond its padding count; default false. */
  ceilMode?: boolean
}

/** Options of {@link maxPool}. */
export interface MaxPoolingOptions extends PoolingOptions {
  /** Distance between the elements of a window; default 1. */
  dilation?: PerAxis
}

/** Options of {@link avgPool}. */
export interface AvgPoolingOptions extends PoolingOptions {
  /** Whether padding counts in the divisor; default true. */
  countIncludePad?: boolean
}

/** {@link resolveGeometry} checks the others: the valid values depend on the number of axes. */
const poolChecks: Checks<PoolingOptions> = {
  kernelSize: required({
    ...elsewhere<PerAxis>(),
    expected: 'a whole number of at least 1, or one per spatial axis',
  }),
  stride: elsewhere(),
  padding: elsewhere(),
  ceilMode: flag,
}
const maxChecks: Checks<MaxPoolingOptions> = { ...poolChecks, dilation: elsewhere() }
const avgChecks: Checks<AvgPoolingOptions> = { ...poolChecks, countIncludePad: flag }

interface PoolGeometry extends Geometry {
  input: number[]
  /** The requested padding at the end, without the addition of ceilMode to `high`. */
  asked: number[]
}

function poolGeometry(op: string, x: Tensor, options: MaxPoolingOptions): PoolGeometry {
  idOf(op, x)
  const input = spatialShape(op, x.shape)
  const g = resolveGeometry(op, input, options.kernelSize, options, options.kernelSize)
  for (const [i, low] of g.low.entries()) {
    const most = (g.dilation[i] as number) * ((g.kernel[i] as number) - 1)
    if (low > most || (g.high[i] as number) > most) {
      throw new ArgumentError(
        `${op}: padding ${low} on spatial axis ${i} leaves windows of ${g.kernel[i]} without any element; use at most ${most}`,
      )
    }
  }
  checkFits(op, input, g)
  const asked = [...g.high]
  if (options.ceilMode) {
    for (const [i, n] of input.entries()) g.high[i] = (g.high[i] as number) + overhang(n, g, i)
  }
  return { ...g, input, asked }
}

/** How far the last window that begins within the input (or its padding before) reaches beyond the padding. */
function overhang(n: number, g: Geometry, axis: number): number {
  const [stride, low, high] = [g.stride[axis] as number, g.low[axis] as number, g.high[axis] as number]
  const window = reach(g.kernel[axis] as number, g.dilation[axis] as number)
  let last = Math.ceil((n + low + high - window) / stride)
  if (last * stride >= n + low) last--
  return Math.max(0, last * stride + window - (n + low + high))
}

/** The maximum of each window and its flat index (int32) in the input's spatial axes. */
export function maxPoolWithIndices(
  x: Tensor,
  options: MaxPoolingOptions,
): { values: Tensor; indices: Tensor } {
  const g = poolGeometry('maxPoolWithIndices', x, checkOptions('maxPoolWithIndices', options, maxChecks))
  return {
    values: own(native.windowMax(x.id, g.stride, g.low, g.high, g.dilation, g.kernel)),
    indices: own(native.windowArgMax(x.id, g.stride, g.low, g.high, g.dilation, g.kernel)),
  }
}

/** The maximum of each window: (N, C, ...in) -> (N, C, ...out). Among equal maxima the first gets the gradient. */
export function maxPool(x: Tensor, options: MaxPoolingOptions): Tensor {
  const g = poolGeometry('maxPool', x, checkOptions('maxPool', options, maxChecks))
  return own(native.windowMax(x.id, g.stride, g.low, g.high, g.dilation, g.kernel))
}

/** Numbers of elements counted by the windows on one axis. */
function countsAlong(g: PoolGeometry, axis: number, output: number, includePad: boolean): number[] {
  const n = g.input[axis] as number
  const [from, to] = includePad ? [-(g.low[axis] as number), n + (g.asked[axis] as number)] : [0, n]
  return Array.from({ length: output }, (_, i) => {
    const start = i * (g.stride[axis] as number) - (g.low[axis] as number)
    return Math.min(to, start + (g.kernel[axis] as number)) - Math.max(from, start)
  })
}

/** The divisor of every window: a number if all are equal, otherwise (...out). */
function divisor(g: PoolGeometry, includePad: boolean, dtype: DType): Tensor | number {
  const output = outputExtents(g.input, g)
  const counts = output.map((n, axis) => countsAlong(g, axis, n, includePad))
  if (counts.every((list) => list.every((n) => n === list[0]))) {
    return counts.reduce((product, list) => product * (list[0] as number), 1)
  }
  const products = counts.reduce<number[]>((so, list) => so.flatMap((a) => list.map((b) => a * b)), [1])
  const values = dtype === 'float64' ? Float64Array.from(products) : Float32Array.from(products)
  return own(native.source(values, dtypeCode(dtype === 'float64' ? 'float64' : 'float32'), output))
}

/** The input of an average: integers and bool as float32, like their mean. */
function averaged(x: Tensor): Tensor {
  return isFloat(x.dtype) ? x : cast(x, 'float32')
}

/** The average of each window: (N, C, ...in) -> (N, C, ...out), in x's dtype; integers and bool give float32. */
export function avgPool(x: Tensor, options: AvgPoolingOptions): Tensor {
  const { countIncludePad = true, ...geometry } = checkOptions('avgPool', options, avgChecks)
  const g = poolGeometry('avgPool', x, geometry)
  const given = averaged(x)
  const total = own(native.windowSum(given.id, g.stride, g.low, g.high, g.dilation, g.kernel))
  return div(total, divisor(g, countIncludePad, given.dtype))
}

/** Row i averages the elements floor(i n / m) .. ceil((i + 1) n / m) - 1: (n, m) weights. */
function averages(n: number, m: number): Float64Array {
  const weights = withRoom(8 * n * m, () => new Float64Array(n * m))
  for (let i = 0; i < m; i++) {
    const [start, stop] = [Math.floor((i * n) / m), Math.ceil(((i + 1) * n) / m)]
    for (let j = start; j < stop; j++) weights[j * m + i] = 1 / (stop - start)
  }
  return weights
}

/**
 * Averages to a given output extent, for any input extent: cell i averages elements floor(i in / out) to ceil((i + 1) in / out). Integers
 * and bool give float32.
 *
 * @param outputSize one extent for all spatial axes, or one per axis
 */
export function adaptiveAvgPool(x: Tensor, outputSize: PerAxis): Tensor {
  idOf('adaptiveAvgPool', x)
  const input = spatialShape('adaptiveAvgPool', x.shape)
  const output = perAxis('adaptiveAvgPool', 'outputSize', outputSize, input.length, 1, 1)
  if (input.some((n) => n === 0)) {
    throw new ArgumentError(`adaptiveAvgPool: given ${showShape(x.shape)}, which has no elements to average`)
  }
  if (input.every((n, i) => n % (output[i] as number) === 0)) {
    return avgPool(x, { kernelSize: input.map((n, i) => n / (output[i] as number)) })
  }
  return output.reduce((pooled, m, i) => averageAlong(pooled, i + 2, m), averaged(x))
}

function averageAlong(x: Tensor, axis: number, m: number): Tensor {
  const n = x.shape[axis] as number
  const weights = cast(own(native.source(averages(n, m), dtypeCode('float64'), [n, m])), x.dtype)
  const last = x.rank - 1
  const order = x.shape.map((_, i) => i)
  order[axis] = last
  order[last] = axis
  const moved = own(native.permute(x.id, order))
  const rows = reshape(moved, [moved.size / n, n])
  const means = own(native.matmul(rows.id, weights.id, false, false))
  return own(native.permute(reshape(means, [...moved.shape.slice(0, -1), m]).id, order))
}
