/** Operands: tensors, and numbers that become tensors beside them. */

import { native } from '../core/native.js'
import { constant, isScalar, type Scalar } from '../core/scalars.js'
import { Tensor } from '../core/tensor.js'

/** A tensor, or a number in another tensor's dtype. */
export type TensorLike = Tensor | number

/** An operand: a tensor, or a number or bigint in the other operand's dtype. */
export type Operand = Tensor | Scalar

/** A scalar of a number (float32) or a bigint (int64); a tensor unchanged. */
export function asTensor(x: Operand): Tensor {
  if (!isScalar(x)) return x
  return constant('tensor', x, typeof x === 'bigint' ? 'int64' : 'float32', [])
}

/** Another handle on the same node, so that disposing of one does not affect the other. */
export function alias(x: Tensor): Tensor {
  const id = x.id
  native.retain(id)
  return Tensor.own(id)
}
