import test from 'ava'
import { ArgumentError, DataError, ShapeError, StateError, UnknownNameError } from '../ts/core/errors.js'
import { grad } from '../ts/core/transforms.js'
import {
  Activation,
  AvgPool2d,
  BatchNorm1d,
  BatchNorm2d,
  type Context,
  Conv1d,
  Conv2d,
  Conv3d,
  Dense,
  Dropout,
  evalContext,
  Flatten,
  Layer,
  MaxPool2d,
} from '../ts/layers/index.js'
import { key } from '../ts/ops/random.js'
import { ones, type Shape, type Tensor, tensor } from '../ts/ops/tensor.js'
import { close, numericalGradient, sample } from './close.js'

const f64 = { dtype: 'float64' as const }

/** A training context that keeps the updates. */
function training(layer: Layer, drawKey?: Tensor): Context & { updates: Record<string, Tensor> } {
  const updates: Record<string, Tensor> = {}
  return {
    training: true,
    state: layer.stateValues(),
    updates,
    update: (name, value) => {
      updates[name] = value
    },
    ...(drawKey === undefined ? {} : { key: drawKey }),
  }
}

test('Dense is x W^T + b', (t) => {
  const dense = new Dense(2)
  t.deepEqual([...dense.declare([3])], [2])
  const kernel = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3], dtype: 'float64' })
  const bias = tensor([10, 20], { dtype: 'float64' })
  const x = tensor([1, 0, -1], { shape: [1, 3], dtype: 'float64' })
  close(t, dense.apply({ kernel, bias }, x, evalContext()), [8, 18])
})

test('Dense weights begin within +-1/sqrt(inputs), the same for the same key', (t) => {
  const make = () => {
    const dense = new Dense(50)
    dense.declare([100])
    dense.initialize({ key: key(3) })
    return dense
  }
  const { kernel, bias } = make().weights()
  const values = kernel.dataSync() as Float32Array
  t.true(values.every((value) => Math.abs(value) <= 0.1))
  t.true(Math.max(...values) > 0.095)
  t.true(((bias as Tensor).dataSync() as Float32Array).every((value) => Math.abs(value) <= 0.1))
  t.deepEqual(make().weights().kernel.dataSync(), values)
})

test('Dense after an image asks for Flatten', (t) => {
  const dense = new Dense(10)
  dense.name = 'dense_2'
  const error = t.throws(() => dense.declare([16, 28, 28]), { instanceOf: ShapeError })
  t.regex(error.message, /dense_2.*16,28,28.*Flatten/)
  t.false(dense.declared)
})

test('Dense takes weights of each sample', (t) => {
  const dense = new Dense(2)
  const kernel = sample([4, 2, 3])
  const bias = sample([4, 2], 2)
  const x = sample([4, 3], 3)
  const y = dense.apply({ kernel, bias }, x, evalContext())
  for (let i = 0; i < 4; i++) {
    const row = (v: Tensor) => v.slice([i], [i + 1])
    const alone = dense.apply(
      { kernel: row(kernel).squeeze(0), bias: row(bias).squeeze(0) },
      row(x),
      evalContext(),
    )
    close(t, row(y), alone.dataSync() as Float64Array)
  }
})

test('apply is activate after preActivation', (t) => {
  const dense = new Dense(3, { activation: 'softmax' })
  dense.declare([4])
  dense.initialize(f64)
  t.is(dense.activationName, 'softmax')
  const x = sample([2, 4])
  const weights = dense.weights()
  const logits = dense.preActivation(weights, x)
  close(t, dense.apply(weights, x, evalContext()), dense.activate(logits).dataSync() as Float64Array)
  close(t, dense.apply(weights, x, evalContext()).sum(1), [1, 1])
})

test('an activation may be a function; an unknown name is refused', (t) => {
  const twice = new Activation((x) => x.mul(2))
  t.is(twice.activationName, 'custom')
  close(t, twice.call(tensor([1, 2], { shape: [1, 2] })), [2, 4])
  const error = t.throws(() => new Dense(1, { activation: 'rleu' as 'relu' }), {
    instanceOf: UnknownNameError,
  })
  t.regex(error.message, /relu/)
})

