/** Results of training and evaluation as text: `String(history)`, `String(await model.evaluate(x, y))`. */
import { textTable } from '../core/text-table.js'
import type { Evaluation, History } from './results.js'

/** Adds `toString`, which is not enumerable: JSON, copies and comparisons of results hold the numbers alone. */
function printing<T extends object>(result: T, print: () => string): T {
  return Object.defineProperty(result, 'toString', { value: print, configurable: true, writable: true })
}

const shown = (value: number | undefined) =>
  value === undefined ? '-' : String(Number(value.toPrecision(4)))

/** A history that prints as a table with a row for each epoch. */
export function printableHistory(history: History): History {
  return printing(history, () => {
    const { epochs, loss, metrics, validationLoss, validationMetrics = {}, seconds } = history
    const columns: [string, readonly number[]][] = [
      ...(loss.length > 0 ? [['loss', loss] as [string, number[]]] : []),
      ...Object.entries(metrics),
      ...(validationLoss === undefined ? [] : [['validation loss', validationLoss] as [string, number[]]]),
      ...Object.entries(validationMetrics).map(([name, list]): [string, number[]] => [
        `validation ${name}`,
        list,
      ]),
      ['seconds', seconds],
    ]
    const head = ['epoch', ...columns.map(([name]) => name)]
    const rows = epochs.map((epoch, n) => [String(epoch), ...columns.map(([, list]) => shown(list[n]))])
    return textTable([head, ...rows])
  })
}

/** An evaluation that prints as one line: `loss 0.1234, accuracy 0.95`. */
export function printableEvaluation(evaluation: Evaluation): Evaluation {
  return printing(evaluation, () => {
    const { loss, metrics } = evaluation
    return Object.entries({ loss, ...metrics })
      .map(([name, value]) => `${name} ${shown(value)}`)
      .join(', ')
  })
}
