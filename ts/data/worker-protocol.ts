/** What a loader and its worker threads tell each other. */

import type { DType, Shape, TypedArray } from '../core/dtype.js'

/** How the function of a module is called. */
export type WorkerCall = 'sample' | 'batch'

/** What a thread is told at its start. */
export interface WorkerSetup {
  /** The user's module. */
  readonly url: string
  /** Name of the function that it exports. */
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
  /** Numbers of its samples. */
  readonly indices: readonly number[]
}

/** An array on its way; its buffer is handed over. */
export interface PackedArray {
  readonly dtype: DType
  readonly shape: Shape
  readonly data: TypedArray
}

/** What became of a task. */
export type WorkerAnswer =
  | { readonly id: number; readonly x: PackedArray; readonly y: PackedArray }
  | { readonly id: number; readonly failed: WorkerFailure }

/** What went wrong in a thread, in words, with the stack that it had there. */
export interface WorkerFailure {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
}
