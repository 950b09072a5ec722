/** The training of models: a supervised task and its data for the training loop. */
import { literal } from '../core/create.js'
import type { DeviceRequest } from '../core/devices.js'
import { ArgumentError, DataError, describe, StateError } from '../core/errors.js'
import {
  between,
  type Checks,
  checkOptions,
  elsewhere,
  flag,
  isList,
  isPlainObject,
  whole,
} from '../core/options.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayDatasetOptions, type ArrayInput } from '../data/array-dataset.js'
import type { Batch, BatchSource } from '../data/loader.js'
import { checkArrayInput, readingTensor } from '../data/targets.js'
import type { Attachment, Probe } from '../dynamics/attachment.js'
import { resolveSave, type SaveDynamics } from '../dynamics/save.js'
import type { Tensor } from '../ops/tensor.js'
import { checkCallbacks } from './callbacks/callback.js'
import type { Compiled } from './compile.js'
import { checkDevices, EpochMeasurement, type ProbeFeed, probeBatch } from './epoch-measurement.js'
import { checkWeights, type Feed, feedOf, feedsOf, prepareFeeds } from './feed.js'
import type { Trainable } from './model.js'
import { adviseOnLoss, mismatch, outlineOf } from './outline.js'
import type { History } from './results.js'
import { type TrainOptions, trainChecks } from './run-options.js'
import { compiledOf, exclusively, stateOf } from './state.js'
import { SupervisedTask } from './supervised.js'
import { TargetRule } from './targets.js'
import type { Task } from './task.js'
import { Run } from './training-loop.js'

/** Options of training a model. */
export interface ModelTrainOptions extends TrainOptions {
  /** Classes of the task: the width of one-hot rows in the dynamics. Default: the data's number of classes, else the width of the output. */
  numClasses?: number
  /**
   * Weight of each class in training: one number per class, or numbers by class (omitted classes have weight 1). The mean of a batch is
   * weighted, as with `weight` of `lossOptions`, which it replaces. For 'crossEntropy' and 'nll'. Not used for metrics, in validation and `evaluate`.
   * Default: the weights of the loss.
   */
  classWeight?: readonly number[] | Readonly<Record<number, number>>
}

/** Data that are held out: batches, or arrays. */
export type ValidationData =
  | BatchSource
  | { readonly x: ArrayInput; readonly y: ArrayInput }
  | readonly [x: ArrayInput, y: ArrayInput]

/** Options of `fit`. */
export interface FitOptions extends ModelTrainOptions {
  /** Samples in a batch; the last batch may be smaller. Default 32. */
  batchSize?: number
  /** Share of randomly chosen validation samples: n - floor(n * (1 - share)). In [0, 1), default 0.2. */
  validationSplit?: number
  /** Validation data of every epoch, instead of a share of the samples. Default: the share. */
  validation?: ValidationData
  /**
   * Weight of each sample in training, n numbers of at least 0: the loss of a batch, and of an epoch, is the weighted mean. Metrics, validation and evaluators
   * are not weighted. For named losses. Batches of `fitDataset` hold their weights as `weight`. Default 1.
   */
  sampleWeight?: ArrayInput
  /** Shuffle the training samples every epoch; otherwise keep the order of the arrays. Default true. */
  shuffle?: boolean
}

/** Options of `fitDataset`. */
export interface FitDatasetOptions extends ModelTrainOptions {
  /** Validation data, evaluated after every epoch in evaluation mode. Empty data mean no validation. */
  validation?: BatchSource
}

const modelChecks: Checks<ModelTrainOptions> = {
  ...trainChecks,
  numClasses: whole(1),
  classWeight: {
    expected: 'a list of numbers, or a record of numbers by class such as { 0: 1, 1: 2 }',
    accepts: (value) =>
      (isList(value) || isPlainObject(value)) &&
      Object.keys(value as object).every((key) => /^\d+$/.test(key)),
  },
}
/** The checks of {@link FitDatasetOptions}. */
export const datasetChecks: Checks<FitDatasetOptions> = { ...modelChecks, validation: elsewhere() }
/** The checks of {@link FitOptions}. */
export const arrayChecks: Checks<FitOptions> = {
  ...modelChecks,
  batchSize: whole(1),
  validationSplit: between(0, 1, 'high'),
  validation: elsewhere(),
  sampleWeight: elsewhere(),
  shuffle: flag,
}

