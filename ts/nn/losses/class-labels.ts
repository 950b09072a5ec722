/** Checks and selections for losses of scores `[batch, classes, ...]` and class indices `[batch, ...]`. */
import { DTypeError, ShapeError } from '../../core/errors.js'
import { idOf } from '../../core/tensor.js'
import { arange, type Tensor } from '../../ops/tensor.js'

/**
 * Checks that a prediction has an axis of classes.
 *
 * @throws ShapeError
 */
export function checkScores(name: string, pred: Tensor, target: Tensor): void {
  idOf(`${name}: prediction`, pred)
  idOf(`${name}: target`, target)
  if (pred.rank < 2) {
    throw new ShapeError(`${name}: expected a prediction [batch, classes, ...], received [${pred.shape}]`)
  }
}

/** The labels as int32, checked to be one index per sample. */
export function checkLabelShape(name: string, pred: Tensor, target: Tensor): Tensor {
  const expected = [pred.shape[0], ...pred.shape.slice(2)]
  if (target.rank !== expected.length || target.shape.some((extent, axis) => extent !== expected[axis])) {
    throw new ShapeError(
      `${name}: expected class indices of shape [${expected}] for a prediction [${pred.shape}], received [${target.shape}]`,
    )
  }
  if (target.dtype === 'bool') {
    throw new DTypeError(`${name}: class indices must be whole numbers, received bool; cast them to int32`)
  }
  return target.dtype === 'int32' ? target : target.cast('int32')
}

/**
 * True at the score of the label. A mask and not one-hot rows: an infinite score of another class then does not enter sums.
 *
 * @param labels int32 `[batch, ...]`; @param scores `[batch, classes, ...]`
 */
export function isClassOf(labels: Tensor, scores: Tensor): Tensor {
  const classes = scores.shape[1] as number
  const column = [1, classes, ...labels.shape.slice(1).map(() => 1)]
  return labels.expandDims(1).equal(arange(classes, { dtype: 'int32' }).reshape(column))
}

/** True where a label is a class, `[batch, ...]`. */
export function isKnownLabel(labels: Tensor, scores: Tensor): Tensor {
  return labels.greaterEqual(0).logicalAnd(labels.less(scores.shape[1] as number))
}
