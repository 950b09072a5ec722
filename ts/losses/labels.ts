import { DataError } from '../errors.js'

/**
 * Checks class labels on the host, before training.
 *
 * @throws DataError naming the first label that is not a whole number between 0 and `classes - 1`, and where it stands
 */
export function checkLabels(labels: ArrayLike<number | bigint>, classes: number): void {
  for (let index = 0; index < labels.length; index++) {
    const label = Number(labels[index])
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new DataError(
        `label ${label} at index ${index} is not a class: ${classes} classes are numbered 0 to ${classes - 1}; ` +
          'renumber the labels or raise the number of classes',
      )
    }
  }
}
