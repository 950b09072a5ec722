/** Centering of kernel and distance matrices. */
import { centeredProducts } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'
import type { Kernel, Similar } from './kernels.js'
import { offDiagonal, type Samples } from './samples.js'

/** H K H without matrix products: subtract the row and column means, add the grand mean. */
export function centered(k: Tensor): Tensor {
  const rows = k.mean(1, { keepDims: true })
  return k.sub(rows).sub(rows.transpose()).add(rows.mean())
}

/**
 * U-centering (Szekely and Rizzo 2014, eq. 2.7): the inner product of two U-centered matrices over n (n - 3) is HSIC_1, without the
 * cancellation of its three terms. The diagonal is 0 and does not count.
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

/** Samples and the kernel that compares them. */
export interface KernelSamples {
  readonly samples: Samples
  readonly kernel: Kernel
}

/** The centered (`hollow`: U-centered) kernel matrix `[n, n]`, as float64. */
export function centeredMatrix({ kernel, samples }: KernelSamples, hollow: boolean): Tensor {
  const shifted = kernel.shifted(samples)
  return (hollow ? uCentered(shifted) : centered(shifted)).cast('float64')
}

/**
 * The inner products, in float64, of the centered (`hollow`: U-centered) kernel matrices of any two parts. No matrix is stored if {@link
 * centeredProducts} supports every kernel.
 */
export function centeredInner(
  parts: readonly KernelSamples[],
  hollow: boolean,
): (a: number, b: number) => Tensor {
  const similar = parts.map(({ kernel, samples }) => kernel.similar?.(samples))
  if (similar.every((one) => one !== undefined)) {
    const all = centeredProducts(similar, { hollow })
    return (a, b) => {
      const one = all.slice([a, b], [a + 1, b + 1]).reshape([])
      return scaled(scaled(one, (similar[a] as Similar).factor), (similar[b] as Similar).factor)
    }
  }
  const matrices = parts.map((part) => centeredMatrix(part, hollow))
  return (a, b) => inner(matrices[a] as Tensor, matrices[b] as Tensor)
}

function scaled(x: Tensor, factor: number | Tensor): Tensor {
  if (factor === 1) return x
  return x.mul(typeof factor === 'number' ? factor : factor.cast(x.dtype))
}
