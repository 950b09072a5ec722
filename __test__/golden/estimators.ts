/** HSIC and its relatives of the golden files in our API. Other estimators have no entry: their cases are skipped. */

import type { HSICEstimator, HSICOptions, Kernel, KernelName, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation } from './run-case.js'

/** A kernel of a case: `type`, and the parameters of that type. */
function kernelOf(p: Params): Kernel {
  switch (p.type as KernelName) {
    case 'gaussian':
      return hg.gaussianKernel({ sigma: p.sigma, scaleSqrtD: p.scale_sqrt_d ?? false })
    case 'laplacian':
      return hg.laplacianKernel({ sigma: p.sigma, scaleSqrtD: p.scale_sqrt_d ?? false })
    case 'linear':
      return hg.linearKernel()
    case 'polynomial':
      return hg.polynomialKernel({ gamma: p.gamma, coef0: p.coef0, degree: p.degree })
    case 'imq':
      return hg.imqKernel({ c: p.c })
    case 'delta':
      return hg.deltaKernel()
  }
}

/** The same kernels through the options of the estimator. */
function kernelOptions(x: Params, y: Params): HSICOptions {
  const options = {
    kernel: x.type,
    kernelY: y.type,
    sigma: x.sigma,
    sigmaY: y.sigma,
    scaleSqrtD: x.scale_sqrt_d,
    gamma: x.gamma,
    coef0: x.coef0,
    degree: x.degree,
    c: x.c,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

const ESTIMATORS: Readonly<Record<string, HSICEstimator>> = {
  biased: 'biased',
  biased_n2: 'biasedN2',
  unbiased: 'unbiased',
  pyglow: 'pyglow',
}

/** A criterion of x and y with the kernels of the case and more options. */
const hsic =
  (more: (p: Params) => HSICOptions): Operation =>
  (inputs, { params: p }) => {
    const estimator = new hg.HSIC({ ...kernelOptions(p.kernel_x, p.kernel_y), ...more(p) })
    return { value: estimator.criterion(inputs.x as Tensor, inputs.y as Tensor) }
  }

const summation = (p: Params): HSICEstimator => {
  const estimator = ESTIMATORS[String(p.estimator)]
  if (estimator === undefined) throw new Error(`no estimator ${p.estimator}`)
  return estimator
}

export const estimatorOperations: Readonly<Record<string, Operation>> = {
  kernel_matrix: (inputs, c) => ({ K: hg.kernelMatrix(kernelOf(c.params), inputs.x as Tensor) }),
  hsic: hsic((p) => ({ estimator: summation(p) })),
  nhsic_cca: hsic((p) => ({ variant: 'nHSIC', epsilon: p.epsilon })),
  cka: hsic((p) => ({ variant: 'cka', estimator: summation(p) })),
  median_sigma: (inputs) => ({ sigma: hg.medianSigma(inputs.x as Tensor) }),
}
