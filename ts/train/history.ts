/** What a training run reports, epoch by epoch. */

/** Means over the samples of one epoch. */
export interface EpochLogs {
  /** Mean training loss, of the batches as they came: weights change meanwhile. */
  readonly loss: number
  /** Means of the metrics by name. */
  readonly metrics: Readonly<Record<string, number>>
  /** Absent without validation data. */
  readonly validationLoss?: number
  /** Absent without validation data. */
  readonly validationMetrics?: Readonly<Record<string, number>>
  /** Duration of the epoch with its validation. */
  readonly seconds: number
}

/** Training results; every list has one entry an epoch. */
export interface History {
  readonly loss: number[]
  /** By name. */
  readonly metrics: Record<string, number[]>
  /** Absent without validation data. */
  readonly validationLoss?: number[]
  /** By name; absent without validation data. */
  readonly validationMetrics?: Record<string, number[]>
  readonly seconds: number[]
}

/** The lists of the epochs so far. */
export function historyOf(epochs: readonly EpochLogs[], metrics: readonly string[]): History {
  const lists = (of: (logs: EpochLogs) => Readonly<Record<string, number>>) =>
    Object.fromEntries(metrics.map((name) => [name, epochs.map((logs) => of(logs)[name] as number)]))
  const history: History = {
    loss: epochs.map(({ loss }) => loss),
    metrics: lists((logs) => logs.metrics),
    seconds: epochs.map(({ seconds }) => seconds),
  }
  if (epochs[0]?.validationLoss === undefined) return history
  return {
    ...history,
    validationLoss: epochs.map((logs) => logs.validationLoss as number),
    validationMetrics: lists((logs) => logs.validationMetrics ?? {}),
  }
}
