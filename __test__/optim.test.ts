import test from 'ava'
import { ArgumentError, ShapeError, UnknownNameError } from '../ts/core/errors.js'
import { grad, jit } from '../ts/core/transforms.js'
import { Variable } from '../ts/core/variable.js'
import {
  Adadelta,
  Adagrad,
  Adam,
  AdamW,
  clipByNorm,
  clipByValue,
  cosineLR,
  cosineRestartsLR,
  createOptimizer,
  exponentialLR,
  lambdaLR,
  linearLR,
  multiStepLR,
  type Optimizer,
  oneCycleLR,
  optimizerOptions,
  type PlateauOptions,
  ReduceLROnPlateau,
  RMSprop,
  SGD,
  stepLR,
} from '../ts/nn/optim/index.js'
import { type Tensor, tensor } from '../ts/ops/tensor.js'
import { close, numericalGradient } from './close.js'
import { warningsOf } from './warnings.js'

const f64 = (values: number[]) => tensor(values, { dtype: 'float64' })

/** A scalar parameter after each step with the given gradients. */
function trajectory(optimizer: Optimizer, start: number, gradients: number[]): number[] {
  let p = f64([start])
  let state = optimizer.init(p)
  return gradients.map((g) => {
    const { delta, state: next } = optimizer.update(f64([g]), state, p)
    p = p.add(delta)
    state = next
    return p.itemSync()
  })
}

test('SGD with momentum follows the closed form of the heavy ball on a quadratic', (t) => {
  // f = p^2 / 2, so g = p: b1 = p0, b2 = 0.95 b1 + p1, b3 = 0.95 b2 + p2
  const rate = 0.1
  let [p, b] = [2, 0]
  const sgd = new SGD({ learningRate: rate, momentum: 0.95 })
  let q = f64([2])
  let state = sgd.init(q)
  for (let step = 0; step < 3; step++) {
    b = 0.95 * b + p
    p -= rate * b
    const { delta, state: next } = sgd.update(q, state, q)
    q = q.add(delta)
    state = next
    close(t, q, [p])
  }
})

test('dampening spares the first step', (t) => {
  const sgd = new SGD({ learningRate: 1, momentum: 0.5, dampening: 0.3 })
  close(t, trajectory(sgd, 0, [1, 1]), [-1, -1 - (0.5 + 0.7)])
})

test('Nesterov looks ahead, weight decay pulls to zero', (t) => {
  close(t, trajectory(new SGD({ learningRate: 1, momentum: 0.5, nesterov: true }), 0, [1, 1]), [
    -1.5,
    -1.5 - 1.75,
  ])
  close(t, trajectory(new SGD({ learningRate: 0.1, weightDecay: 0.5 }), 2, [1]), [2 - 0.1 * 2])
})

test('the first step of Adam is the learning rate in the direction of the gradient', (t) => {
  close(t, trajectory(new Adam({ learningRate: 0.01 }), 1, [123]), [0.99])
  const [b1, b2, g1, g2] = [0.9, 0.999, 2, -1]
  const m = b1 * (1 - b1) * g1 + (1 - b1) * g2
  const v = b2 * (1 - b2) * g1 ** 2 + (1 - b2) * g2 ** 2
  const second = (0.01 * (m / (1 - b1 ** 2))) / (Math.sqrt(v / (1 - b2 ** 2)) + 1e-8)
  close(t, trajectory(new Adam({ learningRate: 0.01 }), 1, [g1, g2]).slice(1), [0.99 - second])
})

test('AdamW shrinks the parameter, Adam the gradient', (t) => {
  close(t, trajectory(new AdamW({ learningRate: 0.1, weightDecay: 0.5 }), 2, [1]), [2 - 0.1 - 0.1 * 0.5 * 2])
  close(t, trajectory(new Adam({ learningRate: 0.1, weightDecay: 0.5 }), 2, [-2]), [2 + 0.1])
})

test('amsgrad divides by the largest average', (t) => {
  const after = (amsgrad: boolean) =>
    trajectory(new Adam({ learningRate: 0.1, betas: [0, 0.5], amsgrad }), 0, [10, 0.1, 0.1, 0.1])
  const [plain, ams] = [after(false), after(true)]
  t.true(
    Math.abs((ams[3] as number) - (ams[2] as number)) < Math.abs((plain[3] as number) - (plain[2] as number)),
  )
})

