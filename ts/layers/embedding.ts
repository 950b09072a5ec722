import { isFloat } from '../core/dtype.js'
import { ArgumentError } from '../core/errors.js'
import { type Checks, checkOptions, whole } from '../core/options.js'
import { type Initializer, type InitializerName, normal, resolveInitializer } from '../nn/initializers.js'
import { where } from '../ops/index.js'
import { arange, type Shape, type Tensor } from '../ops/tensor.js'
import { checkInputs, wholeNumber } from './arguments.js'
import { initializer, type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Options of {@link Embedding}. */
export interface EmbeddingOptions extends NameOptions {
  /** An index whose row is initially 0 and gets no gradient. Default: none. */
  paddingIndex?: number
  /** Default normal with standard deviation 1. */
  kernelInitializer?: InitializerName | Initializer
}

const checks: Checks<EmbeddingOptions> = {
  ...nameChecks,
  paddingIndex: whole(0),
  kernelInitializer: initializer,
}

/** `kernel` (rows, features). With a leading batch axis, every sample has its own table. */
export type EmbeddingWeights = { kernel: Tensor }

/**
 * A table of vectors, looked up by index: `[batch, ...shape]` of whole numbers from 0 to `rows - 1` to `[batch, ...shape, features]`.
 * Numbers of a floating dtype are truncated to whole numbers.
 *
 *     new Sequential({ inputShape: [20] }).add(new Embedding(1000, 32)) // 20 tokens to [20, 32]
 */
export class Embedding extends Layer<EmbeddingWeights> {
  /** Number of indices. */
  readonly rows: number
  /** Length of a vector. */
  readonly features: number
  readonly #options: EmbeddingOptions

  constructor(rows: number, features: number, options: EmbeddingOptions = {}) {
    const given = checkOptions('Embedding', options, checks)
    super({ kind: 'embedding', name: given.name })
    this.rows = wholeNumber('Embedding: rows', rows)
    this.features = wholeNumber('Embedding: features', features)
    if (given.paddingIndex !== undefined && given.paddingIndex >= rows) {
      throw new ArgumentError(
        `Embedding: paddingIndex ${given.paddingIndex} is not a row, expected one below ${rows}`,
      )
    }
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    const begin = resolveInitializer(this.#options.kernelInitializer ?? normal(0, 1))
    const initial: Initializer = (key, shape, fanIn, fanOut, dtype) => {
      const table = begin(key, shape, fanIn, fanOut, dtype)
      return this.#options.paddingIndex === undefined ? table : where(this.#isPadding(), 0, table)
    }
    this.param('kernel', [this.rows, this.features], initial, { fanIn: this.rows, fanOut: this.features })
    return [...inputShape, this.features]
  }

  apply(weights: EmbeddingWeights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x, ['kernel'])
    const { kernel } = weights
    const table =
      this.#options.paddingIndex === undefined
        ? kernel
        : where(this.#isPadding(), kernel.stopGradient(), kernel)
    const index = isFloat(x.dtype) ? x.cast('int32') : x
    if (kernel.rank === 2) return table.take(index)
    const batch = x.shape[0] as number
    const first = arange(batch, { dtype: 'int32' }).mul(this.rows)
    const rows = index.cast('int32').add(first.reshape([batch, ...x.shape.slice(1).map(() => 1)]))
    return table.reshape([batch * this.rows, this.features]).take(rows)
  }

  protected override settings() {
    return [this.rows, this.features, this.#options]
  }

  /** `[rows, 1]`: true at the row of the padding index. */
  #isPadding(): Tensor {
    const { paddingIndex = -1 } = this.#options
    return arange(this.rows, { dtype: 'int32' }).equal(paddingIndex).expandDims(1)
  }
}
