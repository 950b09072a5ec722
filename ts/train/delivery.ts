/** Delivery of batches to the device of a task. */
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
  /** Releases the tensors created for this batch; a started step no longer needs its arguments. */
  release?(): void
}

/** Whether a tensor is on a device, so that it needs no copy. */
export function isOn(device: Device, x: Tensor): boolean {
  return !isDivided() || x.device === device
}

/**
 * A batch on the device of a task; tensors on another device are copied.
 *
 * @param input tensors and typed arrays, nested in records and arrays; @param made tensors of the input that are released with the batch
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

/** Starts the step of a batch, and then releases the batch. */
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