test('RMSprop, Adadelta and Adagrad by hand', (t) => {
  close(t, trajectory(new RMSprop({ learningRate: 0.1, alpha: 0.75, eps: 0 }), 0, [3]), [-0.2])
  const centered = Math.sqrt(0.25 * 9 - 0.75 ** 2)
  close(t, trajectory(new RMSprop({ learningRate: 0.1, alpha: 0.75, eps: 0, centered: true }), 0, [3]), [
    -0.3 / centered,
  ])
  const step = (Math.sqrt(1e-6) / Math.sqrt(0.1 * 4 + 1e-6)) * 2
  close(t, trajectory(new Adadelta(), 0, [2]), [-step])
  const adagrad = new Adagrad({ learningRate: 1, lrDecay: 1, eps: 0 })
  close(t, trajectory(adagrad, 0, [3, 4]), [-1, -1 - 0.5 * (4 / 5)])
})

test('step on Variables is the pure update, also inside a compiled function', async (t) => {
  for (const make of [
    () => new SGD({ momentum: 0.9 }),
    () => new Adam(),
    () => new RMSprop({ momentum: 0.5 }),
  ]) {
    const grads = { a: f64([1, -2]), b: [f64([0.5])] }
    const params = { a: f64([1, 2]), b: [f64([3])] }
    const pure = make()
    let tree = params
    let state = pure.init(tree)
    for (let step = 0; step < 3; step++) {
      const { delta, state: next } = pure.update(grads, state, tree)
      tree = { a: tree.a.add(delta.a), b: [(tree.b[0] as Tensor).add(delta.b[0] as Tensor)] }
      state = next
    }
    const variables = () => ({
      a: new Variable(params.a, { name: 'a' }),
      b: [new Variable(params.b[0] as Tensor, { name: 'b.0' })],
    })
    const eager = { optimizer: make(), held: variables() }
    const compiled = { optimizer: make(), held: variables() }
    compiled.optimizer.prepare(compiled.held)
    const run = jit((a: Tensor, b: Tensor) => {
      compiled.optimizer.step(compiled.held, { a, b: [b] })
      return a.sum()
    })
    for (let step = 0; step < 3; step++) {
      eager.optimizer.step(eager.held, grads)
      await run(grads.a, grads.b[0] as Tensor)
    }
    close(t, eager.held.a.value, tree.a.dataSync() as Float64Array)
    close(t, compiled.held.a.value, tree.a.dataSync() as Float64Array)
    close(t, compiled.held.b[0]?.value as Tensor, (tree.b[0] as Tensor).dataSync() as Float64Array)
  }
})

test('a new learning rate reaches a compiled step', async (t) => {
  const p = new Variable(f64([0]), { name: 'p' })
  const sgd = new SGD({ learningRate: 1 })
  sgd.prepare([p])
  const run = jit((g: Tensor) => {
    sgd.step([p], [g])
    return g
  })
  await run(f64([1]))
  sgd.learningRate = 10
  await run(f64([1]))
  close(t, p.value, [-11])
})

test('state is named by path', (t) => {
  const adam = new Adam()
  adam.prepare({ w: new Variable(f64([1]), { name: 'layers.0.kernel' }) })
  t.deepEqual(
    [...adam.stateVariables().keys()],
    ['adam.step', 'adam.learningRate', 'adam.mean.layers.0.kernel', 'adam.square.layers.0.kernel'],
  )
})

test('groups have options of their own, and rates that keep their ratio', (t) => {
  const sgd = new SGD({ learningRate: 0.1 }, [{ params: ['a'], learningRate: 0.01, weightDecay: 1 }])
  const params = { a: f64([2]), b: f64([2]) }
  const grads = { a: f64([1]), b: f64([1]) }
  const first = sgd.update(grads, sgd.init(params), params).delta
  close(t, first.a, [-0.03])
  close(t, first.b, [-0.1])
  const later = sgd.update(grads, sgd.init(params), params, { learningRate: 0.05 }).delta
  close(t, later.a, [-0.015])
})

test('a look-ahead is differentiable in gradients and parameters', (t) => {
  for (const optimizer of [
    new SGD({ momentum: 0.9, weightDecay: 0.1, learningRate: 0.1 }),
    new Adam({ learningRate: 0.1 }),
  ]) {
    const loss = (w: Tensor) => {
      const inner = grad((v: Tensor) => v.square().square().sum())(w)
      const { delta } = optimizer.update(inner, optimizer.init(w), w)
      return w.add(delta).square().sum()
    }
    const w = f64([0.5, -0.7])
    close(t, grad(loss)(w), numericalGradient(loss, w, 1e-6), 1e-5)
  }
})

test('a zero gradient gives a finite look-ahead', (t) => {
  const adam = new Adam()
  const g = grad((x: Tensor) => adam.update(x, adam.init(x), x.stopGradient()).delta.sum())(f64([0, 1]))
  t.true((g.dataSync() as Float64Array).every(Number.isFinite))
})

