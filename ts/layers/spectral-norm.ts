import { sizeOf } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { above, type Checks, checkOptions, isInstance, whole } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import type { Context } from '../nn/context.js'
import type { Initializer } from '../nn/initializers.js'
import type { Weights } from '../nn/module.js'
import { normalize } from '../ops/index.js'
import { normal } from '../ops/random.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkContext, checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Options of {@link spectralNorm}. */
export interface PowerIterationOptions {
  /** Steps of power iteration; 0 leaves u and v unchanged. Default 1. */
  iterations?: number
  /** Lower bound of the norm in a division. Default 1e-12. */
  eps?: number
}

const iterationChecks: Checks<PowerIterationOptions> = { iterations: whole(0), eps: above(0) }

/** Result of {@link spectralNorm}. */
export interface SpectralNormalized {
  /** The kernel divided by sigma. */
  readonly kernel: Tensor
  /** Estimate of the largest singular value: a scalar, or `[batch]`. */
  readonly sigma: Tensor
  /** The vectors after the iteration, without gradient. */
  readonly u: Tensor
  readonly v: Tensor
}

/**
 * A kernel divided by an estimate of its largest singular value (Miyato et al. 2018), `u' W v`, W the kernel as a matrix with a row for each
 * index of the first axis. The gradient treats u and v as constants.
 *
 * @param kernel `[rows, ...]`, or `[batch, rows, ...]`, for which u and v are unchanged
 * @param u `[rows]`; @param v `[entries of a row]`
 * @throws ShapeError if the shapes do not agree
 */
export function spectralNorm(
  kernel: Tensor,
  u: Tensor,
  v: Tensor,
  options: PowerIterationOptions = {},
): SpectralNormalized {
  const { iterations = 1, eps = 1e-12 } = checkOptions('spectralNorm', options, iterationChecks)
  for (const [name, x] of Object.entries({ kernel, u, v })) idOf(`spectralNorm: ${name}`, x)
  const [rows, width] = [u.size, v.size]
  const size = kernel.size / (rows * width)
  if (
    u.rank !== 1 ||
    v.rank !== 1 ||
    (kernel.shape[0] !== rows && kernel.shape[1] !== rows) ||
    size % 1 !== 0
  ) {
    throw new ShapeError(
      `spectralNorm: a kernel [${kernel.shape}] has no vectors u [${u.shape}] and v [${v.shape}]; expected one entry of u for each row, one of v for each entry of a row`,
    )
  }
  const matrix = kernel.reshape(size === 1 ? [rows, width] : [size, rows, width])
  const constant = matrix.stopGradient()
  let [left, right] = [u.stopGradient(), v.stopGradient()]
  if (size === 1) {
    for (let step = 0; step < iterations; step++) {
      right = normalize(left.expandDims(0).matmul(constant).squeeze(0), 0, { eps })
      left = normalize(constant.matmul(right.expandDims(1)).squeeze(1), 0, { eps })
    }
  }
  const sigma = matrix.matmul(right.expandDims(1)).squeeze(-1).mul(left).sum(-1)
  const divisor = size === 1 ? sigma : sigma.reshape([size, ...kernel.shape.slice(1).map(() => 1)])
  return { kernel: kernel.div(divisor), sigma, u: left, v: right }
}

/** Options of {@link SpectralNorm}. */
export interface SpectralNormOptions extends PowerIterationOptions, NameOptions {}

const checks: Checks<SpectralNormOptions> = { ...iterationChecks, ...nameChecks }

/** A random vector of length 1. */
const direction: Initializer = (key, shape, _fanIn, _fanOut, dtype) =>
  normalize(normal(key, shape, { dtype }), 0)

/**
 * A layer whose kernel is divided by its largest singular value (Miyato et al. 2018), so that the layer's Lipschitz constant is
 * 1 up to the estimate's error. Every training batch improves the estimate by a step of power iteration; its vectors are the state. The
 * weights are `layer.*`. A frozen layer keeps its vectors.
 *
 *     new SpectralNorm(new Dense(64))
 */
export class SpectralNorm extends Layer {
  readonly layer: Layer
  readonly #options: SpectralNormOptions

  /** @param layer a layer with its own `kernel`, whose first axis is the outputs */
  constructor(layer: Layer, options: SpectralNormOptions = {}) {
    const given = checkOptions('SpectralNorm', options, checks)
    super({ kind: 'spectral_norm', name: given.name })
    if (!isInstance(layer, Layer)) {
      throw new ArgumentError(`SpectralNorm: given ${describe(layer)}, expected a layer such as new Dense(8)`)
    }
    this.layer = this.child('layer', layer)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    const outputShape = this.layer.declare(inputShape)
    const { kernel } = this.layer.paramShapes
    if (kernel === undefined) {
      throw new ArgumentError(
        `${this.name}: the layer '${this.layer.name}' has no kernel; give a layer with a kernel, such as Dense or Conv2d`,
      )
    }
    const [rows, ...row] = kernel as [number, ...number[]]
    this.stateVar('u', [rows], direction)
    this.stateVar('v', [sizeOf(row)], direction)
    return outputShape
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x, ['layer.kernel'])
    checkContext(this.name, ctx)
    const { u, v } = ctx.state
    if (u === undefined || v === undefined) {
      throw new ArgumentError(
        `${this.name}: the state needs u and v, given are ${Object.keys(ctx.state).join(', ') || 'none'}`,
      )
    }
    const { iterations = 1, eps = 1e-12 } = this.#options
    const steps = this.learns(ctx) ? iterations : 0
    const normalized = spectralNorm(weights['layer.kernel'] as Tensor, u, v, { iterations: steps, eps })
    if (steps > 0) {
      ctx.update('u', normalized.u)
      ctx.update('v', normalized.v)
    }
    return this.within(this.layer, weights, ctx, (own, inner) =>
      this.layer.apply({ ...own, kernel: normalized.kernel }, x, inner),
    )
  }

  protected override settings() {
    return [this.layer, this.#options]
  }
}
