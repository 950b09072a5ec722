/** PyGlow's promises about its estimators, with its bounds, that no other test covers. */
import test from 'ava'
import {
  Binned,
  CKA,
  DeviceError,
  EDGE,
  type Estimator,
  floorHash,
  grad,
  HSIC,
  KDE,
  KNN,
  KSG,
  key,
  MINE,
  normal,
  type Tensor,
  tensor,
  UnknownNameError,
} from '../ts/index.js'
import { close, sample } from './helpers.js'

/** n pairs of normal numbers with correlation r. */
function normalPairs(n: number, r: number): { x: Tensor; y: Tensor } {
  const z = normal(key(1), [2, n, 1], { dtype: 'float64' })
  const [x, noise] = [z.slice([0], [1]).reshape([n, 1]), z.slice([1], [2]).reshape([n, 1])]
  return { x, y: x.mul(r).add(noise.mul(Math.sqrt(1 - r * r))) }
}

const truth = (r: number) => -0.5 * Math.log(1 - r * r)

test('information of 5,000 normal pairs is as near as promised', async (t) => {
  const { x, y } = normalPairs(5000, 0.5)
  const bounds: [Estimator, number][] = [
    [new EDGE(), 0.1],
    [new KSG(), 0.03],
    [new KSG({ variant: 2 }), 0.03],
    [new KNN(), 0.05],
  ]
  for (const [estimator, bound] of bounds) {
    const error = (await estimator.estimate(x, y)) - truth(0.5)
    t.true(Math.abs(error) < bound, `${estimator.name}: off by ${error}`)
  }
})

test('a trained critic finds the information of strongly correlated pairs', async (t) => {
  const { x, y } = normalPairs(5000, 0.9)
  const found = await new MINE({ steps: 1000, critic: 'separable' }).estimate(x, y)
  t.true(Math.abs(found - truth(0.9)) < 0.15, `${found}, truth ${truth(0.9)}`)
})

test('information is in nats unless told otherwise', async (t) => {
  const { x, y } = normalPairs(200, 0.7)
  for (const make of [
    (base: object) => new Binned({ range: 'data', ...base }),
    (base: object) => new KDE(base),
    (base: object) => new KSG(base),
    (base: object) => new KNN(base),
    (base: object) => new EDGE(base),
  ]) {
    const [nats, bits] = [make({}), make({ base: 2 })]
    t.deepEqual([nats.unit, bits.unit], ['nats', 'bits'])
    const inNats = await nats.estimate(x, y)
    close(t, await bits.estimate(x, y), inNats / Math.LN2, 1e-9)
  }
  const { bins, range } = new Binned().params
  t.deepEqual(
    { bins, range, k: new KSG().params.k, nearest: new KNN().params.k },
    { bins: 30, range: [-1, 1], k: 3, nearest: 3 },
  )
})

test('binning is exact for numbers that are few', async (t) => {
  const x = tensor(Float64Array.from({ length: 300 }, (_, i) => i % 4))
  const y = tensor(Float64Array.from({ length: 300 }, (_, i) => (i % 4) >> 1))
  for (const range of ['data', [0, 3]] as const) {
    close(t, new Binned({ range }).criterion(x, y).itemSync(), Math.LN2, 1e-12)
    close(t, new Binned({ range }).criterion(x, x).itemSync(), Math.log(4), 1e-12)
  }
})

test('the hash of EDGE is a floor, entry by entry', (t) => {
  const x = tensor([-1.2, -0.5, 0, 0.49, 0.5, 3], { dtype: 'float64' })
  t.deepEqual(floorHash(x, 0.5).arraySync(), [-3, -1, 0, 0, 1, 6])
  t.deepEqual(floorHash(x, 1, 0.5).arraySync(), [-1, 0, 0, 0, 1, 3])
  t.throws(() => new EDGE({ epsilon: 1 } as never), { instanceOf: UnknownNameError, message: /widths/ })
})

test('an estimator keeps its options, and refuses a device that is not there when it is made', (t) => {
  t.deepEqual(new HSIC({ kernel: 'gaussian', sigma: 5 }).params, { kernel: 'gaussian', sigma: 5 })
  for (const make of [
    () => new HSIC({ sigma: 1, device: 'cuda' }),
    () => new KSG({ device: 'cuda' }),
    () => new CKA({ device: 'cuda' }),
  ]) {
    t.throws(make, { instanceOf: DeviceError, message: /use "cpu" or "reference"/ })
  }
})

test('HSIC of float32 has the value of float64 to 1e-5, and its gradient to 1e-4', (t) => {
  const [x, y] = [sample([64, 5]), sample([64, 3], -1, 1, 2)]
  for (const hsic of [new HSIC({ sigma: 1.5 }), new HSIC({ sigma: 1.5, estimator: 'pyglow' })]) {
    const exact = hsic.criterion(x, y).itemSync()
    const single = hsic.criterion(x.cast('float32'), y.cast('float32')).itemSync()
    t.true(Math.abs(single / exact - 1) < 1e-5)
    const slope = (dtype: 'float32' | 'float64') => {
      const target = y.cast(dtype)
      return grad((z: Tensor) => hsic.criterion(z, target))(x.cast(dtype)).cast('float64')
    }
    const [own, wanted] = [slope('float32'), slope('float64')]
    const size = wanted.abs().max().itemSync()
    t.true(own.sub(wanted).abs().max().itemSync() < 1e-4 * size)
  }
})

test('the scale of PyGlow is m - 1 times the published one', (t) => {
  const [x, y] = [sample([20, 4]), sample([20, 2], -1, 1, 2)]
  const value = (estimator: 'biased' | 'pyglow') =>
    new HSIC({ sigma: 1, estimator }).criterion(x, y).itemSync()
  close(t, value('pyglow'), 19 * value('biased'), 1e-12)
})
