/** Values of layers besides the golden cases, and refused arguments. */
import test from 'ava'
import {
  Activation,
  ArgumentError,
  ArrayDataset,
  BatchNorm1d,
  Bidirectional,
  Chain,
  Concatenate,
  Conv1d,
  Conv2d,
  ConvTranspose2d,
  Dense,
  DepthwiseConv2d,
  DTypeError,
  Embedding,
  elu,
  evalContext,
  GaussianNoise,
  GlobalMaxPool,
  GroupNorm,
  grad,
  InstanceNorm,
  initializers,
  key,
  LayerNorm,
  LSTM,
  leakyRelu,
  MultiHeadAttention,
  NumericalError,
  ones,
  Pad,
  Parallel,
  Permute,
  PReLU,
  Reshape,
  RMSNorm,
  RNN,
  SelfAttention2d,
  SeparableConv2d,
  Sequential,
  ShapeError,
  SpatialDropout,
  SpectralNorm,
  scaledDotProductAttention,
  type Tensor,
  TimeDistributed,
  tensor,
  UnknownNameError,
  Upsample,
  zeros,
} from '../ts/index.js'
import { close, numericalGradient, sample } from './close.js'

const f64 = { dtype: 'float64' as const }
const values = (x: Tensor) => x.dataSync() as Float64Array
const ctx = evalContext()

test('normalization has zero mean and unit variance at every scale that float32 has', (t) => {
  const base = Float64Array.from([1, 2, 4, 8, -3, 0.5, 2.5, -1])
  const mean = base.reduce((a, b) => a + b) / 8
  const spread = Math.sqrt(base.reduce((a, b) => a + (b - mean) ** 2, 0) / 8)
  const wanted = base.map((value) => (value - mean) / spread)
  const rms = Math.sqrt(base.reduce((a, b) => a + b * b, 0) / 8)
  for (const scale of [1e-3, 1, 1e20, 1e37]) {
    const x = tensor(
      Float32Array.from(base, (value) => value * scale),
      { shape: [1, 8] },
    )
    const eps = 1e-12
    close(t, new LayerNorm({ eps }).apply({}, x), wanted, 1e-5)
    close(t, x.layerNorm(1, null, null, eps), wanted, 1e-5)
    close(t, x.normalize(), values(tensor(base).normalize()), 1e-5)
    close(t, new GroupNorm(1, { eps }).apply({}, x), wanted, 1e-5)
    close(t, new InstanceNorm({ eps }).apply({}, x.reshape([1, 1, 8])), wanted, 1e-5)
    close(
      t,
      new RMSNorm({ eps }).apply({}, x),
      base.map((value) => value / rms),
      1e-5,
    )
  }
  // Far below eps the input is only divided by the root of eps.
  const tiny = tensor(
    Float32Array.from(base, (value) => value * 1e-30),
    { shape: [1, 8] },
  )
  const small = values(new LayerNorm({ eps: 1e-6 }).apply({}, tiny))
  t.true(
    Array.from(small).every((value, i) => Math.abs(value / ((base[i] as number) - mean) / 1e-27 - 1) < 1e-4),
  )
  // A small spread around a large mean.
  const far = tensor(Float32Array.from([16777210, 16777212, 16777214, 16777216]), { shape: [1, 4] })
  close(t, new LayerNorm({ eps: 1e-9 }).apply({}, far), [-1.3416407, -0.4472136, 0.4472136, 1.3416407], 1e-5)
})

