import { ArrayDataset, type ArrayInput } from '../datasets/array-dataset.js'
import { ShapeError } from '../errors.js'
import type { Shape, Tensor } from '../tensor.js'

/** Options of {@link DataGenerator}'s methods. */
export interface SplitOptions {
  /** Default 32. */
  batchSize?: number
  /** Share of the samples that validates, in [0, 1). Default 0.2. */
  validationSplit?: number
  /** Shape of one input, for flat typed arrays. Default: that of `x` without its first axis. */
  inputShape?: Shape
  /** Number of classes. Default: the largest label + 1. */
  classes?: number
}

/**
 * Makes training and validation data from arrays: floor(n * (1 - validationSplit)) random samples train, in another order
 * every epoch; the rest validates, always in the same order. The last batch keeps what is left.
 *
 *     const [train, validation] = new DataGenerator({ seed: 1 }).setDataset(x, y, { batchSize: 64 })
 */
export class DataGenerator {
  /** Decides the split and the orders. */
  readonly seed: number

  constructor(options: { seed?: number } = {}) {
    this.seed = options.seed ?? 0
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
    return this.#split(x, y, { ...options, labels: true })
  }

  /** From tensors: labels of an integer dtype, or targets of a float dtype. */
  setDataset(
    x: Tensor,
    y: Tensor,
    options: SplitOptions = {},
  ): [train: ArrayDataset, validation: ArrayDataset] {
    if (x.shape[0] !== y.shape[0]) {
      throw new ShapeError(
        `x holds ${x.shape[0]} samples and y ${y.shape[0]}; give one target for each input`,
      )
    }
    return this.#split(x, y, options)
  }

  #split(x: ArrayInput, y: ArrayInput, options: SplitOptions & { labels?: boolean }) {
    const { validationSplit = 0.2, ...rest } = options
    return new ArrayDataset(x, y, { ...rest, shuffle: true, seed: this.seed }).split(validationSplit)
  }
}