/** Options of the datasets of arrays. */
export type SplitOptions = Pick<FitOptions, 'batchSize' | 'validationSplit' | 'shuffle' | 'numClasses'>

/** Makes datasets of arrays and trains on them. The model's seed determines split and orders. */
export async function fitArrays(
  model: Trainable,
  x: ArrayInput,
  y: ArrayInput,
  options: FitOptions,
): Promise<History> {
  checkArrayInput('fit: x', x, 'a dataset is trained on by fitDataset(data, { epochs })')
  checkArrayInput('fit: y', y, 'give the target of each sample behind x, and options behind it')
  const given = checkOptions('fit', options, arrayChecks)
  const { batchSize, validationSplit, shuffle, validation: held, sampleWeight, ...rest } = given
  const training = checkTraining(model, rest)
  return exclusively(model, 'fit', async () => {
    const split = held === undefined ? given : withoutSplit(given)
    using weights = sampleWeight === undefined ? undefined : await weightsFrom(sampleWeight, model.device)
    const heldOut = held === undefined ? undefined : await heldData(model, held, given)
    try {
      return await withSplit(model, x, y, split, async (train, part, preface) => {
        const validation = heldOut?.data ?? part
        if (weights !== undefined)
          await checkWeights('fit: sampleWeight', weights, train.source.x.shape[0] as number)
        const options = validation === undefined ? training : { ...training, validation }
        const told =
          heldOut === undefined ? preface : `training on ${train.samples} samples, validating on those given`
        return trainLocked(model, train, options, supervisedRecipe(model), told, weights)
      })
    } finally {
      heldOut?.dispose()
    }
  })
}

/** The options of a fit whose validation data are given. */
function withoutSplit({ validationSplit, ...options }: FitOptions): FitOptions {
  if (validationSplit === undefined || validationSplit === 0) return { ...options, validationSplit: 0 }
  throw new ArgumentError(
    `fit: validation and validationSplit ${validationSplit} were both given; leave one of them out`,
  )
}

/**
 * Weights of samples, as a new tensor.
 *
 * @param device default: a tensor stays, an array goes to the default device
 */
export async function weightsFrom(given: ArrayInput, device?: DeviceRequest): Promise<Tensor> {
  checkArrayInput('fit: sampleWeight', given, 'give a number for each sample')
  return inTurns(readingTensor(given, 'float32', device))
}

/** Validation data as a source of batches. */
async function heldData(
  model: Trainable,
  held: ValidationData,
  { batchSize, numClasses }: FitOptions,
): Promise<{ data: BatchSource; dispose(): void }> {
  if (isList(held) && (held as readonly unknown[]).length === 0) {
    throw new DataError('fit: validation is an empty list; give { x, y }, [x, y] or batches, or leave it out')
  }
  const isPair =
    isList(held) &&
    (held as readonly unknown[]).length === 2 &&
    !isPlainObject((held as readonly unknown[])[0])
  const [x, y] = isPair
    ? (held as readonly [ArrayInput, ArrayInput])
    : isPlainObject(held)
      ? [(held as { x?: ArrayInput }).x, (held as { y?: ArrayInput }).y]
      : []
  if (x === undefined || y === undefined) return { data: held as BatchSource, dispose() {} }
  checkArrayInput('fit: validation x', x, 'or give a dataset as validation')
  checkArrayInput('fit: validation y', y, 'or give a dataset as validation')
  const data = await datasetFor(model, x, y, { batchSize, classes: numClasses })
  return { data, dispose: () => data.dispose() }
}

