/** Weights before training. */
import { NumericalError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import type { Network } from '../models/network.js'
import { isFinite as finite, stack } from '../ops/index.js'

/**
 * Checks that weights and state are finite.
 *
 * @throws NumericalError (rejects) naming the first that is not
 */
export async function checkWeights(model: Network): Promise<void> {
  const entries = Object.entries({ ...model.weights, ...model.stateVariables })
  if (entries.length === 0) return
  using verdicts = tidy(() => stack(entries.map(([, variable]) => finite(variable.value).all())))
  const bad = ((await verdicts.data()) as Uint8Array).indexOf(0)
  if (bad < 0) return
  throw new NumericalError(
    `fit: '${entries[bad]?.[0]}' holds NaN or an infinite value before the first step, so no data can train it; load sound weights, or make the model anew`,
  )
}
