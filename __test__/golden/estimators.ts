/** Estimators of the golden files in our API; those by nearest neighbors have a separate file. */

import type {
  DistanceCorrelationOptions,
  HSICEstimator,
  HSICOptions,
  KDEBound,
  Kernel,
  KernelName,
  Tensor,
} from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation } from './operation.js'

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

const cka: Operation = ({ x, y }, { params: p }) => {
  const { type, sigma } = p.kernel_x
  const estimator = new hg.CKA({
    ...(type === 'gaussian' ? { kernel: 'rbf', sigma } : { kernel: type }),
    unbiased: summation(p) === 'unbiased',
  })
  return { value: estimator.criterion(x as Tensor, y as Tensor) }
}

const summation = (p: Params): HSICEstimator => {
  const estimator = ESTIMATORS[String(p.estimator)]
  if (estimator === undefined) throw new Error(`no estimator ${p.estimator}`)
  return estimator
}

const distanceCorrelation: Operation = ({ x, y }) => {
  const value = (options: DistanceCorrelationOptions) =>
    new hg.DistanceCorrelation(options).criterion(x as Tensor, y as Tensor)
  return {
    dcov2_v: value({ measure: 'covariance' }),
    dcor_v: value({}),
    dcov2_u: value({ measure: 'covariance', estimator: 'unbiased' }),
    dcor2_u: value({ estimator: 'unbiased' }),
  }
}

const renyi: Operation = ({ x, y }, { params: p }) => {
  const mi = new hg.RenyiMI({ alpha: p.alpha, sigma: p.kernel_x.sigma })
  const [a, b] = [x, y].map((rows) => hg.renyiMatrix(rows as Tensor, { sigma: p.kernel_x.sigma })) as [
    Tensor,
    Tensor,
  ]
  const value = mi.criterion(x as Tensor, y as Tensor)
  const joint = a.mul(b)
  return {
    S_x: mi.entropy(a),
    S_y: mi.entropy(b),
    S_xy: mi.entropy(joint.div(joint.trace())),
    mi: value,
    value,
  }
}

const renyiChannels: Operation = (inputs, { params: p }) => {
  const channels = Array.from({ length: p.channels as number }, (_, c) => inputs[`c${c}`] as Tensor)
  const mi = new hg.RenyiMI({ alpha: p.alpha, sigma: p.sigma, channels: true })
  const matrices = channels.map((rows) => hg.renyiMatrix(rows, { sigma: p.sigma }))
  const product = matrices.reduce((all, a) => all.mul(a))
  const y = inputs.y as Tensor
  return {
    S_channels: mi.entropy(product.div(product.trace())),
    S_y: mi.entropy(hg.renyiMatrix(y, { sigma: p.sigma })),
    mi: mi.criterion(hg.stack(channels, 1), y),
  }
}

const binned: Operation = ({ t, labels }, { params: p }) => {
  const estimator = p.binsize === undefined ? new hg.Binned() : new hg.Binned({ binSize: p.binsize })
  const activations = t as Tensor
  const ids = estimator.bins(activations).uniqueRows()
  const own = estimator.criterion(activations, hg.arange(activations.shape[0] as number, { dtype: 'int32' }))
  return {
    H_T: own,
    I_TX: estimator.criterion(activations, activations),
    I_TY: estimator.criterion(activations, (labels as Tensor).cast('int32')),
    occupied: ids.max().add(1).cast('float64'),
  }
}

const kde: Operation = ({ t, labels }, { params: p }) => {
  const rows = t as Tensor
  const classes = (labels as Tensor).cast('int32')
  const options = (bound: KDEBound) => ({ variance: p.noise_variance, bound })
  const of = (bound: KDEBound, y: Tensor) => new hg.KDE(options(bound)).criterion(rows, y)
  return {
    I_TX_upper: of('upper', rows),
    I_TX_lower: of('lower', rows),
    I_TY_upper: of('upper', classes),
    I_TY_lower: of('lower', classes),
    H_upper: hg.kdeEntropy(rows, options('upper')),
    H_lower: hg.kdeEntropy(rows, options('lower')),
  }
}

const edgeBase: Operation = ({ x, y }, { params: p }) => {
  const buckets = (rows: Tensor, epsilon: number) => hg.floorHash(rows, epsilon, p.shift).uniqueRows()
  const [a, b] = [buckets(x as Tensor, p.epsilon_x), buckets(y as Tensor, p.epsilon_y)]
  return {
    mi: hg.edgeInformation(a, b, { most: p.upper_bound }),
    mi_clamped_0: hg.edgeInformation(a, b, { least: 0, most: p.upper_bound }),
  }
}

const variationalBounds: Operation = ({ F }, { params: p }) => {
  const bounds = {
    dv: hg.donskerVaradhan,
    nwj: hg.nguyenWainwrightJordan,
    infonce: hg.infoNCE,
    js: hg.jensenShannon,
    smile: (scores: Tensor) => hg.smile(scores, p.smile_tau),
  }
  const scores = F as Tensor
  const values = Object.entries(bounds).flatMap(([name, bound]) => [
    [name, bound(scores)] as const,
    [`${name}_grad`, hg.grad(bound)(scores)] as const,
  ])
  const corrected = hg.grad((f: Tensor) => hg.mineObjective(f, Math.log(p.mine_ema)))(scores)
  return { ...Object.fromEntries(values), mine_grad_given_ema: corrected }
}

/** Two columns of labels with the given contingency table. */
function labelsOf(counts: readonly (readonly number[])[]): [Tensor, Tensor] {
  const rows: number[] = []
  const columns: number[] = []
  counts.forEach((row, i) => {
    row.forEach((count, j) => {
      for (let sample = 0; sample < count; sample++) {
        rows.push(i)
        columns.push(j)
      }
    })
  })
  return [hg.tensor(Int32Array.from(rows)), hg.tensor(Int32Array.from(columns))]
}

const discrete: Operation = async ({ counts }) => {
  const [x, y] = labelsOf((await (counts as Tensor).array()) as number[][])
  return {
    plugin: new hg.DiscreteMI({ correction: 'none' }).criterion(x, y),
    miller_madow: new hg.DiscreteMI({ correction: 'millerMadow' }).criterion(x, y),
  }
}

export const estimatorOperations: Readonly<Record<string, Operation>> = {
  kernel_matrix: (inputs, c) => ({ K: hg.kernelMatrix(kernelOf(c.params), inputs.x as Tensor) }),
  hsic: hsic((p) => ({ estimator: summation(p) })),
  nhsic_cca: hsic((p) => ({ variant: 'nHSIC', epsilon: p.epsilon })),
  cka,
  median_sigma: (inputs) => ({ sigma: hg.medianSigma(inputs.x as Tensor) }),
  distance_correlation: distanceCorrelation,
  renyi_matrix_mi: renyi,
  renyi_multivariate_mi: renyiChannels,
  binned_mi: binned,
  kde_bounds: kde,
  edge_base: edgeBase,
  edge_weights: (inputs, { params: p }) => ({ w: hg.edgeWeights(inputs.t as Tensor, p.d) }),
  gcmi: ({ x, y }) => ({ value: new hg.GaussianCopulaMI().criterion(x as Tensor, y as Tensor) }),
  gaussian_mi: ({ x, y }) => ({ value: new hg.GaussianMI().criterion(x as Tensor, y as Tensor) }),
  variational_bounds: variationalBounds,
  club: ({ mu, logvar, y }) => ({ club: hg.club(mu as Tensor, logvar as Tensor, y as Tensor) }),
  discrete_mi: discrete,
}
