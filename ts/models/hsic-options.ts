/** Options of training without back-propagation. */
import {
  atLeast,
  type Check,
  type Checks,
  checkOptions,
  elsewhere,
  flag,
  isList,
  isPlainObject,
  whole,
} from '../core/options.js'
import type { Estimator } from '../estimators/estimator.js'
import type { AnyOptimizerOptions, OptimizerName } from '../nn/optim/named.js'
import type { CompileOptions } from '../train/compile.js'
import { arrayChecks, datasetChecks, type FitDatasetOptions, type FitOptions } from '../train/fit-model.js'
import type { History } from '../train/results.js'

/** Training of one layer. */
export interface LocalOptions {
  /** Criterion of the layer's objective. Default: the criterion of `compile`. */
  criterion?: Estimator
  /** Weight of the dependence on the target, at least 0. Default 0 if `criterion` is given (compression alone), else the coefficient of `compile`. */
  regularizeCoeff?: number
}

export const localChecks: Checks<LocalOptions> = { criterion: elsewhere(), regularizeCoeff: atLeast(0) }

/** Training of all layers, each by its own optimizer. */
export interface PreTrainingOptions {
  /** Weight of the dependence on the target, at least 0. Default 100. */
  regularizeCoeff?: number
  /** Name of each layer's optimizer. Default 'sgd'. */
  optimizer?: OptimizerName | (string & {})
  /** Default 0.001. */
  learningRate?: number
  /** For 'sgd' and 'rmsprop'; default 0.95 for 'sgd'. */
  momentum?: number
  /** Further options of the optimizer, such as weightDecay. */
  optimizerOptions?: AnyOptimizerOptions
  /**
   * Compute each layer's input with the updated weights of the layers before it, on the same batch, as the authors of the paper do. Default
   * false: all layers of a batch use the activations of one forward pass.
   */
  layerwiseRefresh?: boolean
}

const preTrainingChecks: Checks<PreTrainingOptions> = {
  regularizeCoeff: atLeast(0),
  optimizer: elsewhere(),
  learningRate: atLeast(0),
  momentum: atLeast(0),
  optimizerOptions: elsewhere(),
  layerwiseRefresh: flag,
}

const stage: Check<CompileOptions> = {
  expected: "options of compile, such as { learningRate: 0.005, metrics: ['accuracy'] }",
  accepts: isPlainObject,
}

/** Options of `compile` of networks that are trained layer by layer. */
export interface HSICCompileOptions extends PreTrainingOptions {
  /** Criterion of the layers that were added without one, such as `new HSIC({ sigma: 5 })`. */
  criterion?: Estimator
  /** Loss, optimizer and metrics of format training and of `evaluate`. */
  post?: CompileOptions
}

export const hsicCompileChecks: Checks<HSICCompileOptions> = {
  ...preTrainingChecks,
  criterion: elsewhere(),
  post: stage,
}

/** Options of `compile` of {@link HSICSigma}. */
export interface HSICSigmaCompileOptions {
  /** Training of the copies. */
  pre: PreTrainingOptions & {
    /** The criterion of a width, such as `(sigma) => new HSIC({ sigma })`; or a list with a criterion for each of `sigmas`, in order. */
    criterion: ((sigma: number) => Estimator) | readonly Estimator[]
  }
  /** Loss, optimizer and metrics of format training. */
  post?: CompileOptions
  /** Each stage has its own optimizer: give it in `pre` and `post`. */
  optimizer?: never
}

const preStage: Check<HSICSigmaCompileOptions['pre']> & { readonly isRequired: true } = {
  expected: 'a record such as { criterion: (sigma) => new HSIC({ sigma }), learningRate: 0.001 }',
  accepts: isPlainObject,
  isRequired: true,
}

const maker: Check<HSICSigmaCompileOptions['pre']['criterion']> & { readonly isRequired: true } = {
  expected:
    'a function of a kernel width, such as (sigma) => new HSIC({ sigma }), or a list with a criterion for each width',
  accepts: (value) => typeof value === 'function' || isList(value),
  isRequired: true,
}

export const sigmaPreChecks: Checks<HSICSigmaCompileOptions['pre']> = {
  ...preTrainingChecks,
  criterion: maker,
}

export const sigmaCompileChecks: Checks<Omit<HSICSigmaCompileOptions, 'optimizer'>> = {
  pre: preStage,
  post: stage,
}

/** Options of `fit` that both stages take. */
type StageOptions = Pick<FitDatasetOptions, 'callbacks' | 'signal' | 'verbose' | 'numClasses' | 'allowUnused'>

/** Lengths of the two stages. */
export interface StageEpochs {
  /** Epochs of training layer by layer. Default 1. */
  preEpochs?: number
  /** Epochs of format training. Default 1 for a network with a readout, 0 for one without. */
  postEpochs?: number
}

/** Options of `fitDataset` of networks that are trained layer by layer. */
export interface HSICFitDatasetOptions extends StageOptions, StageEpochs {
  /** Data to measure after every epoch, in evaluation mode. */
  validation?: FitDatasetOptions['validation']
}

/** Options of `fit` of networks that are trained layer by layer. */
export interface HSICFitOptions
  extends StageOptions,
    StageEpochs,
    Pick<FitOptions, 'batchSize' | 'validationSplit' | 'shuffle'> {}

const { callbacks, signal, verbose, numClasses, allowUnused, validation } = datasetChecks
const { batchSize, validationSplit, shuffle } = arrayChecks
const stageChecks = {
  callbacks,
  signal,
  verbose,
  numClasses,
  allowUnused,
  preEpochs: whole(0),
  postEpochs: whole(0),
}

export const hsicDatasetChecks: Checks<HSICFitDatasetOptions> = {
  ...stageChecks,
  validation: validation as Check<NonNullable<HSICFitDatasetOptions['validation']>>,
}

export const hsicFitChecks: Checks<HSICFitOptions> = { ...stageChecks, batchSize, validationSplit, shuffle }

/** Options of one stage, training layer by layer or format training: the options of `fitDataset` without epochs and data. */
export type HSICStageOptions = Omit<FitDatasetOptions, 'epochs' | 'validation'>

const { epochs: _, validation: __, ...oneStage } = datasetChecks
const oneStageChecks: Checks<HSICStageOptions> = oneStage

/** The options of a stage, checked. */
export function stageOptions(who: string, options: HSICStageOptions): HSICStageOptions {
  return checkOptions(who, options, oneStageChecks)
}

/** Results of the last stage, and of each stage. */
export interface HSICHistory extends History {
  /** Training layer by layer; undefined for 0 epochs. */
  readonly pre: History | undefined
  /** Format training; undefined for 0 epochs. */
  readonly post: History | undefined
}
