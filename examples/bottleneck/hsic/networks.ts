/**
 * Networks and training of the HSIC bottleneck as in the authors' code (Ma, Lewis and Kleijn 2019, arXiv 1908.01580;
 * choasma/HSIC-bottleneck).
 */
import {
  Activation,
  BatchNorm1d,
  Chain,
  Dense,
  HSIC,
  HSICOutput,
  HSICSequential,
  type Layer,
  Sequential,
} from '../../../ts/index.js'
import { type Digits, digits, disposeOf, type ImageSet, pixelsOf } from '../digits.js'
import { percent } from '../experiment.js'

/** Percent of the test images classified correctly, by epoch. */
export type Curve = readonly number[]

export type ActivationName = 'relu' | 'tanh' | 'elu' | 'sigmoid'

/** Dense, normalization without scale and shift, activation: the blocks of the paper's dense networks. */
export function block(units: number, activation: ActivationName = 'relu'): Layer {
  return new Chain([new Dense(units), new BatchNorm1d({ affine: false }), new Activation(activation)])
}

/** A dense network of the paper. */
export interface Form {
  readonly width: number
  /** Width of the last block. Default the width of the others. */
  readonly last?: number
  /** Number of blocks: the paper's number of layers plus two. Default 7. */
  readonly count?: number
  readonly activation?: ActivationName
}

/** Its blocks, input side first. */
export function blocks({ width, last = width, count = 7, activation = 'relu' }: Form): Layer[] {
  return Array.from({ length: count }, (_, index) => block(index === count - 1 ? last : width, activation))
}

/** The measure of the paper: kernel variance 2 sigma^2 d, normalized by a regularized inverse. */
export const measure = (sigma: number) => new HSIC({ sigma, scaleSqrtD: true, variant: 'nHSIC' })

/** Effective stochastic gradient descent of the authors' code, which makes a new optimizer for each step. */
export const descent = (learningRate: number, weightDecay: number) => ({
  optimizer: 'sgd' as const,
  learningRate,
  momentum: 0,
  optimizerOptions: { weightDecay },
})

export const quiet = { verbose: false } as const

/** Options of layer-by-layer training. */
export interface Layerwise {
  readonly batchSize: number
  readonly learningRate: number
  readonly sigma: number
  /** Weight of the dependence on the target, the beta of the paper. */
  readonly beta: number
}

/** Options of a readout on frozen blocks. */
export interface Format {
  readonly learningRate: number
  readonly epochs: number
}

/** Result of format training. */
export interface Formatted {
  readonly test: Curve
  /** Cross-entropy of the test images, by epoch. */
  readonly loss: Curve
}

/** A network that is trained layer by layer, with a readout that can be trained repeatedly. */
export class FormatNetwork {
  readonly #model: HSICSequential
  readonly #pre: Digits
  readonly #post: Digits
  readonly #initial: (() => void)[] = []

  private constructor(model: HSICSequential, pre: Digits, post: Digits) {
    this.#model = model
    this.#pre = pre
    this.#post = post
  }

  static async make(
    seed: number,
    layers: readonly Layer[],
    layerwise: Layerwise,
    format: Format,
  ): Promise<FormatNetwork> {
    const { batchSize, learningRate, sigma, beta } = layerwise
    const model = new HSICSequential({ inputShape: [784], seed })
    for (const layer of layers) model.add(layer)
    model.add(new HSICOutput(10)).compile({
      criterion: measure(sigma),
      regularizeCoeff: beta,
      layerwiseRefresh: true,
      ...descent(learningRate, 1e-3),
      post: { ...descent(format.learningRate, 1e-3), metrics: ['accuracy'] },
    })
    const network = new FormatNetwork(
      model,
      await digits({ batchSize, seed }),
      await digits({ batchSize: 256, seed }),
    )
    for (const variable of model.readout?.trainableParams.values() ?? []) {
      const value = variable.value
      network.#initial.push(() => variable.assign(value))
    }
    return network
  }

  /** Trains the blocks. */
  async train(epochs: number): Promise<void> {
    await this.#model.preTrainingLoop(epochs, this.#pre.train, undefined, quiet)
  }

  /** Trains the readout from its initial weights. */
  async format(epochs: number): Promise<Formatted> {
    for (const reset of this.#initial) reset()
    const { validationMetrics, validationLoss } = await this.#model.postTrain(
      epochs,
      this.#post.train,
      this.#post.test,
      quiet,
    )
    return { test: (validationMetrics?.accuracy ?? []).map(percent), loss: validationLoss ?? [] }
  }

  [Symbol.dispose](): void {
    this.#model.dispose()
    disposeOf(this.#pre)
    disposeOf(this.#post)
  }
}

/** Blocks trained layer by layer, then a readout. */
export async function formatTrained(
  seed: number,
  form: Form,
  { epochs, ...layerwise }: Layerwise & { readonly epochs: number },
  format: Format,
): Promise<Formatted> {
  using network = await FormatNetwork.make(seed, blocks(form), layerwise, format)
  await network.train(epochs)
  return await network.format(format.epochs)
}

/** Plain training of a whole network. */
export interface Plain {
  readonly batchSize: number
  readonly learningRate: number
  readonly epochs: number
  /** Default 'mnist'. */
  readonly set?: ImageSet
}

/** The same blocks and a readout, trained by back-propagation. */
export async function backPropagated(
  seed: number,
  form: Form,
  { batchSize, learningRate, epochs, set = 'mnist' }: Plain,
): Promise<Curve> {
  const data = await digits({ set, batchSize, seed })
  using model = new Sequential({ inputShape: [pixelsOf(set)], seed })
  for (const layer of blocks(form)) model.add(layer)
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ ...descent(learningRate, 1e-5), metrics: ['accuracy'] })
  const { validationMetrics } = await model.fitDataset(data.train, {
    epochs,
    validation: data.test,
    ...quiet,
  })
  disposeOf(data)
  return (validationMetrics?.accuracy ?? []).map(percent)
}

/** Accuracy in percent of a network without readout. */
export async function rightUnits(model: HSICSequential, { test }: Digits): Promise<number> {
  const labels = test.labels as Int32Array
  using images = test.source.x.cast('float32').div(255)
  const found = await model.predictClasses(images, { batchSize: 1000 })
  return percent(found.filter((label, index) => label === labels[index]).length / labels.length)
}
