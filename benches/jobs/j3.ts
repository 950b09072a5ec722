/**
 * J3, mutual information of x and y [n, d] in float64: KSG 1 (k = 3) on the unscaled data, the gaussian kernel densities of "torch by
 * hand", and binned activations against 10 labels.
 */
import { Binned, jit, KSG, key, normal, similaritySums, type Tensor } from '../../ts/index.js'
import { type Inputs, type Job, repeatForValue, type Setup } from '../job.js'

const sizes = [1000, 5000, 10000] as const
const rho = 0.6

/** Normal pairs of correlation 0.6 if the peers' arrays are missing. */
async function pairs(inputs: Inputs, n: number, d: number): Promise<[x: Tensor, y: Tensor]> {
  const draw = (seed: number) => normal(key(seed), [n, d], { dtype: 'float64' })
  const x = await inputs.tensor('x', () => draw(1))
  return [x, await inputs.tensor('y', () => x.mul(rho).add(draw(2).mul(Math.sqrt(1 - rho * rho))))]
}

const neighbors =
  (n: number, d: number): Setup =>
  async (inputs) => {
    const [x, y] = await pairs(inputs, n, d)
    const ksg = new KSG({ k: 3, standardize: false })
    const run = jit((a: Tensor, b: Tensor) => ksg.criterion(a, b))
    return repeatForValue(() => run(x, y))
  }

const density =
  (n: number, d: number, width: number): Setup =>
  async (inputs) => {
    const [x, y] = await pairs(inputs, n, d)
    const run = jit((a: Tensor, b: Tensor) => {
      const sets = [a, b].map(
        (rows) => ({ rows, similarity: { kind: 'gaussian', widths: [width] } }) as const,
      )
      const sums = similaritySums(sets, [[0], [1], [0, 1]])
      const [p, q, both] = [0, 1, 2].map((group) => sums.slice([group], [group + 1])) as [
        Tensor,
        Tensor,
        Tensor,
      ]
      return both.mul(n).div(p.mul(q)).log().mean()
    })
    return repeatForValue(() => run(x, y))
  }

const binned =
  (n: number, d: number): Setup =>
  async (inputs) => {
    const y = await inputs.labels('y', n, 10)
    const x = await inputs.tensor('x', () => normal(key(3), [n, d], { dtype: 'float64' }).tanh())
    const bins = new Binned({ bins: 30 })
    const run = jit((a: Tensor, b: Tensor) => bins.criterion(a, b))
    return repeatForValue(() => run(x, y))
  }

export const job: Job = Object.fromEntries([
  ...[1, 2, 3, 5, 10].flatMap((d) => sizes.map((n) => [`ksg/d=${d}/n=${n}`, neighbors(n, d)])),
  ...(
    [
      [1, 0.25],
      [5, 0.6],
    ] as const
  ).flatMap(([d, width]) => sizes.map((n) => [`kde/d=${d}/n=${n}`, density(n, d, width)])),
  ...(
    [
      [1000, 10],
      [10000, 10],
      [10000, 200],
    ] as const
  ).map(([n, d]) => [`binned/d=${d}/n=${n}`, binned(n, d)]),
])
