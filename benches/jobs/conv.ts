/** The three products of a convolution, separately: forward, gradient with respect to the input, gradient with respect to the weights. */
import { jit, type Tensor, vjp } from '../../ts/index.js'
import { type Job, repeat, type Setup } from '../job.js'

/** Windows of `kernel` x `kernel` over [batch, channels, size, size], padded by half of it. */
interface Case {
  readonly batch: number
  readonly channels: number
  readonly outputs: number
  readonly size: number
  readonly kernel: number
  readonly stride?: number
  readonly groups?: number
}

/** By the names in the peers' script. */
const cases: Readonly<Record<string, Case>> = {
  '32x64x32x32->64k3': { batch: 32, channels: 64, outputs: 64, size: 32, kernel: 3 },
  '32x128x16x16->128k3': { batch: 32, channels: 128, outputs: 128, size: 16, kernel: 3 },
  '32x64x32x32->128k1': { batch: 32, channels: 64, outputs: 128, size: 32, kernel: 1 },
  '32x64x32x32->128k1 stride 2': { batch: 32, channels: 64, outputs: 128, size: 32, kernel: 1, stride: 2 },
  '32x64x32x32->128k3 stride 2': { batch: 32, channels: 64, outputs: 128, size: 32, kernel: 3, stride: 2 },
  '32x64x32x32->64k3 depthwise': { batch: 32, channels: 64, outputs: 64, size: 32, kernel: 3, groups: 64 },
  '32x64x32x32->64k3 4 groups': { batch: 32, channels: 64, outputs: 64, size: 32, kernel: 3, groups: 4 },
  '64x1x28x28->16k3': { batch: 64, channels: 1, outputs: 16, size: 28, kernel: 3 },
}

const directions = ['forward', 'input gradient', 'weight gradient'] as const

const product =
  (
    direction: (typeof directions)[number],
    { batch, channels, outputs, size, kernel, stride = 1, groups = 1 }: Case,
  ): Setup =>
  async (inputs) => {
    const convolve = (x: Tensor, w: Tensor) => x.conv(w, { padding: (kernel - 1) / 2, stride, groups })
    const programs = {
      forward: (x: Tensor, w: Tensor, _dy: Tensor) => convolve(x, w),
      'input gradient': (x: Tensor, w: Tensor, dy: Tensor) =>
        vjp((at: Tensor) => convolve(at, w), x, dy).grads,
      'weight gradient': (x: Tensor, w: Tensor, dy: Tensor) =>
        vjp((at: Tensor) => convolve(x, at), w, dy).grads,
    }
    const places = Math.ceil(size / stride)
    const x = await inputs.normal('x', [batch, channels, size, size])
    const w = await inputs.normal('w', [outputs, channels / groups, kernel, kernel])
    const dy = await inputs.normal('dy', [batch, outputs, places, places])
    const run = jit(programs[direction])
    return repeat(() => run(x, w, dy))
  }

export const job: Job = Object.fromEntries(
  directions.flatMap((direction) =>
    Object.entries(cases).map(([name, shape]) => [`${name}/${direction}`, product(direction, shape)]),
  ),
)
