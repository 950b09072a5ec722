/** J2, biased HSIC of x [m, 784] and one-hot labels y [m, 10] with gaussian kernels: the value, and the gradient with respect to x. */
import { grad, HSIC, jit, type Tensor } from '../../ts/index.js'
import { type Inputs, type Job, madeLabels, repeatForValue, type Setup } from '../job.js'

const hsic = new HSIC({ kernel: 'gaussian', sigma: 28, sigmaY: 1 })

async function data(inputs: Inputs, m: number): Promise<[x: Tensor, y: Tensor]> {
  const x = await inputs.normal('x', [m, 784])
  return [x, await inputs.tensor('y', () => madeLabels(m, 10).oneHot(10))]
}

const value =
  (m: number): Setup =>
  async (inputs) => {
    const [x, y] = await data(inputs, m)
    const run = jit((a: Tensor, b: Tensor) => hsic.criterion(a, b))
    return repeatForValue(() => run(x, y))
  }

const gradient =
  (m: number): Setup =>
  async (inputs) => {
    const [x, y] = await data(inputs, m)
    const slope = grad((a: Tensor, b: Tensor) => hsic.criterion(a, b))
    const run = jit((a: Tensor, b: Tensor) => slope(a, b).norm())
    return repeatForValue(() => run(x, y))
  }

export const job: Job = Object.fromEntries(
  [64, 256, 1024, 4096].flatMap((m) => [
    [`hsic/value/m=${m}`, value(m)],
    [`hsic/value+grad/m=${m}`, gradient(m)],
  ]),
)