test('gradients must have the structure and shapes of the parameters', (t) => {
  const sgd = new SGD()
  const params = { a: f64([1, 2]) }
  t.throws(() => sgd.update({ b: f64([1, 2]) }, sgd.init(params), params), { instanceOf: ArgumentError })
  t.throws(() => sgd.update({ a: f64([1]) }, sgd.init(params), params), { instanceOf: ShapeError })
})

test('clipping by value and by the norm of all gradients', (t) => {
  const grads = { a: f64([3, -0.5]), b: f64([-4]) }
  close(t, clipByValue(grads, 1).a, [1, -0.5])
  const total = Math.sqrt(25.25)
  const { clipped, norm } = clipByNorm(grads, 1)
  close(t, norm, [total])
  close(t, clipped.b, [-4 / (total + 1e-6)])
  close(t, clipByNorm(grads, 100).clipped.a, [3, -0.5])
  close(t, clipByNorm(grads, 1, { normType: Number.POSITIVE_INFINITY }).norm, [4])
  close(t, clipByNorm(grads, 1, { normType: 1 }).norm, [7.5])
  close(t, clipByNorm(grads, 1, { normType: 3 }).norm, [Math.cbrt(27 + 64 + 0.125)])
  t.throws(() => clipByValue(grads, 0), { instanceOf: ArgumentError })
})

test('optimizers by name; unknown names and options are refused', (t) => {
  t.true(createOptimizer('SGD', { momentum: 0.95 }) instanceof SGD)
  t.true(createOptimizer('RMSprop') instanceof RMSprop)
  t.deepEqual(optimizerOptions('adam'), ['learningRate', 'weightDecay', 'betas', 'eps', 'amsgrad'])
  const error = t.throws(() => createOptimizer('adm'), { instanceOf: UnknownNameError })
  t.regex(error.message, /adam/)
  t.throws(() => createOptimizer('adam', { momentum: 0.9 }), { instanceOf: UnknownNameError })
  t.throws(() => new SGD({ learningRate: -1 }), { instanceOf: ArgumentError })
  t.throws(() => new SGD({ nesterov: true }), { instanceOf: ArgumentError })
  t.throws(() => new Adam({ betas: [0.9, 1] }), { instanceOf: ArgumentError })
})

test('schedules', (t) => {
  const run = (schedule: (base: number, epoch: number) => number, epochs: number[]) =>
    epochs.map((epoch) => schedule(0.1, epoch))
  close(t, run(stepLR({ stepSize: 3, gamma: 0.5 }), [0, 2, 3, 6]), [0.1, 0.1, 0.05, 0.025])
  close(t, run(multiStepLR({ milestones: [2, 5, 5] }), [1, 2, 5]), [0.1, 0.01, 1e-4])
  close(t, run(linearLR({ startFactor: 0.25, totalEpochs: 4 }), [0, 2, 9]), [0.025, 0.0625, 0.1])
  close(t, run(cosineLR({ period: 8, minRate: 0.01 }), [0, 4, 8, 12]), [0.1, 0.055, 0.01, 0.055])
  close(t, run(cosineRestartsLR({ period: 3, multiplier: 2 }), [0, 3, 6, 9]), [0.1, 0.1, 0.05, 0.1])
  close(t, run(oneCycleLR({ maxRate: 0.1, totalSteps: 12, riseShare: 0.25 }), [0, 2, 11]), [0.004, 0.1, 4e-7])
  const steps = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  const cycle = { maxRate: 0.1, totalSteps: 10 }
  // The values of PyTorch's formula.
  close(
    t,
    run(oneCycleLR({ ...cycle, annealing: 'linear' }), steps),
    [
      0.004, 0.052, 0.1, 0.0857143429, 0.0714286857, 0.0571430286, 0.0428573714, 0.0285717143, 0.0142860571,
      4e-7,
    ],
    1e-9,
  )
  close(
    t,
    run(oneCycleLR({ ...cycle, annealing: 'linear', threePhase: true }), steps),
    [0.004, 0.052, 0.1, 0.052, 0.004, 0.00320008, 0.00240016, 0.00160024, 0.00080032, 4e-7],
    1e-12,
  )
  close(
    t,
    run(oneCycleLR({ ...cycle, threePhase: true }), steps),
    [
      0.004, 0.052, 0.1, 0.052, 0.004, 0.0036180721853510196, 0.0026181721853510195, 0.0013822278146489802,
      3.823278146489803e-4, 4e-7,
    ],
    1e-12,
  )
  // A rise that ends between two steps.
  close(
    t,
    run(oneCycleLR({ maxRate: 0.1, totalSteps: 11 }), [1, 2, 3]),
    [0.04223411137347358, 0.09602614247226175, 0.09797465678213016],
    1e-12,
  )
  t.throws(() => oneCycleLR({ ...cycle, annealing: 'cosine' as 'cos' }), {
    instanceOf: UnknownNameError,
    message: /did you mean "cos"|valid are cos, linear/,
  })
  t.throws(() => oneCycleLR({ ...cycle, threePhase: true, riseShare: 0.6 }), {
    instanceOf: ArgumentError,
    message: /riseShare must be a number in .0, 0\.5., received 0\.6/,
  })
  const plateau = new ReduceLROnPlateau(0.1, { factor: 0.5, patience: 1, threshold: 0.01 })
  close(
    t,
    [1, 0.8, 0.799, 0.798].map((metric) => plateau.step(metric)),
    [0.1, 0.1, 0.1, 0.05],
  )
})

