import { ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ActivatedLayer, type ActivatedOptions, activatedChecks } from './activated.js'
import { checkInputs } from './arguments.js'
import { layerOf } from './chain.js'
import type { Layer } from './layer.js'

/** Options of {@link Residual}. */
export interface ResidualLayerOptions extends ActivatedOptions {
  /** Layer of the shortcut, such as a 1 x 1 convolution that changes the channels; default the identity. */
  shortcut?: Layer | readonly Layer[]
}

const checks: Checks<ResidualLayerOptions> = { ...activatedChecks, shortcut: elsewhere() }

/**
 * A residual block (He et al. 2016), `y = activation(branch(x) + shortcut(x))`: `[batch, ...shape]` to the common output shape of branch and
 * shortcut. The weights are `branch.*` and `shortcut.*`.
 *
 *     new Residual([new Dense(16, { activation: 'relu' }), new Dense(16)], { activation: 'relu' })
 */
export class Residual extends ActivatedLayer {
  readonly branch: Layer
  readonly shortcut: Layer | undefined
  readonly #options: ResidualLayerOptions

  /** @param branch a layer, or a list of layers */
  constructor(branch: Layer | readonly Layer[], options: ResidualLayerOptions = {}) {
    const given = checkOptions('Residual', options, checks)
    super('residual', given)
    const inner = layerOf('Residual: branch', branch)
    const beside = given.shortcut === undefined ? undefined : layerOf('Residual: shortcut', given.shortcut)
    this.branch = this.child('branch', inner)
    this.shortcut = beside && this.child('shortcut', beside)
    const { shortcut: _, ...rest } = given
    this.#options = this.shortcut === undefined ? rest : { ...rest, shortcut: this.shortcut }
  }

  build(inputShape: Shape): Shape {
    const branch = this.branch.declare(inputShape)
    const beside = this.shortcut?.declare(inputShape) ?? inputShape
    if (String(branch) === String(beside)) return branch
    throw new ShapeError(
      `${this.name}: the branch returns [${branch}] and the shortcut [${beside}]; they are added, so give a shortcut that maps [${inputShape}] to [${branch}]`,
    )
  }

  preActivation(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    const beside = this.shortcut === undefined ? x : this.runChild(this.shortcut, weights, x, ctx)
    return this.runChild(this.branch, weights, x, ctx).add(beside)
  }

  protected override settings() {
    return [this.branch, this.#options]
  }
}
