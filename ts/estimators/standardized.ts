/** Columns in units of their own deviation. */
import { where } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import { columnsInRange } from './magnitude.js'

/** Columns of mean 0 and variance 1; constant columns become 0. */
export function standardized(z: Tensor): Tensor {
  const varies = varying(z)
  const near = columnsInRange(z)
  const centered = near.sub(near.mean(0)).mul(varies)
  const spread = centered.square().mean(0).sqrt()
  return centered.div(where(varies.greater(0), spread, 1))
}

/** 1 for each column that varies, 0 for constant ones; their computed variance may be a rounding error above 0. */
export function varying(z: Tensor): Tensor {
  return z.max(0).notEqual(z.min(0)).cast('float64')
}
