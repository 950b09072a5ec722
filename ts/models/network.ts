import { StateError } from '../core/errors.js'
import { checkOptions, oneOf } from '../core/options.js'
import type { ArrayInput } from '../data/array-dataset.js'
import type { BatchSource } from '../data/loader.js'
import { type Attachment, type AttachOptions, attachment, type Probe } from '../dynamics/attachment.js'
import { dynamicsByStep, type StepDynamics } from '../dynamics/by-step.js'
import type { ModelDynamics } from '../dynamics/record.js'
import { checkEstimator, type Estimator } from '../estimators/estimator.js'
import type { LossName } from '../nn/losses/named.js'
import type { Loss } from '../nn/losses/reduction.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import type { Tensor } from '../ops/tensor.js'
import { type CompileOptions, resolveCompile } from '../train/compile.js'
import {
  type EvaluateOptions,
  evaluateModel,
  type PredictOptions,
  predictModel,
} from '../train/evaluation.js'
import { type ExplainOptions, explainModel } from '../train/explain-model.js'
import { type FitDatasetOptions, type FitOptions, fitArrays, trainModel } from '../train/fit-model.js'
import type { Evaluation, History } from '../train/results.js'
import { checkIdle, compiledOf, stateOf } from '../train/state.js'
import { type ActivationsOptions, activationsOf, type ModelActivations } from './activations.js'
import { Composition } from './composition.js'
import type { ForwardPass } from './forward.js'
import { type ModelReportOptions, reportModel } from './report.js'
import { type LoadOptions, loadModel, saveModel } from './storage.js'
import { summarize } from './summary.js'

/**
 * The base of all models: layers, their weights, and training.
 *
 * A subclass registers layers in its constructor and runs them in `forward`:
 *
 *     class Residual extends Network {
 *       readonly inner = this.register(new Dense(16, { activation: 'relu' }), [16])
 *       readonly head = this.register(new Dense(3, { activation: 'softmax' }), [16])
 *       forward(x: Tensor, ctx: ForwardContext = this.context()) {
 *         const h = ctx.run(this.inner, x).add(x)
 *         const output = ctx.run(this.head, h)
 *         return { output, hidden: [h, output] }
 *       }
 *     }
 */
export abstract class Network extends Composition {
  readonly #attachments: Attachment<Probe>[] = []

  /** The loss; undefined before `compile`. */
  get lossFn(): Loss | undefined {
    return stateOf(this).compiled?.loss
  }

  /** Name of the loss; undefined before `compile` and for a custom function. */
  get lossName(): LossName | undefined {
    return stateOf(this).compiled?.lossName
  }

  /** The optimizer; undefined before `compile`. */
  get optimizer(): Optimizer | undefined {
    return stateOf(this).compiled?.optimizer
  }

  /** Names of the metrics. */
  get metrics(): readonly string[] {
    return stateOf(this).compiled?.metrics.map(({ name }) => name) ?? []
  }

  /** The attached evaluators in order. */
  get evaluators(): readonly Estimator[] {
    return this.#attachments.map(({ evaluator }) => evaluator)
  }

