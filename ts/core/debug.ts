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

/** Names of the scopes that are open, outermost first. */
const scopes: string[] = []

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

/** Runs `f`, which finds shapes and names on made-up inputs, without computing anything or checking values. */
export function dryRun<T>(f: () => T): T {
  const before = { eager, checkNaN }
  eager = false
  checkNaN = false
  try {
    return f()
  } finally {
    eager = before.eager
    checkNaN = before.checkNaN
  }
}

/** Runs `f` in a scope that messages about a NaN name. */
export function inNamedScope<T>(name: string, f: () => T): T {
  scopes.push(name)
  try {
    return f()
  } finally {
    scopes.pop()
  }
}

/** The operation that computes a node which is not computed yet, in the words of a plan; empty if there is nothing to compute. */
function operationOf(id: number): string {
  const steps = [...native.explain([id]).matchAll(/^ +\d+ {2}(?:fused )?(\S.*?) {2,}.*->/gm)]
  return steps.at(-1)?.[1] ?? ''
}

/** Computes a node at once and checks its value, by the options. */
export function inspectNode(id: number): void {
  if (!checkNaN) {
    native.evaluateSync([id])
    return
  }
  const operation = operationOf(id)
  const values = readNow({ id, shape: native.shapeOf(id), dtype: dtypeOfCode(native.dtypeOf(id)) })
  if (!(values instanceof Float32Array || values instanceof Float64Array)) return
  const at = values.findIndex(Number.isNaN)
  if (at >= 0) {
    const where = scopes.length > 0 ? `[${scopes.join('/')}] ` : ''
    const made = operation === '' ? '' : `, made by ${operation}`
    throw new NumericalError(
      `debug: ${where}element ${at} of a tensor of shape [${native.shapeOf(id)}] is NaN${made}; the stack names the line`,
    )
  }
}
