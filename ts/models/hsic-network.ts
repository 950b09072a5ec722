import { ArgumentError, describe, StateError } from '../core/errors.js'
import { checkOptions, checkValue, isInstance, whole } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import { scope } from '../core/transforms.js'
import type { ArrayInput } from '../data/array-dataset.js'
import type { BatchSource } from '../data/loader.js'
import { checkEstimator, type Estimator } from '../estimators/estimator.js'
import { HSICOutput } from '../layers/hsic-output.js'
import type { Layer } from '../layers/layer.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import type { Tensor } from '../ops/tensor.js'
import { type CompileOptions, resolveOptimizer } from '../train/compile.js'
import type { PredictOptions } from '../train/evaluation.js'
import { type ExplainOptions, explainChecks } from '../train/explain-model.js'
import { type Recipe, trainByRecipe, trainModel, withSplit } from '../train/fit-model.js'
import { outlineOf } from '../train/outline.js'
import type { History } from '../train/results.js'
import { checkIdle, compiledOf, stateOf } from '../train/state.js'
import { TargetRule } from '../train/targets.js'
import { checkPass, type ForwardContext, type ForwardPass, type ForwardResult } from './forward.js'
import {
  type HSICCompileOptions,
  type HSICFitDatasetOptions,
  type HSICFitOptions,
  type HSICHistory,
  type HSICStageOptions,
  hsicCompileChecks,
  hsicDatasetChecks,
  hsicFitChecks,
  type LocalOptions,
  localChecks,
  type PreTrainingOptions,
  stageOptions,
} from './hsic-options.js'
import { DetachedPass, type LayerObjective, type LocalTraining } from './local-objective.js'
import { evaluateLayers, LocalTask, localBatch } from './local-task.js'
import { type ApplyOptions, applyRequest, type PassRequest } from './pass.js'
import { Stack } from './sequential.js'
import { classesOfUnits, countUnits } from './unit-matching.js'

/** Epochs of a stage. */
const epochCount = whole(1)

/**
 * The base of networks that are trained without back-propagation: each layer has its own optimizer, and an objective of the layer's output
 * (the HSIC bottleneck, Ma, Lewis and Kleijn 2019). No gradient passes from a layer to the layer before it.
 *
 * The base class is a stack of layers. A subclass with another topology registers layers in its constructor, runs them in `compose`, and sets
 * each layer's criterion with `trainBy`.
 */
export abstract class HSICNetwork extends Stack {
  readonly #locals = new Map<Layer, LocalOptions>()
  #trainings: ReadonlyMap<Layer, LocalTraining> = new Map()
  #isRefreshing = false
  #isFormatting = false
  #classOfUnit: Int32Array | undefined

  /**
   * Adds a layer on top.
   *
   * @param options criterion of the layer; default the criterion of `compile`
   * @throws ArgumentError for an invalid criterion; ShapeError if the layer cannot take the output of the layer below; StateError after `compile`,
   *   or for a layer in use
   */
  override add(layer: Layer, options: LocalOptions = {}): this {
    const given = checkLocal('add', options)
    super.add(layer)
    this.#locals.set(layer, given)
    return this
  }

  override addedWith(layer: Layer): object | undefined {
    return this.#locals.get(layer)
  }

  /** Sets the criterion of a registered layer, before `compile`; arguments and errors are those of `add`. */
  trainBy(layer: Layer, options: LocalOptions): this {
    const given = checkLocal('trainBy', options)
    this.#checkOpen('trainBy')
    if (!this.layers.includes(layer)) {
      throw new ArgumentError(
        `trainBy: given ${describe(layer)}, expected a layer of this network; call register(layer, inputShape) first`,
      )
    }
    this.#locals.set(layer, given)
    return this
  }

  /** The layer of format training: the last layer, if it is an {@link HSICOutput}. */
  get readout(): HSICOutput | undefined {
    const last = this.layers.at(-1)
    return isInstance(last, HSICOutput) ? last : undefined
  }

  /** Whether a layer is trained in format training, and not layer by layer. */
  protected isReadout(layer: Layer): boolean {
    return isInstance(layer, HSICOutput)
  }

  /** Whether a layer takes its input without gradient. Default: true for each layer. */
  protected detaches(_layer: Layer): boolean {
    return true
  }

