import type { EpochLogs, History } from './history.js'

/** Results of one batch. */
export interface BatchLogs {
  /** Samples in it. */
  readonly size: number
  readonly loss: number
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** The run that callbacks watch. */
export interface TrainInfo {
  readonly epochs: number
  /** Batches in an epoch; undefined where the data do not tell. */
  readonly batches: number | undefined
}

/**
 * Hooks into training. Each may return a promise, which is waited for. One that throws ends the run: `fit` rejects with the
 * error, and the model stays as it is after the last finished step.
 *
 *     await model.fit(x, y, { callbacks: [{ onEpochEnd: (epoch, { loss }) => console.log(epoch, loss) }] })
 */
export interface Callback {
  onTrainBegin?(info: TrainInfo): void | Promise<void>
  /** Not called where the run was ended by an error or a signal. */
  onTrainEnd?(history: History): void | Promise<void>
  /** @param epoch counted from 0 */
  onEpochBegin?(epoch: number): void | Promise<void>
  onEpochEnd?(epoch: number, logs: EpochLogs): void | Promise<void>
  /** Called in order, when the batch is done; the next one may be under way already. */
  onBatchEnd?(batch: number, logs: BatchLogs): void | Promise<void>
}

/** Calls one hook of every callback in turn. */
export async function notify(
  callbacks: readonly Callback[],
  call: (callback: Callback) => unknown,
): Promise<void> {
  for (const callback of callbacks) await call(callback)
}
