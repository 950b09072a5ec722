import { ArgumentError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, finite, isList, oneOf } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import { type PadMode, pad } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs, perAxis, wholeNumber } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Options of {@link Pad}. */
export interface PadLayerOptions extends NameOptions {
  /** A constant, the image mirrored without repeating its edge, or the edge value. Default 'constant'. */
  mode?: PadMode
  /** The constant. Default 0. */
  value?: number
}

const checks: Checks<PadLayerOptions> = {
  ...nameChecks,
  mode: oneOf('constant', 'reflect', 'replicate'),
  value: finite,
}

/** Widths of a {@link Pad}: one for all sides, one per spatial axis, or `[before, after]` per spatial axis. */
export type PadWidths = number | readonly number[] | readonly (readonly [number, number])[]

/**
 * Padding of the spatial axes: `[batch, channels, ...extents]` to `[batch, channels, ...extents + before + after]`.
 *
 *     new Pad(1)                                     // zeros on all sides
 *     new Pad([[0, 0], [2, 1]], { mode: 'reflect' }) // two columns to the left, one to the right
 */
export class Pad extends Layer {
  readonly #widths: PadWidths
  readonly #options: PadLayerOptions

  constructor(widths: PadWidths, options: PadLayerOptions = {}) {
    const given = checkOptions('Pad', options, checks)
    super({ kind: 'pad', name: given.name })
    if (isList(widths)) pairsOf('Pad', widths, (widths as readonly unknown[]).length)
    else wholeNumber('Pad: widths', widths as number, 0)
    this.#widths = widths
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    const [channels, ...spatial] = inputShape as [number, ...number[]]
    if (spatial.length === 0) {
      throw new ShapeError(`${this.name}: expected an input [channels, ...extents], received [${inputShape}]`)
    }
    const pairs = pairsOf(this.name, this.#widths, spatial.length)
    if (this.#options.mode === 'reflect') {
      const axis = pairs.findIndex((pair, i) => Math.max(...pair) >= (spatial[i] as number))
      if (axis >= 0) {
        throw new ShapeError(
          `${this.name}: widths [${pairs[axis]}] on spatial axis ${axis} of [${inputShape}]; a reflection reaches at most ${(spatial[axis] as number) - 1}`,
        )
      }
    }
    return [channels, ...spatial.map((extent, i) => extent + (pairs[i]?.[0] ?? 0) + (pairs[i]?.[1] ?? 0))]
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    const { mode = 'constant', value = 0 } = this.#options
    const pairs = pairsOf(this.name, this.#widths, x.rank - 2)
    return pad(x, [[0, 0], [0, 0], ...pairs], { mode, value })
  }

  protected override settings() {
    return [this.#widths, this.#options]
  }
}

/** `[before, after]` for each spatial axis. */
function pairsOf(what: string, widths: PadWidths, axes: number): [number, number][] {
  if (!isList(widths) || !(widths as readonly unknown[]).some(isList)) {
    return perAxis(`${what}: widths`, widths as number | readonly number[], axes, 0).map((n) => [n, n])
  }
  const pairs = widths as readonly (readonly [number, number])[]
  if (pairs.length !== axes || !Array.from(pairs).every(isList)) {
    throw new ArgumentError(
      `${what}: widths need a pair [before, after] for each of ${axes} spatial axes, received ${pairs.length} entries`,
    )
  }
  return pairs.map((pair) => perAxis(`${what}: pair of widths`, pair, 2, 0) as [number, number])
}
