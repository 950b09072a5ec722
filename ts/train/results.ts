/** Results of training and evaluation. */

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

/** Loss and metrics of all samples. */
export interface Evaluation {
  readonly loss: number
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}
