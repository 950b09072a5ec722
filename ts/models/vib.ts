import { allocate } from '../core/dtype.js'
import { ArgumentError, DataError, DeviceError, describe, ShapeError, StateError } from '../core/errors.js'
import {
  atLeast,
  between,
  type Checks,
  checkOptions,
  checkValue,
  elsewhere,
  finite,
  flag,
  isInstance,
  isPlainObject,
  oneOf,
  required,
  signal,
  whole,
} from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { tidy } from '../core/transforms.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayInput, readingInputs } from '../data/array-dataset.js'
import type { Batch, BatchSource } from '../data/loader.js'
import { Optimizer } from '../nn/optim/optimizer.js'
import { softmax } from '../ops/index.js'
import { foldIn, key, normal } from '../ops/random.js'
import { type Device, type Shape, type Tensor, tensor } from '../ops/tensor.js'
import { type CompileOptions, resolveOptimizer } from '../train/compile.js'
import { type EvaluateOptions, evaluateArguments, measure } from '../train/evaluation.js'
import { type FitTaskOptions, fit as trainTask } from '../train/fit.js'
import { outlineOf } from '../train/outline.js'
import type { Evaluation, History } from '../train/results.js'
import { printableEvaluation } from '../train/results-text.js'
import { type TrainOptions, trainChecks } from '../train/run-options.js'
import type { Task } from '../train/task.js'
import { TrainingRecord } from '../train/training-record.js'
import { treeFeedOf } from '../train/tree-feed.js'
import { unlessAborted } from '../train/unless-aborted.js'
import { Network } from './network.js'
import { type VIBPass, VIBTask, type VIBWeights } from './vib-task.js'
import {
  type Code,
  type Covariance,
  codeOf,
  drawsOf,
  encodedWidth,
  termsOf,
  type VIBTerms,
} from './vib-terms.js'

export type { Code, Covariance, VIBTerms } from './vib-terms.js'

/** Options of {@link VIB}. */
export interface VIBOptions {
  /** Computes the code of an input: `hiddenDim` means, then the raw scales. */
  encoder: Network
  /** Computes scores of the classes from a code `[hiddenDim]`: logits, or a softmax. */
  decoder: Network
  /** Numbers in the code. */
  hiddenDim: number
  /**
   * Covariance of the code. 'diag' (default): the encoder has `hiddenDim` raw standard deviations. 'full': `hiddenDim (hiddenDim + 1) / 2` entries of a lower
   * triangular factor, row by row.
   */
  covType?: Covariance
  /** Draws of the code for each sample. Default 1. */
  numSamples?: number
  /** Weight of the rate in the loss, the beta of the paper. Default 0.001. */
  tradeOff?: number
  /** Added to raw scales before the softplus. Default 0; the paper uses -5. */
  scaleShift?: number
  /** Seed of the draws. Default 0. */
  seed?: number
}

const checks: Checks<VIBOptions> = {
  encoder: required(elsewhere<Network>()),
  decoder: required(elsewhere<Network>()),
  hiddenDim: required(whole(1)),
  covType: oneOf('diag', 'full'),
  numSamples: whole(1),
  tradeOff: atLeast(0),
  scaleShift: finite,
  seed: whole(0),
}

/** Options of `compile` of {@link VIB}. */
export type VIBCompileOptions = Pick<
  CompileOptions,
  'optimizer' | 'learningRate' | 'momentum' | 'optimizerOptions'
>

/** Rate of Adam in the experiments of the paper. */
const adamRate = 1e-4

const compileChecks: Checks<VIBCompileOptions> = {
  optimizer: elsewhere(),
  learningRate: atLeast(0),
  momentum: atLeast(0),
  optimizerOptions: elsewhere(),
}

/** Options of `fit` of {@link VIB}. */
export interface VIBFitOptions extends TrainOptions {
  /** Samples in a batch. Default 32. */
  batchSize?: number
  /** Share of the samples that validates. In [0, 1), default 0.2. */
  validationSplit?: number
  /** Shuffle the training samples every epoch. Default true. */
  shuffle?: boolean
}

const fitChecks: Checks<VIBFitOptions> = {
  ...trainChecks,
  batchSize: whole(1),
  validationSplit: between(0, 1, 'high'),
  shuffle: flag,
}

/** Options of `predict` of {@link VIB}. */
export interface VIBPredictOptions {
  /** Draws to average over. Default: the model's `numSamples`. */
  numSamples?: number
  /** Default 256. */
  batchSize?: number
  signal?: AbortSignal
}

const predictChecks: Checks<VIBPredictOptions> = { numSamples: whole(1), batchSize: whole(1), signal }

