/** PyGlow's promises about its layers and their parts that no other test covers. */
import test from 'ava'
import {
  ArgumentError,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  Conv1d,
  Conv2d,
  Conv3d,
  createLoss,
  Dense,
  DenseBlock,
  evalContext,
  grad,
  key,
  type Layer,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  Sequential,
  type Shape,
  ShapeError,
  type Tensor,
  TransitionLayer,
  tensor,
  UnknownNameError,
  zeros,
} from '../ts/index.js'
import { close, sample } from './helpers.js'

const f64 = { dtype: 'float64' } as const

/** An input with `rank` spatial axes of two entries each, one sample of one channel. */
const cell = (rank: number): Shape => [1, 1, ...Array.from({ length: rank }, () => 2)]

// ---- convolutions

test('convolutions take steps of 1 and no zeros around, and begin within +-1/sqrt(inputs of an output)', (t) => {
  for (const [Conv, rank] of [
    [Conv1d, 1],
    [Conv2d, 2],
    [Conv3d, 3],
  ] as const) {
    const conv = new Conv(50, 3)
    t.is(conv.activationName, 'linear')
    t.deepEqual(
      [...conv.declare([4, ...Array.from({ length: rank }, () => 6)])].slice(1),
      new Array(rank).fill(4),
    )
    conv.initialize({ key: key(2) })
    const bound = 1 / Math.sqrt(4 * 3 ** rank)
    const { kernel, bias } = conv.weights()
    for (const part of [kernel, bias as Tensor]) {
      const sizes = [...(part.dataSync() as Float32Array)].map(Math.abs)
      t.true(Math.max(...sizes) <= bound)
      // The largest of 50 uniform draws is below 0.8 of the bound once in 70,000 times.
      t.true(Math.max(...sizes) > 0.8 * bound)
    }
    t.throws(() => new Conv(2, 3, { pad: 1 } as never), {
      instanceOf: UnknownNameError,
      message: /"padding"/,
    })
  }
})

