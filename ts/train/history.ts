/** Results of a training run, epoch by epoch. */
import { printableHistory } from './results-text.js'

/** Means over the samples of one epoch. */
export interface EpochLogs {
  /** Mean training loss of the batches, each with the weights of its step. NaN for a task without a loss; a NaN loss ends the run. */
  readonly loss: number
  /** Means of the metrics by name. */
  readonly metrics: Readonly<Record<string, number>>
  /** Absent without validation data, and for a task without a validation loss. */
  readonly validationLoss?: number
  /** Absent without validation data. */
  readonly validationMetrics?: Readonly<Record<string, number>>
  /** Duration of the epoch, validation included. */
  readonly seconds: number
}

/** Training results; a list has one entry for each epoch. `String(history)` is a table. */
export interface History {
  /** Numbers of the epochs, counted over all training of the model or task from 1. */
  readonly epochs: number[]
  /** Empty for a task without a loss. */
  readonly loss: number[]
  /** By name. */
  readonly metrics: Record<string, number[]>
  /** Absent without validation data, and for a task without a validation loss; NaN for epochs without validation. */
  readonly validationLoss?: number[]
  /** By name; absent without validation data. */
  readonly validationMetrics?: Record<string, number[]>
  readonly seconds: number[]
}

/** An epoch with its number, counted over all training. */
export interface NumberedLogs extends EpochLogs {
  readonly epoch: number
}

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
