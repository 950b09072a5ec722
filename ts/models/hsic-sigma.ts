import { ArgumentError, describe, StateError } from '../core/errors.js'
import {
  above,
  type Check,
  type Checks,
  checkOptions,
  isList,
  isPlainObject,
  listOf,
  oneOf,
  required,
} from '../core/options.js'
import type { Estimator } from '../estimators/estimator.js'
import { BatchNorm1d, type BatchNormOptions } from '../layers/batch-norm.js'
import { HSICOutput } from '../layers/hsic-output.js'
import type { Layer } from '../layers/layer.js'
import type { Tensor } from '../ops/tensor.js'
import { stateOf } from '../train/state.js'
import type { ForwardContext, ForwardResult } from './forward.js'
import { checkCriterion, HSICNetwork } from './hsic-network.js'
import { type HSICSigmaCompileOptions, sigmaCompileChecks, sigmaPreChecks } from './hsic-options.js'
import { type NetworkOptions, networkChecks } from './network-options.js'

/** Options of {@link HSICSigma}. */
export interface HSICSigmaOptions extends NetworkOptions {
  /** Widths of the kernels: a copy of the stack is trained with each. */
  sigmas: readonly number[]
  /** Aggregate of the copies' last outputs, the input of the readout. Default 'mean'. */
  aggregate?: 'mean' | 'sum'
  /**
   * Batch normalization between the aggregate and the readout, which format training trains with the readout: true (default) for a layer without
   * scale and shift, false for no layer, or the layer's options.
   */
  aggregateBatchNorm?: boolean | BatchNormOptions
}

const normalization: Check<boolean | BatchNormOptions> = {
  expected: 'true, false, or options of BatchNorm1d such as { affine: true }',
  accepts: (value) => typeof value === 'boolean' || isPlainObject(value),
}

const widths = listOf(above(0))

const checks: Checks<HSICSigmaOptions> = {
  ...networkChecks,
  sigmas: required({
    expected: 'kernel widths above 0 in an array, at least one',
    accepts: (value: unknown) => widths.accepts(value) && (value as unknown[]).length > 0,
  } as Check<readonly number[]>),
  aggregate: oneOf('mean', 'sum'),
  aggregateBatchNorm: normalization,
}

/**
 * A sigma network (Ma, Lewis and Kleijn 2019, section 3): copies of one stack, each with its own weights and trained layer by layer with its own
 * kernel width, and a readout of the aggregate of their outputs.
 *
 *     const model = new HSICSigma({ inputShape: [784], sigmas: [1, 5, 10] })
 *     model.add(new Dense(128, { activation: 'relu' })).add(new Dense(64, { activation: 'relu' })).add(new HSICOutput(10))
 *     const criterion = (sigma: number) => new HSIC({ sigma, scaleSqrtD: true, variant: 'nHSIC' })
 *     model.compile({ pre: { criterion, regularizeCoeff: 50, learningRate: 1e-4 }, post: { learningRate: 0.004, metrics: ['accuracy'] } })
 *     await model.fitDataset(train, { preEpochs: 5, postEpochs: 5, validation })
 *
 * The copies train in one step and independently: each has the weights that it would have alone. Their paths are `copies.K.N`.
 */
export class HSICSigma extends HSICNetwork {
  readonly sigmas: readonly number[]
  readonly aggregate: 'mean' | 'sum'
  readonly aggregateBatchNorm: boolean | BatchNormOptions
  /** The layers of each copy, input side first. */
  readonly #copies: readonly Layer[][]
  #norm: BatchNorm1d | undefined

  /** @param layers the first layers, as for `add` */
  constructor(options: HSICSigmaOptions, layers: readonly Layer[] = []) {
    const given = checkOptions('HSICSigma', options, checks)
    const { sigmas, aggregate = 'mean', aggregateBatchNorm = true, ...network } = given
    super(network)
    if (!isList(layers)) {
      throw new ArgumentError(`HSICSigma: given ${describe(layers)} as layers, expected an array of layers`)
    }
    this.sigmas = Object.freeze([...sigmas])
    this.aggregate = aggregate
    this.aggregateBatchNorm = aggregateBatchNorm
    this.#copies = sigmas.map(() => [])
    for (const layer of layers) this.add(layer)
  }

