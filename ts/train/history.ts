/** The history of a training run, made from the results of its epochs. */
import type { EpochLogs, History, NumberedLogs } from './results.js'
import { printableHistory } from './results-text.js'

/** The lists of the epochs so far. */
export function historyOf(epochs: readonly NumberedLogs[]): History {
  const lists = (of: (logs: EpochLogs) => Readonly<Record<string, number>>) => {
    const names = new Set(epochs.flatMap((logs) => Object.keys(of(logs))))
    return Object.fromEntries(
      [...names].map((name) => [name, epochs.map((logs) => of(logs)[name] ?? Number.NaN)]),
    )
  }
  const hasSome = (name: 'validationLoss' | 'validationMetrics') =>
    epochs.some((logs) => logs[name] !== undefined)
  const losses = epochs.map(({ loss }) => loss)
  return printableHistory({
    epochs: epochs.map(({ epoch }) => epoch),
    loss: losses.every(Number.isNaN) ? [] : losses,
    metrics: lists((logs) => logs.metrics),
    seconds: epochs.map(({ seconds }) => seconds),
    ...(hasSome('validationLoss')
      ? { validationLoss: epochs.map(({ validationLoss = Number.NaN }) => validationLoss) }
      : {}),
    ...(hasSome('validationMetrics')
      ? { validationMetrics: lists((logs) => logs.validationMetrics ?? {}) }
      : {}),
  })
}

/** The first epochs of a history, one by one. */
export function logsOf(history: History | undefined, count: number): NumberedLogs[] {
  if (history === undefined) return []
  const { validationLoss, validationMetrics } = history
  const at = (lists: Record<string, number[]>, index: number) =>
    Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values[index] as number]))
  return history.epochs.slice(0, count).map((epoch, index) => ({
    epoch,
    loss: history.loss[index] ?? Number.NaN,
    metrics: at(history.metrics, index),
    ...(validationLoss === undefined ? {} : { validationLoss: validationLoss[index] as number }),
    ...(validationMetrics === undefined ? {} : { validationMetrics: at(validationMetrics, index) }),
    seconds: history.seconds[index] as number,
  }))
}
