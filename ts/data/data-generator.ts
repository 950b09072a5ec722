import { ShapeError } from '../core/errors.js'
import { between, type Checks, checkOptions, elsewhere, whole } from '../core/options.js'
import { idOf } from '../core/tensor.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { ArrayDataset, type ArrayInput } from './array-dataset.js'

/** Options of {@link DataGenerator}'s methods. */
export interface SplitOptions {
  /** Default 32. */
  batchSize?: number
  /** Share of the samples for validation, in [0, 1). Default 0.2. */
  validationSplit?: number
  /** Shape of one input, for flat typed arrays. Default: the shape of `x` without its first axis. */
  inputShape?: Shape
  /** Number of classes. Default: the largest label + 1. */
  classes?: number
  /** A label of samples to ignore; a model leaves them out with `lossOptions: { ignoreIndex }`. */
  ignoreIndex?: number
}

/** Options of {@link DataGenerator}. */
export interface DataGeneratorOptions {
  /** Seed of the split and the orders. Default 0. */
  seed?: number
}

const checks: Checks<DataGeneratorOptions> = { seed: whole(0) }
const splitChecks: Checks<SplitOptions> = {
  batchSize: whole(1),
  validationSplit: between(0, 1, 'high'),
  inputShape: elsewhere(),
  classes: whole(1),
  ignoreIndex: whole(),
}

/**
 * Makes training and validation data from arrays: floor(n * (1 - validationSplit)) random samples train, shuffled in every epoch; the rest
 * validates, always in the same order. The last batch may be smaller.
 *
 *     const [train, validation] = new DataGenerator({ seed: 1 }).setDataset(x, y, { batchSize: 64 })
 */
export class DataGenerator {
  /** Seed of the split and the orders. */
  readonly seed: number

  constructor(options: DataGeneratorOptions = {}) {
    const { seed = 0 } = checkOptions('DataGenerator', options, checks)
    this.seed = seed
  }

  /**
   * From plain arrays. Inputs become float32; targets become class labels, flattened.
   *
   * @throws ShapeError for lengths that differ; DataError for labels that are not whole numbers from 0, with the index
   */
  prepareArrayData(
    x: ArrayInput,
    y: ArrayInput,
    options: SplitOptions = {},
  ): [train: ArrayDataset, validation: ArrayDataset] {
    return this.#split(x, y, checkOptions('prepareArrayData', options, splitChecks), true)
  }

  /** From tensors: labels of an integer dtype, or targets of a float dtype. */
  setDataset(
    x: Tensor,
    y: Tensor,
    options: SplitOptions = {},
  ): [train: ArrayDataset, validation: ArrayDataset] {
    const given = checkOptions('setDataset', options, splitChecks)
    idOf('setDataset: x', x)
    idOf('setDataset: y', y)
    if (x.shape[0] !== y.shape[0]) {
      throw new ShapeError(
        `x holds ${x.shape[0]} samples and y ${y.shape[0]}; give one target for each input`,
      )
    }
    return this.#split(x, y, given)
  }

  #split(x: ArrayInput, y: ArrayInput, options: SplitOptions, labels?: boolean) {
    const { validationSplit = 0.2, ...rest } = options
    return new ArrayDataset(x, y, { ...rest, labels, shuffle: true, seed: this.seed }).split(validationSplit)
  }
}
