/**
 * A process that makes calls and reports those that end with anything but a result or a HyperglowError.
 *
 *     node worker.js CALLS SEED ONLY        in a separate folder; findings go to standard output, one per line
 */
import { writeSync } from 'node:fs'
import fc from 'fast-check'
import { debug, HyperglowError, InternalError, Tensor } from '../../ts/index.js'
import { OwnError } from './junk.js'
import { prepareFiles } from './models.js'
import { type Choice, mutate, weights } from './mutate.js'
import { calls } from './table.js'

/** A call that takes longer hangs. */
const longest = 30_000
/** Tensors up to this size, and absurd ones, are computed: sizes between would only take long. */
const computed = 1e6
const absurd = 2 ** 40
/** Warnings of one process that are no flood. */
const mostWarnings = 60

const [count = 100, seed = 1] = process.argv.slice(2, 4).map(Number)
const only = process.argv[4] ?? ''

interface Finding {
  readonly call: string
  readonly change: string
  readonly what: string
}

/** Sends a line to the parent process; if the pipe is full it is tried again. */
function say(line: object): void {
  for (let rest = Buffer.from(`${JSON.stringify(line)}\n`); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}
let current: Pick<Finding, 'call' | 'change'> = { call: 'the start', change: '' }
const report = (what: string) => say({ ...current, what } satisfies Finding)

let warnings = 0
process.on('warning', () => {
  if (++warnings === mostWarnings) report(`${mostWarnings} warnings`)
})
process.on('unhandledRejection', (error) => {
  if (!isAllowed(error)) report(`unhandled rejection: ${shown(error)}`)
  else if (!(error instanceof OwnError)) report(`unhandled rejection of ${(error as Error).name}`)
})

function isAllowed(error: unknown): boolean {
  // Of a class in place of a function.
  if (error instanceof TypeError && error.message.startsWith('Class constructor Own')) return true
  // Errors of a revoked proxy belong to it, like those of a getter.
  if (error instanceof TypeError && error.message.endsWith('on a proxy that has been revoked')) return true
  return error instanceof OwnError || (error instanceof HyperglowError && !(error instanceof InternalError))
}

function shown(error: unknown): string {
  if (!(error instanceof Error)) return `not an Error: ${typeof error}`
  const place = error.stack?.split('\n').find((line) => line.includes('/ts/'))
  return `${error.name}: ${error.message.slice(0, 160)} ${place?.trim().replace(/.*\/(ts\/[^)]*)\)?$/, '$1') ?? ''}`
}

/** Computes the result. */
async function settle(result: unknown, depth = 0): Promise<void> {
  if (result instanceof Tensor) {
    if (!result.isDisposed && (result.size <= computed || result.size >= absurd)) await result.data()
  } else if (typeof result === 'object' && result !== null && depth < 2 && !ArrayBuffer.isView(result)) {
    const prototype = Object.getPrototypeOf(result)
    if (Array.isArray(result) || prototype === Object.prototype) {
      for (const value of Object.values(result).slice(0, 8)) await settle(value, depth + 1)
    }
  }
}

async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${longest / 1000} s`)), longest)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function make(index: number, choice: Choice): Promise<void> {
  const call = candidates[index % candidates.length]
  if (call === undefined) return
  const { args, change } = mutate(call.args(), choice)
  current = { call: call.name, change }
  say({ now: `${call.name}: ${change}` })
  try {
    await within((async () => settle(await call.run(args)))())
  } catch (error) {
    if (!isAllowed(error)) report(shown(error))
  } finally {
    // Switches of one call must not affect the next call.
    debug({})
  }
}

const candidates = calls.filter(({ name }) => only === '' || name === only)
const kinds = Object.entries(weights).map(([kind, weight]) => ({
  arbitrary: fc.constant(kind as Choice['kind']),
  weight,
}))
const choices = fc.record({
  kind: fc.oneof(...kinds),
  place: fc.nat(10_000),
  value: fc.nat(10_000),
})

await prepareFiles()
await fc.assert(fc.asyncProperty(fc.nat(1_000_000), choices, make), {
  numRuns: count,
  seed,
  endOnFailure: true,
})
say({ done: count })
process.exit(0)
