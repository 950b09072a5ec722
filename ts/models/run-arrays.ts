/** The arrays of several runs as tensors: copied once, although every run reads them. */
import { isFloat, isTypedArray } from '../core/dtype.js'
import { isArrayData } from '../core/nested.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayInput } from '../data/array-dataset.js'
import { fingerprintOf } from '../data/fingerprint.js'
import { readingTensor } from '../data/targets.js'
import { type Device, Tensor } from '../ops/tensor.js'
import type { Network } from './network.js'

/** Inputs and targets. */
export interface Arrays {
  readonly x: ArrayInput
  readonly y: ArrayInput
}

/** The last arrays that were read, for models of one dtype and device. */
interface Held {
  readonly given: Arrays
  readonly dtype: Network['dtype']
  readonly device: Device
  readonly arrays: Arrays
  fingerprint: Promise<string> | undefined
}

/** Arrays that runs share. */
export class RunArrays implements Disposable {
  #held: Held | undefined

  /** The same arrays for a model's `fit`, which copies them no more. Labels stay as they are: `fit` reads them by the loss. */
  async for(model: Network, given: Arrays): Promise<Arrays> {
    return (await this.#read(model, given)).arrays
  }

  /** The fingerprint of arrays. */
  async fingerprint(model: Network, given: Arrays): Promise<string> {
    const held = await this.#read(model, given)
    held.fingerprint ??= this.#fingerprintOf(held, model)
    return held.fingerprint
  }

  async #fingerprintOf({ given, arrays: { x, y } }: Held, { inputShape }: Network): Promise<string> {
    using data = await ArrayDataset.inTurns(x, y, isTypedArray(given.x) ? { inputShape } : {})
    return await fingerprintOf(data)
  }

  async #read({ dtype, device }: Network, given: Arrays): Promise<Held> {
    const held = this.#held
    if (
      held?.given.x === given.x &&
      held.given.y === given.y &&
      held.dtype === dtype &&
      held.device === device
    ) {
      return held
    }
    this.forget()
    const x = await inTurns(readingTensor(given.x, dtype, device))
    const y = async () => {
      if (!areNumbers(given.y)) return given.y
      return given.y === given.x ? x : inTurns(readingTensor(given.y, dtype, device))
    }
    this.#held = { given, dtype, device, arrays: { x, y: await y() }, fingerprint: undefined }
    return this.#held
  }

  /** Releases the arrays: the next ones are read again, even if they are the same objects. */
  forget(): void {
    const { given, arrays } = this.#held ?? {}
    this.#held = undefined
    for (const side of ['x', 'y'] as const) {
      const made = arrays?.[side]
      if (made instanceof Tensor && made !== given?.[side]) made.dispose()
    }
  }

  [Symbol.dispose](): void {
    this.forget()
  }
}

/** Whether targets are floating-point numbers by the type of their array. */
function areNumbers(y: ArrayInput): boolean {
  if (y instanceof Float32Array || y instanceof Float64Array) return true
  return isArrayData(y) && isFloat(y.dtype)
}
