/** Stored dynamics as a record that a fit can continue. */

import { StateError } from '../core/errors.js'
import { readAttributes } from './layout.js'
import type { Dynamics } from './load.js'
import { DynamicsRecord } from './record.js'

/** Whether a folder holds a store of dynamics. */
export async function isStore(folder: string): Promise<boolean> {
  return (await readAttributes(folder)) !== undefined
}

/**
 * The finished epochs of a store.
 *
 * @throws StateError if the store does not say which of its epochs are complete
 */
export function recordOf(folder: string, stored: Dynamics): DynamicsRecord {
  const {
    completedEpochs,
    epochs,
    steps,
    units,
    evaluatorSettings,
    layers,
    evaluators,
    samples,
    labelEntropy,
  } = stored
  if (completedEpochs === null || epochs === null) {
    throw new StateError(
      `fit: appendDynamics cannot continue ${folder}: an earlier version of hyperglow wrote it, without a mark on complete epochs; fit without appendDynamics, which keeps the store as an earlier run`,
    )
  }
  const heading = { layers, evaluators, units, evaluatorSettings }
  const record = new DynamicsRecord(heading, { samples, labelEntropy })
  const [, batches] = stored.shape
  const { width } = record
  for (let row = 0; row < completedEpochs; row++) {
    const before = stepsBefore(epochs, steps, row)
    for (let batch = 0; batch < batches; batch++) {
      const start = (row * batches + batch) * width
      const values = stored.values.slice(start, start + width)
      if (!values.every(Number.isNaN)) record.add(values, before === null ? null : before + batch)
    }
    record.finishEpoch({ epoch: epochs[row] as number, step: steps[row] ?? null })
  }
  return record
}

/** Steps before an epoch of a store: -1 for a measurement at initialization; null if they are not known. */
function stepsBefore(
  epochs: readonly number[],
  steps: readonly (number | null)[],
  row: number,
): number | null {
  const epoch = epochs[row] as number
  if (epoch === 0) return -1
  if (epoch === 1) return 0
  return epochs[row - 1] === epoch - 1 ? (steps[row - 1] ?? null) : null
}
