/** The three products of a convolution, one by one: forward, gradient by the input, gradient by the weights. */
import { jit, type Tensor, vjp } from '../../ts/index.js'
import { type Job, repeat, type Setup } from '../job.js'

const convolve = (x: Tensor, w: Tensor) => x.conv(w, { padding: 1 })

const programs = {
  forward: (x: Tensor, w: Tensor, _dy: Tensor) => convolve(x, w),
  'input gradient': (x: Tensor, w: Tensor, dy: Tensor) => vjp((at: Tensor) => convolve(at, w), x, dy).grads,
  'weight gradient': (x: Tensor, w: Tensor, dy: Tensor) => vjp((at: Tensor) => convolve(x, at), w, dy).grads,
}

/** 3 x 3 windows over [batch, channels, size, size], padded by 1, to as many channels. */
const convolution =
  (program: keyof typeof programs, batch: number, channels: number, size: number): Setup =>
  async (inputs) => {
    const x = await inputs.normal('x', [batch, channels, size, size])
    const w = await inputs.normal('w', [channels, channels, 3, 3])
    const dy = await inputs.normal('dy', [batch, channels, size, size])
    const run = jit(programs[program])
    return repeat(() => run(x, w, dy))
  }

export const job: Job = Object.fromEntries(
  (Object.keys(programs) as (keyof typeof programs)[]).flatMap((program) => [
    [`32x64x32x32->64k3/${program}`, convolution(program, 32, 64, 32)],
    [`32x128x16x16->128k3/${program}`, convolution(program, 32, 128, 16)],
  ]),
)
