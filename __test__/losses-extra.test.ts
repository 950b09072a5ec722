/** Losses besides those of the training loop: closed forms, extremes, derivatives, and refused arguments. */
import test from 'ava'
import {
  cosineDistance,
  cosineEmbedding,
  crossEntropy,
  ctc,
  Dense,
  DTypeError,
  gaussianNll,
  grad,
  hinge,
  multiMargin,
  ntXent,
  poissonNll,
  Sequential,
  ShapeError,
  sigmoidFocal,
  softmaxFocal,
  squaredHinge,
  type Tensor,
  tensor,
  tripletMargin,
  UnknownNameError,
} from '../ts/index.js'
import { close, numericalGradient, sample } from './close.js'
import { points } from './toy-task.js'

const f64 = (values: Parameters<typeof tensor>[0], shape?: number[]) =>
  tensor(values, { dtype: 'float64', ...(shape === undefined ? {} : { shape }) })
const i32 = (values: Parameters<typeof tensor>[0]) => tensor(values, { dtype: 'int32' })
const none = { reduction: 'none' } as const

test('focal losses are cross-entropy with less weight on what is right', async (t) => {
  const x = f64([-1, 0.5, 2])
  const one = f64([0, 1, 1])
  const p = [1 / (1 + Math.exp(-1)), 1 / (1 + Math.exp(-0.5)), 1 / (1 + Math.exp(-2))]
  close(
    t,
    sigmoidFocal(x, one, { ...none, gamma: 3, alpha: 0.3 }),
    p.map((right, i) => -(i === 0 ? 0.7 : 0.3) * (1 - right) ** 3 * Math.log(right)),
    1e-12,
  )
  const scores = sample([4, 3])
  const labels = i32([0, 2, 1, 1])
  close(t, softmaxFocal(scores, labels, { gamma: 0 }), [await crossEntropy(scores, labels).item()], 1e-12)
  const alone = (await crossEntropy(scores, labels, none).data()) as Float64Array
  const alpha = [0.5, 1, 2]
  close(
    t,
    softmaxFocal(scores, labels, { ...none, gamma: 2, alpha: f64(alpha) }),
    [0, 2, 1, 1].map(
      (label, i) =>
        (alpha[label] as number) * (1 - Math.exp(-(alone[i] as number))) ** 2 * (alone[i] as number),
    ),
    1e-12,
  )
  // Spatial: one label for each place.
  const image = softmaxFocal(
    sample([2, 3, 4]),
    i32([
      [0, 1, 2, 0],
      [1, 1, 2, 2],
    ]),
    none,
  )
  t.deepEqual(image.shape, [2, 4])
})

test('focal losses and their slopes are finite however sure the prediction is', async (t) => {
  for (const gamma of [0, 0.5, 2]) {
    for (const logit of [-300, -40, 40, 300]) {
      for (const [name, loss] of Object.entries({
        sigmoid: (x: Tensor) => sigmoidFocal(x, f64([1]), { gamma }),
        softmax: (x: Tensor) =>
          softmaxFocal(
            x.reshape([1, 1]).pad([
              [0, 0],
              [0, 1],
            ]),
            i32([0]),
            { gamma },
          ),
      })) {
        const x = f64([logit])
        const slope = grad(loss)
        const second = grad((v: Tensor) => slope(v).sum())(x)
        const values = await Promise.all([loss(x).item(), slope(x).item(), second.item()])
        t.true(values.every(Number.isFinite), `${name} ${gamma} ${logit}: ${values}`)
        if (logit < -200) t.true(Math.abs((values[0] as number) + logit) < 1)
      }
    }
  }
})