test('Variables that an optimizer moves for the first time begin with step 1', (t) => {
  const make = () => new Adam({ learningRate: 0.1 })
  const gradients = [tensor([1, -2]), tensor([3, 1])]
  const walk = (adam: Adam, w: Variable) => {
    for (const gradient of gradients) adam.step([w], [gradient])
    return [...w.dataSync()].map(Number)
  }
  const [a, b, c] = [0, 0, 0].map(() => new Variable(tensor([1, 1]))) as [Variable, Variable, Variable]
  const shared = make()
  t.deepEqual(walk(shared, a), walk(shared, b))
  t.deepEqual(walk(make(), c), [...b.dataSync()].map(Number))
  const names = [...shared.stateVariables().keys()]
  t.is(new Set(names).size, names.length)
})

test('a plateau is one for negative metrics too, in both modes', (t) => {
  const rates = (metric: number, options: PlateauOptions = {}) => {
    const plateau = new ReduceLROnPlateau(1, { patience: 1, ...options })
    return Array.from({ length: 6 }, () => plateau.step(metric))
  }
  for (const mode of ['min', 'max'] as const) {
    for (const metric of [-1, 0, 1, -1e-30]) close(t, rates(metric, { mode }), [1, 1, 0.1, 0.1, 0.01, 0.01])
  }
  const worse = new ReduceLROnPlateau(1, { patience: 0, threshold: 0.1 })
  t.deepEqual(
    [-1, -0.95, -1.05, -1.2].map((metric) => worse.step(metric) < 1),
    [false, true, true, true],
  )
  const better = new ReduceLROnPlateau(1, { patience: 0 })
  for (const metric of [-1, -2, -3]) t.is(better.step(metric), 1)
})

test.serial('a plateau refuses options out of range, and says that a metric is NaN', async (t) => {
  const wrong: object[] = [
    { factor: 1 },
    { factor: 0 },
    { patience: -1 },
    { patience: 0.5 },
    { cooldown: -1 },
  ]
  wrong.push({ cooldown: Number.NaN }, { threshold: -1 }, { threshold: Number.NaN }, { minRate: -1 })
  for (const options of wrong) {
    t.throws(() => new ReduceLROnPlateau(1, options), { instanceOf: ArgumentError })
  }
  t.throws(() => new ReduceLROnPlateau('1' as never), { instanceOf: ArgumentError })
  for (const options of [{ mode: 'MIN' }, { patienc: 3 }]) {
    t.throws(() => new ReduceLROnPlateau(1, options as never), { instanceOf: UnknownNameError })
  }
  t.throws(() => new ReduceLROnPlateau(1, { mode: 'MIN' as never }), { message: /did you mean "min"/ })
  t.is(new ReduceLROnPlateau(0.1, { minRate: 0.5, patience: 0 }).step(Number.POSITIVE_INFINITY), 0.1)
  const plateau = new ReduceLROnPlateau(1, { patience: 1 })
  t.throws(() => plateau.step({} as never), { instanceOf: ArgumentError })
  let rates: number[] = []
  const warnings = await warningsOf(() => {
    rates = [1, Number.NaN, Number.NaN, Number.NaN].map((metric) => plateau.step(metric))
  })
  t.deepEqual(rates, [1, 1, 0.1, 0.1])
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['HYPERGLOW_NAN_METRIC'],
  )
})

test('schedules refuse what they cannot use', (t) => {
  const calls: (() => unknown)[] = [
    () => stepLR(undefined as never),
    () => stepLR({} as never),
    () => stepLR({ stepSize: 1, gamma: Number.NaN }),
    () => multiStepLR({} as never),
    () => multiStepLR({ milestones: 3 as never }),
    () => exponentialLR({} as never),
    () => linearLR({ totalEpochs: 0 }),
    () => cosineLR(null as never),
    () => oneCycleLR(undefined as never),
    () => oneCycleLR({ totalSteps: 5 } as never),
    () => lambdaLR(0.1 as never),
  ]
  for (const call of calls) t.throws(call, { instanceOf: ArgumentError })
  t.throws(() => stepLR({ stepsize: 3 } as never), { instanceOf: UnknownNameError })
})
