import { ShapeError } from '../core/errors.js'
import { tensorOnly } from '../core/operands.js'
import { between, type Checks, checkOptions, flag, required, whole } from '../core/options.js'
import { type Context, evalContext } from '../nn/context.js'
import type { Initializer, InitializerName } from '../nn/initializers.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkContext, checkInputs, wholeNumber } from './arguments.js'
import { type Attention, scaledDotProductAttention } from './attention.js'
import { initializer, type NameOptions, nameChecks } from './checks.js'
import { dropped } from './dropout.js'
import { Layer } from './layer.js'

/** Options of {@link MultiHeadAttention}. */
export interface MultiHeadAttentionOptions extends NameOptions {
  /** Query t attends only to keys up to t. Default false. */
  causal?: boolean
  /** Features of queries and keys in each head. Default features / heads. */
  keyUnits?: number
  /** Features of values in each head. Default keyUnits. */
  valueUnits?: number
  /** Features of the output. Default: the features of the input. */
  units?: number
  /** Features of the given keys. Default: the features of the input. */
  keyFeatures?: number
  /** Features of the given values. Default keyFeatures. */
  valueFeatures?: number
  /** Probability of dropping an attention weight in training, in [0, 1). Default 0. */
  dropout?: number
  /** Default true. */
  useBias?: boolean
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerName | Initializer
  /** Default 'zeros'. */
  biasInitializer?: InitializerName | Initializer
}

const checks: Checks<MultiHeadAttentionOptions> = {
  ...nameChecks,
  causal: flag,
  keyUnits: whole(1),
  valueUnits: whole(1),
  units: whole(1),
  keyFeatures: whole(1),
  valueFeatures: whole(1),
  dropout: between(0, 1, 'high'),
  useBias: flag,
  kernelInitializer: initializer,
  biasInitializer: initializer,
}

/**
 * `queryKernel` and `keyKernel` (heads * keyUnits, features), `valueKernel` (heads * valueUnits, features), `outputKernel` (units,
 * heads * valueUnits), and a bias to each, `queryBias` and so on. The rows of a head are adjacent. With a leading batch axis, every sample
 * has its own weights.
 */
export type MultiHeadAttentionWeights = {
  queryKernel: Tensor
  keyKernel: Tensor
  valueKernel: Tensor
  outputKernel: Tensor
  queryBias?: Tensor
  keyBias?: Tensor
  valueBias?: Tensor
  outputBias?: Tensor
}

/** Arguments of {@link MultiHeadAttention.attend}. */
export interface AttentionInputs {
  /** `[batch, queries, features]`. */
  query: Tensor
  /** `[batch, keys, keyFeatures]`. Default the query: self-attention. */
  key?: Tensor
  /** `[batch, keys, valueFeatures]`. Default the key. */
  value?: Tensor
  /** Bool, true where a query may attend to a key: `[queries, keys]`, or with leading axes for batch and heads. */
  mask?: Tensor
  /** Numbers added to the scores: `[queries, keys]`, or with leading axes for batch and heads. */
  bias?: Tensor
  /** Bool `[batch, keys]`: true for keys, false for padding, to which no query attends. */
  keyMask?: Tensor
}

const inputChecks: Checks<AttentionInputs> = {
  query: required(tensorOnly),
  key: tensorOnly,
  value: tensorOnly,
  mask: tensorOnly,
  bias: tensorOnly,
  keyMask: tensorOnly,
}

type Part = 'query' | 'key' | 'value' | 'output'

/**
 * Multi-head attention (Vaswani et al. 2017). As a layer it is self-attention, `[batch, time, features]` to `[batch, time, units]`; `attend`
 * takes queries, keys, values and masks, and returns the attention weights too.
 *
 *     new MultiHeadAttention(4, { causal: true })
 */
export class MultiHeadAttention extends Layer<MultiHeadAttentionWeights> {
  readonly heads: number
  readonly #options: MultiHeadAttentionOptions