test('where a variance overflows, normalization is NaN and not 0', async (t) => {
  const numbers = tensor([1, 2, 4, -3, 0.5, 8, 1, 2]).reshape([4, 2])
  const channels = (scale: number) => numbers.mul(tensor([scale, 1]))
  const norm = new BatchNorm1d({ affine: false })
  for (const scale of [1e18, 1e20]) {
    const y = values(norm.call(channels(scale), { training: true }))
    for (const [i, value] of Array.from(y).entries()) t.is(Number.isNaN(value), scale === 1e20 && i % 2 === 0)
  }
  t.true(Number.isNaN(values(tensor(Float64Array.of(1, 2)).mul(1e200).layerNorm(1))[0]))
  const model = new Sequential({ inputShape: [2] }).add(new BatchNorm1d()).add(new Dense(1))
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  const data = new ArrayDataset(channels(1e20), numbers.slice([null, 0], [null, 1]), { batchSize: 4 })
  await t.throwsAsync(model.fitDataset(data, { epochs: 1, verbose: false }), {
    instanceOf: NumericalError,
    message: /NaN/,
  })
})

test('slopes of the norms are finite at a constant, and right elsewhere', (t) => {
  for (const layer of [new LayerNorm({ eps: 1e-3 }), new RMSNorm({ eps: 1e-3 })]) {
    const slope = sample([2, 4], 4)
    const loss = (x: Tensor) => layer.apply({}, x).mul(slope).sum()
    t.true(values(grad(loss)(ones([2, 4], f64))).every(Number.isFinite))
    const x = sample([2, 4])
    close(t, grad(loss)(x), numericalGradient(loss, x), 1e-6)
    t.throws(() => new LayerNorm({ axes: 3 }).declare([2, 3]), { instanceOf: ShapeError, message: /3 axes/ })
  }
  t.throws(() => new GroupNorm(3).declare([4, 2]), { instanceOf: ShapeError, message: /3 groups/ })
  t.throws(() => new GroupNorm(3).apply({}, sample([1, 4, 2])), { instanceOf: ShapeError })
  t.throws(() => new LayerNorm({ eps: 0 }), { instanceOf: ArgumentError })
})

test('Embedding looks up rows, of whole numbers in any dtype', (t) => {
  const table = tensor(
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
    f64,
  )
  const layer = new Embedding(3, 2)
  for (const dtype of ['int32', 'uint8', 'int64', 'float32'] as const) {
    close(t, layer.apply({ kernel: table }, tensor([[2, 0]], { dtype })), [5, 6, 1, 2])
  }
  const padded = new Embedding(4, 3, { paddingIndex: 2 })
  padded.declare([5])
  padded.initialize({ key: key(1) })
  close(t, padded.weights().kernel.slice([2], [3]), [0, 0, 0])
  t.true(values(padded.weights().kernel.slice([0], [2])).every((value) => value !== 0))
  t.throws(() => new Embedding(4, 3, { paddingIndex: 4 }), { instanceOf: ArgumentError })
  t.throws(() => new Embedding(0, 3), { instanceOf: ArgumentError })
})

test('a model of tokens trains through its table', async (t) => {
  const model = new Sequential({ inputShape: [6], seed: 2 })
  model
    .add(new Embedding(5, 4))
    .add(new Bidirectional(new RNN(4)))
    .add(new Dense(2, { activation: 'softmax' }))
    .compile({ optimizer: 'adam', learningRate: 0.03 })
  // Whether token 3 is there.
  const tokens = Float32Array.from({ length: 64 * 6 }, (_, i) => (i * i + 3 * i) % 5)
  const y = Int32Array.from({ length: 64 }, (_, n) => (tokens.slice(6 * n, 6 * n + 6).includes(3) ? 1 : 0))
  const { loss } = await model.fit(tensor(tokens, { shape: [64, 6] }), y, {
    epochs: 25,
    verbose: false,
    validationSplit: 0,
  })
  t.true((loss.at(-1) as number) < (loss[0] as number) * 0.7, String(loss))
})