/**
 * The deep variational information bottleneck (Alemi, Fischer, Dillon and Murphy 2017): an encoder that maps each input to a normal distribution, and a decoder
 * that classifies draws from the distribution. The loss is `-log q(y | z) + tradeOff * KL(p(z | x) || N(0, I))`, the divergence in closed form.
 *
 *     const encoder = new Sequential({ inputShape: [784] }).add(new Dense(1024, { activation: 'relu' })).add(new Dense(512))
 *     const decoder = new Sequential({ inputShape: [256] }).add(new Dense(10))
 *     const model = new VIB({ encoder, decoder, hiddenDim: 256, tradeOff: 1e-3 })
 *     await model.compile({ learningRate: 1e-4 }).fitDataset(train, { epochs: 20, validation })
 *     const probabilities = await model.predict(images, { numSamples: 12 })
 *
 * Besides the loss, `crossEntropy` and `rate` (both in nats; the rate is a bound of I(X;Z)) and `accuracy` are reported. The networks keep the weights: `encoder.save(path)`.
 *
 * @throws ShapeError if the widths of the networks and `hiddenDim` do not agree
 */
export class VIB {
  readonly encoder: Network
  readonly decoder: Network
  readonly hiddenDim: number
  readonly covType: Covariance
  readonly numSamples: number
  readonly tradeOff: number
  readonly scaleShift: number
  readonly seed: number
  readonly #record: TrainingRecord
  #task: VIBTask | undefined
  /** Whether `compile` made the optimizer from a name. */
  #ownsOptimizer = false

  constructor(options: VIBOptions) {
    const given = checkOptions('VIB', options, checks)
    this.encoder = checkNetwork('encoder', given.encoder)
    this.decoder = checkNetwork('decoder', given.decoder)
    this.hiddenDim = given.hiddenDim
    this.covType = given.covType ?? 'diag'
    this.numSamples = given.numSamples ?? 1
    this.tradeOff = given.tradeOff ?? 1e-3
    this.scaleShift = given.scaleShift ?? 0
    this.seed = given.seed ?? 0
    this.#checkWidths()
    this.#record = new TrainingRecord({ seed: this.seed, device: this.encoder.device })
  }

