import { literal } from '../core/create.js'
import { ArgumentError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, isList, oneOf } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs, perAxis, wholeNumber } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Options of {@link Upsample}. */
export interface UpsampleOptions extends NameOptions {
  /** Factor of all extents, or one factor per spatial axis. Default 2 without `size`. */
  scale?: number | readonly number[]
  /** Extents of the output, or one extent for all spatial axes, instead of `scale`. */
  size?: number | readonly number[]
  /** The nearest value, or linear interpolation: bilinear on two axes, trilinear on three. Default 'nearest'. */
  mode?: 'nearest' | 'linear'
}

const checks: Checks<UpsampleOptions> = {
  ...nameChecks,
  scale: elsewhere(),
  size: elsewhere(),
  mode: oneOf('nearest', 'linear'),
}

/**
 * A larger (or smaller) image by interpolation: `[batch, channels, ...extents]`, with any number of spatial axes, to
 * `[batch, channels, ...extents * scale]`.
 *
 * The conventions are PyTorch's with `align_corners: false`: nearest takes the value at `floor(i in / out)`, linear interpolates at
 * `max(0, (i + 1/2) in / out - 1/2)`, and repeats the edge value outside. A smaller image is not smoothed first.
 */
export class Upsample extends Layer {
  readonly mode: 'nearest' | 'linear'
  readonly #options: UpsampleOptions

  constructor(options: UpsampleOptions = {}) {
    const given = checkOptions('Upsample', options, checks)
    super({ kind: 'upsample', name: given.name })
    this.mode = given.mode ?? 'nearest'
    if (given.scale !== undefined && given.size !== undefined) {
      throw new ArgumentError('Upsample: given scale and size, expected one of them')
    }
    const what = given.size === undefined ? 'scale' : 'size'
    const value = given.size ?? given.scale ?? 2
    if (isList(value)) perAxis(`Upsample: ${what}`, value, (value as readonly number[]).length, 1)
    else wholeNumber(`Upsample: ${what}`, value as number)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    return [inputShape[0] as number, ...this.#extents(inputShape)]
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    const extents = this.#extents(x.shape.slice(1))
    const along = this.mode === 'nearest' ? nearest : linear
    return extents.reduce((y, extent, at) => (y.shape[at + 2] === extent ? y : along(y, at + 2, extent)), x)
  }

  protected override settings() {
    return [this.#options]
  }

  #extents(inputShape: Shape): number[] {
    const spatial = inputShape.slice(1)
    if (spatial.length === 0) {
      throw new ShapeError(`${this.name}: expected an input [channels, ...extents], received [${inputShape}]`)
    }
    const { size, scale = 2 } = this.#options
    if (size !== undefined) return [...perAxis(`${this.name}: size`, size, spatial.length, 1)]
    const factors = perAxis(`${this.name}: scale`, scale, spatial.length, 1)
    return spatial.map((extent, axis) => extent * (factors[axis] as number))
  }
}

function nearest(x: Tensor, axis: number, extent: number): Tensor {
  const from = x.shape[axis] as number
  return x.take(
    Int32Array.from({ length: extent }, (_, i) => Math.floor((i * from) / extent)),
    axis,
  )
}

function linear(x: Tensor, axis: number, extent: number): Tensor {
  const from = x.shape[axis] as number
  const places = Array.from({ length: extent }, (_, i) => Math.max(0, ((i + 0.5) * from) / extent - 0.5))
  const low = Int32Array.from(places, Math.floor)
  const high = low.map((place) => Math.min(place + 1, from - 1))
  const column = [extent, ...new Array<number>(x.rank - axis - 1).fill(1)]
  const shares = Float64Array.from(places, (place) => place - Math.floor(place))
  const share = literal(shares, column).cast(x.dtype)
  const before = x.take(low, axis)
  return before.add(x.take(high, axis).sub(before).mul(share))
}
