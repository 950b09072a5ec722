import { createRequire } from 'node:module'
import type { TypedArray } from './dtype.js'
import { DeviceError, errorOfCode, InternalError } from './errors.js'

/** Counters of the native side, see {@link memory}. */
export interface MemoryInfo {
  /** Bytes held by results, Variables and arenas now. */
  bytes: number
  /** Buffers those bytes are in. */
  buffers: number
  /** Most bytes ever held at once. */
  peakBytes: number
  /** Buffers allocated since the start. */
  allocations: number
  /**
   * Bytes that are not in `bytes`: given back and kept for the next results of about the same size. At most 1 GiB and an eighth of
   * the memory that the process may use; released when memory gets short, and by {@link releaseMemory}.
   */
  keptBytes: number
  /** Nodes built but not computed. */
  pendingNodes: number
  /** Nodes alive. */
  nodes: number
  /** Compiled plans in the cache. */
  plans: number
  /** Plans that were found in the cache since the start. */
  planHits: number
  /** Plans that had to be made since the start. */
  planMisses: number
  /** Variables alive. */
  variables: number
}

/** The device that plans run on. */
export interface DeviceInfo {
  name: string
  /** Threads that kernels use. */
  threads: number
  /** Instruction set in use. */
  level: string
}

/** A node's handle. 0 is never one. */
export type Handle = number

/**
 * The native addon: numbers, typed arrays and promises in and out, no objects of ours.
 *
 * All functions are synchronous unless they return a promise. Errors arrive as {@link HyperglowError}s.
 */
export interface Native {
  registerErrorFactory(make: (code: string, message: string) => Error): void
  registerWarningHandler(tell: (message: string) => void): void
  opNames(): { unary: string[]; binary: string[] }

  unary(code: number, a: Handle): Handle
  binary(code: number, a: Handle, b: Handle): Handle
  binaryScalar(code: number, a: Handle, value: number, scalarOnLeft: boolean): Handle
  where(condition: Handle, a: Handle, b: Handle): Handle
  cast(a: Handle, dtype: number): Handle
  stopGradient(a: Handle): Handle
  constant(value: number, dtype: number, shape: number[]): Handle
  iota(dtype: number, shape: number[], axis: number): Handle
  random(kind: number, key: Handle, dtype: number, shape: number[]): Handle
  reduce(kind: number, a: Handle, axes: number[], keepDims: boolean): Handle
  argMax(a: Handle, axis: number): Handle
  broadcastTo(a: Handle, shape: number[]): Handle
  reshape(a: Handle, shape: number[]): Handle
  permute(a: Handle, axes: number[]): Handle
  slice(a: Handle, start: number[], step: number[], count: number[]): Handle
  pad(a: Handle, low: number[], high: number[], interior: number[]): Handle
  flip(a: Handle, axes: number[]): Handle
  concat(ids: Handle[], axis: number): Handle
  matmul(a: Handle, b: Handle, transposeA: boolean, transposeB: boolean): Handle
  conv(
    x: Handle,
    w: Handle,
    stride: number[],
    padLow: number[],
    padHigh: number[],
    dilation: number[],
    groups: number,
  ): Handle
  localConv(
    x: Handle,
    w: Handle,
    stride: number[],
    padLow: number[],
    padHigh: number[],
    dilation: number[],
  ): Handle
  convInputGrad(
    dy: Handle,
    w: Handle,
    stride: number[],
    padLow: number[],
    padHigh: number[],
    dilation: number[],
    groups: number,
    inputSpatial: number[],
  ): Handle
  windowSum(
    x: Handle,
    stride: number[],
    padLow: number[],
    padHigh: number[],
    dilation: number[],
    kernel: number[],
  ): Handle
  windowArgMax(
    x: Handle,
    stride: number[],
    padLow: number[],
    padHigh: number[],
    dilation: number[],
    kernel: number[],
  ): Handle
  windowMax(
    x: Handle,
    stride: number[],
    padLow: number[],
    padHigh: number[],
    dilation: number[],
    kernel: number[],
  ): Handle
  take(x: Handle, index: Handle, axis: number): Handle
  indexAdd(index: Handle, src: Handle, axis: number, shape: number[]): Handle
  gather(x: Handle, index: Handle, axis: number): Handle
  scatterAdd(index: Handle, src: Handle, axis: number, shape: number[]): Handle
  argSort(x: Handle, axis: number, descending: boolean): Handle
  topK(x: Handle, k: number, axis: number, largest: boolean): Handle
  cumsum(x: Handle, axis: number, reverse: boolean): Handle
  uniqueRows(x: Handle): Handle
  neighbors(x: Handle, k: number, euclidean: boolean): Handle
  countWithin(x: Handle, radius: Handle, euclidean: boolean, closed: boolean): Handle
  cholesky(a: Handle): Handle
  triangularSolve(a: Handle, b: Handle, lower: boolean, transpose: boolean): Handle
  solve(a: Handle, b: Handle): Handle
  det(a: Handle): Handle
  eigh(a: Handle): Handle
  centeredProducts(
    samples: Handle[],
    parameters: Handle[],
    kinds: number[],
    counts: number[],
    hollow: boolean,
  ): Handle
  similaritySums(
    samples: Handle[],
    parameters: Handle[],
    kinds: number[],
    counts: number[],
    groups: number[][],
    hollow: boolean,
  ): Handle

  shapeOf(id: Handle): number[]
  dtypeOf(id: Handle): number
  isReady(id: Handle): boolean
  retain(id: Handle): void
  release(ids: Handle[]): void
  dispose(id: Handle): number[]
  source(data: TypedArray, dtype: number, shape: number[]): Handle
  evaluate(ids: Handle[]): Promise<void> | null
  evaluateSync(ids: Handle[]): void
  read(id: Handle, from: number, into: Uint8Array): void
  readSync(id: Handle, into: Uint8Array): void

  vjp(outputs: Handle[], seeds: Handle[], wrt: Handle[]): Handle[]
  enterTrace(): void
  leaveTrace(): void

  variableNew(id: Handle): number
  variableRead(variable: number): Handle
  variableAssign(variable: number, id: Handle): void
  variableRelease(variable: number): void
  variableVersion(variable: number): number

  jitBegin(): void
  jitArgument(shape: number[], dtype: number): Handle
  jitEnd(outputs: Handle[]): number
  jitAbort(): void
  jitRun(
    program: number,
    args: Float64Array,
    given: TypedArray[],
  ): Handle[] | { outputs: Handle[]; done: Promise<void> }
  jitRelease(program: number): void

  pushScope(name: string): void
  popScope(): void
  explain(ids: Handle[]): string
  plans(): string[]
  memory(): MemoryInfo
  releaseMemory(): void
  adjustExternalMemory(bytes: number): void
  deviceInfo(): DeviceInfo
  randomBits(seedLow: number, seedHigh: number, counterStart: number, n: number): Uint32Array
}

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
