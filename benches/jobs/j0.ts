/** J0, the limits of the machine: float32 matrix products and memory bandwidth. */
import { jit, type Tensor, Variable, zeros } from '../../ts/index.js'
import { type Job, repeat, type Setup } from '../job.js'

/** [m, k] times [k, n], written to the same memory each time, as the peers do. */
const product =
  (m: number, k: number, n: number): Setup =>
  async (inputs) => {
    const a = await inputs.normal('a', [m, k])
    const b = await inputs.normal('b', [k, n])
    const out = new Variable(zeros([m, n]))
    const run = jit((x: Tensor, y: Tensor) => out.assign(x.matmul(y)))
    return repeat(() => run(a, b) as Promise<undefined>)
  }

const triad: Setup = async (inputs) => {
  const a = await inputs.normal('a', [1 << 25])
  const b = await inputs.normal('b', [1 << 25])
  const out = new Variable(zeros([1 << 25]))
  const run = jit((x: Tensor, y: Tensor) => out.assign(x.add(y.mul(2))))
  return repeat(() => run(a, b) as Promise<undefined>)
}

const shapes: [number, number, number][] = [
  [1024, 1024, 1024],
  [2048, 2048, 2048],
  [4096, 4096, 4096],
  [64, 12544, 1000],
  [12544, 64, 1000],
  [64, 1000, 12544],
]

export const job: Job = {
  ...Object.fromEntries(shapes.map(([m, k, n]) => [`gemm/${m}x${k}x${n}`, product(m, k, n)])),
  'triad/3x128MB': triad,
}
