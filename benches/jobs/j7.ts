/** J7, whole training steps on one batch: forward pass, cross-entropy, backward pass, SGD with momentum. */
import {
  Activation,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dense,
  evaluate,
  Flatten,
  type ForwardContext,
  type Layer,
  LSTM,
  MaxPool2d,
  Network,
  relu,
  Sequential,
  type Shape,
  type Tensor,
} from '../../ts/index.js'
import type { Job, Setup } from '../job.js'
import { stepsOn, stepsOnOneBatch } from '../training.js'

/** LeNet for 28 x 28 images, `mnist_small`. */
function lenet(): Network {
  const model = new Sequential({ inputShape: [1, 28, 28] })
  model.add(new Conv2d(10, 5)).add(new MaxPool2d(2)).add(new Activation('relu'))
  model.add(new Conv2d(20, 5)).add(new MaxPool2d(2)).add(new Activation('relu'))
  return model
    .add(new Flatten())
    .add(new Dense(50, { activation: 'relu' }))
    .add(new Dense(10))
}

/** Two 3 x 3 convolutions after batch normalization and relu, and a shortcut. */
interface Block {
  readonly norms: readonly [BatchNorm2d, BatchNorm2d]
  readonly convs: readonly [Conv2d, Conv2d]
  /** 1 x 1, if the shape changes. */
  readonly shortcut: Conv2d | undefined
}

/** Wide residual network 16-4 (Zagoruyko and Komodakis 2016) for 32 x 32 color images. */
class WideResNet extends Network {
  readonly #stem: Conv2d
  readonly #blocks: readonly Block[]
  readonly #head: readonly Layer[]

  constructor() {
    super({ inputShape: [3, 32, 32] })
    this.#stem = this.register(new Conv2d(16, 3, { padding: 1 }))
    let shape = this.#stem.outputShape as Shape
    this.#blocks = [64, 64, 128, 128, 256, 256].map((filters, i) => {
      const block = this.#block(shape, filters, i === 2 || i === 4 ? 2 : 1)
      shape = block.convs[1].outputShape as Shape
      return block
    })
    this.#head = [new BatchNorm2d(), new Activation('relu'), new AvgPool2d(8), new Flatten(), new Dense(10)]
    for (const layer of this.#head) shape = this.register(layer, shape).outputShape as Shape
  }

  #block(shape: Shape, filters: number, stride: number): Block {
    const norm1 = this.register(new BatchNorm2d(), shape)
    const conv1 = this.register(new Conv2d(filters, 3, { padding: 1, stride }), shape)
    const inner = conv1.outputShape as Shape
    const norm2 = this.register(new BatchNorm2d(), inner)
    const conv2 = this.register(new Conv2d(filters, 3, { padding: 1 }), inner)
    const changes = stride !== 1 || shape[0] !== filters
    const shortcut = changes
      ? this.register(new Conv2d(filters, 1, { stride, useBias: false }), shape)
      : undefined
    return { norms: [norm1, norm2], convs: [conv1, conv2], shortcut }
  }

  forward(x: Tensor, ctx: ForwardContext = this.context()) {
    let output = ctx.run(this.#stem, x)
    for (const { norms, convs, shortcut } of this.#blocks) {
      const h = relu(ctx.run(norms[0], output))
      const around = shortcut === undefined ? output : ctx.run(shortcut, h)
      output = ctx.run(convs[1], relu(ctx.run(norms[1], ctx.run(convs[0], h)))).add(around)
    }
    for (const layer of this.#head) output = ctx.run(layer, output)
    return { output, hidden: [] }
  }
}

const training =
  (make: () => Network, batch: number): Setup =>
  (inputs) => {
    const model = make().compile({ optimizer: 'sgd', learningRate: 0.01, momentum: 0.9 })
    return stepsOnOneBatch(model, inputs, batch)
  }

/** An LSTM over the 28 rows of 28 with a label from its last output. */
const reader: Setup = async (inputs) => {
  const model = new Sequential({ inputShape: [28, 28] })
  model.add(new LSTM(64)).add(new Dense(10))
  model.compile({ optimizer: 'sgd', learningRate: 0.01, momentum: 0.9 })
  // The peers have a second bias, which is added to the first, and sequences [time, batch, features].
  await inputs.parameters(Object.values(model.weights), ([kernel, recurrent, bias, second, ...head]) => [
    kernel as Tensor,
    recurrent as Tensor,
    (bias as Tensor).add(second as Tensor),
    ...head,
  ])
  const timeFirst = await inputs.normal('x', [28, 64, 28])
  const x = timeFirst.permute([1, 0, 2])
  await evaluate(x)
  return stepsOn(model, x, await inputs.labels('y', 64, 10), 10)
}

export const job: Job = {
  'wrn-16-4/batch 32': training(() => new WideResNet(), 32),
  'lenet mnist_small/batch 64': training(lenet, 64),
  'lstm 28x28 hidden 64/batch 64': reader,
}
