/** Checks of targets for the loss of a model, and their errors. */

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

/** Tolerance of the sum of a row of probabilities. */
const rowTolerance = 1e-3

/** Requirement of a loss's targets, entry by entry. */
interface Range {
  /** Bool of the shape of the targets. */
  holds(y: Tensor): Tensor
  accepts(value: number): boolean
  readonly expected: string
  readonly remedy: string
}

const probability: Range = {
  holds: isProbability,
  accepts: (value) => value >= 0 && value <= 1,
  expected: 'in [0, 1]',
  remedy: 'give labels 0 and 1, or another loss',
}
const sign: Range = {
  holds: (y) => y.abs().equal(1),
  accepts: (value) => Math.abs(value) === 1,
  expected: '-1 and 1',
  remedy: 'of labels 0 and 1 make 2 y - 1',
}

/** Losses with a restricted range of targets; other losses take class labels or any numbers. */
const ranges: Partial<Record<LossName, Range>> = {
  bce: probability,
  bceWithLogits: probability,
  sigmoidFocal: {
    holds: (y) => y.equal(0).logicalOr(y.equal(1)),
    accepts: (value) => value === 0 || value === 1,
    expected: '0 and 1',
    remedy: "give labels 0 and 1, or the loss 'bceWithLogits'",
  },
  hinge: sign,
  squaredHinge: sign,
  poissonNll: {
    holds: (y) => y.greaterEqual(0),
    accepts: (value) => value >= 0,
    expected: 'of at least 0, counts',
    remedy: "remove such samples, or take another loss, such as 'mse'",
  },
}

/** The targets that a loss can use with outputs of a shape. */
export class TargetRule {
  readonly lossName: LossName | undefined
  readonly ignoreIndex: number | undefined
  readonly #outputShape: Shape

  /**
   * @param outputShape shape of one output
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

  /** Upper bound of labels; undefined for losses without labels. */
  get classes(): number | undefined {
    return takesLabels(this.lossName) ? this.#outputShape[0] : undefined
  }

  get #range(): Range | undefined {
    return this.lossName === undefined ? undefined : ranges[this.lossName]
  }

  /** The reading of targets by an ArrayDataset. */
  datasetOptions(y: ArrayInput): { labels: boolean | undefined; ignoreIndex: number | undefined } {
    const isRows = this.isRows(shapeOfInput(y))
    return { labels: isRows ? false : takesLabels(this.lossName), ignoreIndex: this.ignoreIndex }
  }

  /** Whether targets of this shape (batch axis first) are rows of probabilities, one number a class. */
  isRows(shape: Shape): boolean {
    return this.lossName === 'crossEntropy' && same(shape.slice(1), this.#outputShape)
  }

  /** Targets `[batch, 1]` of a loss of classes as `[batch]`; other targets unchanged. Part of a step. */
  shaped(y: Tensor): Tensor {
    const isColumn = this.classes !== undefined && this.#outputShape.length === 1 && y.rank === 2
    return isColumn && y.shape[1] === 1 ? y.reshape([y.shape[0] as number]) : y
  }

  /**
   * Checks targets sample by sample.
   *
   * @param where name of the data, for messages
   * @returns bool [n], lazy, true for valid samples; undefined if every target is valid
   * @throws ShapeError for targets of a loss of classes that are neither labels nor rows
   */
  verdict(y: Tensor, where: string): Tensor | undefined {
    const each = (fine: Tensor) => (fine.rank === 1 ? fine : fine.reshape([y.shape[0] as number, -1]).all(1))
    if (this.classes === undefined) {
      const range = this.#range
      if (range !== undefined) {
        const numbers = y.cast('float32')
        return each(range.holds(numbers).logicalAnd(finite(numbers)))
      }
      return isFloat(y.dtype) ? each(finite(y)) : undefined
    }
    if (this.isRows(y.shape)) {
      const rows = y.cast('float32')
      const sums = rows.sum(1).sub(1).abs().lessEqual(rowTolerance)
      return each(rows.greaterEqual(0).all(1).logicalAnd(sums))
    }
    const labels = this.shaped(y).shape.slice(1)
    if (same(labels, this.#outputShape.slice(1))) return undefined
    const outputs = this.#outputShape
    // [batch, time, classes], the layout of other systems.
    const isLast = outputs.length > 1 && same(labels, outputs.slice(0, -1))
    throw new ShapeError(
      `${where}: the targets have shape [${y.shape}], and the outputs [${[y.shape[0], ...this.#outputShape]}]: ` +
        `'${this.lossName}' takes class numbers [${[y.shape[0], ...this.#outputShape.slice(1)]}]` +
        `${this.lossName === 'crossEntropy' ? ' or rows of probabilities (one-hot rows) of the shape of the outputs' : ''}` +
        `${isLast ? `. Classes are the first axis behind that of samples; to bring them there end the network with new Permute([${[outputs.length - 1, ...labels.keys()].join(', ')}])` : ''}`,
    )
  }

  /** Checks labels on the host; does nothing for other targets. */
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
    const range = this.#range
    if (range !== undefined) {
      const outside = values.find((value) => !range.accepts(value))
      return new DataError(
        `${where}: y of sample ${sample} holds ${outside}: '${this.lossName}' takes targets ${range.expected}; ${range.remedy}`,
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
