/** The blocks of densely connected networks (Huang et al. 2017). */
import { type Checks, checkOptions, flag, whole } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { concat } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs, wholeNumber } from './arguments.js'
import { BatchNorm2d } from './batch-norm.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Conv2d } from './conv.js'
import { Layer } from './layer.js'
import { checkSpatialInput } from './windows.js'

/** Options of {@link DenseBlock}. */
export interface DenseBlockOptions extends NameOptions {
  /** Channels that each convolution adds. Default 32. */
  growth?: number
  /** Number of convolutions. Default 5. */
  layers?: number
  /**
   * The published rule: the input of every convolution is the input of the block and all outputs before it, normalized and rectified first,
   * without a bias; the output begins with the input. Default false: one normalization first, rectified outputs with a bias, and only the first
   * convolution reads the input, as in PyGlow.
   */
  includeInput?: boolean
}

const checks: Checks<DenseBlockOptions> = {
  ...nameChecks,
  growth: whole(1),
  layers: whole(1),
  includeInput: flag,
}

/**
 * Convolutions of 3 x 3, each of which reads the outputs of all convolutions before it: `[batch, channels, height, width]` to
 * `[batch, layers * growth, height, width]`, with the input's channels first if the input is included. The weights are `norm.*` (`norm0.*`, ...
 * with the input), `conv0.*` and so on.
 */
export class DenseBlock extends Layer {
  readonly growth: number
  readonly includeInput: boolean
  readonly #norms: readonly BatchNorm2d[]
  readonly #convs: readonly Conv2d[]
  readonly #options: DenseBlockOptions

  constructor(options: DenseBlockOptions = {}) {
    const given = checkOptions('DenseBlock', options, checks)
    super({ kind: 'dense_block', name: given.name })
    const { growth = 32, layers = 5, includeInput = false } = given
    this.growth = growth
    this.includeInput = includeInput
    this.#options = given
    const norms: BatchNorm2d[] = includeInput ? [] : [this.child('norm', new BatchNorm2d())]
    this.#convs = Array.from({ length: layers }, (_, i) => {
      if (includeInput) norms.push(this.child(`norm${i}`, new BatchNorm2d()))
      return this.child(`conv${i}`, new Conv2d(growth, 3, { padding: 1, useBias: !includeInput }))
    })
    this.#norms = norms
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, 2)
    const [channels, ...extents] = inputShape as [number, number, number]
    const layers = this.#convs.length
    if (!this.includeInput) this.#norms[0]?.declare(inputShape)
    for (const [i, conv] of this.#convs.entries()) {
      const seen = this.includeInput ? channels + i * this.growth : i === 0 ? channels : i * this.growth
      if (this.includeInput) this.#norms[i]?.declare([seen, ...extents])
      conv.declare([seen, ...extents])
    }
    return [(this.includeInput ? channels : 0) + layers * this.growth, ...extents]
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    const run = (layer: Layer<object>, h: Tensor) => this.runChild(layer, weights, h, ctx)
    if (this.includeInput) {
      return this.#convs.reduce(
        (h, conv, i) => concat([h, run(conv, run(this.#norms[i] as BatchNorm2d, h).relu())], 1),
        x,
      )
    }
    const outputs: Tensor[] = []
    for (const conv of this.#convs) {
      const seen = outputs.length === 0 ? run(this.#norms[0] as BatchNorm2d, x) : concat(outputs, 1)
      outputs.push(run(conv, seen).relu())
    }
    return concat(outputs, 1)
  }

  protected override settings() {
    return [this.#options]
  }
}

/**
 * The transition between two {@link DenseBlock}s: a convolution of 1 x 1 without bias, a rectifier, batch normalization, and means over 2 x 2
 * pixels. `[batch, channels, height, width]` to `[batch, filters, height / 2, width / 2]`; the last pixel of an odd extent is left out. The
 * weights are `conv.kernel` and `norm.*`.
 */
export class TransitionLayer extends Layer {
  /** Number of output channels. */
  readonly filters: number
  readonly #conv: Conv2d
  readonly #norm: BatchNorm2d

  constructor(filters: number, options: NameOptions = {}) {
    const { name } = checkOptions('TransitionLayer', options, nameChecks)
    super({ kind: 'transition_layer', name })
    this.filters = wholeNumber('TransitionLayer: filters', filters)
    this.#conv = this.child('conv', new Conv2d(filters, 1, { activation: 'relu', useBias: false }))
    this.#norm = this.child('norm', new BatchNorm2d())
  }

  build(inputShape: Shape): Shape {
    checkSpatialInput(this.name, inputShape, 2)
    const [filters, ...extents] = this.#norm.declare(this.#conv.declare(inputShape)) as [
      number,
      number,
      number,
    ]
    return [filters, ...extents.map((extent) => Math.floor(extent / 2))]
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    const y = this.runChild(this.#norm, weights, this.runChild(this.#conv, weights, x, ctx), ctx)
    return y.avgPool({ kernelSize: 2, stride: 2 })
  }

  protected override settings() {
    return [this.filters, this.naming()]
  }
}