/** Cross-correlation by direct loops: x [n, c, h, w], kernel [o, c, kh, kw]. */
function directConv(
  x: number[],
  xs: Shape,
  k: number[],
  ks: Shape,
  stride: number,
  pad: number,
  dilation: number,
) {
  const [n, c, h, w] = xs as [number, number, number, number]
  const [o, , kh, kw] = ks as [number, number, number, number]
  const oh = Math.floor((h + 2 * pad - dilation * (kh - 1) - 1) / stride) + 1
  const ow = Math.floor((w + 2 * pad - dilation * (kw - 1) - 1) / stride) + 1
  const out: number[] = []
  for (let b = 0; b < n; b++)
    for (let f = 0; f < o; f++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) {
          let sum = 0
          for (let ch = 0; ch < c; ch++)
            for (let u = 0; u < kh; u++)
              for (let v = 0; v < kw; v++) {
                const [r, s] = [i * stride + u * dilation - pad, j * stride + v * dilation - pad]
                if (r < 0 || r >= h || s < 0 || s >= w) continue
                const value = x[((b * c + ch) * h + r) * w + s] as number
                sum += value * (k[((f * c + ch) * kh + u) * kw + v] as number)
              }
          out.push(sum)
        }
  return { out, shape: [o, oh, ow] }
}

test('Conv2d honours stride, padding and dilation', (t) => {
  for (const [stride, padding, dilation] of [
    [1, 1, 1],
    [2, 1, 1],
    [2, 0, 2],
  ] as const) {
    const conv = new Conv2d(2, 3, { stride, padding, dilation, useBias: false })
    const outputShape = conv.declare([3, 8, 7])
    conv.initialize(f64)
    const x = sample([2, 3, 8, 7])
    const { kernel } = conv.weights()
    const list = (v: Tensor) => Array.from(v.dataSync() as Float64Array)
    const want = directConv(list(x), x.shape, list(kernel), kernel.shape, stride, padding, dilation)
    t.deepEqual([...outputShape], want.shape)
    close(t, conv.call(x), want.out)
  }
})

test('gradient of Conv2d agrees with finite differences', (t) => {
  const conv = new Conv2d(2, [2, 3], { stride: [2, 1], padding: 'same', activation: 'tanh' })
  conv.declare([2, 4, 5])
  conv.initialize(f64)
  const { kernel, bias } = conv.weights() as { kernel: Tensor; bias: Tensor }
  const x = sample([2, 2, 4, 5], 4)
  const loss = (k: Tensor) => conv.apply({ kernel: k, bias }, x, evalContext()).square().sum()
  close(t, grad(loss)(kernel), numericalGradient(loss, kernel), 1e-7)
})

test('convolutions of one and three axes give the documented shapes', (t) => {
  t.deepEqual([...new Conv1d(4, 3, { stride: 2, padding: 1 }).declare([2, 9])], [4, 5])
  t.deepEqual([...new Conv3d(4, [1, 2, 3], { groups: 2 }).declare([2, 4, 5, 6])], [4, 4, 4, 4])
  t.deepEqual([...new Conv1d(4, 2, { stride: 3, padding: 'same' }).declare([2, 10])], [4, 4])
  const conv = new Conv3d(2, 2)
  conv.declare([1, 3, 3, 3])
  conv.initialize(f64)
  t.deepEqual([...conv.call(sample([2, 1, 3, 3, 3])).shape], [2, 2, 2, 2, 2])
})

test('Conv2d takes weights of each sample', (t) => {
  const conv = new Conv2d(4, 3, { padding: 1, groups: 2 })
  const kernel = sample([3, 4, 1, 3, 3])
  const bias = sample([3, 4], 2)
  const x = sample([3, 2, 5, 5], 3)
  const y = conv.apply({ kernel, bias }, x, evalContext())
  const row = (v: Tensor, i: number) => v.slice([i], [i + 1])
  for (let i = 0; i < 3; i++) {
    const weights = { kernel: row(kernel, i).squeeze(0), bias: row(bias, i).squeeze(0) }
    close(t, row(y, i), conv.apply(weights, row(x, i), evalContext()).dataSync() as Float64Array)
  }
})

