/** Padding. */
import { type Shape, showShape } from '../core/dtype.js'
import { ArgumentError, describe, describeList, ShapeError } from '../core/errors.js'
import { native } from '../core/native.js'
import { type Check, type Checks, checkOptions, isList, oneOf } from '../core/options.js'
import { constant, isScalar, type Scalar } from '../core/scalars.js'
import { idOf, Tensor } from '../core/tensor.js'
import { where } from './elementwise.js'
import { slice } from './movement.js'
import { alias } from './operands.js'

const own = Tensor.own

/** Fill of {@link pad}: a value, reflection without repeating the edge, or the edge itself. */
export type PadMode = 'constant' | 'reflect' | 'replicate'

/** Options of {@link pad}. */
export interface PadOptions {
  /** Kind of fill; default `'constant'`. */
  mode?: PadMode
  /** The fill value for `'constant'`, in x's dtype; default 0. */
  value?: Scalar
}

const anyScalar: Check<Scalar> = { expected: 'a number or a bigint', accepts: isScalar }
const padChecks: Checks<PadOptions> = { mode: oneOf('constant', 'reflect', 'replicate'), value: anyScalar }

/**
 * Elements before and after, per axis; negative widths crop.
 *
 *     x.pad([[0, 0], [1, 2]])    // a column of zeros to the left of (n, m), two to the right
 *
 * @param widths `[before, after]` per axis
 * @throws {ShapeError} unless there is one pair per axis, and for a reflection wider than the axis
 * @throws {DTypeError} for a value that x's dtype cannot hold
 */
export function pad(
  x: Tensor,
  widths: readonly (readonly [number, number])[],
  options: PadOptions = {},
): Tensor {
  const { mode = 'constant', value = 0 } = checkOptions('pad', options, padChecks)
  idOf('pad', x)
  const { shape } = x
  const filler = constant('pad', value, x.dtype, [])
  if (!isList(widths) || widths.length !== shape.length) {
    throw new ShapeError(
      `pad: ${isList(widths) ? widths.length : describe(widths)} pairs of widths for a tensor ${showShape(shape)}; give one pair per axis`,
    )
  }
  for (const [axis, pair] of widths.entries()) {
    if (
      !isList(pair) ||
      pair.length !== 2 ||
      !Array.from(pair).every(Number.isSafeInteger) ||
      pair[0] + pair[1] + (shape[axis] as number) < 0
    ) {
      throw new ArgumentError(
        `pad: widths ${isList(pair) ? describeList(pair) : describe(pair)} on axis ${axis} of ${showShape(shape)}, expected two integers that leave an extent of 0 or more`,
      )
    }
  }
  const cut = crop(x, widths)
  const low = widths.map(([before]) => Math.max(0, before))
  const high = widths.map(([, after]) => Math.max(0, after))
  if (mode !== 'constant') return gatherEdges(cut, mode, low, high)
  const none = shape.map(() => 0)
  const padded = own(native.pad(idOf('pad', cut), low, high, none))
  if (value === 0) return padded
  const inside = own(native.pad(own(native.constant(1, 5, [...cut.shape])).id, low, high, none))
  return where(inside, padded, filler)
}

function crop(x: Tensor, widths: readonly (readonly [number, number])[]): Tensor {
  if (widths.every(([before, after]) => before >= 0 && after >= 0)) return x
  return slice(
    x,
    widths.map(([before]) => Math.max(0, -before)),
    widths.map(([, after], axis) => (x.shape[axis] as number) + Math.min(0, after)),
  )
}

/** Source index of each element of a padded axis of `n` elements. */
function sources(n: number, low: number, high: number, mode: 'reflect' | 'replicate'): Int32Array {
  return Int32Array.from({ length: low + n + high }, (_, i) => {
    const at = i - low
    if (mode === 'replicate') return Math.min(n - 1, Math.max(0, at))
    return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at
  })
}

function gatherEdges(x: Tensor, mode: 'reflect' | 'replicate', low: number[], high: number[]): Tensor {
  const shape: Shape = x.shape
  let padded = alias(x)
  for (const [axis, n] of shape.entries()) {
    const [before, after] = [low[axis] as number, high[axis] as number]
    if (before === 0 && after === 0) continue
    const most = mode === 'reflect' ? n - 1 : n === 0 ? 0 : Number.POSITIVE_INFINITY
    if (before > most || after > most) {
      throw new ShapeError(
        `pad: widths [${before}, ${after}] on axis ${axis} of ${showShape(shape)}; mode '${mode}' reaches at most ${most}`,
      )
    }
    const index = sources(n, before, after, mode)
    padded = own(native.take(padded.id, own(native.source(index, 2, [index.length])).id, axis))
  }
  return padded
}