test('a transposed convolution is the gradient of the convolution', (t) => {
  const kernel = sample([3, 2, 3, 3])
  const x = sample([2, 3, 4, 5], 7)
  const conv = new Conv2d(3, 3, { stride: 2, padding: 1, useBias: false })
  const transposed = new ConvTranspose2d(2, 3, {
    stride: 2,
    padding: 1,
    outputPadding: [0, 1],
    useBias: false,
  })
  t.deepEqual(transposed.declare([3, 4, 5]), [2, 7, 10])
  const y = transposed.apply({ kernel }, x, ctx)
  const back = grad((v: Tensor) => conv.apply({ kernel }, v, ctx).mul(x).sum())(zeros([2, 2, 7, 10], f64))
  close(t, y, values(back), 1e-12)
  t.throws(() => new ConvTranspose2d(2, 3, { outputPadding: 1 }), {
    instanceOf: ArgumentError,
    message: /below/,
  })
  t.throws(() => new ConvTranspose2d(3, 3, { groups: 2 }), { instanceOf: ArgumentError })
  t.throws(() => new ConvTranspose2d(2, 3, { groups: 2 }).declare([3, 4, 4]), { instanceOf: ShapeError })
  t.throws(() => new ConvTranspose2d(2, 1, { padding: 1 }).declare([1, 1, 1]), { instanceOf: ShapeError })
})

test('depthwise is grouped, separable is both steps', (t) => {
  const x = sample([2, 3, 5, 4])
  const kernel = sample([6, 1, 3, 2], 3)
  const bias = sample([6], 5)
  const options = { stride: 2, padding: 'same', dilation: 1 } as const
  const depthwise = new DepthwiseConv2d([3, 2], { ...options, multiplier: 2 })
  const grouped = new Conv2d(6, [3, 2], { ...options, groups: 3 })
  t.deepEqual(depthwise.declare([3, 5, 4]), grouped.declare([3, 5, 4]))
  const y = depthwise.apply({ kernel, bias }, x, ctx)
  close(t, y, values(grouped.apply({ kernel, bias }, x, ctx)), 1e-12)
  const separable = new SeparableConv2d(4, [3, 2], { ...options, multiplier: 2, activation: 'relu' })
  t.deepEqual(separable.declare([3, 5, 4]), [4, 3, 2])
  t.deepEqual(Object.keys(separable.paramShapes), ['depthwise.kernel', 'pointwise.kernel', 'pointwise.bias'])
  const point = sample([4, 6, 1, 1], 8)
  const zero = zeros([4], f64)
  const weights = { 'depthwise.kernel': kernel, 'pointwise.kernel': point, 'pointwise.bias': zero }
  const both = new Conv2d(4, 1, { activation: 'relu' }).apply(
    { kernel: point, bias: zero },
    depthwise.apply({ kernel }, x, ctx),
    ctx,
  )
  close(t, separable.apply(weights, x, ctx), values(both), 1e-12)
})

test('attention: what is masked has no share, and a query without keys gets zeros', (t) => {
  const [q, k, v] = [sample([1, 1, 2, 3]), sample([1, 1, 3, 3], 2), sample([1, 1, 3, 2], 3)]
  const mask = tensor([
    [1, 0, 1],
    [0, 0, 0],
  ]).cast('bool')
  const { output, attention } = scaledDotProductAttention(q, k, v, { mask })
  const shares = values(attention)
  t.is(shares[1], 0)
  t.deepEqual([...shares.slice(3)], [0, 0, 0])
  t.true(Math.abs((shares[0] as number) + (shares[2] as number) - 1) < 1e-12)
  t.deepEqual([...values(output).slice(2)], [0, 0])
  const loss = (x: Tensor) => scaledDotProductAttention(x, k, v, { mask }).output.square().sum()
  close(t, grad(loss)(q), numericalGradient(loss, q), 1e-6)
  const biased = scaledDotProductAttention(q, k, v, {
    bias: tensor(
      [
        [0, -1e9, 0],
        [0, 0, 0],
      ],
      f64,
    ),
  })
  close(t, values(biased.attention).slice(0, 3), [...shares.slice(0, 3)], 1e-12)
  t.throws(() => scaledDotProductAttention(q, k, v, { mask: ones([2, 3]) }), {
    instanceOf: DTypeError,
    message: /bias/,
  })
  t.throws(() => scaledDotProductAttention(q, sample([1, 1, 3, 2]), v), { instanceOf: ShapeError })
  t.throws(() => scaledDotProductAttention(sample([2, 3]), k, v), { instanceOf: ShapeError })
})

