/** Checks of options and arguments that are tensors. */
import { type DType, dtypes } from './dtype.js'
import { type Check, oneOf } from './options.js'
import { Tensor } from './tensor.js'

const MEND = 'a Tensor; make one with tensor(...)'

/** A Tensor. */
export const tensorOnly: Check<Tensor> = {
  expected: MEND,
  accepts: (value) => value instanceof Tensor,
}

/** A Tensor, or a number in the dtype of the other operand. */
export const tensorOrNumber: Check<Tensor | number> = {
  expected: `a number, or ${MEND}`,
  accepts: (value) => typeof value === 'number' || value instanceof Tensor,
}

/** An element type. */
export const dtype: Check<DType> = oneOf(...dtypes)

/** An element type of real numbers. */
export const floatDType: Check<'float32' | 'float64'> = oneOf('float32', 'float64')
