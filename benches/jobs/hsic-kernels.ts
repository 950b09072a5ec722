/**
 * Every kernel and variant of HSIC, compared with the biased one with gaussian kernels: x [m, d] with one-hot labels y [m, 10], the value,
 * and the value with its gradient with respect to x. Also CKA, distance correlation and the matrix-based Renyi information of the same
 * samples.
 */
import {
  CKA,
  DistanceCorrelation,
  type Estimator,
  HSIC,
  type HSICOptions,
  jit,
  RenyiMI,
  stack,
  type Tensor,
  valueAndGrad,
} from '../../ts/index.js'
import { type Inputs, type Job, madeLabels, repeatForValue, type Setup } from '../job.js'

const value =
  (make: (d: number) => Estimator, m: number, d: number): Setup =>
  async (inputs) => {
    const [x, y] = await data(inputs, m, d)
    const measure = make(d)
    const run = jit((a: Tensor, b: Tensor) => measure.criterion(a, b))
    return repeatForValue(() => run(x, y))
  }

const gradient =
  (make: (d: number) => Estimator, m: number, d: number): Setup =>
  async (inputs) => {
    const [x, y] = await data(inputs, m, d)
    const measure = make(d)
    const run = jit((a: Tensor, b: Tensor) => {
      const { value, grads } = valueAndGrad((of: Tensor) => measure.criterion(of, b), a)
      return stack([value.cast('float64'), grads.norm().cast('float64')]).sum()
    })
    return repeatForValue(() => run(x, y))
  }

async function data(inputs: Inputs, m: number, d: number): Promise<[x: Tensor, y: Tensor]> {
  const x = await inputs.normal('x', [m, d])
  return [x, await inputs.tensor('y', () => madeLabels(m, 10).oneHot(10))]
}

/** Bandwidths for d standard normal columns. */
const hsic =
  (options: HSICOptions) =>
  (d: number): HSIC =>
    new HSIC({ sigma: options.kernel === 'laplacian' ? d : Math.sqrt(d), sigmaY: 1, ...options })
const withoutWidth = (kernel: 'linear' | 'polynomial' | 'imq') => () => new HSIC({ kernel })

const kernels: Readonly<Record<string, (d: number) => Estimator>> = {
  gaussian: hsic({}),
  'gaussian n2': hsic({ estimator: 'biasedN2' }),
  'gaussian unbiased': hsic({ estimator: 'unbiased' }),
  'gaussian median': hsic({ sigma: 'median', sigmaY: 'median' }),
  'gaussian of three': (d) => new HSIC({ sigma: [0.5, 1, 2].map((s) => s * Math.sqrt(d)), sigmaY: 1 }),
  laplacian: hsic({ kernel: 'laplacian' }),
  linear: withoutWidth('linear'),
  polynomial: withoutWidth('polynomial'),
  imq: withoutWidth('imq'),
  delta: (d) => new HSIC({ sigma: Math.sqrt(d), kernelY: 'delta' }),
  'cka linear': () => new CKA(),
  'cka rbf': () => new CKA({ kernel: 'rbf' }),
}

/** Not HSIC, and slower; the gradient needs decompositions. */
const others: Readonly<Record<string, (d: number) => Estimator>> = {
  dcor: () => new DistanceCorrelation(),
  'renyi 2': () => new RenyiMI({ alpha: 2 }),
}

const cases = (measures: Readonly<Record<string, (d: number) => Estimator>>, m: number, d: number) =>
  Object.entries(measures).flatMap(([name, make]): [string, Setup][] => [
    [`hsic-kernels/value/m=${m}/d=${d}/${name}`, value(make, m, d)],
    [`hsic-kernels/value+grad/m=${m}/d=${d}/${name}`, gradient(make, m, d)],
  ])

export const job: Job = Object.fromEntries(
  [64, 1024].flatMap((m) =>
    [10, 100, 1000].flatMap((d) => [...cases(kernels, m, d), ...(d === 100 ? cases(others, m, d) : [])]),
  ),
)