test('the stride of a convolution changes what it computes, not its shape alone', (t) => {
  const conv = new Conv2d(1, 1, { stride: 2, useBias: false })
  conv.declare([1, 4, 4])
  const x = tensor(
    Float64Array.from({ length: 16 }, (_, i) => i),
    { shape: [1, 1, 4, 4] },
  )
  const y = conv.apply({ kernel: tensor([1], { shape: [1, 1, 1, 1], ...f64 }) }, x, evalContext())
  t.deepEqual(y.arraySync(), [
    [
      [
        [0, 2],
        [8, 10],
      ],
    ],
  ])
  const channels = t.throws(() => conv.apply({ kernel: zeros([1, 3, 1, 1], f64) }, x, evalContext()), {
    instanceOf: ShapeError,
  })
  t.regex(channels.message, /expected an input \[batch, 3, .*received \[1,1,4,4\]/)
})

test('softmax of a feature map is over its channels', (t) => {
  const x = sample([2, 2, 4, 3])
  for (const [activation, back] of [
    ['softmax', (y: Tensor) => y],
    ['logSoftmax', (y: Tensor) => y.exp()],
  ] as const) {
    const sums = back(new Conv2d(5, 1, { activation }).call(x)).sum(1)
    close(
      t,
      sums.arraySync(),
      [0, 1].map(() => new Array(4).fill([1, 1, 1])),
      1e-9,
    )
  }
})

// ---- pooling

const maxima = [MaxPool1d, MaxPool2d, MaxPool3d] as const
const means = [AvgPool1d, AvgPool2d, AvgPool3d] as const

test('the windows of pooling do not overlap unless told, and hold more than padding', (t) => {
  for (const [axis, Pool] of [...maxima.entries(), ...means.entries()]) {
    const shape = [3, ...Array.from({ length: axis + 1 }, () => 6)]
    t.deepEqual([...new Pool(2).declare(shape)], [3, ...new Array(axis + 1).fill(3)], Pool.name)
    t.throws(() => new Pool(3, { padding: 2 }), { instanceOf: ArgumentError, message: /half the kernel/ })
  }
  t.throws(() => new AvgPool2d(2, { dilation: 2 } as never), { instanceOf: UnknownNameError })
})

test('of equal maxima the first has the gradient, and padding is never one', (t) => {
  for (const [axis, Pool] of maxima.entries()) {
    const ties = zeros(cell(axis + 1), f64)
    const slope = grad((x: Tensor) => new Pool(2).call(x).sum())(ties)
    t.deepEqual(
      [...(slope.dataSync() as Float64Array)],
      [1, ...new Array(2 ** (axis + 1) - 1).fill(0)],
      Pool.name,
    )
    const below = new Pool(2, { padding: 1 }).call(ties.sub(5))
    t.true((below.dataSync() as Float64Array).every((value) => value === -5))
  }
})

test('means of pooling count the zeros around the input, unless told otherwise', (t) => {
  for (const [axis, Pool] of means.entries()) {
    const ones = zeros(cell(axis + 1), f64).add(1)
    // Each window holds one entry of the input.
    const counted = new Pool(2, { padding: 1 }).call(ones).dataSync() as Float64Array
    t.true(
      counted.every((value) => value === 1 / 2 ** (axis + 1)),
      Pool.name,
    )
    const left = new Pool(2, { padding: 1, countIncludePad: false }).call(ones).dataSync() as Float64Array
    t.true(left.every((value) => value === 1))
  }
})

// ---- normalization

test('batch normalization knows its axes and keeps the shape', (t) => {
  for (const [Norm, good, bad] of [
    [BatchNorm1d, [[3], [3, 5]], [[3, 5, 5], []]],
    [
      BatchNorm2d,
      [[3, 5, 5]],
      [
        [3, 5],
        [3, 5, 5, 5],
      ],
    ],
    [BatchNorm3d, [[3, 5, 5, 5]], [[3], [3, 5, 5]]],
  ] as const) {
    for (const shape of good) t.deepEqual([...new Norm().declare(shape)], [...shape])
    for (const shape of bad) t.throws(() => new Norm().declare(shape), { instanceOf: ShapeError }, Norm.name)
    const [shape] = good
    const [plain, spelled] = [new Norm(), new Norm({ eps: 1e-5, momentum: 0.1 })]
    const x = tensor([1, 5], { shape: [2, 1, ...shape.slice(1).map(() => 1)], ...f64 })
    const run = (norm: Layer) => [norm.call(x, { training: true }), norm.call(x)].map((y) => y.arraySync())
    t.deepEqual(run(plain as Layer), run(spelled as Layer))
    close(t, plain.state.get('runningMean')?.value.arraySync() as number[], [0.3])
    // Unbiased: 8 of two samples; biased it would be 4.
    close(t, plain.state.get('runningVariance')?.value.arraySync() as number[], [0.9 + 0.8])
  }
})

test('blocks of densely connected networks have 160 channels and halve their extents between', (t) => {
  const model = new Sequential({ inputShape: [16, 8, 6] })
  model.add(new DenseBlock())
  t.deepEqual(model.outputShape, [160, 8, 6])
  model.add(new TransitionLayer(64))
  t.deepEqual(model.outputShape, [64, 4, 3])
  t.deepEqual(model.paramShapes['layers.0.conv4.kernel'], [32, 128, 3, 3])
  t.false(Object.keys(model.paramShapes).includes('layers.1.conv.bias'))
})

// ---- losses

test('losses of PyGlow by their names there', (t) => {
  const logits = tensor([0.5, -1, 2, 0, 0.25, 1], { shape: [2, 3], ...f64 })
  const labels = tensor(Int32Array.of(2, 0))
  const softmax = logits
    .exp()
    .div(logits.exp().sum(1, { keepDims: true }))
    .arraySync() as number[][]
  const byHand = -(Math.log(softmax[0]?.[2] as number) + Math.log(softmax[1]?.[0] as number)) / 2
  close(t, createLoss('cross_entropy')(logits, labels).arraySync(), byHand, 1e-12)
  close(t, createLoss('NLLLoss')(tensor(softmax, f64).log(), labels).arraySync(), byHand, 1e-12)
  const missing = t.throws(() => createLoss('hsic'), { instanceOf: UnknownNameError })
  t.regex(missing.message, /valid are crossEntropy, nll/)
  t.throws(() => new Dense(1, { activation: 'softmax2' as 'softmax' }), { message: /valid are linear, relu/ })
})