test('MultiHeadAttention: shapes, causality, padding, dropout', async (t) => {
  const layer = new MultiHeadAttention(2, { keyUnits: 3, valueUnits: 5, units: 7, causal: true })
  t.deepEqual(layer.declare([4, 6]), [4, 7])
  t.deepEqual(layer.paramShapes, {
    queryKernel: [6, 6],
    queryBias: [6],
    keyKernel: [6, 6],
    keyBias: [6],
    valueKernel: [10, 6],
    valueBias: [10],
    outputKernel: [7, 10],
    outputBias: [7],
  })
  layer.initialize({ ...f64, key: key(3) })
  const x = sample([2, 4, 6])
  const w = layer.weights()
  const y = layer.apply(w, x, ctx)
  // What comes later has no part in it.
  const changed = x.add(tensor([0, 0, 0, 5], { ...f64, shape: [1, 4, 1] }))
  close(
    t,
    layer.apply(w, changed, ctx).slice([null, 0], [null, 3]),
    values(y.slice([null, 0], [null, 3])),
    1e-12,
  )
  const keyMask = tensor([
    [1, 1, 0, 0],
    [1, 1, 1, 1],
  ]).cast('bool')
  const { attention } = layer.attend(w, { query: x, keyMask })
  t.deepEqual(attention.shape, [2, 2, 4, 4])
  t.deepEqual([...values(attention.slice([0, 0, 3, 2], [1, 1, 4, 4]))], [0, 0])
  const dropping = new MultiHeadAttention(2, { dropout: 0.5 })
  dropping.declare([4, 6])
  dropping.initialize()
  const input = sample([2, 4, 6]).cast('float32')
  const training = (seed: number) => dropping.call(input, { training: true, key: key(seed) }).array()
  t.deepEqual(await training(1), await training(1))
  t.notDeepEqual(await training(1), await training(2))
  t.throws(() => new MultiHeadAttention(4).declare([3, 6]), { instanceOf: ShapeError, message: /4 heads/ })
  t.throws(() => layer.attend(w, { query: x, key: sample([2, 4, 5]) }), { instanceOf: ShapeError })
  t.throws(() => layer.attend(w, { querry: x } as never), { instanceOf: UnknownNameError })
})

test('Upsample: factors, sizes, three axes', (t) => {
  const x = tensor([0, 10, 20], { ...f64, shape: [1, 1, 3] })
  close(t, new Upsample({ scale: 2 }).apply({}, x), [0, 0, 10, 10, 20, 20])
  close(t, new Upsample({ mode: 'linear' }).apply({}, x), [0, 2.5, 7.5, 12.5, 17.5, 20])
  close(t, new Upsample({ size: 2 }).apply({}, x), [0, 10])
  const volume = new Upsample({ scale: [1, 2, 3], mode: 'linear' })
  t.deepEqual(volume.declare([2, 3, 4, 5]), [2, 3, 8, 15])
  t.deepEqual(volume.apply({}, sample([1, 2, 3, 4, 5])).shape, [1, 2, 3, 8, 15])
  t.throws(() => new Upsample({ size: 2, scale: 2 }), { instanceOf: ArgumentError, message: /one of them/ })
  t.throws(() => new Upsample({ scale: 1.5 }), { instanceOf: ArgumentError })
  t.throws(() => new Upsample().declare([3]), { instanceOf: ShapeError })
  t.throws(() => new Upsample({ scale: [2, 2] }).declare([1, 3]), { instanceOf: ArgumentError })
})

