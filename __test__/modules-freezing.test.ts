/** Freezing weights by path. */
import test from 'ava'
import {
  ArgumentError,
  Dense,
  Layer,
  Residual,
  Sequential,
  type Shape,
  type Tensor,
  UnknownNameError,
  type Weights,
} from '../ts/index.js'
import { Tower } from './tower.js'
import { points } from './toy-task.js'

test('freezing by pattern', (t) => {
  const model = new Sequential({ inputShape: [3] }).add(new Tower()).add(new Dense(2)) as Sequential
  const trained = () => Object.keys(model.trainableWeights)
  t.deepEqual(model.freeze('layers.0.blocks'), [
    'layers.0.blocks.0.inner.kernel',
    'layers.0.blocks.0.inner.bias',
    'layers.0.blocks.0.outer.kernel',
    'layers.0.blocks.0.outer.bias',
    'layers.0.blocks.1.inner.kernel',
    'layers.0.blocks.1.inner.bias',
    'layers.0.blocks.1.outer.kernel',
    'layers.0.blocks.1.outer.bias',
  ])
  t.is(trained().length, 5)
  t.is(model.unfreeze('**.inner').length, 4)
  t.is(model.unfreeze('layers.*.blocks.1.out*.bias').length, 1)
  t.is(trained().length, 10)
  t.is(model.freeze('**').length, 13)
  t.deepEqual(trained(), [])
  t.false(model.layers[0]?.trainable)
  model.unfreeze('layers.1.kernel')
  t.true(model.layers[1]?.trainable)
  t.false(model.layers[0]?.trainable)
  t.deepEqual(trained(), ['layers.1.kernel'])
  for (const layer of model.layers) layer.trainable = true
  t.is(trained().length, 13)
  t.throws(() => model.freeze('layer.0'), { instanceOf: UnknownNameError })
  t.throws(() => model.freeze('layers.1.kernels'), { instanceOf: UnknownNameError, message: /did you mean/ })
  t.throws(() => model.freeze(3 as never), { instanceOf: ArgumentError })
})

test('a summary marks frozen layers, and a typo in freeze lists some paths only', (t) => {
  const model = new Sequential({ inputShape: [3] })
  for (let i = 0; i < 9; i++) model.add(new Dense(2))
  t.false(model.summary().includes('frozen'))
  model.freeze('layers.0')
  model.freeze('layers.1.bias')
  t.regex(
    model.summary(),
    /dense_1 +dense \(frozen\) .*\n *dense_2 +dense \(1 of 2 weights frozen\) .*\n *dense_3 +dense /,
  )
  t.throws(() => model.freeze('layer.0'), {
    instanceOf: UnknownNameError,
    message: /^unknown module or weight for freeze "layer\.0": did you mean "layers\.0"\? .* and 16 more$/,
  })
})

test('a model is not JSON, and moves to a device only by its name', async (t) => {
  const model = new Sequential({ inputShape: [3] }).add(new Dense(2))
  t.throws(() => JSON.stringify(model), { instanceOf: ArgumentError, message: /model\.save\(path\)/ })
  const move = model.to.bind(model) as unknown as () => Promise<unknown>
  await t.throwsAsync(move(), { code: 'DEVICE', message: /given no device; name one/ })
})

test('frozen weights stay as they are in training, and have no moments', async (t) => {
  const model = new Sequential({ inputShape: [4], seed: 2 })
  model.add(new Residual([new Dense(4, { activation: 'relu' })])).add(new Dense(3, { activation: 'softmax' }))
  model.freeze('layers.0')
  model.compile({ optimizer: 'adam', learningRate: 0.05 })
  const { x, y } = points(64)
  const values = async () =>
    Promise.all(
      Object.entries(model.weights).map(async ([path, v]) => [path, await v.value.array()] as const),
    )
  const before = await values()
  await model.fit(x, y, { epochs: 2, verbose: false })
  const after = await values()
  t.deepEqual(after.slice(0, 2), before.slice(0, 2))
  for (const [index, entry] of after.entries()) if (index >= 2) t.notDeepEqual(entry, before[index])
  const names = [...(model.optimizer?.stateVariables().keys() ?? [])]
  t.false(
    names.some((name) => name.includes('layers.0')),
    names.join(),
  )
  t.true(names.some((name) => name.includes('layers.1.kernel')))
  model.unfreeze('layers.0')
  await model.fit(x, y, { epochs: 1, verbose: false })
  t.notDeepEqual((await values())[0], before[0])
})

test('a parameter declared with trainable: false is never trained', (t) => {
  class Fixed extends Layer {
    build(inputShape: Shape) {
      this.param('center', inputShape, 'zeros', { trainable: false })
      this.param('gain', inputShape, 'ones')
      return inputShape
    }
    apply({ center, gain }: Weights, x: Tensor) {
      return x.sub(center as Tensor).mul(gain as Tensor)
    }
  }
  const model = new Sequential({ inputShape: [2] }).add(new Fixed()) as Sequential
  t.deepEqual(Object.keys(model.trainableWeights), ['layers.0.gain'])
  model.unfreeze('**')
  t.deepEqual(Object.keys(model.trainableWeights), ['layers.0.gain'])
  const frozen = new Fixed()
  frozen.trainable = false
  const other = new Sequential({ inputShape: [2] }).add(frozen) as Sequential
  t.deepEqual(other.trainableWeights, {})
  frozen.trainable = true
  t.deepEqual(Object.keys(other.trainableWeights), ['layers.0.gain'])
})
