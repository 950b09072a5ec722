/** Variables that hold no numbers one can go on with. */
import { isFloat } from '../core/dtype.js'
import { NumericalError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { isFinite as finite, stack } from '../ops/index.js'

/** Makes the error for a Variable. @param who what was asked for; @param consequence and what to do about it */
type Refusal = (who: string, consequence: string) => NumericalError

/** Looks for the first Variable that holds NaN or an infinite value, and gives the error for it; undefined where all are finite. */
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
