/** Debugging: compute every operation where it is written, and stop at the first NaN. */
import { dtypeOfCode } from './dtype.js'
import { NumericalError } from './errors.js'
import { native } from './native.js'
import { type Checks, checkOptions, flag } from './options.js'
import { readNow } from './reading.js'

/** Options of {@link debug}. */
export interface DebugOptions {
  /**
   * Compute every operation as soon as it is built, so that a run-time error has the stack of its line. `jit` then runs its function
   * uncompiled. Default false.
   */
  eager?: boolean
  /** Throw a NumericalError at the operation that makes the first NaN; implies `eager`. Default false. */
  checkNaN?: boolean
}

const checks: Checks<DebugOptions> = { eager: flag, checkNaN: flag }

let eager = false
let checkNaN = false

/** True while operations are computed where they are written. */
export function isEager(): boolean {
  return eager
}

/**
 * Sets the options and returns the earlier ones. Everything becomes slow: use it for debugging, not for training.
 *
 *     const before = debug({ checkNaN: true })
 *     await model.fit(x, y)      // throws on the line that makes the first NaN
 *     debug(before)
 */
export function debug(options: DebugOptions): Required<DebugOptions> {
  const given = checkOptions('debug', options, checks)
  const before = { eager, checkNaN }
  checkNaN = given.checkNaN ?? false
  eager = checkNaN || (given.eager ?? false)
  return before
}

/** Runs `f` in which NaN is intended. */
export function allowingNaN<T>(f: () => T): T {
  const before = checkNaN
  checkNaN = false
  try {
    return f()
  } finally {
    checkNaN = before
  }
}

/** Computes a node at once and checks its value, by the options. */
export function inspectNode(id: number): void {
  if (!checkNaN) {
    native.evaluateSync([id])
    return
  }
  const values = readNow({ id, shape: native.shapeOf(id), dtype: dtypeOfCode(native.dtypeOf(id)) })
  if (!(values instanceof Float32Array || values instanceof Float64Array)) return
  const at = values.findIndex(Number.isNaN)
  if (at >= 0) {
    throw new NumericalError(
      `debug: element ${at} of a tensor of shape [${native.shapeOf(id)}] is NaN; the stack names the operation that made it`,
    )
  }
}
