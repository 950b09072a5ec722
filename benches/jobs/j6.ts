/** J6, single layers: output and all gradients (input, weights, bias) for a given output gradient; optimizer updates. */
import {
  Adam,
  BatchNorm2d,
  Conv2d,
  Conv3d,
  crossEntropy,
  Dense,
  evaluate,
  grad,
  jit,
  type Layer,
  LocallyConnected2d,
  MaxPool2d,
  type Optimizer,
  SGD,
  type Shape,
  type Tensor,
  Variable,
  vjp,
} from '../../ts/index.js'
import { type Job, repeat, type Setup } from '../job.js'

/** @param shape of the input, batch first */
const layer =
  (make: () => Layer, shape: Shape): Setup =>
  async (inputs) => {
    const made = make()
    const output = made.declare(shape.slice(1))
    made.initialize()
    const x = await inputs.normal('x', shape)
    const slope = await inputs.normal('slope', [shape[0] as number, ...output])
    const weights = Object.fromEntries(made.params)
    await evaluate([...made.params.values(), ...made.state.values()])
    const run = jit((input: Tensor, dy: Tensor) =>
      vjp((at: { input: Tensor }) => made.call(at.input, { training: true }), { input, weights }, dy),
    )
    return repeat(() => run(x, slope))
  }

const lossOfClasses: Setup = async (inputs) => {
  const scores = await inputs.normal('x', [4096, 1000])
  const labels = await inputs.labels('y', 4096, 1000)
  const slope = grad((x: Tensor, y: Tensor) => crossEntropy(x, y))
  const run = jit((x: Tensor, y: Tensor) => slope(x, y))
  return repeat(() => run(scores, labels))
}

const chain = (x: Tensor, a: Tensor, b: Tensor) => x.mul(a).add(b).gelu()

const chainForward: Setup = async (inputs) => {
  const [x, a, b] = await vectors(inputs, 3)
  const run = jit(chain)
  return repeat(() => run(x as Tensor, a as Tensor, b as Tensor))
}

const chainBackward: Setup = async (inputs) => {
  const [x, a, b, d] = await vectors(inputs, 4)
  const run = jit((at: Tensor, scale: Tensor, shift: Tensor, dy: Tensor) =>
    vjp((input: Tensor) => chain(input, scale, shift), at, dy),
  )
  return repeat(() => run(x as Tensor, a as Tensor, b as Tensor, d as Tensor))
}

function vectors(inputs: Parameters<Setup>[0], count: number): Promise<Tensor[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => inputs.normal(`v${i}`, [1 << 24])))
}

/** The parameters of the notebook's network, 13.1 million. */
const parameterShapes = [
  [16, 9],
  [16],
  [1000, 12544],
  [1000],
  [500, 1000],
  [500],
  [200, 500],
  [200],
  [10, 200],
  [10],
]

const update =
  (make: () => Optimizer): Setup =>
  async (inputs) => {
    const optimizer = make()
    const weights: Variable[] = []
    const grads: Tensor[] = []
    for (const [i, shape] of parameterShapes.entries()) {
      using start = await inputs.normal(`p${i}`, shape)
      weights.push(new Variable(start))
      grads.push(start.mul(1e-3))
    }
    optimizer.prepare(weights)
    await evaluate([...weights, ...grads])
    const run = jit((slopes: Tensor[]) => optimizer.step(weights, slopes))
    return repeat(() => run(grads) as Promise<undefined>)
  }

const conv2d = (batch: number, from: number, to: number, size: number) =>
  layer(() => new Conv2d(to, 3, { padding: 1 }), [batch, from, size, size])

export const job: Job = {
  'dense/64x12544->1000': layer(() => new Dense(1000), [64, 12544]),
  'conv2d/64x1x28x28->16k3': conv2d(64, 1, 16, 28),
  'conv2d/32x64x32x32->64k3': conv2d(32, 64, 64, 32),
  'conv2d/32x128x16x16->128k3': conv2d(32, 128, 128, 16),
  'conv3d/4x16x16x32x32->32k3': layer(() => new Conv3d(32, 3, { padding: 1 }), [4, 16, 16, 32, 32]),
  'batchnorm2d/64x64x32x32': layer(() => new BatchNorm2d(), [64, 64, 32, 32]),
  'maxpool2d/64x64x32x32 k2': layer(() => new MaxPool2d(2), [64, 64, 32, 32]),
  'softmax_ce/4096x1000': lossOfClasses,
  'gelu(x*a+b)/16M forward': chainForward,
  'gelu(x*a+b)/16M forward+backward': chainBackward,
  'localconv2d/32x8x16x16->8k3': layer(() => new LocallyConnected2d(8, 3, { padding: 1 }), [32, 8, 16, 16]),
  'sgd_momentum/13.1M': update(() => new SGD({ learningRate: 1e-3, momentum: 0.95 })),
  'adam/13.1M': update(() => new Adam({ learningRate: 1e-3 })),
}
