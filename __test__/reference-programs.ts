/**
 * Programs whose results are written as JSON, to be compared between devices; run with `HYPERGLOW_DEVICE`. The name of a result begins
 * with the dtype it is computed in, by which its tolerance is chosen.
 */
import {
  Conv2d,
  Dense,
  Flatten,
  grad,
  HSIC,
  jit,
  key,
  MaxPool2d,
  normal,
  optimizerNames,
  Sequential,
  type Tensor,
  tensor,
  tidy,
  Variable,
  valueAndGrad,
} from '../ts/index.js'
import { numbers, sample } from './helpers.js'

const results: Record<string, unknown> = {}
const note = async (name: string, x: Tensor) => {
  results[name] = await x.array()
}

/** The weights of a small convolutional net after three steps. */
async function train(optimizer: (typeof optimizerNames)[number]): Promise<void> {
  const model = new Sequential({ inputShape: [1, 6, 6], seed: 3 })
  model.add(new Conv2d(3, 3, { padding: 1, activation: 'relu' }))
  model.add(new MaxPool2d(2))
  model.add(new Flatten())
  model.add(new Dense(4, { activation: 'tanh' }))
  model.add(new Dense(3, { activation: 'softmax' }))
  model.compile({ optimizer, loss: 'crossEntropy', learningRate: 0.01 })
  const x = Float32Array.from(numbers(12 * 36))
  const y = Int32Array.from({ length: 12 }, (_, i) => i % 3)
  const { loss } = await model.fit(tensor(x, { shape: [12, 1, 6, 6] }), y, {
    batchSize: 4,
    epochs: 1,
    validationSplit: 0,
  })
  results[`float32 ${optimizer} loss`] = loss
  for (const [name, weight] of Object.entries(model.weights))
    await note(`float32 ${optimizer} ${name}`, weight.value)
  results.device = [model.device]
  model.dispose()
}

/** Estimates of dependence, and their gradients. */
async function estimate(): Promise<void> {
  const [x, y] = [sample([20, 3]), sample([20, 2], -1, 1, 5)]
  for (const options of [
    { kernel: 'gaussian', sigma: 1.5 },
    { kernel: 'linear' },
    { kernel: 'laplacian', sigma: 2 },
  ] as const) {
    const { kernel } = options
    const hsic = new HSIC(options)
    await note(`float64 HSIC ${kernel}`, hsic.criterion(x, y))
    await note(`float64 HSIC ${kernel} gradient`, grad((x: Tensor) => hsic.criterion(x, y).sum())(x))
  }
}

/** Second derivatives of a layer's output. */
async function curvature(): Promise<void> {
  const [x, w] = [sample([5, 3]), sample([3, 2], -1, 1, 2)]
  const slope = grad((w: Tensor) => x.matmul(w).tanh().square().sum())
  await note('float64 gradient', slope(w))
  await note('float64 gradient of the gradient', grad((w: Tensor) => slope(w).square().sum())(w))
  const positive = w.transpose().matmul(w)
  const logDet = (a: Tensor) => a.cholesky().diagonal().log().sum()
  await note('float64 gradient of a decomposition', grad(logDet)(positive))
}

/** A compiled step that reads and assigns a Variable. */
async function compiled(): Promise<void> {
  const w = new Variable(normal(key(5), [4], { dtype: 'float64' }), { name: 'w' })
  const step = jit((x: Tensor) => {
    const { value, grads } = valueAndGrad((w: Tensor) => x.mul(w).sin().sum(), w.value)
    w.assign(w.value.sub(grads.mul(0.1)))
    return value
  })
  for (let round = 0; round < 4; round++) await note(`float64 step ${round}`, await step(sample([4])))
  await note('float64 a Variable after steps', w.value)
  await note(
    'float64 order',
    tidy(() => w.value.argSort().cast('float64')),
  )
}

for (const optimizer of optimizerNames) await train(optimizer)
await estimate()
await curvature()
await compiled()
process.stdout.write(JSON.stringify(results))