  constructor(heads: number, options: MultiHeadAttentionOptions = {}) {
    const given = checkOptions('MultiHeadAttention', options, checks)
    super({ kind: 'multi_head_attention', name: given.name })
    this.heads = wholeNumber('MultiHeadAttention: heads', heads)
    this.#options = given
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length !== 2) {
      throw new ShapeError(`${this.name}: expected an input [time, features], received [${inputShape}]`)
    }
    const [time, features] = inputShape as [number, number]
    const { heads } = this
    const options = this.#options
    const { keyUnits = features / heads, keyFeatures = features, units = features } = options
    if (!Number.isInteger(keyUnits)) {
      throw new ShapeError(
        `${this.name}: ${features} features cannot be split into ${heads} heads; input shape [${inputShape}]; give keyUnits`,
      )
    }
    const { valueUnits = keyUnits, valueFeatures = keyFeatures } = options
    this.#projection('query', heads * keyUnits, features)
    this.#projection('key', heads * keyUnits, keyFeatures)
    this.#projection('value', heads * valueUnits, valueFeatures)
    this.#projection('output', units, heads * valueUnits)
    return [time, units]
  }

  apply(weights: MultiHeadAttentionWeights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x, ['queryKernel'])
    return this.attend(weights, { query: x }, ctx).output
  }

  /**
   * Attention of queries to keys.
   *
   * @returns `output` `[batch, queries, units]`, and `attention` `[batch, heads, queries, keys]`, before dropout
   */
  attend(
    weights: MultiHeadAttentionWeights,
    inputs: AttentionInputs,
    ctx: Context = evalContext(),
  ): Attention {
    const given = checkOptions(`${this.name}: attend`, inputs, inputChecks)
    const { query, key = query, value = key, bias } = given
    checkInputs(this.name, weights, query, ['queryKernel', 'keyKernel', 'valueKernel', 'outputKernel'])
    checkContext(this.name, ctx)
    const q = this.#split(this.#project(weights, 'query', query))
    const k = this.#split(this.#project(weights, 'key', key))
    const v = this.#split(this.#project(weights, 'value', value))
    const { causal = false, dropout = 0 } = this.#options
    const mask = this.#maskOf(given)
    const { output, attention } = scaledDotProductAttention(q, k, v, {
      causal,
      ...(mask === undefined ? {} : { mask }),
      ...(bias === undefined ? {} : { bias }),
    })
    const kept = dropped(this.name, attention, dropout, ctx, attention.shape)
    const heads = (kept === attention ? output : kept.matmul(v)).permute([0, 2, 1, 3])
    const [batch, queries] = heads.shape as [number, number]
    return { output: this.#project(weights, 'output', heads.reshape([batch, queries, -1])), attention }
  }

  protected override settings() {
    return [this.heads, this.#options]
  }

  #projection(part: Part, rows: number, features: number): void {
    const { useBias = true, kernelInitializer = 'glorotUniform', biasInitializer = 'zeros' } = this.#options
    this.param(`${part}Kernel`, [rows, features], kernelInitializer)
    if (useBias) this.param(`${part}Bias`, [rows], biasInitializer, { fanIn: features, fanOut: rows })
  }

  /** `[batch, length, features]` to `[batch, length, rows of the kernel]`. */
  #project(weights: MultiHeadAttentionWeights, part: Part, x: Tensor): Tensor {
    const kernel = weights[`${part}Kernel`]
    const bias = weights[`${part}Bias`]
    const features = kernel.shape.at(-1)
    if (x.rank !== 3 || x.shape[2] !== features) {
      throw new ShapeError(
        `${this.name}: expected a ${part} [batch, length, ${features}], received [${x.shape}]`,
      )
    }
    const product = x.matmulT(kernel, { transposeB: true })
    if (bias === undefined) return product
    return product.add(bias.rank === 1 ? bias : bias.expandDims(1))
  }

  /** `[batch, length, heads * units]` to `[batch, heads, length, units]`. */
  #split(x: Tensor): Tensor {
    const [batch, length, rows] = x.shape as [number, number, number]
    if (rows % this.heads !== 0) {
      throw new ShapeError(`${this.name}: ${rows} rows of a kernel cannot be split into ${this.heads} heads`)
    }
    return x.reshape([batch, length, this.heads, rows / this.heads]).permute([0, 2, 1, 3])
  }

  #maskOf({ mask, keyMask }: AttentionInputs): Tensor | undefined {
    if (keyMask === undefined) return mask
    if (keyMask.rank !== 2) {
      throw new ShapeError(`${this.name}: expected a keyMask [batch, keys], received [${keyMask.shape}]`)
    }
    const present = keyMask.reshape([keyMask.shape[0] as number, 1, 1, keyMask.shape[1] as number])
    return mask === undefined ? present : mask.logicalAnd(present)
  }
}