  /** The attached evaluators with their schedules. @internal */
  get attachments(): readonly Attachment<Probe>[] {
    return [...this.#attachments]
  }

  /** Results of the last `fit`; undefined before. */
  get history(): History | undefined {
    return stateOf(this).record.history
  }

  /**
   * Sets loss, optimizer and metrics. Afterward no layer can be added.
   *
   * @throws UnknownNameError for an unknown name; StateError for a network without layers, for an optimizer that already trains other
   *   weights, and during training or evaluation of the model
   */
  compile(options: CompileOptions = {}): this {
    if (this.numLayers === 0) throw new StateError('compile: the network has no layers; add some first')
    checkIdle(this, 'compile')
    const compiled = resolveCompile(options)
    const { optimizer } = compiled
    if (!optimizer.servesOnly(Object.values(this.weights))) {
      throw new StateError(
        `compile: this optimizer moves other weights already, those of another model or such as step() was given; make one for each model: new ${optimizer.constructor.name}(...)`,
      )
    }
    // Frozen weights get no optimizer state; it begins when a weight is unfrozen.
    optimizer.prepare(this.trainableWeights)
    const state = stateOf(this)
    if (state.compiled?.ownsOptimizer) state.compiled.optimizer.dispose()
    state.compiled = compiled
    const { learningRate: _, momentum: __, optimizerOptions: ___, ...rest } = options
    // The optimizer, since its options have their defaults filled in.
    state.compiledWith = { ...rest, optimizer }
    return this
  }

  /**
   * Adds an evaluator of the training dynamics, before or after `compile`.
   *
   *     model.attachEvaluator(new HSIC({ sigma: 5 })) // on every batch
   *     model.attachEvaluator(new KSG(), { evaluateOn: { probe: { x, y } } }) // after every epoch
   *
   * @throws StateError if the model does not track dynamics, and during training or evaluation of the model; ArgumentError for a value that is not an
   *   Estimator, and with `evaluateOn: 'batch'` for an estimator that cannot be part of a training step
   */
  attachEvaluator(evaluator: Estimator, options: AttachOptions = {}): this {
    if (!this.trackDynamics) {
      throw new StateError(
        'attachEvaluator: the model does not track its dynamics; construct it with trackDynamics: true',
      )
    }
    stateOf(this)
    checkEstimator('attachEvaluator', evaluator)
    checkIdle(this, 'attachEvaluator')
    this.#attachments.push(attachment(evaluator, options))
    return this
  }

  /**
   * Trains on arrays: splits, shuffles, batches.
   *
   * @param x `[n, ...inputShape]` as tensor, nested arrays or typed array; @param y n labels, or `[n, ...]` targets
   */
  fit(x: ArrayInput, y: ArrayInput, options: FitOptions = {}): Promise<History> {
    return fitArrays(this, x, y, options)
  }

  /** Trains on batches. */
  fitDataset(train: BatchSource, options: FitDatasetOptions = {}): Promise<History> {
    return trainModel(this, train, options)
  }

  /** Mean loss and metrics over all samples, in evaluation mode. */
  evaluate(data: BatchSource, options?: EvaluateOptions): Promise<Evaluation>
  evaluate(x: ArrayInput, y: ArrayInput, options?: EvaluateOptions): Promise<Evaluation>
  evaluate(
    first: BatchSource | ArrayInput,
    second?: ArrayInput | EvaluateOptions,
    third?: EvaluateOptions,
  ): Promise<Evaluation> {
    return evaluateModel(this, first, second, third)
  }

  /**
   * Outputs for all samples, in evaluation mode, computed in batches.
   *
   * @param x `[n, ...inputShape]`
   * @returns `[n, ...outputShape]`
   */
  predict(x: ArrayInput, options: PredictOptions = {}): Promise<Tensor> {
    return predictModel(this, x, options)
  }

  /**
   * Writes `report.html` into a folder: a self-contained page with curves, information planes, statistics of the layers, configuration and
   * environment.
   *
   *     await model.report('runs/mnist', { x: testImages, y: testLabels })
   *
   * @returns the absolute path of the page
   * @throws ArgumentError for an untrained model without samples; StateError during training or evaluation of the model, or if a drawing
   *   package is missing; IOError if the file cannot be written
   */
  report(folder: string, options: ModelReportOptions = {}): Promise<string> {
    return reportModel(this, folder, options)
  }

  /**
   * Activations of layers for given samples, in evaluation mode and with the current weights: arrays that are computed when they are read.
   * Later training does not change them. Use them with `measure`, or read them directly.
   *
   *     const seen = await model.activations(x, { y, layers: ['dense_*'] })
   *     const { runs } = await measure(seen, [new KDE()])
   *     const { shape, data } = await seen.runs[0].layer(model.history.epochs.at(-1), 'dense_1').read([0, 10])
   *
   * Samples of arrays and of an ArrayDataset keep their stored order. Other datasets are read once, in this call, and kept in memory.
   *
   * @param data `[n, ...inputShape]`, or a dataset
   * @throws UnknownNameError for an unknown layer; ArgumentError, ShapeError, DataError for samples that do not fit; StateError during
   *   training or evaluation of the model
   */
  activations(data: ArrayInput | BatchSource, options: ActivationsOptions = {}): Promise<ModelActivations> {
    return activationsOf(this, data, options)
  }

  /**
   * Dynamics of the last `fit` as plain data: means over the batches of each epoch, or with `{ by: 'step' }` the values of each step.
   *
   * @throws StateError if no dynamics, or no values of steps, are recorded
   */
  dynamics(options?: { by?: 'epoch' }): ModelDynamics
  dynamics(options: { by: 'step' }): StepDynamics
  dynamics(options: { by?: 'epoch' | 'step' } = {}): ModelDynamics | StepDynamics {
    const { by = 'epoch' } = checkOptions('dynamics', options, { by: oneOf('epoch', 'step') })
    const { record } = stateOf(this).record
    if (record !== undefined) {
      const areOnBatches = record.evaluators.map((_, e) => this.#attachments[e]?.on === 'batch')
      return by === 'epoch' ? record.toDynamics() : dynamicsByStep(record, areOnBatches)
    }
    throw new StateError(
      'no dynamics are recorded yet; construct the model with trackDynamics: true, attach an evaluator, and train at least one epoch',
    )
  }

  /**
   * float32 [N, E, L, 2]: epochs, evaluators, layers, and (criterion(H, X), criterion(H, Y)); unweighted means over the evaluated
   * batches, NaN for an epoch without evaluated batches. Undefined until a fit has tracked dynamics. The tensor is a copy: later training and
   * `dispose` do not change it.
   */
  get evaluatedDynamics(): Tensor {
    return stateOf(this).record.record?.evaluated() as Tensor
  }

  /**
   * The values of every batch, float32 [N, B, E, L, 2]; NaN where an evaluator was not evaluated. A value of the end of an epoch is stored with the
   * epoch's last batch. Undefined until a fit has tracked dynamics.
   */
  get batchDynamics(): Tensor {
    return stateOf(this).record.record?.perBatch() as Tensor
  }

  /** A table of the layers with output shapes and numbers of weights. */
  summary(): string {
    return summarize(this)
  }

  /**
   * The plan of a training step on a batch of `fitDataset`, as text: its steps with shapes and bytes, and how the device runs them. `fit`
   * also gathers the batch from its arrays, which adds one or two steps. Nothing runs, and nothing changes.
   *
   *     console.log(model.explain({ batchSize: 64 }))
   *     console.log(model.explain({ training: false })) // the forward pass in evaluation mode
   *
   * For a custom loss function, targets are assumed to have the shape of the outputs.
   *
   * @throws StateError before `compile`, for the training step
   */
  explain(options: ExplainOptions = {}): string {
    return explainModel(this, options)
  }

  /**
   * Writes weights, state, optimizer and random key, with a description of the model, to `path.safetensors`; for a path that ends with
   * a slash or is a folder, to `model.safetensors` inside. An existing file is replaced in one step: a program that is killed during the write
   * leaves the old model or the new one.
   *
   * @throws ArgumentError for an invalid path; IOError if the file cannot be written; the old file is then unchanged
   */
  save(path: string): Promise<void> {
    return saveModel(this, path)
  }

  /**
   * Reads a file of `save` into this model, which must have the same layers. If the model is compiled, the optimizer's state is restored
   * too. It does not change which weights of this model are frozen; `load(path)` builds a model with the saved model's frozen weights.
   *
   * @param path the path that was given to `save`
   * @throws DataError if names or shapes differ, before anything is changed; IOError if the file cannot be read
   */
  load(path: string, options: LoadOptions = {}): Promise<this> {
    return loadModel(this, path, options).then(() => this)
  }

  /** The input of the last softmax; the output for a network that does not end in a softmax. @internal */
  logitsOf(pass: ForwardPass, output: Tensor): Tensor {
    return pass.logitsOf(output) ?? output
  }

  /** Loss of a batch, from its output: `given`, or the loss of `compile`. @internal */
  lossOf(pass: ForwardPass, output: Tensor, y: Tensor, given?: Loss): Tensor {
    const { loss: own, lossName } = compiledOf(this, 'loss')
    const loss = given ?? own
    const ofLogits = lossName === 'crossEntropy' || lossName === 'softmaxFocal'
    const pred = ofLogits && this.compat !== 'doubleSoftmax' ? this.logitsOf(pass, output) : output
    return loss(pred, y)
  }
}
