/** What targets the loss of a model can use, and how their faults are said. */

import { isFloat, type Shape } from '../core/dtype.js'
import { ArgumentError, DataError, ShapeError } from '../core/errors.js'
import { type ArrayInput, shapeOfInput } from '../data/targets.js'
import { checkLabels } from '../nn/losses/labels.js'
import type { LossName } from '../nn/losses/named.js'
import { isProbability } from '../nn/losses/reduction.js'
import { isFinite as finite } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import type { Compiled } from './compile.js'
import { takesLabels } from './objective.js'

/** How far the sum of a row of probabilities may be from 1. */
const rowTolerance = 1e-3

/** Losses whose targets are probabilities, entry by entry. */
const binaryLosses: readonly (LossName | undefined)[] = ['bce', 'bceWithLogits']

/** The targets that a loss can use with outputs of a shape. */
export class TargetRule {
  readonly lossName: LossName | undefined
  readonly ignoreIndex: number | undefined
  readonly #outputShape: Shape

  /**
   * @param outputShape of one output
   * @throws ArgumentError for a loss of classes with a single class
   */
  constructor({ lossName, ignoreIndex }: Pick<Compiled, 'lossName' | 'ignoreIndex'>, outputShape: Shape) {
    this.lossName = lossName
    this.ignoreIndex = ignoreIndex
    this.#outputShape = outputShape
    if (this.classes === 1) {
      throw new ArgumentError(
        `the loss '${lossName}' is for two classes or more, and the model has one output, for which it is always 0; ` +
          "for yes or no use the loss 'bce' with the activation 'sigmoid' or 'bceWithLogits' without one, for numbers 'mse'",
      )
    }
  }

  /** Number that labels lie below; undefined for losses that take none. */
  get classes(): number | undefined {
    return takesLabels(this.lossName) ? this.#outputShape[0] : undefined
  }

  /** How an ArrayDataset is to read targets. */
  datasetOptions(y: ArrayInput): { labels: boolean | undefined; ignoreIndex: number | undefined } {
    const isRows = this.isRows(shapeOfInput(y))
    return { labels: isRows ? false : takesLabels(this.lossName), ignoreIndex: this.ignoreIndex }
  }

  /** Whether targets of this shape (batch axis first) are rows of probabilities, one number a class. */
  isRows(shape: Shape): boolean {
    return this.lossName === 'crossEntropy' && same(shape.slice(1), this.#outputShape)
  }

  /** Targets `[batch, 1]` of a loss of classes as `[batch]`; others as they are. Part of a step. */
  shaped(y: Tensor): Tensor {
    const isColumn = this.classes !== undefined && this.#outputShape.length === 1 && y.rank === 2
    return isColumn && y.shape[1] === 1 ? y.reshape([y.shape[0] as number]) : y
  }

  /**
   * What there is to say of targets, sample by sample.
   *
   * @param where whose they are, for messages
   * @returns bool [n], lazy, of the samples that can be used; undefined where there is nothing to look at
   * @throws ShapeError for targets of a loss of classes that are neither labels nor rows
   */
  verdict(y: Tensor, where: string): Tensor | undefined {
    const each = (fine: Tensor) => (fine.rank === 1 ? fine : fine.reshape([y.shape[0] as number, -1]).all(1))
    if (this.classes === undefined) {
      if (binaryLosses.includes(this.lossName)) return each(isProbability(y.cast('float32')))
      return isFloat(y.dtype) ? each(finite(y)) : undefined
    }
    if (this.isRows(y.shape)) {
      const rows = y.cast('float32')
      const sums = rows.sum(1).sub(1).abs().lessEqual(rowTolerance)
      return each(rows.greaterEqual(0).all(1).logicalAnd(sums))
    }
    const labels = this.shaped(y).shape.slice(1)
    if (same(labels, this.#outputShape.slice(1))) return undefined
    throw new ShapeError(
      `${where}: the targets have shape [${y.shape}], and the outputs [${[y.shape[0], ...this.#outputShape]}]: ` +
        `'${this.lossName}' takes class numbers [${[y.shape[0], ...this.#outputShape.slice(1)]}]` +
        `${this.lossName === 'crossEntropy' ? ' or rows of probabilities (one-hot rows) of the shape of the outputs' : ''}`,
    )
  }

  /** Checks labels on the host; nothing for other targets. */
  async checkLabels(y: Tensor): Promise<void> {
    if (this.classes === undefined || this.isRows(y.shape)) return
    checkLabels((await y.data()) as Int32Array, this.classes, this.ignoreIndex)
  }

  /** The error for a sample that `verdict` refused. */
  async fault(y: Tensor, sample: number, where: string): Promise<DataError> {
    using row = y.slice([sample], [sample + 1])
    const values = [...(await row.data())].map(Number)
    const bad = values.find((value) => !Number.isFinite(value))
    if (bad !== undefined) {
      return new DataError(
        `${where}: y of sample ${sample} holds a value that is NaN or infinite; remove or replace such samples before training`,
      )
    }
    if (this.classes === undefined) {
      const outside = values.find((value) => value < 0 || value > 1)
      return new DataError(
        `${where}: y of sample ${sample} holds ${outside}: '${this.lossName}' takes targets in [0, 1]; give labels 0 and 1, or another loss`,
      )
    }
    return new DataError(
      `${where}: y of sample ${sample} is the row [${values.slice(0, 10).join(', ')}${values.length > 10 ? ', ...' : ''}], which are no probabilities: ` +
        "'crossEntropy' takes one-hot rows, or rows of numbers of at least 0 with the sum 1; or give class numbers",
    )
  }
}

function same(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis])
}