test('Reshape, Permute and Pad', (t) => {
  const x = sample([2, 2, 3])
  const reshape = new Reshape([-1, 2])
  t.deepEqual(reshape.declare([2, 3]), [3, 2])
  close(t, reshape.apply({}, x), values(x))
  t.throws(() => new Reshape([4, -1]).declare([2, 3]), { instanceOf: ShapeError })
  t.throws(() => new Reshape([5]).declare([2, 3]), { instanceOf: ShapeError })
  t.throws(() => new Reshape([-1, -1]), { instanceOf: ArgumentError })
  const permute = new Permute([1, 0])
  t.deepEqual(permute.declare([2, 3]), [3, 2])
  close(t, permute.apply({}, x), values(x.transpose(1, 2)))
  t.throws(() => new Permute([1, 2]), { instanceOf: ArgumentError, message: /from 0/ })
  t.throws(() => new Permute([0]).declare([2, 3]), { instanceOf: ShapeError })
  const pad = new Pad([[1, 0]], { value: 9 })
  t.deepEqual(pad.declare([2, 3]), [2, 4])
  close(t, pad.apply({}, ones([1, 1, 2], f64)), [9, 1, 1])
  close(t, new Pad(1, { mode: 'replicate' }).apply({}, tensor([[[1, 2]]], f64)), [1, 1, 2, 2])
  t.throws(() => new Pad(3, { mode: 'reflect' }).declare([1, 3]), {
    instanceOf: ShapeError,
    message: /at most 2/,
  })
  t.throws(() => new Pad([[1, 2, 3]] as never), { instanceOf: ArgumentError })
  t.throws(() => new Pad(-1), { instanceOf: ArgumentError })
})

test('activations with options, and those that learn', (t) => {
  const x = tensor([[-2, -0.5, 0.5, 2]], f64)
  const apply = (...args: ConstructorParameters<typeof Activation>) =>
    new Activation(...args).apply({}, x, ctx)
  close(t, apply('leakyRelu', { slope: 0.3 }), values(leakyRelu(x, 0.3)))
  close(t, apply('elu', { alpha: 2 }), values(elu(x, 2)))
  close(t, apply('hardTanh', { low: -1, high: 0.25 }), [-1, -0.5, 0.25, 0.25])
  close(t, apply('gelu', { approximate: true }), values(x.gelu({ approximate: true })))
  t.is(new Activation('celu', { alpha: 0.5 }).activationName, 'celu')
  t.throws(() => new Activation('relu', { alpha: 1 }), { instanceOf: UnknownNameError })
  t.throws(() => new Activation('elu', { slope: 1 }), { instanceOf: UnknownNameError })
  t.throws(() => new Activation('celu', { alpha: 0 }), { instanceOf: ArgumentError })
  t.throws(() => new Activation('hardTanh', { low: 1 }), { instanceOf: ArgumentError, message: /high/ })
  t.throws(() => new Activation('reluu' as 'relu', {}), { instanceOf: UnknownNameError })
  const prelu = new PReLU()
  prelu.declare([2, 3])
  t.deepEqual(prelu.paramShapes, { slope: [2] })
  const image = tensor([-1, 2, -3, -4, 5, -6], { ...f64, shape: [1, 2, 3] })
  close(t, prelu.apply({ slope: tensor([0.1, 0.5], f64) }, image), [-0.1, 2, -0.3, -2, 5, -3])
})

test('noise and dropout of channels in training, the identity else', async (t) => {
  const x = ones([50, 20, 4])
  const noise = new GaussianNoise(0.5)
  t.is(noise.call(x), noise.call(x), 'nothing is computed')
  const noisy = values(noise.call(x, { training: true, key: key(1) }))
  const mean = noisy.reduce((a, b) => a + b) / noisy.length
  const std = Math.sqrt(noisy.reduce((a, b) => a + (b - mean) ** 2, 0) / noisy.length)
  t.true(Math.abs(mean - 1) < 0.05 && Math.abs(std - 0.5) < 0.05)
  const drop = new SpatialDropout(0.25)
  const channels = (await drop.call(x, { training: true, key: key(2) }).array()) as number[][][]
  const flat = channels.flat()
  t.true(flat.every((row) => row.every((value) => value === row[0])))
  const kept = flat.filter((row) => row[0] !== 0)
  t.true(Math.abs((kept[0]?.[0] as number) - 4 / 3) < 1e-6)
  t.true(Math.abs(kept.length / 1000 - 0.75) < 0.05)
  t.throws(() => new SpatialDropout(0.5).declare([3]), { instanceOf: ShapeError, message: /use Dropout/ })
  t.throws(() => new GaussianNoise(-1), { instanceOf: ArgumentError })
})