test('convolutions refuse what cannot be', (t) => {
  const small = t.throws(() => new Conv2d(1, 5).declare([1, 4, 4]), { instanceOf: ShapeError })
  t.regex(small.message, /output extents \[0,0\]/)
  t.throws(() => new Conv2d(1, 3).declare([4, 4]), { instanceOf: ShapeError })
  t.throws(() => new Conv2d(1, 2.5), { instanceOf: ArgumentError })
  t.throws(() => new Conv2d(1, [3, 3, 3]), { instanceOf: ArgumentError })
  t.throws(() => new Conv2d(3, 3, { groups: 2 }), { instanceOf: ArgumentError })
  const conv = new Conv2d(1, 1)
  conv.declare([3, 4, 4])
  t.throws(() => conv.call(ones([1, 2, 4, 4])), { instanceOf: ShapeError })
})

test('pooling shapes and values', (t) => {
  const x = tensor(
    Float64Array.from({ length: 25 }, (_, i) => i),
    { shape: [1, 1, 5, 5] },
  )
  const max = new MaxPool2d(2)
  t.deepEqual([...max.declare([1, 5, 5])], [1, 2, 2])
  close(t, max.call(x), [6, 8, 16, 18])
  const avg = new AvgPool2d(2, { ceilMode: true, countIncludePad: false })
  t.deepEqual([...avg.declare([1, 5, 5])], [1, 3, 3])
  close(t, avg.call(x), [3, 5, 6.5, 13, 15, 16.5, 20.5, 22.5, 24])
  t.deepEqual([...new MaxPool2d(3, { stride: 2, padding: 1, dilation: 1 }).declare([4, 8, 8])], [4, 4, 4])
  t.throws(() => new MaxPool2d(2, { padding: 2 }), { instanceOf: ArgumentError })
})

test('Flatten is row-major', (t) => {
  const flatten = new Flatten()
  t.deepEqual([...flatten.declare([2, 3, 4])], [24])
  const x = sample([2, 2, 3, 4])
  close(t, flatten.call(x), x.dataSync() as Float64Array)
  t.false(flatten.countsInDynamics)
})

test('Dropout keeps the mean in training and everything in evaluation', (t) => {
  const dropout = new Dropout(0.4)
  dropout.declare([1000])
  const x = ones([20, 1000])
  const drawn = dropout.call(x, { training: true, key: key(1) }).dataSync() as Float32Array
  const kept = drawn.filter((value) => value !== 0)
  t.true(kept.every((value) => Math.abs(value - 1 / 0.6) < 1e-6))
  // 20,000 draws: the standard error of the share is 0.0035.
  t.true(Math.abs(kept.length / drawn.length - 0.6) < 0.014)
  t.deepEqual(dropout.call(x, { training: true, key: key(1) }).dataSync(), drawn)
  close(t, dropout.call(x), x.dataSync() as Float32Array)
  t.throws(() => dropout.call(x, { training: true }), { instanceOf: StateError })
  t.throws(() => new Dropout(1), { instanceOf: ArgumentError })
  t.throws(() => new Dropout(-0.1), { instanceOf: ArgumentError })
})

test('BatchNorm normalizes a training batch and averages its statistics', (t) => {
  const norm = new BatchNorm1d({ momentum: 0.25 })
  norm.declare([2])
  norm.initialize(f64)
  const x = tensor([1, 10, 2, 20, 6, 60], { shape: [3, 2], dtype: 'float64' })
  const y = norm.call(x, { training: true })
  const spread = Math.sqrt(14 / 3 + 1e-5)
  close(t, y.slice([0, 0], [3, 1]), [-2 / spread, -1 / spread, 3 / spread])
  const { runningMean, runningVariance, batchesTracked } = norm.stateValues() as Record<string, Tensor>
  close(t, runningMean as Tensor, [0.75, 7.5])
  close(t, runningVariance as Tensor, [0.75 + 7 / 4, 0.75 + 700 / 4])
  close(t, batchesTracked as Tensor, [1])
  const still = norm.call(tensor([0.75, 7.5], { shape: [1, 2], dtype: 'float64' }))
  close(t, still, [0, 0])
})