test('hinges and margins', (t) => {
  const x = f64([0.5, -2, 3])
  const side = f64([1, 1, -1])
  close(t, hinge(x, side, none), [0.5, 3, 4])
  close(t, squaredHinge(x, side, { ...none, margin: 2 }), [2.25, 16, 25])
  close(t, hinge(x, i32([1, 1, -1]), { reduction: 'sum' }), [7.5])
  const scores = f64([
    [1, 2, 0.5],
    [0, 0, 4],
  ])
  close(t, multiMargin(scores, i32([0, 2]), none), [(2 + 0.5) / 3, 0])
  close(t, multiMargin(scores, i32([0, 2]), { ...none, p: 2, margin: 2 }), [(9 + 2.25) / 3, 0])
  const [a, p, n] = [f64([[0, 0]]), f64([[3, 4]]), f64([[0, 5.5]])]
  close(t, tripletMargin(a, p, n), [0.5], 1e-5)
  close(t, tripletMargin(a, p, n, { swap: true }), [1 + 5 - Math.hypot(3, 1.5)], 1e-5)
  close(t, tripletMargin(a, p, n, { p: 1 }), [1 + 7 - 5.5], 1e-5)
})

test('directions', (t) => {
  const [a, b] = [
    f64([
      [1, 0],
      [1, 1],
    ]),
    f64([
      [0, 2],
      [3, 3],
    ]),
  ]
  close(t, cosineDistance(a, b, none), [1, 0], 1e-12)
  close(
    t,
    cosineDistance(
      a,
      f64([
        [0, 0],
        [-1, -1],
      ]),
      none,
    ),
    [1, 2],
    1e-12,
  )
  close(t, cosineEmbedding(a, b, i32([-1, -1]), { ...none, margin: 0.25 }), [0, 0.75], 1e-12)
  close(t, cosineEmbedding(a, b, i32([1, 1]), none), [1, 0], 1e-12)
  for (const scale of [1e-30, 1e30]) {
    const far = tensor([
      [3, 4],
      [0, 0],
    ]).mul(scale)
    const near = tensor([
      [4, 3],
      [1, 0],
    ])
    close(t, cosineDistance(far, near, none), [1 - 24 / 25, 1], 1e-6)
    const slope = grad((v: Tensor) => cosineDistance(v, near))(far).dataSync() as Float32Array
    t.true(slope.every(Number.isFinite))
    t.deepEqual([...slope.slice(2)], [0, 0])
  }
  // Two pairs of equal views at right angles: each row sees its twin at 1, two others at 0.
  const views = f64([
    [1, 0],
    [0, 5],
  ])
  const expected = -Math.log(Math.exp(2) / (Math.exp(2) + 2))
  close(t, ntXent(views, views.mul(3), none), [expected, expected, expected, expected], 1e-12)
})

test('likelihoods', (t) => {
  const rate = 3.5
  const counts = [0, 1, 4]
  const exact = counts.map((k) => rate - k * Math.log(rate))
  close(t, poissonNll(f64([rate, rate, rate]), f64(counts), { ...none, logInput: false, eps: 1e-300 }), exact)
  close(t, poissonNll(f64([rate, rate, rate]).log(), i32(counts), none), exact, 1e-12)
  // Stirling's formula of 4! is 0.02 below.
  const whole = poissonNll(f64([rate]).log(), f64([4]), { full: true })
  close(t, whole, [rate - 4 * Math.log(rate) + Math.log(24)], 0.03)
  const [mean, variance] = [f64([1, 2, 3]), f64([0.5, 4, 0])]
  const normal = (x: number, m: number, v: number) => 0.5 * (Math.log(2 * Math.PI * v) + (x - m) ** 2 / v)
  close(
    t,
    gaussianNll(mean, f64([2, 2, 3]), variance, { ...none, full: true, eps: 1e-3 }),
    [normal(2, 1, 0.5), normal(2, 2, 4), normal(3, 3, 1e-3)],
    1e-12,
  )
})

/** Probability of a sequence of labels, by going through every path of classes. */
function byEnumeration(logits: number[][], labels: number[], blank: number): number {
  const shares = logits.map((row) => {
    const exps = row.map(Math.exp)
    const total = exps.reduce((a, b) => a + b)
    return exps.map((e) => e / total)
  })
  let total = 0
  const walk = (t: number, path: number[], share: number): void => {
    if (t === shares.length) {
      const merged = path.filter((c, i) => c !== path[i - 1]).filter((c) => c !== blank)
      if (String(merged) === String(labels)) total += share
      return
    }
    for (const [c, p] of (shares[t] as number[]).entries()) walk(t + 1, [...path, c], share * p)
  }
  walk(0, [], 1)
  return -Math.log(total)
}

