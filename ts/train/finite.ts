/** Checks for NaN and infinite values in Variables. */
import { isFloat } from '../core/dtype.js'
import { NumericalError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { isFinite as finite, stack } from '../ops/index.js'

/** Makes the error for a Variable. @param who name of the caller; @param consequence consequence and remedy */
type Refusal = (who: string, consequence: string) => NumericalError

/** The error for the first Variable with NaN or an infinite value; undefined if all values are finite. */
export async function firstUnsound(
  variables: Readonly<Record<string, Variable>>,
): Promise<Refusal | undefined> {
  const entries = Object.entries(variables).filter(([, { dtype }]) => isFloat(dtype))
  if (entries.length === 0) return undefined
  using verdicts = tidy(() => stack(entries.map(([, variable]) => finite(variable.value).all())))
  const bad = ((await verdicts.data()) as Uint8Array).indexOf(0)
  if (bad < 0) return undefined
  return (who, consequence) =>
    new NumericalError(`${who}: '${entries[bad]?.[0]}' holds NaN or an infinite value${consequence}`)
}
