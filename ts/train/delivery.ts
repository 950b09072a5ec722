/** Batches on the device of a task. */
import { type Device, isDivided } from '../core/devices.js'
import { treeMap } from '../core/tree.js'
import { Tensor } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'

/** One batch for a step. */
export interface FedBatch<I extends object = object> {
  /** Arguments of the step. */
  readonly input: I
  /** Number of samples. */
  readonly size: number
  /** Releases what was made for this batch; once the step has started, it needs its arguments no more. */
  release?(): void
}

/** Whether a tensor is on a device, so that it needs no copy. */
export function isOn(device: Device, x: Tensor): boolean {
  return !isDivided() || x.device === device
}

/**
 * A batch whose tensors are on the device of a task: those on another device are copied there.
 *
 * @param input tensors and typed arrays, nested in records and arrays; @param made tensors among them that belong to the batch alone
 */
export function delivered<I extends object>(
  input: I,
  size: number,
  device: Device,
  made: readonly Tensor[] = [],
): FedBatch<I> {
  if (!isDivided()) return made.length === 0 ? { input, size } : { input, size, release: () => freed(made) }
  const own = [...made]
  const there = treeMap<unknown, unknown>(
    input,
    (leaf) => {
      if (!(leaf instanceof Tensor)) return leaf
      const placed = placedOn(leaf, device)
      if (placed !== leaf) own.push(placed)
      return placed
    },
    (node) => node instanceof Tensor || ArrayBuffer.isView(node),
  ) as I
  return { input: there, size, release: () => freed(own) }
}

/** Starts the step of a batch, which then needs its arguments no more. */
export function started<I extends object, R>(batch: FedBatch<I>, start: (input: I) => R): R {
  try {
    return start(batch.input)
  } finally {
    batch.release?.()
  }
}

function freed(tensors: readonly Tensor[]): void {
  for (const one of tensors) one.dispose()
}
