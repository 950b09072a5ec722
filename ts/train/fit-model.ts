/** The training of models: a supervised task and its data for the training loop. */
import { DataError, StateError } from '../core/errors.js'
import { between, type Checks, checkOptions, elsewhere, flag, whole } from '../core/options.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayInput } from '../data/array-dataset.js'
import type { Batch, BatchSource } from '../data/loader.js'
import { checkArrayInput } from '../data/targets.js'
import type { Attachment, Probe } from '../dynamics/attachment.js'
import { checkCallbacks } from './callbacks/callback.js'
import type { Compiled } from './compile.js'
import { EpochMeasurement, type ProbeFeed, probeBatch } from './epoch-measurement.js'
import { type Feed, feedOf, feedsOf, prepareFeeds } from './feed.js'
import type { History } from './history.js'
import type { Trainable } from './model.js'
import { adviseOnLoss, mismatch, outlineOf } from './outline.js'
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
}

/** Options of `fit`. */
export interface FitOptions extends ModelTrainOptions {
  /** Samples in a batch; the last batch may be smaller. Default 32. */
  batchSize?: number
  /** Share of randomly chosen validation samples: n - floor(n * (1 - share)). In [0, 1), default 0.2. */
  validationSplit?: number
  /** Shuffle the training samples every epoch; otherwise keep the order of the arrays. Default true. */
  shuffle?: boolean
}

/** Options of `fitDataset`. */
export interface FitDatasetOptions extends ModelTrainOptions {
  /** Validation data, evaluated after every epoch in evaluation mode. Empty data mean no validation. */
  validation?: BatchSource
}

const modelChecks: Checks<ModelTrainOptions> = { ...trainChecks, numClasses: whole(1) }
/** The checks of {@link FitDatasetOptions}. */
export const datasetChecks: Checks<FitDatasetOptions> = { ...modelChecks, validation: elsewhere() }
/** The checks of {@link FitOptions}. */
export const arrayChecks: Checks<FitOptions> = {
  ...modelChecks,
  batchSize: whole(1),
  validationSplit: between(0, 1, 'high'),
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
  const { batchSize, validationSplit, shuffle, ...rest } = given
  const training = checkTraining(model, rest)
  return exclusively(model, 'fit', () =>
    withSplit(model, x, y, given, (train, validation, preface) =>
      trainLocked(
        model,
        train,
        validation === undefined ? training : { ...training, validation },
        supervisedRecipe(model),
        preface,
      ),
    ),
  )
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
  const { seed, inputShape, dtype } = model
  const targets = new TargetRule(compiledOf(model, 'fit'), outlineOf(model).outputShape)
  const data = await ArrayDataset.inTurns(x, y, {
    batchSize,
    shuffle,
    seed,
    inputShape,
    dtype,
    ...targets.datasetOptions(y),
    classes: numClasses,
  })
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
  task(classes: number | undefined): Task<Batch> & { prepare(): void }
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
    task: (classes) => new SupervisedTask(model, { layers, classes }, 'fit'),
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
      `${said}a network with noWeights has none of its own; train what makes its weights, as a task with apply(weights, x), or leave noWeights out`,
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
): Promise<History> {
  const state = stateOf(model)
  const wasTraining = state.training
  const run = await prepareRun(model, source, options, recipe, preface)
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
  { validation: given, numClasses, ...options }: FitDatasetOptions,
  { targets, layers, suspicion, ...recipe }: Recipe,
  preface: string | undefined,
): Promise<Run<Batch>> {
  const { attachments, dtype, inputShape, saveDynamics, segment, trackDynamics } = model
  const { signal } = options
  const feedOptions = { inputShape, dtype, targets }
  const feeds = feedsOf(source, given, (one) => feedOf(one, feedOptions))
  const { feed, validation } = feeds
  await prepareFeeds(feeds, signal)
  const classes = numClasses ?? feed.classes ?? recipe.classes
  const task = recipe.task(classes)
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
    save: saveDynamics,
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

/** The samples of an evaluator that is evaluated after epochs. */
async function probeFeed(
  { inputShape, dtype }: Trainable,
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
    ...targets.datasetOptions(probe.y),
    classes,
  })
  const feed = feedOf(data, { inputShape, dtype, targets })
  await feed.prepare()
  return { feed, samples: data.samples, dispose: () => data.dispose() }
}

/** Warns that evaluators on batches include samples with the ignored label. */
function adviseOnIgnored({ attachments, segment }: Trainable, { ignoreIndex }: Compiled): void {
  const isSeen = segment === 'label' && attachments.some(({ on }) => on === 'batch')
  if (ignoreIndex === undefined || !isSeen) return
  process.emitWarning(
    `evaluators on batches see all samples: those with the label to ignore, ${ignoreIndex}, are a class of their own to them; attach them with { evaluateOn: 'epoch' } to leave these out`,
    { type: 'HyperglowWarning', code: 'HYPERGLOW_IGNORED_LABELS' },
  )
}

/** Losses that are NaN for some outputs. */
const outputLimits: Readonly<Record<string, string>> = {
  bce: "'bce' is NaN for outputs outside of [0, 1]: end the network with a sigmoid, or use 'bceWithLogits'; else ",
  klDiv:
    "'klDiv' is NaN for outputs above 0, which are no log-probabilities: end the network with logSoftmax; else ",
  nll: "'nll' is NaN for outputs above 0, which are no log-probabilities: end the network with logSoftmax, or use 'crossEntropy'; else ",
}

/** Advice for a NaN loss that the outputs may cause. */
function outputLimit({ lossName }: Compiled): string | undefined {
  const limit = outputLimits[lossName ?? '']
  return limit === undefined
    ? undefined
    : `${limit}lower the learning rate, clip gradients, or look for extreme values in the data`
}