/** A dataset of arrays in the shape, dtype and device of a model, with targets for its loss. */
function datasetFor(
  model: Trainable,
  x: ArrayInput,
  y: ArrayInput,
  options: ArrayDatasetOptions,
): Promise<ArrayDataset> {
  const { inputShape, dtype, device } = model
  const targets = new TargetRule(compiledOf(model, 'fit'), outlineOf(model).outputShape)
  return ArrayDataset.inTurns(x, y, { inputShape, dtype, device, ...targets.datasetOptions(y), ...options })
}

/** Makes datasets of arrays for `train`, and releases them at its end. The model's seed determines split and orders. */
export async function withSplit<T>(
  model: Trainable,
  x: ArrayInput,
  y: ArrayInput,
  options: SplitOptions,
  train: (train: ArrayDataset, validation: ArrayDataset | undefined, preface: string) => Promise<T>,
): Promise<T> {
  const { batchSize, validationSplit = 0.2, shuffle = true, numClasses } = options
  const data = await datasetFor(model, x, y, { batchSize, shuffle, seed: model.seed, classes: numClasses })
  try {
    const [training, validation] = await inTurns(data.splitting(validationSplit))
    if (training.samples === 0) {
      throw new DataError(
        `fit: ${data.samples} samples with validationSplit ${validationSplit} leave none to train on; lower the split or give more samples`,
      )
    }
    const remark = options.validationSplit === undefined ? ' (validationSplit 0.2; Keras holds out none)' : ''
    const preface = `training on ${training.samples} samples, validating on ${validation.samples || 'none'}${remark}`
    return await train(training, validation.samples > 0 ? validation : undefined, preface)
  } finally {
    data.dispose()
  }
}

/** Recipe of a model's training. */
export interface Recipe {
  /** The checks of targets. */
  readonly targets: TargetRule
  /** Names of the layers in the segments. */
  readonly layers: readonly string[]
  /** Number of classes if neither options nor data define it. */
  readonly classes: number | undefined
  /** The task. @param classes width of one-hot rows */
  task(classes: number | undefined, classWeights: Tensor | undefined): Task<Batch> & { prepare(): void }
  /** Whether weights of samples and classes are supported: the task has a loss. */
  readonly isWeighable?: boolean
  /** A possible reason of a NaN loss, if one is known. */
  readonly suspicion?: string | undefined
  /** Warns about the model, after all checks. */
  advise?(): void
}

/** The training of a compiled model on its loss. */
function supervisedRecipe(model: Trainable): Recipe {
  const compiled = compiledOf(model, 'fit')
  const outline = outlineOf(model)
  const { layers } = outline
  return {
    targets: new TargetRule(compiled, outline.outputShape),
    layers,
    classes: outline.outputShape.at(-1),
    task: (classes, classWeights) => new SupervisedTask(model, { layers, classes, classWeights }, 'fit'),
    isWeighable: true,
    suspicion: mismatch(compiled, outline) ?? outputLimit(compiled),
    advise() {
      adviseOnLoss(compiled, outline)
      adviseOnIgnored(model, compiled)
    },
  }
}

/**
 * Trains a model on batches.
 *
 * @throws ArgumentError, DataError, StateError (rejects) before anything is changed, for data and options that cannot work;
 *   NumericalError as soon as the mean loss is seen to be NaN or infinite; the reason of the signal; the error of a callback
 */
export async function trainModel(
  model: Trainable,
  source: BatchSource,
  given: FitDatasetOptions,
): Promise<History> {
  const options = checkTraining(model, given)
  return exclusively(model, 'fit', () => trainLocked(model, source, options, supervisedRecipe(model)))
}

/** Trains a model on batches by another recipe than its loss; errors are the same as those of {@link trainModel}. */
export async function trainByRecipe(
  model: Trainable,
  source: BatchSource,
  given: FitDatasetOptions,
  recipe: () => Recipe,
): Promise<History> {
  const options = checkTraining(model, given)
  return exclusively(model, 'fit', () => trainLocked(model, source, options, recipe()))
}