test('ctc is minus the logarithm of the sum over all paths', async (t) => {
  const [time, classes] = [5, 3]
  const targets = [
    [1, 2],
    [2, 2],
    [1, 1],
    [2, 1],
    [1, 2],
  ]
  const inputLengths = [5, 5, 4, 3, 2]
  const targetLengths = [2, 2, 2, 1, 0]
  const logits = sample([time, targets.length, classes])
  const nested = (await logits.array()) as number[][][]
  for (const blank of [0, 2]) {
    const labels = targets.map((row) => row.map((label) => (label === blank ? 0 : label)))
    const expected = labels.map((row, n) => {
      const steps = nested.slice(0, inputLengths[n]).map((step) => step[n] as number[])
      return byEnumeration(steps, row.slice(0, targetLengths[n]), blank)
    })
    const loss = (x: Tensor) => ctc(x, i32(labels), i32(inputLengths), i32(targetLengths), { ...none, blank })
    close(t, loss(logits), expected, 1e-12)
    const mean = ctc(logits, i32(labels), i32(inputLengths), i32(targetLengths), { blank })
    const average =
      expected.reduce((sum, value, n) => sum + value / Math.max(1, targetLengths[n] as number), 0) / 5
    close(t, mean, [average], 1e-12)
    const total = (x: Tensor) => loss(x).sum()
    close(t, grad(total)(logits), numericalGradient(total, logits), 1e-6)
    const slopes = (x: Tensor) => grad(total)(x).square().sum()
    close(t, grad(slopes)(logits), numericalGradient(slopes, logits), 1e-5)
  }
})

test('labels that do not fit into the time cost infinity, or nothing', async (t) => {
  // Two equal labels need three steps: a blank between.
  const logits = sample([2, 2, 3])
  const args = [
    i32([
      [1, 1],
      [1, 2],
    ]),
    i32([2, 2]),
    i32([2, 2]),
  ] as const
  const [first, second] = (await ctc(logits, ...args, none).data()) as Float64Array
  t.is(first, Number.POSITIVE_INFINITY)
  t.true(Number.isFinite(second))
  close(t, ctc(logits, ...args, { ...none, zeroInfinity: true }), [0, second as number])
  const slope = grad((x: Tensor) => ctc(x, ...args, { zeroInfinity: true }))(logits)
  const values = (await slope.array()) as number[][][]
  t.deepEqual(
    values.map((step) => step[0]),
    [
      [0, 0, 0],
      [0, 0, 0],
    ],
  )
  t.true(values.flat(2).every(Number.isFinite))
})

test('derivatives of all of them, first and second', (t) => {
  const x = sample([4, 3], 3)
  const other = sample([4, 3], 5)
  const labels = i32([0, 2, 1, 1])
  const side = i32([1, -1, 1, -1])
  const losses: Record<string, (x: Tensor) => Tensor> = {
    sigmoidFocal: (v) => sigmoidFocal(v, other.greater(0).cast('float64'), { alpha: 0.3, gamma: 1.5 }),
    softmaxFocal: (v) => softmaxFocal(v, labels, { gamma: 0.5 }),
    squaredHinge: (v) => squaredHinge(v, other.sign()),
    multiMargin: (v) => multiMargin(v, labels, { p: 2 }),
    tripletMargin: (v) => tripletMargin(v, other, x.mul(0.7), { margin: 2 }),
    cosineDistance: (v) => cosineDistance(v, other),
    cosineEmbedding: (v) => cosineEmbedding(v, other, side, { margin: -0.5 }),
    ntXent: (v) => ntXent(v, other, { temperature: 0.3 }),
    poissonNll: (v) => poissonNll(v, other.square(), { full: true }),
    gaussianNll: (v) => gaussianNll(x, other, v.square().add(0.1)),
  }
  for (const loss of Object.values(losses)) {
    close(t, grad(loss)(x), numericalGradient(loss, x), 1e-5)
    const slopes = (v: Tensor) => grad(loss)(v).square().sum()
    close(t, grad(slopes)(x), numericalGradient(slopes, x), 1e-4)
  }
})

