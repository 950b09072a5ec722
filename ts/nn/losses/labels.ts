import { isTypedArray } from '../../core/dtype.js'
import { ArgumentError, DataError, describe } from '../../core/errors.js'
import { checkValue, isList, whole } from '../../core/options.js'

/**
 * Checks class labels on the host, before training.
 *
 * @param ignoreIndex a label outside of the classes that is allowed
 * @throws DataError naming the first label that is not a whole number between 0 and `classes - 1`, and its index
 */
export function checkLabels(labels: ArrayLike<number | bigint>, classes: number, ignoreIndex?: number): void {
  checkValue('checkLabels: classes', classes, whole(1))
  if (ignoreIndex !== undefined) checkValue('checkLabels: ignoreIndex', ignoreIndex, whole())
  if (!isList(labels) && !isTypedArray(labels)) {
    throw new ArgumentError(`checkLabels: given ${describe(labels)}, expected an array of labels`)
  }
  for (let index = 0; index < labels.length; index++) {
    const given: unknown = labels[index]
    // Not Number(given) for every value: Number(null) is 0, a class.
    const label = typeof given === 'bigint' ? Number(given) : given
    if (label === ignoreIndex && label !== undefined) continue
    if (!Number.isInteger(label) || (label as number) < 0 || (label as number) >= classes) {
      throw new DataError(
        `label ${describe(given)} at index ${index} is not a class: ${classes} classes are numbered 0 to ${classes - 1}; ` +
          'renumber the labels or raise the number of classes',
      )
    }
  }
}
