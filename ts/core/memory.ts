/** Memory, plans and scopes. */
import { inNamedScope } from './debug.js'
import { allDevices } from './devices.js'
import { ArgumentError, describe } from './errors.js'
import {
  type CudaDeviceInfo,
  type DeviceInfo,
  type DeviceMemoryInfo,
  type GraphInfo,
  native,
} from './native.js'
import { callable, checkValue, text } from './options.js'
import { closeScope, noteEvaluation, type Owned, openScope, releaseDropped } from './registry.js'
import { evaluated, type Tensor } from './tensor.js'
import { tensorsIn } from './tensors-in.js'
import { leafValue, treeLeaves } from './tree.js'
import { Variable } from './variable.js'

export type { CudaDeviceInfo, DeviceInfo, DeviceMemoryInfo, GraphInfo } from './native.js'

/** Counts of memory, see {@link memory}. Bytes and buffers are totals over all devices; `peakBytes` is the sum of their peaks. */
export interface MemoryInfo extends DeviceMemoryInfo, GraphInfo {
  /** Counts of each device, by its name. */
  devices: Record<string, DeviceMemoryInfo>
}

/** Exact counts of the memory of results, Variables and plans. */
export function memory(): MemoryInfo {
  releaseDropped()
  const { devices, ...graph } = native.memory()
  const total = { bytes: 0, buffers: 0, peakBytes: 0, allocations: 0, keptBytes: 0 }
  for (const held of devices) {
    for (const count of Object.keys(total) as (keyof DeviceMemoryInfo)[]) total[count] += held[count]
  }
  const named = allDevices().map(({ name }, number) => [name, devices[number]])
  return { ...total, ...graph, devices: Object.fromEntries(named) }
}

/**
 * Returns memory that is kept for reuse to the system, for instance between two workloads: afterward `memory().keptBytes` is 0. Tensors,
 * Variables and plans keep their memory.
 */
export function releaseMemory(): void {
  releaseDropped()
  native.releaseMemory()
}

/** A device. A CUDA device has its driver's name, its compute capability, and its total and free bytes, too. */
export type DeviceDescription = DeviceInfo & Partial<CudaDeviceInfo>

/**
 * All devices. The environment variable `HYPERGLOW_DEVICE` sets the default device.
 *
 * @throws {DeviceError} for a CUDA device that cannot be opened
 */
export function devices(): DeviceDescription[] {
  return allDevices().map((device) =>
    device.kind === 'cuda'
      ? { ...device, ...native.cudaDevice(Number(device.name.slice('cuda:'.length))) }
      : { ...device },
  )
}

/** The default device, on which plans run by default. */
export function deviceInfo(): DeviceDescription {
  return devices().find(({ isDefault }) => isDefault) as DeviceDescription
}

/** The compiled plans in the cache as text, most recently used first. */
export function plans(): string[] {
  return native.plans()
}

/** The plan that would compute the tensors of a tree, as text; compiles it, but runs nothing. */
export function explain(tree: Tensor | Variable | object): string {
  return native.explain(treeLeaves(tree).map((leaf) => leafValue(leaf).id))
}

/** Names everything built by `f`, for messages, `explain` and run-time errors; scopes nest as `model/layers.2`. */
export function scope<T>(name: string, f: () => T): T {
  checkValue('scope: name', name, text)
  checkValue('scope: f', f, callable<() => T>())
  native.pushScope(name)
  try {
    return inNamedScope(name, f)
  } finally {
    native.popScope()
  }
}

/**
 * Computes all tensors of a tree, and pending assignments of Variables, off the JavaScript thread and in one plan.
 *
 * @throws {NumericalError} (rejects) if a computation has no result, with the stack of this call
 */
export function evaluate(tree: Tensor | Variable | object): Promise<void> {
  const leaves = treeLeaves(tree)
  const values = leaves.map(leafValue)
  const done = evaluated(
    values.map((x) => x.id),
    evaluate,
  )
  for (const [i, leaf] of leaves.entries()) if (leaf instanceof Variable) values[i]?.dispose()
  noteEvaluation()
  return done
}

/**
 * Runs `f` and disposes of every tensor made inside, except those in its result. Variables keep their values.
 *
 *     const loss = tidy(() => pred.sub(y).square().mean())
 *
 * @param f synchronous: tensors made after an `await` are not seen
 */
export function tidy<T>(f: () => T): T {
  checkValue('tidy: f', f, callable<() => T>())
  openScope()
  let kept = new Set<Owned>()
  try {
    const result = f()
    if (result instanceof Promise) {
      throw new ArgumentError(
        `tidy: the function returned ${describe(result)}; it must be synchronous, since tensors made later are not seen`,
      )
    }
    kept = tensorsIn(result)
    return result
  } finally {
    closeScope(kept)
  }
}