test('BatchNorm without momentum averages all batches evenly', (t) => {
  const norm = new BatchNorm2d({ momentum: null, affine: false })
  norm.declare([1, 1, 2])
  norm.initialize(f64)
  for (const mean of [1, 2, 6]) {
    norm.call(tensor([mean - 1, mean + 1], { shape: [1, 1, 1, 2], dtype: 'float64' }), { training: true })
  }
  close(t, norm.stateValues().runningMean as Tensor, [3])
  close(t, norm.stateValues().runningVariance as Tensor, [2])
})

test('BatchNorm leaves its Variables alone in apply and refuses a batch of one', (t) => {
  const norm = new BatchNorm1d()
  norm.declare([3])
  norm.initialize(f64)
  const ctx = training(norm as Layer)
  norm.apply(norm.weights(), sample([4, 3]), ctx)
  t.deepEqual(Object.keys(ctx.updates).sort(), ['batchesTracked', 'runningMean', 'runningVariance'])
  close(t, norm.stateValues().runningMean as Tensor, [0, 0, 0])
  t.throws(() => norm.call(sample([1, 3]), { training: true }), { instanceOf: DataError })
  t.notThrows(() => norm.call(sample([1, 3])))
})

test('gradient of BatchNorm agrees with finite differences', (t) => {
  const norm = new BatchNorm1d()
  norm.declare([3])
  norm.initialize(f64)
  const gamma = tensor([1.5, -0.5, 2], { dtype: 'float64' })
  const beta = tensor([0.1, 0.2, 0.3], { dtype: 'float64' })
  const weight = sample([5, 3], 9)
  const loss = (x: Tensor) =>
    norm
      .apply({ gamma, beta }, x, training(norm as Layer))
      .mul(weight)
      .sum()
  const x = sample([5, 3], 2)
  close(t, grad(loss)(x), numericalGradient(loss, x), 1e-6)
})

class Scale extends Layer<{ gain: Tensor }> {
  build(inputShape: Shape) {
    this.param('gain', inputShape, ones([]))
    return inputShape
  }

  apply({ gain }: { gain: Tensor }, x: Tensor) {
    return x.mul(gain)
  }
}

test('a custom layer has named parameters, is counted and trained', (t) => {
  const scale = new Scale()
  t.is(scale.kind, 'scale')
  scale.name = 'scale_1'
  t.deepEqual([...scale.declare([3])], [3])
  scale.initialize()
  t.is(scale.params.get('gain')?.name, 'scale_1.gain')
  t.is(scale.countParams(), 3)
  t.true(scale.countsInDynamics)
  const loss = ({ gain }: { gain: Tensor }) => scale.apply({ gain }, ones([2, 3])).sum()
  close(t, grad(loss)(scale.weights()).gain, [2, 2, 2])
  t.throws(() => scale.declare([3]), { instanceOf: StateError })
  t.deepEqual([...scale.clone().declare([4])], [4])
})

class Shapeless extends Layer {
  build() {
    return undefined as unknown as Shape
  }

  apply(_: Record<string, Tensor>, x: Tensor) {
    return x
  }
}

test('a layer whose build gives no shape is refused', (t) => {
  t.throws(() => new Shapeless().declare([3]), { instanceOf: ShapeError })
})

test('a copy has the same configuration and its own weights', (t) => {
  const conv = new Conv2d(3, 3, { padding: 1, activation: 'relu' })
  conv.declare([2, 4, 4])
  conv.initialize({ key: key(1) })
  const copy = conv.clone()
  t.deepEqual([...copy.declare([2, 4, 4])], [...(conv.outputShape as Shape)])
  copy.initialize({ key: key(2) })
  t.notDeepEqual(copy.weights().kernel.dataSync(), conv.weights().kernel.dataSync())
  t.is(copy.activationName, 'relu')
})