test('targets that are none give NaN, where they stand', async (t) => {
  const x = f64([1, 2])
  const bad: Record<string, Tensor> = {
    sigmoidFocal: sigmoidFocal(x, f64([1, 0.5]), none),
    softmaxFocal: softmaxFocal(sample([2, 3]), i32([1, 3]), none),
    hinge: hinge(x, f64([1, 0]), none),
    squaredHinge: squaredHinge(x, f64([-1, 2]), none),
    multiMargin: multiMargin(sample([2, 3]), i32([1, -1]), none),
    cosineEmbedding: cosineEmbedding(sample([2, 3]), sample([2, 3], 2), i32([1, 0]), none),
    poissonNll: poissonNll(x, f64([1, -1]), none),
    gaussianNll: gaussianNll(x, x, f64([1, -1]), none),
    ctc: ctc(sample([3, 2, 3]), i32([[1], [2]]), i32([3, 4]), i32([1, 1]), none),
  }
  for (const [name, loss] of Object.entries(bad)) {
    const [fine, wrong] = (await loss.data()) as Float64Array
    t.true(Number.isFinite(fine), name)
    t.true(Number.isNaN(wrong), name)
  }
})

test('what does not fit is refused', (t) => {
  const x = sample([2, 3])
  const shapes: (() => unknown)[] = [
    () => sigmoidFocal(x, sample([3, 2])),
    () => softmaxFocal(x, i32([0, 1, 2])),
    () => softmaxFocal(sample([2, 1]), i32([0, 0])),
    () => softmaxFocal(x, i32([0, 1]), { alpha: f64([1]) }),
    () => hinge(x, sample([2])),
    () => multiMargin(x, i32([[0], [1]])),
    () => tripletMargin(x, x, sample([2, 2])),
    () => cosineDistance(f64(1), f64(1)),
    () => cosineEmbedding(x, x, i32([1])),
    () => ntXent(x, sample([3, 3])),
    () => ntXent(sample([2]), sample([2])),
    () => poissonNll(x, sample([2])),
    () => gaussianNll(x, x, sample([2])),
    () => gaussianNll(x, x, sample([1, 2, 3])),
    () => ctc(x, i32([[1]]), i32([1]), i32([1])),
    () => ctc(sample([3, 2, 3]), i32([[1]]), i32([1, 1]), i32([1, 1])),
    () => ctc(sample([3, 2, 3]), i32([[1], [1]]), i32([1]), i32([1, 1])),
    () => ctc(sample([3, 2, 3]), i32([[1], [1]]), i32([1, 1]), i32([1, 1]), { blank: 3 }),
  ]
  for (const [index, call] of shapes.entries()) t.throws(call, { instanceOf: ShapeError }, String(index))
  t.throws(() => ctc(sample([3, 1, 3]), f64([[1]]), i32([3]), i32([1])), { instanceOf: DTypeError })
  t.throws(() => hinge(x, x, { magin: 1 } as never), { instanceOf: UnknownNameError, message: /margin/ })
})

test('a model trains with them by name', async (t) => {
  const { x, y } = points(96)
  for (const [loss, lossOptions] of [
    ['softmaxFocal', { gamma: 1, alpha: tensor([1, 1, 2]) }],
    ['multiMargin', { margin: 0.5 }],
  ] as const) {
    const model = new Sequential({ inputShape: [4], seed: 1 }).add(new Dense(3)) as Sequential
    model.compile({ optimizer: 'adam', learningRate: 0.05, loss, lossOptions, metrics: ['accuracy'] })
    const history = await model.fit(x, y, { epochs: 15, verbose: false, validationSplit: 0 })
    t.true((history.loss.at(-1) as number) < (history.loss[0] as number) * 0.8, loss)
    t.true((history.metrics.accuracy?.at(-1) as number) > 0.6, loss)
  }
  const side = Float32Array.from(y, (label) => (label === 0 ? 1 : -1))
  const model = new Sequential({ inputShape: [4], seed: 1 }).add(new Dense(1)) as Sequential
  model.compile({ optimizer: 'adam', learningRate: 0.05, loss: 'hinge' })
  const history = await model.fit(x, side, { epochs: 15, verbose: false, validationSplit: 0 })
  t.true((history.loss.at(-1) as number) < (history.loss[0] as number) * 0.9)
})
