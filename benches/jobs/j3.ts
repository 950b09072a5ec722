/** J3, mutual information of x and y in float64. The peers' density of (x, y) by kernels has no counterpart: it is skipped. */
import { Binned, type Estimator, evaluate, key, type Tensor, uniform } from '../../ts/index.js'
import type { Inputs, Job, Setup } from '../job.js'

const float64 = { dtype: 'float64' } as const

const estimating =
  (estimator: Estimator, data: (inputs: Inputs) => Promise<[x: Tensor, y: Tensor]>): Setup =>
  async (inputs) => {
    const [x, y] = await data(inputs)
    await evaluate([x, y])
    return () => estimator.estimate(x, y)
  }

/** Activations [n, d] from -1 to 1 against labels, in 30 bins. */
const binned = (n: number, d: number) =>
  estimating(new Binned({ bins: 30 }), async (inputs) => [
    await inputs.tensor('x', () => uniform(key(1), [n, d], { low: -1, high: 1, ...float64 })),
    await inputs.labels('y', n, 10),
  ])

export const job: Job = {
  'binned/d=10/n=1000': binned(1000, 10),
  'binned/d=10/n=10000': binned(10_000, 10),
  'binned/d=200/n=10000': binned(10_000, 200),
}