  #checkWidths(): void {
    const { encoder, decoder, hiddenDim, covType } = this
    const width = encodedWidth(hiddenDim, covType)
    const encoded = shapeOf(encoder)
    if (String(encoded) !== String([width])) {
      throw new ShapeError(
        `VIB: the encoder gives [${encoded}], expected [${width}]: ${hiddenDim} means and ${width - hiddenDim} entries of a covariance of covType '${covType}'; end it with new Dense(${width})`,
      )
    }
    if (String(decoder.inputShape) !== String([hiddenDim])) {
      throw new ShapeError(
        `VIB: the decoder takes [${decoder.inputShape}], expected [${hiddenDim}], the code; give it inputShape: [${hiddenDim}]`,
      )
    }
    const scores = shapeOf(decoder)
    if (scores.length !== 1 || (scores[0] as number) < 2) {
      throw new ShapeError(
        `VIB: the decoder gives [${scores}], expected a score for each of two classes or more`,
      )
    }
    if (encoder.dtype !== decoder.dtype) {
      throw new ArgumentError(
        `VIB: the encoder computes in ${encoder.dtype} and the decoder in ${decoder.dtype}; give both the same dtype`,
      )
    }
  }

  /** Number of classes. */
  get classes(): number {
    return shapeOf(this.decoder)[0] as number
  }

  /** Results of the last `fit`; undefined before. */
  get history(): History | undefined {
    return this.#record.history
  }

  /** The device of both networks. */
  get #device(): Device {
    const { encoder, decoder } = this
    if (encoder.device === decoder.device) return encoder.device
    throw new DeviceError(
      `VIB: the encoder is on "${encoder.device}" and the decoder on "${decoder.device}"; move one: await model.decoder.to("${encoder.device}")`,
    )
  }

  /**
   * Sets the optimizer of both networks. Default: 'adam' with the rate 0.0001, as in the paper. Other optimizers have the defaults of a model's `compile`:
   * the rate 0.001, and the momentum 0.95 of 'sgd'.
   */
  compile(options: VIBCompileOptions = {}): this {
    const given = checkOptions('compile', options, compileChecks)
    void this.#device
    const { optimizer: wanted = 'adam' } = given
    const isAdam = typeof wanted === 'string' && wanted.toLowerCase() === 'adam'
    const hasOwnRate = given.optimizerOptions?.learningRate !== undefined
    const optimizer = resolveOptimizer({
      ...(isAdam && !hasOwnRate ? { learningRate: adamRate } : {}),
      ...given,
      optimizer: wanted,
    })
    if (this.#ownsOptimizer) this.#task?.optimizers.optimizer.dispose()
    this.#ownsOptimizer = !isInstance(wanted, Optimizer)
    this.#task = new VIBTask(this, optimizer, this.#record)
    return this
  }

  /** The training as a task, for `fit(model.task, data, options)`. */
  get task(): Task<Batch> {
    if (this.#task !== undefined) return this.#task
    throw new StateError('VIB: the model is not compiled; call compile({ optimizer, learningRate }) first')
  }

  /**
   * The terms of the loss as a pure function of the weights.
   *
   * @param x `[batch, ...inputShape]`; @param y labels `[batch]`
   * @param noise `[samples, batch, hiddenDim]`, drawn from a standard normal distribution
   */
  terms(weights: VIBWeights, x: Tensor, y: Tensor, noise: Tensor): VIBTerms {
    const { hiddenDim } = this
    for (const [name, given] of Object.entries({ x, y, noise })) idOf(`terms: ${name}`, given)
    if (!isPlainObject(weights)) {
      throw new ArgumentError(
        `terms: weights are ${describe(weights)}, expected { encoder, decoder } with tensors by path, or {}`,
      )
    }
    if (noise.rank !== 3 || noise.shape[1] !== x.shape[0] || noise.shape[2] !== hiddenDim) {
      throw new ShapeError(
        `terms: noise has shape [${noise.shape}], expected [samples, ${x.shape[0]}, ${hiddenDim}]`,
      )
    }
    return this.run(weights, x, y, noise, { training: false })
  }

  /** The terms of the loss, and the new state of the layers. @internal */
  run(weights: VIBWeights, x: Tensor, y: Tensor, noise: Tensor, running: VIBPass): VIBTerms {
    const code = this.#encode(weights, x, running)
    const z = drawsOf(code, noise)
    return termsOf(code, z, this.#decode(weights, z, running), y, this.tradeOff)
  }

  /**
   * The code of inputs, in evaluation mode: mean, scale and rate.
   *
   * @param x `[batch, ...inputShape]`
   */
  encode(x: Tensor): Code {
    idOf('encode: x', x)
    return this.#encode({}, x, { training: false })
  }

  #encode({ encoder: weights = {} }: VIBWeights, x: Tensor, { training, key: from, update }: VIBPass): Code {
    const { encoder, hiddenDim, covType, scaleShift } = this
    const pass = encoder.pass({
      weights,
      training,
      tracking: false,
      key: from === undefined ? null : foldIn(from, 1),
      update: (path, value) => update?.('encoder', path, value),
    })
    const typed = x.dtype === encoder.dtype ? x : x.cast(encoder.dtype)
    return codeOf(encoder.forward(typed, pass).output, hiddenDim, covType, scaleShift)
  }

  /** Logits `[samples * batch, classes]`. */
  #decode(
    { decoder: weights = {} }: VIBWeights,
    z: Tensor,
    { training, key: from, update }: VIBPass,
  ): Tensor {
    const pass = this.decoder.pass({
      weights,
      training,
      tracking: false,
      key: from === undefined ? null : foldIn(from, 2),
      update: (path, value) => update?.('decoder', path, value),
    })
    const { output } = this.decoder.forward(z.reshape([-1, this.hiddenDim]), pass)
    return pass.logitsOf(output) ?? output
  }

  /** Trains on arrays: splits, shuffles, batches. */
  async fit(x: ArrayInput, y: ArrayInput, options: VIBFitOptions = {}): Promise<History> {
    const given = checkOptions('fit', options, fitChecks)
    const { batchSize, validationSplit = 0.2, shuffle = true, ...rest } = given
    // Refused before the arrays are read.
    void this.task
    const data = await ArrayDataset.inTurns(x, y, {
      ...this.#dataOptions(),
      batchSize,
      shuffle,
      seed: this.seed,
    })
    try {
      const [train, validation] = await inTurns(data.splitting(validationSplit))
      if (train.samples === 0) {
        throw new DataError(
          `fit: ${data.samples} samples with validationSplit ${validationSplit} leave none to train on; lower the split or give more samples`,
        )
      }
      return await this.fitDataset(train, validation.samples > 0 ? { ...rest, validation } : rest)
    } finally {
      data.dispose()
    }
  }

  #dataOptions() {
    const { inputShape, dtype, device } = this.encoder
    return { inputShape, dtype, device, labels: true, classes: this.classes }
  }

  /** Trains on batches of inputs and labels; options are the options of {@link fit} of tasks. */
  async fitDataset(train: BatchSource, options: FitTaskOptions<Batch> = {}): Promise<History> {
    const { task } = this
    for (const data of [train, options?.validation]) {
      if (data instanceof ArrayDataset) data.checkClasses(this.classes)
    }
    const { history } = await trainTask(task, train, options)
    return history
  }

  /** Mean loss, cross-entropy, rate and accuracy over all samples, in evaluation mode, with `numSamples` draws for each. */
  evaluate(data: BatchSource, options?: EvaluateOptions): Promise<Evaluation>
  evaluate(x: ArrayInput, y: ArrayInput, options?: EvaluateOptions): Promise<Evaluation>
  async evaluate(
    first: BatchSource | ArrayInput,
    second?: ArrayInput | EvaluateOptions,
    third?: EvaluateOptions,
  ): Promise<Evaluation> {
    const { task } = this
    const { isArrays, signal: stop, batchSize } = evaluateArguments(second, third)
    const data = isArrays
      ? await ArrayDataset.inTurns(first as ArrayInput, second as ArrayInput, {
          ...this.#dataOptions(),
          batchSize,
        })
      : (first as BatchSource)
    try {
      if (data instanceof ArrayDataset) data.checkClasses(this.classes)
      const feed = treeFeedOf<Batch>(data, this.#device)
      await unlessAborted(feed.prepare(), stop)
      const { loss = Number.NaN, metrics } = await measure(task, feed, this.seed, stop)
      return printableEvaluation({ loss, metrics })
    } finally {
      if (isArrays) (data as ArrayDataset).dispose()
    }
  }

  /**
   * Probabilities of the classes, averaged over draws of the code, in evaluation mode. The draws are the same in every call.
   *
   * @param x `[n, ...inputShape]`
   * @returns `[n, classes]`
   */
  async predict(x: ArrayInput, options: VIBPredictOptions = {}): Promise<Tensor> {
    const given = checkOptions('predict', options, predictChecks)
    const { numSamples = this.numSamples, batchSize = 256, signal: stop } = given
    const { dtype, inputShape } = this.encoder
    const device = this.#device
    const inputs = await inTurns(readingInputs(x, dtype, inputShape, device))
    try {
      const [count, classes] = [inputs.shape[0] as number, this.classes]
      const all = allocate(dtype, count * classes)
      for (let start = 0; start < count; start += batchSize) {
        stop?.throwIfAborted()
        using rows = tidy(() => {
          const batch = inputs.slice([start], [Math.min(start + batchSize, count)])
          return this.#probabilities(batch, numSamples, foldIn(key(this.seed), 3 + start))
        })
        all.set((await rows.data()) as never, start * classes)
      }
      return tensor(all, { shape: [count, classes], device })
    } finally {
      inputs.dispose()
    }
  }

  #probabilities(x: Tensor, samples: number, from: Tensor): Tensor {
    const running = { training: false }
    const code = this.#encode({}, x, running)
    const z = drawsOf(code, this.noise(from, samples, x.shape[0] as number))
    const logits = this.#decode({}, z, running)
    return softmax(logits, 1)
      .reshape([samples, x.shape[0] as number, -1])
      .mean(0)
  }

  /**
   * The decoder's probabilities for codes drawn from the prior, a standard normal distribution.
   *
   * @param count number of draws; @param from random key; default a key of the seed
   * @returns the codes `[count, hiddenDim]` and probabilities `[count, classes]`, lazy
   */
  generate(count: number, from: Tensor = foldIn(key(this.seed), 2)): { z: Tensor; probabilities: Tensor } {
    checkValue('generate: count', count, whole(1))
    const z = normal(from, [count, this.hiddenDim], { dtype: this.encoder.dtype })
    return { z, probabilities: softmax(this.#decode({}, z, { training: false }), 1) }
  }

  /** Standard normal numbers `[samples, batch, hiddenDim]`. @internal */
  noise(from: Tensor, samples: number, batch: number): Tensor {
    return normal(from, [samples, batch, this.hiddenDim], { dtype: this.encoder.dtype })
  }

  /** Releases the memory of the training; the networks stay. A second call does nothing. */
  dispose(): void {
    this.#task?.optimizers.optimizer.dispose()
    this.#task = undefined
    this.#record.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

function checkNetwork(role: string, network: unknown): Network {
  if (isInstance(network, Network) && network.numLayers > 0) return network
  throw new ArgumentError(
    `VIB: the ${role} is ${isInstance(network, Network) ? 'a network without layers' : describe(network)}, expected a network with layers, such as new Sequential({ inputShape }).add(...)`,
  )
}

/** Shape of one output. */
function shapeOf(network: Network): Shape {
  return outlineOf(network).outputShape
}
