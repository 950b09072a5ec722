/** What is held and what is going to run. */
import { allDevices } from './devices.js'
import { ArgumentError, describe } from './errors.js'
import { type DeviceInfo, type DeviceMemoryInfo, type GraphInfo, native } from './native.js'
import { callable, checkValue, text } from './options.js'
import { closeScope, noteEvaluation, type Owned, openScope, releaseDropped } from './registry.js'
import { evaluated, type Tensor } from './tensor.js'
import { tensorsIn } from './tensors-in.js'
import { leafValue, treeLeaves } from './tree.js'
import { Variable } from './variable.js'

export type { DeviceInfo, DeviceMemoryInfo, GraphInfo } from './native.js'

/** What is held, see {@link memory}. Bytes and buffers are those of all devices; `peakBytes` adds up their peaks. */
export interface MemoryInfo extends DeviceMemoryInfo, GraphInfo {
  /** What each device holds, by its name. */
  devices: Record<string, DeviceMemoryInfo>
}

/** Exact counts of the memory that results, Variables and plans hold. */
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
 * Gives memory that is kept for reuse back to the system, for instance between two pieces of work: `memory().keptBytes` is 0 then.
 * What tensors, Variables and plans hold stays.
 */
export function releaseMemory(): void {
  releaseDropped()
  native.releaseMemory()
}

/** The devices there are. Which one is the default, the environment variable `HYPERGLOW_DEVICE` says. */
export function devices(): DeviceInfo[] {
  return allDevices().map((device) => ({ ...device }))
}

/** The default device: plans run on it unless they are told otherwise. */
export function deviceInfo(): DeviceInfo {
  return devices().find(({ isDefault }) => isDefault) as DeviceInfo
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
    return f()
  } finally {
    native.popScope()
  }
}

/**
 * Computes all tensors of a tree, and pending assignments of Variables, off the JavaScript thread and in one plan.
 *
 * @throws {NumericalError} (rejects) where a computation has no answer, with the stack of this call
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
 * Runs `f` and disposes of every tensor made inside, except those in what it returns. Variables keep their values.
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