/** Checks that a model can be trained, and its options. */
function checkTraining(model: Trainable, given: FitDatasetOptions): FitDatasetOptions {
  const options = checkOptions('fit', given, datasetChecks)
  checkCallbacks(options.callbacks ?? [])
  compiledOf(model, 'fit')
  if (Object.keys(model.trainableWeights).length === 0) throw nothingToTrain(model)
  options.signal?.throwIfAborted()
  return options
}

/** The error for a model without trainable weights. */
function nothingToTrain({ noWeights, weights }: Trainable): StateError {
  const said = 'fit: there is nothing to train: '
  if (noWeights) {
    return new StateError(
      `${said}a network with noWeights has no weights; train the network that computes them, as a task with apply(weights, x), or leave noWeights out`,
    )
  }
  if (Object.keys(weights).length > 0) {
    return new StateError(
      `${said}all weights are frozen or declared as fixed; unfreeze some, as by model.unfreeze('**')`,
    )
  }
  return new StateError(`${said}the layers of the model have no weights; add one that has, such as Dense`)
}

/** Trains a model, which is occupied by the training. @param preface first line of the progress */
async function trainLocked(
  model: Trainable,
  source: BatchSource,
  options: FitDatasetOptions,
  recipe: Recipe,
  preface?: string,
  weights?: Tensor,
): Promise<History> {
  const state = stateOf(model)
  const wasTraining = state.training
  const run = await prepareRun(model, source, options, recipe, preface, weights)
  try {
    return await run.all()
  } finally {
    await run.close()
    state.training = wasTraining
  }
}

/** Checks before the first step. */
async function prepareRun(
  model: Trainable,
  source: BatchSource,
  { validation: given, numClasses, classWeight, ...options }: FitDatasetOptions,
  { targets, layers, suspicion, ...recipe }: Recipe,
  preface: string | undefined,
  weights: Tensor | undefined,
): Promise<Run<Batch>> {
  const { attachments, device, dtype, inputShape, segment, trackDynamics } = model
  if (trackDynamics) checkDevices(attachments, device)
  const save = saveOf(model, options)
  const { signal } = options
  const feedOptions = { inputShape, dtype, device, targets }
  const feeds = feedsOf(source, given, (one) =>
    feedOf(one, one === source ? { ...feedOptions, weights } : feedOptions),
  )
  const { feed, validation } = feeds
  await prepareFeeds(feeds, signal)
  const classes = numClasses ?? feed.classes ?? recipe.classes
  const classWeights =
    classWeight === undefined ? undefined : classWeightsOf(model, classWeight, targets.classes, recipe)
  const task = recipe.task(classes, classWeights)
  const state = stateOf(model)
  const seed = model.seed
  const probeOf = (attachment: Attachment<Probe>) => probeFeed(model, feed, attachment, classes, targets)
  const measurement = trackDynamics
    ? await EpochMeasurement.prepare(task, attachments, (one) => probeOf(one as Attachment<Probe>), seed)
    : undefined
  const run = await Run.prepare({
    task,
    feed,
    validation,
    record: state.record,
    options,
    scalars: {},
    tracks: trackDynamics,
    attachments,
    save,
    notes: { segment, inputShape },
    layers,
    measurement,
    occupation: state.occupation,
    setMode: (isTraining) => {
      state.training = isTraining
    },
    suspicion,
    preface,
  })
  recipe.advise?.()
  task.prepare()
  return run
}

/** Where the dynamics of a fit go. */
function saveOf(
  { saveDynamics: own, trackDynamics }: Trainable,
  { saveDynamics: given, appendDynamics = false }: TrainOptions,
): Readonly<Required<SaveDynamics>> | undefined {
  if (!trackDynamics && (given !== undefined || appendDynamics)) {
    throw new ArgumentError(
      `fit: ${given === undefined ? 'appendDynamics' : 'saveDynamics'} needs a model that tracks its dynamics; construct it with trackDynamics: true`,
    )
  }
  return given === undefined ? own : resolveSave(given)
}

