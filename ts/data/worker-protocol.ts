/** Messages between a loader and its worker threads. */

import type { DType, Shape, TypedArray } from '../core/dtype.js'

/** How the function of a module is called. */
export type WorkerCall = 'sample' | 'batch'

/** Setup of a thread. */
export interface WorkerSetup {
  /** The user's module. */
  readonly url: string
  /** Name of the exported function. */
  readonly name: string
  readonly call: WorkerCall
  /** Whether plain numbers of y are class labels. */
  readonly labels: boolean
  /** Given to every call. */
  readonly data: unknown
}

/** One batch to make. */
export interface WorkerTask {
  readonly id: number
  readonly epoch: number
  /** Indices of its samples. */
  readonly indices: readonly number[]
}

/** An array in a message; its buffer is transferred. */
export interface PackedArray {
  readonly dtype: DType
  readonly shape: Shape
  readonly data: TypedArray
}

/** Result of a task. */
export type WorkerAnswer =
  | { readonly id: number; readonly x: PackedArray; readonly y: PackedArray }
  | { readonly id: number; readonly failed: WorkerFailure }

/** The error of a thread as text, with the thread's stack. */
export interface WorkerFailure {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
}
