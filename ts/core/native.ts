import { createRequire } from 'node:module'
import type * as Addon from '#native'
import type { Memory } from '#native'
import { DeviceError, errorOfCode, InternalError } from './errors.js'

export type { CudaDeviceInfo, DeviceInfo, DeviceMemoryInfo } from '#native'

/** Counters of graph and plans. */
export type GraphInfo = Omit<Memory, 'devices'>

/**
 * The native addon: numbers, typed arrays and promises in and out, no JavaScript classes. A node's handle is a number other than 0.
 *
 * All functions are synchronous unless they return a promise. Errors arrive as `HyperglowError`s. The type is generated from the Rust
 * sources when the addon is built.
 */
export type Native = typeof Addon

function load(): Native {
  let addon: Native
  try {
    addon = createRequire(import.meta.url)('#native') as Native
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`
    throw new DeviceError(
      `hyperglow's native addon for ${platform} could not be loaded; in a checkout run "npm run setup", ` +
        'otherwise reinstall the package (see the cause below for what was tried)',
      { cause },
    )
  }
  addon.registerErrorFactory(errorOfCode)
  addon.registerWarningHandler((message) =>
    process.emitWarning(message, { type: 'HyperglowWarning', code: 'HYPERGLOW_PENDING' }),
  )
  return addon
}

/** The native addon of this platform. */
export const native: Native = load()

function codesOf(names: string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, code) => [name, code]))
}

const names = native.opNames()
const unaryCodes = codesOf(names.unary)
const binaryCodes = codesOf(names.binary)

function codeIn(codes: ReadonlyMap<string, number>, name: string): number {
  const code = codes.get(name)
  if (code === undefined) {
    throw new InternalError(`the native addon has no operation "${name}"; rebuild it with "npm run setup"`)
  }
  return code
}

/** The native code of an elementwise operation of one argument. */
export function unaryCode(name: string): number {
  return codeIn(unaryCodes, name)
}

/** The native code of an elementwise operation of two arguments. */
export function binaryCode(name: string): number {
  return codeIn(binaryCodes, name)
}