/**
 * The weights of classes as a tensor.
 *
 * @throws ArgumentError for a weight that is no number of at least 0, if the loss has no class weights or already has some, or for an unknown class
 */
function classWeightsOf(
  model: Trainable,
  given: NonNullable<ModelTrainOptions['classWeight']>,
  classes: number | undefined,
  { isWeighable = false }: Pick<Recipe, 'isWeighable'>,
): Tensor {
  const bad = Object.entries(given).find(([, weight]) => !(Number.isFinite(weight) && weight >= 0))
  if (bad !== undefined) {
    throw new ArgumentError(
      `fit: classWeight of class ${bad[0]} is ${describe(bad[1])}, expected a finite number of at least 0`,
    )
  }
  const { lossName, ignoreIndex } = compiledOf(model, 'fit')
  if (!isWeighable || (lossName !== 'crossEntropy' && lossName !== 'nll') || classes === undefined) {
    throw new ArgumentError(
      `fit: classWeight is for the losses 'crossEntropy' and 'nll', and this training has ${isWeighable && lossName !== undefined ? `'${lossName}'` : 'no such loss'}; give a weight for each sample with sampleWeight`,
    )
  }
  const beyond = Object.keys(given).find((key) => Number(key) >= classes && Number(key) !== ignoreIndex)
  if (beyond !== undefined || (isList(given) && (given as readonly number[]).length !== classes)) {
    throw new ArgumentError(
      `fit: classWeight has ${beyond === undefined ? `${(given as readonly number[]).length} numbers` : `a number for class ${beyond}`}, and there are ${classes} classes, counted from 0`,
    )
  }
  const weights = Float32Array.from({ length: classes }, (_, c) => (given as Record<number, number>)[c] ?? 1)
  return literal(weights)
}

/** The samples of an evaluator that is evaluated after epochs. */
async function probeFeed(
  { inputShape, dtype, device }: Trainable,
  training: Feed,
  { probe, samples }: Attachment<Probe>,
  classes: number | undefined,
  targets: TargetRule,
): Promise<ProbeFeed<Batch>> {
  if (probe === undefined) return { feed: training, samples, dispose() {} }
  const data = new ArrayDataset(probe.x, probe.y, {
    batchSize: probeBatch,
    inputShape,
    dtype,
    device,
    ...targets.datasetOptions(probe.y),
    classes,
  })
  const feed = feedOf(data, { inputShape, dtype, device, targets })
  await feed.prepare()
  return { feed, samples: data.samples, dispose: () => data.dispose() }
}

/** Warns that evaluators on batches include samples with the ignored label. */
function adviseOnIgnored({ attachments, segment }: Trainable, { ignoreIndex }: Compiled): void {
  const isSeen = segment === 'label' && attachments.some(({ on }) => on === 'batch')
  if (ignoreIndex === undefined || !isSeen) return
  process.emitWarning(
    `evaluators on batches see all samples: those with the label to ignore, ${ignoreIndex}, are one more class for them; attach them with { evaluateOn: 'epoch' } to leave these out`,
    { type: 'HyperglowWarning', code: 'HYPERGLOW_IGNORED_LABELS' },
  )
}

/** Losses that are NaN for some outputs. */
const outputLimits: Readonly<Record<string, string>> = {
  bce: "'bce' is NaN for outputs outside of [0, 1]: end the network with a sigmoid, or use 'bceWithLogits'; else ",
  klDiv:
    "'klDiv' is NaN for outputs above 0, which are not log-probabilities: end the network with logSoftmax; else ",
  nll: "'nll' is NaN for outputs above 0, which are not log-probabilities: end the network with logSoftmax, or use 'crossEntropy'; else ",
}

/** Advice for a NaN loss that the outputs may cause. */
function outputLimit({ lossName }: Compiled): string | undefined {
  const limit = outputLimits[lossName ?? '']
  return limit === undefined
    ? undefined
    : `${limit}lower the learning rate, clip gradients, or look for extreme values in the data`
}
