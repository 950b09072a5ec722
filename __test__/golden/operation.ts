/** What an operation of the golden files is. */

import type { Tensor } from '../../ts/index.js'
import type { Case, Precision } from './format.js'

/** Tensors by name. */
export type Tensors = Record<string, Tensor>

/** Result of an operation of the golden files: tensors, or plain values. */
export type Outputs = Record<string, Tensor | { readonly value: unknown }>

/** Runs an operation on a case's inputs. */
export type Operation = (inputs: Tensors, c: Case, precision: Precision) => Outputs | Promise<Outputs>
