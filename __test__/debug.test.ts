/** The switches for finding mistakes. */

import test from 'ava'
import {
  crossEntropy,
  Dense,
  debug,
  grad,
  IBSequential,
  jit,
  KDE,
  NumericalError,
  ones,
  type Shape,
  type Tensor,
  tensor,
  Variable,
  type Weights,
} from '../ts/index.js'
import { Layer } from '../ts/layers/index.js'

test.afterEach.always(() => {
  debug({})
})

test.serial('checkNaN throws on the line that makes the first NaN', (t) => {
  const x = tensor([1, -1])
  debug({ checkNaN: true })
  const makeNaN = () => x.log()
  const error = t.throws(() => makeNaN().add(1).sum(), {
    instanceOf: NumericalError,
    message: /element 1 .* is NaN/,
  })
  t.regex(error?.stack ?? '', /makeNaN/)
})

/** The logarithm, whose values at the zeros of a pass for shapes are not finite. */
class Log extends Layer {
  constructor() {
    super({ kind: 'log', name: undefined })
  }

  build(inputShape: Shape): Shape {
    return inputShape
  }

  apply(_weights: Weights, x: Tensor): Tensor {
    return x.log()
  }
}

test.serial('checkNaN checks the batches of fit only, and names the layer and the operation', async (t) => {
  debug({ checkNaN: true })
  const model = new IBSequential({ inputShape: [2], seed: 1, trackDynamics: true })
  model
    .add(new Log())
    .add(new Dense(2, { activation: 'softmax' }))
    .compile()
    .attachEvaluator(new KDE({ variance: 0.1 }))
  const x = Float32Array.from({ length: 16 }, (_, i) => i + 1)
  const y = Int32Array.from({ length: 8 }, (_, i) => i % 2)
  await t.notThrowsAsync(model.fit(x, y, { epochs: 1, verbose: false }))
  x.fill(-1)
  await t.throwsAsync(model.fit(x, y, { epochs: 1, verbose: false }), {
    instanceOf: NumericalError,
    message: /\[layers\.0\] element 0 of a tensor of shape \[\d,2\] is NaN, made by log/,
  })
})

test.serial('a NaN that is only there to mark what has no value does not stop checkNaN', (t) => {
  const labels = (...values: number[]) => tensor(values, { dtype: 'int32' })
  debug({ checkNaN: true })
  t.true(Math.abs(crossEntropy(ones([2, 2]), labels(0, 1)).itemSync() - Math.LN2) < 1e-6)
  t.throws(() => crossEntropy(ones([2, 2]), labels(0, 5)), { instanceOf: NumericalError })
})

test.serial('eager gives the same values, compiled functions and gradients included', async (t) => {
  const f = (x: Tensor) => x.tanh().mul(x).sum()
  const x = tensor([0.5, 2], { dtype: 'float64' })
  const count = new Variable(tensor(0, { dtype: 'float64' }))
  const step = jit((a: Tensor) => {
    count.assign(count.value.add(1))
    return grad(f)(a)
  })
  const compiled = [...(await (await step(x)).data())]
  const before = debug({ eager: true })
  t.deepEqual(before, { eager: false, checkNaN: false })
  t.deepEqual([...(await (await step(x)).data())], compiled)
  t.is((await count.data())[0], 2)
})

test.serial('run-time errors carry the line in eager mode', (t) => {
  debug({ eager: true })
  const factor = () => tensor([[0]]).cholesky()
  const error = t.throws(factor, { instanceOf: NumericalError })
  t.regex(error?.stack ?? '', /factor/)
})

test.serial('switches that do not exist or are no switches are refused', (t) => {
  t.throws(() => debug({ checkNan: true } as object), { code: 'UNKNOWN_NAME', message: /checkNaN/ })
  t.throws(() => debug({ eager: 'yes' } as object), { code: 'ARGUMENT', message: /true or false/ })
})
