/** Dynamics by training step. */
import { StateError } from '../core/errors.js'
import { type DynamicsRecord, type ModelDynamics, withValues } from './record.js'

/** Dynamics with a row for every step instead of every epoch. */
export interface StepDynamics extends Omit<ModelDynamics, 'epochs' | 'steps'> {
  /** Rows are not epochs. */
  readonly epochs: null
  /** Training steps before each row, ascending; 0 is initialization. */
  readonly steps: readonly number[]
}

/**
 * Recorded dynamics with a row for every step at which an evaluator was evaluated, instead of means over epochs: the state of the network
 * after that many steps. An evaluator on batches sees the network before the update of its batch, others after it.
 *
 * @param areOnBatches for each evaluator whether it is evaluated on batches
 * @throws StateError if the steps are not known
 */
export function dynamicsByStep(record: DynamicsRecord, areOnBatches: readonly boolean[]): StepDynamics {
  const { evaluators, layers, width } = record
  const own = layers.length * 2
  const found = new Map<number, Float32Array>()
  for (const { values, step } of record.rows) {
    if (step === null) {
      throw new StateError(
        'dynamics: the steps of these dynamics are not known, as after loading a model; leave by out for means over epochs',
      )
    }
    for (const [e, isOnBatches] of areOnBatches.entries()) {
      const its = new Float32Array(width).fill(Number.NaN)
      its.set(values.subarray(e * own, (e + 1) * own), e * own)
      const at = isOnBatches ? step : step + 1
      if (!its.every(Number.isNaN)) found.set(at, withValues(found.get(at), its))
    }
  }
  const steps = [...found.keys()].sort((a, b) => a - b)
  const { epochs: _, ...dynamics } = record.toDynamics()
  return {
    ...dynamics,
    shape: [steps.length, evaluators.length, layers.length, 2],
    values: steps.map((step) => {
      const values = found.get(step) as Float32Array
      return evaluators.map((_, e) =>
        layers.map((_, l) => [...values.subarray(e * own + 2 * l, e * own + 2 * l + 2)]),
      )
    }),
    epochs: null,
    steps,
  }
}