test('GlobalMaxPool, Parallel, Concatenate', (t) => {
  const x = tensor([1, 5, 2, -3, -1, -2], { ...f64, shape: [1, 2, 3] })
  close(t, new GlobalMaxPool().apply({}, x), [5, -1])
  const twice = () => new Activation((v) => v.mul(2))
  const square = () => new Activation((v) => v.square())
  const rows = tensor([[1, 2, 3]], f64)
  const merge = (how: 'sum' | 'mean' | 'product' | 'max') => {
    const layer = new Parallel([twice(), square()], { merge: how })
    layer.declare([3])
    return layer.apply({}, rows, ctx)
  }
  close(t, merge('sum'), [3, 8, 15])
  close(t, merge('mean'), [1.5, 4, 7.5])
  close(t, merge('product'), [2, 16, 54])
  close(t, merge('max'), [2, 4, 9])
  const beside = new Concatenate([twice(), square()])
  t.deepEqual(beside.declare([3]), [6])
  close(t, beside.apply({}, rows, ctx), [2, 4, 6, 1, 4, 9])
  t.deepEqual(new Concatenate([twice(), square()], { axis: 1 }).declare([2, 3]), [2, 6])
  t.throws(() => new Concatenate([twice(), square()], { axis: 1 }).declare([3]), {
    instanceOf: ArgumentError,
  })
  t.throws(() => new Parallel([new Dense(2), new Dense(3)]).declare([3]), { instanceOf: ShapeError })
  t.throws(() => new Parallel([]), { instanceOf: ArgumentError })
  t.throws(() => new Concatenate([{} as Dense]), { instanceOf: ArgumentError, message: /entry 0/ })
})

test('Bidirectional without sequences, and TimeDistributed', (t) => {
  const both = new Bidirectional(new LSTM(3))
  t.deepEqual(both.declare([4, 2]), [6])
  both.initialize(f64)
  const x = sample([2, 4, 2])
  const w = both.weights()
  const run = both.run(w, x, ctx)
  const y = both.apply(w, x, ctx)
  close(t, y.slice([null, 0], [null, 3]), values(run.forward.outputs.at(-1) as Tensor))
  close(t, y.slice([null, 3]), values(run.backward.outputs[0] as Tensor))
  t.throws(() => new Bidirectional(new Dense(2) as never), { instanceOf: ArgumentError, message: /LSTM/ })
  const steps = new TimeDistributed(new Dense(5))
  t.deepEqual(steps.declare([4, 2]), [4, 5])
  steps.initialize(f64)
  const dense = new Dense(5)
  const { 'layer.kernel': kernel, 'layer.bias': bias } = steps.weights() as Record<string, Tensor>
  const wanted = [0, 1, 2, 3].map((at) =>
    dense.apply(
      { kernel, bias } as { kernel: Tensor; bias: Tensor },
      x.slice([null, at], [null, at + 1]).squeeze(1),
      ctx,
    ),
  )
  const got = steps.apply(steps.weights(), x, ctx)
  for (const [at, row] of wanted.entries()) {
    close(t, got.slice([null, at], [null, at + 1]), values(row), 1e-12)
  }
})

