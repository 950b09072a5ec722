/** Convolutions and pooling. */
import test from 'ava'
import { ArgumentError, convTranspose, ShapeError, tensor } from '../ts/index.js'
import { checkGradient, close, equals, sample } from './helpers.js'

/** Cross-correlation of (N, C, H, W) with (O, C / groups, kh, kw), by its definition. */
function convByHand(
  x: number[][][][],
  w: number[][][][],
  o: { stride: number[]; low: number[]; high: number[]; dilation: number[]; groups: number },
): number[][][][] {
  const [h, width] = [x[0]?.[0]?.length as number, x[0]?.[0]?.[0]?.length as number]
  const [kh, kw] = [w[0]?.[0]?.length as number, w[0]?.[0]?.[0]?.length as number]
  const extent = (n: number, k: number, i: number) =>
    Math.floor(
      (n + (o.low[i] as number) + (o.high[i] as number) - (o.dilation[i] as number) * (k - 1) - 1) /
        (o.stride[i] as number),
    ) + 1
  const perGroup = w.length / o.groups
  return x.map((image) =>
    w.map((kernel, out) =>
      Array.from({ length: extent(h, kh, 0) }, (_, i) =>
        Array.from({ length: extent(width, kw, 1) }, (_, j) => {
          let sum = 0
          for (const [c, plane] of kernel.entries()) {
            const channel = image[Math.floor(out / perGroup) * kernel.length + c] as number[][]
            for (let u = 0; u < kh; u++) {
              for (let v = 0; v < kw; v++) {
                const row = i * (o.stride[0] as number) + u * (o.dilation[0] as number) - (o.low[0] as number)
                const column =
                  j * (o.stride[1] as number) + v * (o.dilation[1] as number) - (o.low[1] as number)
                sum += (channel[row]?.[column] ?? 0) * ((plane[u] as number[])[v] as number)
              }
            }
          }
          return sum
        }),
      ),
    ),
  )
}

test('conv: strides, paddings, dilations and groups against the definition', async (t) => {
  const x = sample([2, 4, 6, 5])
  const w = sample([4, 2, 3, 2], -1, 1, 2)
  const [xs, ws] = [(await x.array()) as number[][][][], (await w.array()) as number[][][][]]
  const grouped = { groups: 2 }
  const plain = { stride: [1, 1], low: [0, 0], high: [0, 0], dilation: [1, 1], groups: 2 }
  await equals(t, x.conv(w, grouped), convByHand(xs, ws, plain))
  await equals(
    t,
    x.conv(w, {
      ...grouped,
      stride: [2, 1],
      padding: [
        [1, 0],
        [0, 2],
      ],
      dilation: [1, 2],
    }),
    convByHand(xs, ws, { ...plain, stride: [2, 1], low: [1, 0], high: [0, 2], dilation: [1, 2] }),
  )
  await equals(
    t,
    x.conv(w, { ...grouped, padding: 'same' }),
    convByHand(xs, ws, { ...plain, low: [1, 0], high: [1, 1] }),
  )
  t.deepEqual(x.conv(w, { ...grouped, padding: 'same', stride: 2 }).shape.slice(2), [3, 3])
})

test('derivatives of conv in one, two and three dimensions', (t) => {
  checkGradient(t, (x, w) => x.conv(w, { padding: 1, stride: 2 }), [
    sample([1, 2, 5]),
    sample([2, 2, 3], -1, 1, 2),
  ])
  checkGradient(t, (x, w) => x.conv(w, { dilation: [1, 2], groups: 2, padding: [1, 0] }), [
    sample([1, 2, 3, 4]),
    sample([2, 1, 2, 2], -1, 1, 2),
  ])
  checkGradient(t, (x, w) => x.conv(w), [sample([1, 1, 2, 3, 2]), sample([2, 1, 2, 1, 2], -1, 1, 2)])
})

test('convTranspose is the adjoint of conv', async (t) => {
  const x = sample([2, 2, 7, 5])
  const w = sample([3, 2, 3, 2], -1, 1, 2)
  for (const options of [
    {},
    { stride: [2, 1], padding: [1, 0] },
    { dilation: 2 },
    { stride: 3, padding: 1 },
  ]) {
    const y = x.conv(w, options)
    const dy = sample(y.shape, -1, 1, 3)
    const plain = convTranspose(dy, w, options)
    const outputPadding = plain.shape.slice(2).map((n, i) => (x.shape[i + 2] as number) - n)
    const dx = convTranspose(dy, w, { ...options, outputPadding })
    t.deepEqual([...dx.shape], [...x.shape])
    close(t, await dx.mul(x).sum().item(), await dy.mul(y).sum().item())
  }
})

test('convTranspose: output padding beyond the reach of the kernel is zero; derivatives', async (t) => {
  const x = tensor(Float64Array.of(1, 2), { shape: [1, 1, 2] })
  const w = tensor(Float64Array.of(1, 10), { shape: [1, 1, 2] })
  await equals(t, x.convTranspose(w, { stride: 2, outputPadding: 1 }), [[[1, 10, 2, 20, 0]]])
  await equals(t, x.convTranspose(w, { stride: 2, padding: 1, outputPadding: 1 }), [[[10, 2, 20]]])
  checkGradient(t, (a, b) => a.convTranspose(b, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }), [
    sample([1, 2, 2, 2]),
    sample([2, 1, 3, 2], -1, 1, 2),
  ])
  t.throws(() => x.convTranspose(w, { padding: 3 }), { instanceOf: ShapeError, message: /pad less/ })
})