  /**
   * Sets the layers' criteria and optimizers, and with `post` the loss, optimizer and metrics of format training and `evaluate`. Afterward no layer can be added.
   *
   *     model.compile({ criterion: new HSIC({ sigma: 5 }), regularizeCoeff: 50, post: { learningRate: 0.005, metrics: ['accuracy'] } })
   *
   * @throws ArgumentError for a layer without a criterion, and for one that cannot be differentiated; errors of the compile of other models
   */
  override compile(options: HSICCompileOptions = {}): this {
    const given = checkOptions('compile', options, hsicCompileChecks)
    const { criterion, post = {}, ...pre } = given
    if (criterion !== undefined) checkCriterion('compile', criterion)
    this.compileLocal(pre, post, () => criterion)
    stateOf(this).compiledWith = given
    return this
  }

  /** The criterion of a layer: the one that it was added with, or the criterion of all layers. */
  #localOf(layer: Layer, common: Estimator | undefined, coefficient: number) {
    const { criterion, regularizeCoeff } = this.#locals.get(layer) ?? {}
    if (criterion !== undefined) return { criterion, coefficient: regularizeCoeff ?? 0 }
    if (common !== undefined) return { criterion: common, coefficient: regularizeCoeff ?? coefficient }
    throw new ArgumentError(
      `compile: layer '${layer.name}' has no criterion; give one to all layers: compile({ criterion: new HSIC({ sigma: 5 }) }), or one to this layer: add(layer, { criterion })`,
    )
  }

  /** `compile` once options are read. @param criterionOf the criterion of a layer that was added without one */
  protected compileLocal(
    pre: PreTrainingOptions,
    post: CompileOptions,
    criterionOf: (layer: Layer) => Estimator | undefined,
  ): this {
    const { layerwiseRefresh = false, regularizeCoeff = 100, ...optimizer } = pre
    checkName(optimizer.optimizer)
    const trainings = new Map<Layer, LocalTraining>()
    try {
      for (const [path, layer] of this.#paths()) {
        if (this.isReadout(layer) || Object.keys(layer.paramShapes).length === 0) continue
        const found = this.#localOf(layer, criterionOf(layer), regularizeCoeff)
        trainings.set(layer, { ...found, path, optimizer: resolveOptimizer(optimizer), parameters: {} })
      }
      this.#readoutAlone(() => super.compile(post))
    } catch (error) {
      for (const training of trainings.values()) training.optimizer.dispose()
      throw error
    }
    for (const { optimizer: old } of this.#trainings.values()) old.dispose()
    this.#trainings = trainings
    this.#isRefreshing = layerwiseRefresh
    return this
  }

  /** Layers by path. */
  #paths(): [string, Layer][] {
    return [...this.module.children].map(([path, child]) => [path, child as Layer])
  }

  /** The trained layers with their trainable weights. */
  #current(): Map<Layer, LocalTraining> {
    const trained = new Map<Layer, LocalTraining>()
    for (const [layer, training] of this.#trainings) {
      const parameters = Object.fromEntries(
        [...layer.trainableParams].map(([name, variable]) => [`${training.path}.${name}`, variable]),
      )
      if (Object.keys(parameters).length > 0) trained.set(layer, { ...training, parameters })
    }
    return trained
  }

  /** Runs `f` while only the readout is trainable. */
  #readoutAlone<T>(f: () => T): T {
    checkIdle(this, 'compile')
    const frozen = this.#paths()
      .filter(([, layer]) => !this.isReadout(layer))
      .flatMap(([, layer]) => [...layer.trainableParams.values()])
    const restore = () => {
      for (const variable of frozen) variable.trainable = true
    }
    for (const variable of frozen) variable.trainable = false
    let result: T
    try {
      result = f()
    } catch (error) {
      restore()
      throw error
    }
    if (!(result instanceof Promise)) {
      restore()
      return result
    }
    return result.finally(restore) as T
  }

  /**
   * The composition of the layers. A subclass overrides it for another topology, and runs layers with `ctx.run(layer, x)`.
   *
   * @param x `[batch, ...inputShape]`
   */
  protected compose(x: Tensor, ctx: ForwardContext): ForwardResult {
    return super.forward(x, ctx)
  }

  /** The network layer by layer: each layer takes its input without gradient, so the gradient of an output is the gradient of the last layer alone. */
  override forward(x: Tensor, ctx: ForwardContext = this.context()): ForwardResult {
    checkPass(ctx)
    return this.compose(x, new DetachedPass(ctx, (layer) => this.detaches(layer)))
  }

  /** The plain composition of the layers, with the values of `forward` and the gradient of all layers. */
  sequentialForward(x: Tensor, ctx: ForwardContext = this.context()): Tensor {
    checkPass(ctx)
    return this.compose(x, ctx).output
  }

  /**
   * The objectives of all trained layers, in order, as a pure function of the weights. Gradients do not cross layers.
   *
   *     const { grads } = valueAndGrad((w) => model.objectives(w, x, y)[0].value, model.weights)
   *
   * @param weights tensors by path; missing paths use the network's own weights
   * @param x `[batch, ...inputShape]`; @param y labels `[batch]`, or targets `[batch, ...]`
   * @throws StateError before `compile`
   */
  objectives(
    weights: Readonly<Record<string, Tensor>>,
    x: Tensor,
    y: Tensor,
    options: ApplyOptions = {},
  ): LayerObjective[] {
    compiledOf(this, 'objectives')
    for (const [name, given] of Object.entries({ x, y })) idOf(`objectives: ${name}`, given)
    const { outputShape } = outlineOf(this)
    const request = applyRequest('objectives', this.paramShapes, weights, options)
    const batch = localBatch(x, y, outputShape.at(-1), this.dtype)
    return scope(
      this.constructor.name,
      () => evaluateLayers(this, batch, this.#trainings, request).objectives,
    )
  }

  override pass(options: PassRequest): ForwardPass {
    // Layers that format training does not train run in evaluation mode.
    return super.pass(
      this.#isFormatting ? { ...options, evaluates: (layer) => !this.isReadout(layer) } : options,
    )
  }

  /**
   * Trains each layer below the readout on its own objective.
   *
   * The loss is the sum of the objectives. Each layer's objective is reported under the layer's name, and its criterion against input and target
   * under `NAME.input` and `NAME.target`. Optimizers of layers are kept from call to call, in checkpoints and in files of `save`.
   *
   * @param epochs times that the data are gone through
   * @throws StateError (rejects) before `compile`, and for a network without trainable layers; errors of `fitDataset` of other models
   */
  async preTrainingLoop(
    epochs: number,
    train: BatchSource,
    validation?: BatchSource,
    options: HSICStageOptions = {},
  ): Promise<History> {
    const given = stageOptions('preTrainingLoop', options)
    checkValue('preTrainingLoop: epochs', epochs, epochCount)
    compiledOf(this, 'preTrainingLoop')
    this.#classOfUnit = undefined
    const data = validation === undefined ? {} : { validation }
    return trainByRecipe(this, train, { ...given, ...data, epochs }, () =>
      this.#recipe(train, given.numClasses),
    )
  }

  /** Trains the layers on data. */
  #recipe(train: BatchSource, given: number | undefined): Recipe {
    const { layers, outputShape } = outlineOf(this)
    const known = given ?? (train as { classes?: number } | null)?.classes
    const lossName = known === undefined ? undefined : 'crossEntropy'
    return {
      targets: new TargetRule(
        { lossName, ignoreIndex: undefined },
        known === undefined ? outputShape : [known],
      ),
      layers,
      classes: outputShape.at(-1),
      task: (classes) =>
        new LocalTask(this, {
          record: stateOf(this).record,
          locals: this.#current(),
          refresh: this.#isRefreshing,
          layers,
          classes,
        }),
    }
  }

  /**
   * Format training: trains the readout on the loss of `post`. The other layers keep their weights and run in evaluation mode.
   *
   * @param epochs times that the data are gone through
   * @throws StateError (rejects) for a network that does not end with {@link HSICOutput}; errors of `fitDataset` of other models
   */
  async postTrain(
    epochs: number,
    train: BatchSource,
    validation?: BatchSource,
    options: HSICStageOptions = {},
  ): Promise<History> {
    const given = stageOptions('postTrain', options)
    checkValue('postTrain: epochs', epochs, epochCount)
    compiledOf(this, 'postTrain')
    checkIdle(this, 'postTrain')
    if (this.readout === undefined) {
      throw new StateError(
        'postTrain: the network does not end with a readout; add(new HSICOutput(classes)) last, or use matchUnits(train) and predictClasses(x)',
      )
    }
    const data = validation === undefined ? {} : { validation }
    this.#isFormatting = true
    try {
      return await this.#readoutAlone(() => trainModel(this, train, { ...given, ...data, epochs }))
    } finally {
      this.#isFormatting = false
    }
  }

  /**
   * The plan of the forward pass in evaluation mode, as text: `explain({ training: false })`.
   *
   * @throws StateError for training, whose stages have plans of their own
   */
  override explain(options: ExplainOptions = {}): string {
    const { training = true } = checkOptions('explain', options, explainChecks)
    if (!training) return super.explain(options)
    throw new StateError(
      'explain: training has a plan for each of its stages; await profile(() => model.fit(x, y)) shows them with their times, explain({ training: false }) the forward pass',
    )
  }

  /** Trains layer by layer, then the readout, on arrays: splits, shuffles, batches. */
  override async fit(x: ArrayInput, y: ArrayInput, options: HSICFitOptions = {}): Promise<HSICHistory> {
    const given = checkOptions('fit', options, hsicFitChecks)
    const { batchSize: _, validationSplit: __, shuffle: ___, ...rest } = given
    compiledOf(this, 'fit')
    checkIdle(this, 'fit')
    return withSplit(this, x, y, given, (train, validation) =>
      this.fitDataset(train, validation === undefined ? rest : { ...rest, validation }),
    )
  }

  /** Trains layer by layer, then the readout, on batches. */
  override async fitDataset(train: BatchSource, options: HSICFitDatasetOptions = {}): Promise<HSICHistory> {
    const given = checkOptions('fitDataset', options, hsicDatasetChecks)
    const { preEpochs = 1, postEpochs = this.readout === undefined ? 0 : 1, validation, ...rest } = given
    if (preEpochs + postEpochs === 0) {
      throw new ArgumentError('fitDataset: preEpochs and postEpochs are both 0; give at least one of them')
    }
    const pre = preEpochs > 0 ? await this.preTrainingLoop(preEpochs, train, validation, rest) : undefined
    const post = postEpochs > 0 ? await this.postTrain(postEpochs, train, validation, rest) : undefined
    return { ...((post ?? pre) as History), pre, post }
  }

  /**
   * Assigns a class to each output unit of a network without readout: the permutation under which the largest output is the label most often. Give
   * it training data: a permutation of the test data would bias the accuracy upward.
   *
   * @returns the class of each unit
   * @throws StateError for a network that ends with a readout; ArgumentError if the numbers of units and classes differ; DataError for targets
   *   that are not labels
   */
  async matchUnits(train: BatchSource): Promise<Int32Array> {
    compiledOf(this, 'matchUnits')
    if (this.readout !== undefined) {
      throw new StateError(
        'matchUnits: the network ends with a readout, whose units are classes; use predict(x)',
      )
    }
    const { outputShape } = outlineOf(this)
    const counts = await countUnits(this, train, outputShape)
    this.#classOfUnit = classesOfUnits(counts)
    return this.#classOfUnit.slice()
  }

  /**
   * The class of each sample: the class of the largest output, by the permutation of {@link matchUnits} for a network without readout.
   *
   * @param x `[n, ...inputShape]`
   * @throws StateError for a network without readout before `matchUnits`
   */
  async predictClasses(x: ArrayInput, options: PredictOptions = {}): Promise<Int32Array> {
    if (this.readout === undefined && this.#classOfUnit === undefined) {
      throw new StateError(
        'predictClasses: the class of each unit is not known; call matchUnits(train) first',
      )
    }
    using outputs = await this.predict(x, options)
    using largest = outputs.argMax(1)
    const units = await largest.data()
    return Int32Array.from(units as Int32Array, (unit) => this.#classOfUnit?.[Number(unit)] ?? Number(unit))
  }

  override ownOptimizers(): ReadonlyMap<string, Optimizer> {
    const local = [...this.#trainings.values()].map(
      ({ path, optimizer }) => [`optimizers.${path}`, optimizer] as const,
    )
    return new Map([...super.ownOptimizers(), ...local])
  }

  override dispose(): void {
    super.dispose()
    for (const { optimizer } of this.#trainings.values()) optimizer.dispose()
    this.#trainings = new Map()
  }

  #checkOpen(doing: string): void {
    if (stateOf(this).compiled === undefined) return
    throw new StateError(`${doing}: the network is compiled already; say it before compile`)
  }
}

function checkLocal(who: string, options: LocalOptions): LocalOptions {
  const given = checkOptions(who, options, localChecks)
  if (given.criterion !== undefined) checkCriterion(who, given.criterion)
  return given
}

/** Checks the criterion of a layer. */
export function checkCriterion(who: string, criterion: unknown): asserts criterion is Estimator {
  checkEstimator(`${who}: criterion`, criterion)
  if (criterion.hasGradient) return
  throw new ArgumentError(
    `${who}: ${criterion.name} has no gradient, so no layer can be trained by it; give a criterion such as new HSIC({ sigma: 5 })`,
  )
}

function checkName(optimizer: unknown): void {
  if (optimizer === undefined || typeof optimizer === 'string') return
  throw new ArgumentError(
    `compile: optimizer is ${describe(optimizer)}, expected a name such as 'sgd', since each layer gets a separate optimizer`,
  )
}