  override settings(): readonly unknown[] {
    const { sigmas, aggregate, aggregateBatchNorm, readout } = this
    const [options] = super.settings()
    const layers = [...(this.#copies[0] as Layer[]), ...(readout === undefined ? [] : [readout])]
    return [{ ...(options as object), sigmas, aggregate, aggregateBatchNorm }, layers]
  }

  /**
   * Adds a layer on top of each copy: the given layer to the first copy, clones to the others. An {@link HSICOutput} goes on top of the aggregate, and is the
   * last layer.
   *
   * @throws ShapeError if the layer cannot take the output of the layer below; StateError after `compile`, after the readout, or for a layer in use
   */
  override add(layer: Layer): this {
    if (this.readout !== undefined) {
      throw new StateError('add: the network has its readout already; add other layers before HSICOutput')
    }
    const shape = this.outputShape
    if (layer instanceof HSICOutput) {
      if (this.aggregateBatchNorm !== false && this.#norm === undefined) {
        const options = this.aggregateBatchNorm === true ? { affine: false } : this.aggregateBatchNorm
        this.#norm = this.register(new BatchNorm1d(options), shape, 'aggregate')
      }
      this.register(layer, shape, 'readout')
      return this
    }
    for (const [index, copy] of this.#copies.entries()) {
      const own = index === 0 ? layer : layer.clone()
      // A clone must not have the given layer's name.
      if (index > 0 && own.named) own.name = `${own.name}_${index + 1}`
      copy.push(this.register(own, shape, `copies.${index}.${copy.length}`))
    }
    return this
  }

  /**
   * Sets the copies' criteria and optimizers, and the loss, optimizer and metrics of format training. Afterward no layer can be added.
   *
   * @throws ArgumentError for an invalid criterion, and for a list of another length than `sigmas`
   */
  override compile(options?: HSICSigmaCompileOptions): this {
    const given = checkOptions<Omit<HSICSigmaCompileOptions, 'optimizer'>>(
      'compile',
      options,
      sigmaCompileChecks,
    )
    const { criterion, ...pre } = checkOptions('compile: pre', given.pre, sigmaPreChecks)
    const criteria = this.#criteria(criterion)
    const copyOf = (layer: Layer) => this.#copies.findIndex((copy) => copy.includes(layer))
    this.compileLocal(pre, given.post ?? {}, (layer) => criteria[copyOf(layer)])
    // The criteria and not the function that made them, which a file cannot hold.
    stateOf(this).compiledWith = { ...given, pre: { ...pre, criterion: criteria } }
    return this
  }

  /** The criterion of each copy. */
  #criteria(given: HSICSigmaCompileOptions['pre']['criterion']): readonly Estimator[] {
    const made: readonly unknown[] =
      typeof given === 'function' ? this.sigmas.map((sigma) => given(sigma)) : given
    if (made.length !== this.sigmas.length) {
      throw new ArgumentError(
        `compile: pre: criterion lists ${made.length} criteria, expected one for each of the ${this.sigmas.length} sigmas [${this.sigmas}]`,
      )
    }
    return made.map((criterion) => {
      checkCriterion('compile: pre', criterion)
      return criterion
    })
  }

  protected override isReadout(layer: Layer): boolean {
    return layer === this.#norm || super.isReadout(layer)
  }

  /** Normalization and readout are trained together. */
  protected override detaches(layer: Layer): boolean {
    return this.#norm === undefined || layer !== this.readout
  }

  protected override compose(x: Tensor, ctx: ForwardContext): ForwardResult {
    const hidden: Tensor[] = []
    const run = (layer: Layer, input: Tensor) => {
      const output = ctx.run(layer, input)
      if (ctx.tracking && (this.segment === 'origin' || layer.countsInDynamics))
        hidden.push(ctx.detach(output))
      return output
    }
    const lasts = this.#copies.map((copy) => copy.reduce((h, layer) => run(layer, h), x))
    const sum = lasts.reduce((total, last) => total.add(last))
    const aggregate = this.aggregate === 'mean' ? sum.div(lasts.length) : sum
    const tops = [this.#norm, this.readout].filter((layer) => layer !== undefined)
    return { output: tops.reduce((h: Tensor, layer) => run(layer, h), aggregate), hidden }
  }
}
