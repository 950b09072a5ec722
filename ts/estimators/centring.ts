/** Centring of kernel and distance matrices. */
import type { Tensor } from '../tensor.js'
import { offDiagonal } from './samples.js'

/** H K H without a product of matrices: subtract the means of rows and columns, add the mean of all. */
export function centered(k: Tensor): Tensor {
  const rows = k.mean(1, { keepDims: true })
  return k.sub(rows).sub(rows.transpose()).add(rows.mean())
}

/**
 * U-centring (Szekely and Rizzo 2014, eq. 2.7): the inner product of two U-centred matrices over n (n - 3) is HSIC_1, without
 * the cancellation of its three terms. The diagonal is 0 and takes no part.
 */
export function uCentered(k: Tensor): Tensor {
  const n = k.shape[0] as number
  const off = offDiagonal(n, k.dtype)
  const hollow = k.mul(off)
  const rows = hollow.sum(1, { keepDims: true }).div(n - 2)
  return hollow
    .sub(rows)
    .sub(rows.transpose())
    .add(rows.sum().div(n - 1))
    .mul(off)
}

/** Sum of the entrywise product. */
export function inner(a: Tensor, b: Tensor): Tensor {
  return a.mul(b).sum()
}
