/** Quantization of values to a few levels, so that activations can be counted. */
import { floats, under } from '../core/composed.js'
import { type Check, type Checks, checkOptions, finite, isList, oneOf, whole } from '../core/options.js'
import { idOf, type Tensor } from '../core/tensor.js'
import * as e from './elementwise.js'
import type { TensorLike } from './operands.js'
import { max, min } from './reduce.js'

/** Options of {@link quantize} and {@link quantizationCodes}. */
export interface QuantizeOptions {
  /** Number of levels. Default 2. */
  levels?: number
  /** The lowest and the highest level, or 'data' for the range of x. Values outside are clamped. Default 'data'. */
  range?: 'data' | readonly [number, number]
  /**
   * - `floor` (default): bins of equal width, each represented by its center.
   * - `round`: the nearest of equally spaced values low, ..., high; the outermost bins are half as wide.
   */
  rule?: 'floor' | 'round'
}

const range: Check<'data' | readonly [number, number]> = {
  expected: "'data', or two finite numbers, the smaller first",
  accepts: (value) => {
    if (value === 'data') return true
    if (!isList(value)) return false
    const [low, high, ...more] = value as unknown[]
    return (
      more.length === 0 && finite.accepts(low) && finite.accepts(high) && (low as number) < (high as number)
    )
  },
}

/** The checks of {@link QuantizeOptions}. */
export const quantizeChecks: Checks<QuantizeOptions> = {
  levels: whole(2, 2 ** 20),
  range,
  rule: oneOf('floor', 'round'),
}

/** Lowest and highest value of a range, in the dtype of x; constants for the gradient. */
function endsOf(x: Tensor, given: NonNullable<QuantizeOptions['range']>): [TensorLike, TensorLike] {
  if (given !== 'data') return [given[0], given[1]]
  const fixed = e.stopGradient(x)
  return [min(fixed), max(fixed)]
}

function codesOf(
  x: Tensor,
  levels: number,
  rule: 'floor' | 'round',
  low: TensorLike,
  high: TensorLike,
): Tensor {
  const width = typeof low === 'number' && typeof high === 'number' ? high - low : e.sub(high as Tensor, low)
  const safe = typeof width === 'number' ? width : e.where(e.greater(width, 0), width, 1)
  const unit = e.div(e.sub(e.stopGradient(x), low), safe)
  const raw = rule === 'floor' ? e.floor(e.mul(unit, levels)) : e.floor(e.add(e.mul(unit, levels - 1), 0.5))
  return e.clip(raw, 0, levels - 1)
}

/**
 * The index of the level of each element, 0 .. levels - 1: with u = (x - low) / (high - low), floor(u levels) or floor(u (levels - 1) +
 * 1/2), clamped to the levels. 0 if all elements are equal and the range is 'data'. No gradient.
 *
 * @param x floats of any shape
 * @returns int32 of the shape of x
 * @throws ArgumentError for invalid options; DTypeError for integers
 */
export function quantizationCodes(x: Tensor, options: QuantizeOptions = {}): Tensor {
  const {
    levels = 2,
    range = 'data',
    rule = 'floor',
  } = checkOptions('quantizationCodes', options, quantizeChecks)
  idOf('quantizationCodes', x)
  floats('quantizationCodes', x)
  return under('quantizationCodes', () => e.cast(codesOf(x, levels, rule, ...endsOf(x, range)), 'int32'))
}

/**
 * Every element rounded to one of a few levels, so that the information in a layer can be counted exactly (Lorenzen, Igel and Nielsen
 * 2022). The gradient passes straight through within the range, and is 0 outside (Bengio, Leonard and Courville 2013; Hubara et al. 2016).
 *
 * @param x floats of any shape
 * @returns the same shape and dtype
 * @throws ArgumentError for invalid options; DTypeError for integers
 */
export function quantize(x: Tensor, options: QuantizeOptions = {}): Tensor {
  const { levels = 2, range = 'data', rule = 'floor' } = checkOptions('quantize', options, quantizeChecks)
  idOf('quantize', x)
  floats('quantize', x)
  return under('quantize', () => {
    const [low, high] = endsOf(x, range)
    const codes = codesOf(x, levels, rule, low, high)
    const width =
      typeof low === 'number' && typeof high === 'number' ? high - low : e.sub(high as Tensor, low)
    const steps =
      rule === 'floor'
        ? e.div(e.mul(e.add(codes, 0.5), width), levels)
        : e.div(e.mul(codes, width), levels - 1)
    const within = e.minimum(e.maximum(x, low), high)
    // The added term is exactly 0, so equal levels stay equal; it carries the gradient.
    return e.add(e.add(steps, low), e.sub(within, e.stopGradient(within)))
  })
}
