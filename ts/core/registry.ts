/**
 * Ownership of handles: handles made in a scope, handles of collected objects, and V8's count of native memory.
 */
import { native } from './native.js'

/** A native handle shared by an object and its finalizer, which may outlive it; `id` is 0 once released. */
export interface Owned {
  id: number
}

let dropped: number[] = []

/** Releases the handles of collected tensors. */
export function releaseDropped(): void {
  if (dropped.length === 0) return
  const ids = dropped
  dropped = []
  native.release(ids)
}

const tensors = new FinalizationRegistry<Owned>((owned) => {
  if (owned.id === 0) return
  // Finalizers are called one by one but in large groups: one native call releases the whole group.
  if (dropped.push(owned.id) === 1) queueMicrotask(releaseDropped)
  owned.id = 0
})

const others = new FinalizationRegistry<() => void>((end) => end())

/** Lets the collector release a tensor's handle. */
export function watchTensor(tensor: object, owned: Owned): void {
  tensors.register(tensor, owned)
}

/**
 * Calls `release` with `held` when `object` was collected. Neither may refer to `object`. A closure keeps alive everything that any closure
 * of the same call refers to, so `release` must be a function of a module.
 */
export function watch<Held>(object: object, held: Held, release: (held: Held) => void): void {
  others.register(object, () => release(held))
}

const scopes: Owned[][] = []

/** Adds a handle to the innermost open scope. */
export function noteCreated(owned: Owned): void {
  scopes.at(-1)?.push(owned)
}

/** Opens a scope: it records handles made until {@link closeScope}. */
export function openScope(): void {
  scopes.push([])
}

/**
 * Closes the innermost scope and releases everything made in it except `kept`, which passes to the enclosing scope.
 */
export function closeScope(kept: ReadonlySet<Owned>): void {
  const made = scopes.pop() ?? []
  const outer = scopes.at(-1)
  const ids: number[] = []
  for (const owned of made) {
    if (owned.id === 0) continue
    if (kept.has(owned)) {
      outer?.push(owned)
    } else {
      ids.push(owned.id)
      owned.id = 0
    }
  }
  if (ids.length > 0) native.release(ids)
}

const reportEvery = 32

/** Size of a live node for V8: more than its true size, since a node may hold a whole history. */
const bytesPerNode = 4096
let evaluations = 0
let reported = 0

/** Tells V8 from time to time how much native memory its objects keep alive, so that it collects in time. */
export function noteEvaluation(): void {
  if (++evaluations % reportEvery !== 0) return
  const [bytes = 0, nodes = 0] = native.held()
  const held = bytes + nodes * bytesPerNode
  native.adjustExternalMemory(held - reported)
  reported = held
}