test('convolutions that do not fit are refused', (t) => {
  const x = sample([1, 2, 4, 4])
  t.throws(() => x.conv(sample([1, 3, 2, 2])), { instanceOf: ShapeError, message: /channels/ })
  t.throws(() => x.conv(sample([1, 2, 2])), { instanceOf: ShapeError, message: /spatial/ })
  t.throws(() => x.conv(sample([1, 2, 5, 5])), { instanceOf: ShapeError, message: /smaller than a kernel/ })
  t.throws(() => x.conv(sample([1, 2, 2, 2]), { stride: 0 }), {
    instanceOf: ArgumentError,
    message: /stride/,
  })
  t.throws(() => x.conv(sample([1, 2, 2, 2]), { padding: 'full' as never }), { instanceOf: ArgumentError })
  t.throws(() => x.conv(sample([1, 2, 2, 2]), { groups: 0 }), {
    instanceOf: ArgumentError,
    message: /groups/,
  })
})

const line = (values: number[]) => tensor(Float64Array.from(values), { shape: [1, 1, values.length] })

test('maxPool: windows, padding, ceilMode, indices', async (t) => {
  const x = line([3, 1, 4, 1, 5, 9, 2])
  await equals(t, x.maxPool({ kernelSize: 3 }), [[[4, 9]]])
  await equals(t, x.maxPool({ kernelSize: 3, ceilMode: true }), [[[4, 9, 2]]])
  await equals(t, x.maxPool({ kernelSize: 3, stride: 2, padding: 1 }), [[[3, 4, 9, 9]]])
  await equals(t, x.maxPool({ kernelSize: 2, stride: 1, dilation: 3 }), [[[3, 5, 9, 2]]])
  const { values, indices } = sample([1, 1, 4, 4]).maxPoolWithIndices({ kernelSize: 2 })
  t.deepEqual([...values.shape], [1, 1, 2, 2])
  t.is(indices.dtype, 'int32')
  await equals(t, sample([1, 1, 4, 4]).flatten().take(indices.flatten()), await values.flatten().array())
  await equals(t, line([-3, -1]).maxPool({ kernelSize: 2, padding: 1, stride: 1 }), [[[-3, -1, -1]]])
})

test('avgPool: padding counts or not, ceilMode', async (t) => {
  const x = line([3, 6, 9, 12, 15])
  await equals(t, x.avgPool({ kernelSize: 2 }), [[[4.5, 10.5]]])
  await equals(t, x.avgPool({ kernelSize: 3, stride: 2, padding: 1 }), [[[3, 9, 9]]])
  await equals(t, x.avgPool({ kernelSize: 3, stride: 2, padding: 1, countIncludePad: false }), [
    [[4.5, 9, 13.5]],
  ])
  await equals(t, x.avgPool({ kernelSize: 2, ceilMode: true }), [[[4.5, 10.5, 15]]])
  await equals(t, x.avgPool({ kernelSize: 2, ceilMode: true, padding: 1 }), [[[1.5, 7.5, 13.5]]])
})

test('adaptiveAvgPool', async (t) => {
  await equals(t, line([1, 2, 3, 4, 5, 6]).adaptiveAvgPool(3), [[[1.5, 3.5, 5.5]]])
  await equals(t, line([1, 2, 3, 4, 5]).adaptiveAvgPool(3), [[[1.5, 3, 4.5]]])
  checkGradient(t, (x) => x.adaptiveAvgPool([2, 3]), [sample([1, 2, 3, 4])])
})

test('derivatives of pooling', (t) => {
  const x = sample([1, 2, 4, 5])
  checkGradient(t, (a) => a.maxPool({ kernelSize: [2, 3], stride: 1, padding: [1, 0] }).square(), [x])
  checkGradient(t, (a) => a.avgPool({ kernelSize: 2, padding: 1, countIncludePad: false }).square(), [x])
  checkGradient(t, (a) => a.avgPool({ kernelSize: [1, 2, 2] }), [sample([1, 1, 2, 2, 4])])
})

test('pooling that does not fit is refused', (t) => {
  t.throws(() => line([1, 2]).maxPool({ kernelSize: 3 }), { instanceOf: ShapeError })
  t.throws(() => line([1, 2]).maxPool({ kernelSize: 2, padding: 2 }), {
    instanceOf: ArgumentError,
    message: /at most 1/,
  })
  t.throws(() => tensor([1, 2]).avgPool({ kernelSize: 1 }), { instanceOf: ShapeError })
})

test('unfold: a convolution is a product with the unfolded input', async (t) => {
  const x = sample([2, 3, 4, 5])
  const w = sample([2, 3, 2, 2], -1, 1, 2)
  const options = { stride: [1, 2], padding: [1, 0], dilation: [2, 1] }
  const columns = x.unfold({ kernelSize: [2, 2], ...options })
  const y = x.conv(w, options)
  await equals(t, w.reshape([2, 12]).matmul(columns).reshape(y.shape), await y.array())
  checkGradient(t, (a) => a.unfold({ kernelSize: 2, padding: 1 }), [sample([1, 2, 2, 3])])
})