test('a softmax at the end of a chain meets cross-entropy as logits', async (t) => {
  const layers = () => [new Dense(5, { activation: 'tanh' }), new Dense(3, { activation: 'softmax' })]
  const plain = new Sequential({ inputShape: [4], seed: 3 })
  for (const layer of layers()) plain.add(layer)
  plain.compile()
  const chained = new Sequential({ inputShape: [4] }).add(new Chain(layers())) as Sequential
  chained.compile()
  const paths = [0, 1].flatMap((i) =>
    ['kernel', 'bias'].map((name) => [`layers.0.${i}.${name}`, `layers.${i}.${name}`]),
  )
  for (const [nested, flat] of paths as [string, string][]) {
    chained.weights[nested]?.assign(plain.weights[flat]?.value as Tensor)
  }
  const x = Float32Array.from({ length: 40 }, (_, i) => 30 * Math.sin(i))
  const y = Int32Array.from({ length: 10 }, (_, i) => i % 3)
  t.is((await chained.evaluate(x, y)).loss, (await plain.evaluate(x, y)).loss)
})

test('SpectralNorm divides by the largest singular value', async (t) => {
  const layer = new SpectralNorm(new Dense(3, { useBias: false }), { iterations: 50 })
  t.deepEqual(layer.declare([4]), [3])
  layer.initialize({ key: key(1) })
  const x = ones([2, 4])
  layer.call(x, { training: true })
  const kernel = layer.weights()['layer.kernel'] as Tensor
  const gram = kernel.matmulT(kernel, { transposeB: true }).cast('float64')
  const { values: eigenvalues } = gram.eigh()
  const largest = Math.sqrt(Math.max(...(values(eigenvalues) as Float64Array)))
  close(
    t,
    layer.call(x),
    Array.from(values(kernel.div(largest).sum(1)), (v) => v).concat(
      Array.from(values(kernel.div(largest).sum(1))),
    ),
    1e-5,
  )
  t.throws(() => new SpectralNorm(new GaussianNoise(1)).declare([2]), {
    instanceOf: ArgumentError,
    message: /kernel/,
  })
  const attention = new SelfAttention2d({ reduction: 2 })
  attention.declare([4, 2, 2])
  attention.initialize()
  const image = sample([1, 4, 2, 2]).cast('float32')
  close(t, attention.call(image), Array.from(values(image)), 1e-6)
  t.throws(() => new SelfAttention2d().declare([4, 2, 2]), {
    instanceOf: ArgumentError,
    message: /reduction/,
  })
})

test('initializers of scaled units, the identity and orthogonal matrices', (t) => {
  const { lecunUniform, lecunNormal, identity, orthogonal } = initializers
  const uniform = values(lecunUniform()(key(1), [200, 50], 50, 200, 'float64'))
  const limit = Math.sqrt(3 / 50)
  t.true(uniform.every((v) => Math.abs(v) <= limit) && Math.max(...uniform) > limit * 0.99)
  const normal = values(lecunNormal()(key(2), [200, 50], 50, 200, 'float64'))
  t.true(
    Math.abs(Math.sqrt(normal.reduce((a, b) => a + b * b, 0) / normal.length) - Math.sqrt(1 / 50)) < 0.003,
  )
  close(t, identity()(key(1), [2, 3], 3, 2, 'float64'), [1, 0, 0, 0, 1, 0])
  for (const shape of [
    [4, 4],
    [3, 8],
    [8, 3],
    [4, 2, 3, 3],
  ]) {
    const w = orthogonal(2)(key(5), shape, 1, 1, 'float64').reshape([shape[0] as number, -1])
    const [rows, columns] = w.shape as [number, number]
    const gram = rows <= columns ? w.matmulT(w, { transposeB: true }) : w.matmulT(w, { transposeA: true })
    const size = Math.min(rows, columns)
    close(
      t,
      gram,
      Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 4 : 0)),
      1e-12,
    )
  }
  t.notDeepEqual(
    values(orthogonal()(key(1), [3, 3], 3, 3, 'float64')),
    values(orthogonal()(key(2), [3, 3], 3, 3, 'float64')),
  )
  t.throws(() => orthogonal()(key(1), [3], 3, 3, 'float64'), { instanceOf: ShapeError })
  const conv = new Conv1d(4, 3, { kernelInitializer: 'orthogonal' })
  conv.declare([2, 9])
  conv.initialize()
  t.is(conv.weights().kernel.dtype, 'float32')
})
