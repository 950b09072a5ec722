import test from 'ava'
import {
  ArgumentError,
  Conv2d,
  evalContext,
  GlobalAvgPool,
  LocallyConnected2d,
  ShapeError,
  type Tensor,
} from '../ts/index.js'
import { close } from './close.js'
import { checkGradient, sample } from './helpers.js'

test('LocallyConnected2d with the same kernel everywhere is a convolution', (t) => {
  const options = { stride: [2, 1], padding: [1, 0] } as const
  const local = new LocallyConnected2d(3, [3, 2], options)
  const conv = new Conv2d(3, [3, 2], options)
  t.deepEqual([...local.declare([2, 5, 4])], [...conv.declare([2, 5, 4])])
  const kernel = sample([3, 2, 3, 2], -1, 1, 1)
  const bias = sample([3], -1, 1, 2)
  const x = sample([4, 2, 5, 4], -1, 1, 3)
  const everywhere = {
    kernel: kernel.reshape([3, 12, 1]).broadcastTo([3, 12, 9]),
    bias: bias.reshape([3, 1]).broadcastTo([3, 9]),
  }
  const want = conv.apply({ kernel, bias }, x, evalContext())
  const got = local.apply(everywhere, x, evalContext())
  t.deepEqual([...got.shape], [...want.shape])
  close(t, got, want.dataSync() as Float64Array, 1e-12)
})

test('LocallyConnected2d has a kernel for every place, channels first in it', (t) => {
  const local = new LocallyConnected2d(1, [1, 2], { useBias: false })
  const kernel = sample([1, 4, 2], -1, 1, 1)
  const x = sample([1, 2, 1, 3], -1, 1, 2)
  const k = kernel.dataSync() as Float64Array
  const v = x.dataSync() as Float64Array
  const at = (place: number) =>
    [0, 1, 3, 4].reduce((sum, from, i) => sum + (k[i * 2 + place] as number) * (v[from + place] as number), 0)
  close(t, local.apply({ kernel }, x, evalContext()), [at(0), at(1)], 1e-12)
})

test('LocallyConnected2d: gradients of gradients', (t) => {
  const local = new LocallyConnected2d(2, 2, { padding: 1, activation: 'tanh' })
  checkGradient(
    t,
    (x, kernel, bias) =>
      local.apply({ kernel: kernel as Tensor, bias: bias as Tensor }, x as Tensor, evalContext()),
    [sample([2, 1, 2, 2], -1, 1, 1), sample([2, 4, 9], -1, 1, 2), sample([2, 9], -1, 1, 3)],
    { tolerance: 1e-6 },
  )
})

test('localConv: derivatives with strides and dilations, and what does not fit', (t) => {
  const x = sample([2, 2, 6, 5], -1, 1, 1)
  const w = sample([3, 2, 2, 2, 3, 4], -1, 1, 2)
  const padding: [number, number][] = [
    [0, 0],
    [1, 0],
  ]
  const options = { stride: [2, 1], dilation: [1, 2], padding }
  checkGradient(t, (a, b) => a.localConv(b as Tensor, options), [x, w], { tolerance: 1e-6 })
  t.throws(() => x.localConv(w, { padding: 1 }), { instanceOf: ShapeError, message: /localConv/ })
  t.throws(() => x.localConv(sample([3, 1, 2, 2, 3, 4]), options), { instanceOf: ShapeError })
  t.throws(() => x.localConv(sample([3, 2, 2])), { instanceOf: ShapeError })
})

test('LocallyConnected2d declares its weights and refuses what does not fit', (t) => {
  const local = new LocallyConnected2d(8, 3, { padding: 1 })
  t.deepEqual([...local.declare([8, 16, 16])], [8, 16, 16])
  local.initialize()
  t.is(local.countParams(), 8 * 72 * 256 + 8 * 256)
  t.true((local.weights().kernel.dataSync() as Float32Array).every((w) => Math.abs(w) <= 1 / Math.sqrt(72)))
  t.deepEqual([...local.clone().declare([8, 16, 16])], [8, 16, 16])
  t.throws(() => local.apply(local.weights(), sample([1, 8, 16, 15]), evalContext()), {
    instanceOf: ShapeError,
    message: /8,16,16.*\[1,8,16,15\]/,
  })
  t.throws(() => new LocallyConnected2d(1, 5).declare([1, 4, 4]), { instanceOf: ShapeError })
  t.throws(() => new LocallyConnected2d(0, 5), { instanceOf: ArgumentError, message: /filters/ })
})

test('GlobalAvgPool is the mean over all spatial axes', (t) => {
  const pool = new GlobalAvgPool()
  t.deepEqual([...pool.declare([2, 3, 4])], [2])
  const x = sample([5, 2, 3, 4])
  const v = x.dataSync() as Float64Array
  const want = Array.from({ length: 10 }, (_, i) => v.slice(12 * i, 12 * i + 12).reduce((a, b) => a + b) / 12)
  close(t, pool.apply({}, x), want, 1e-12)
  t.deepEqual([...pool.apply({}, sample([5, 2, 7])).shape], [5, 2])
  t.throws(() => new GlobalAvgPool().declare([2]), {
    instanceOf: ShapeError,
    message: /\[channels, \.\.\.extents\]/,
  })
})
