/** A failure affects only the results that depend on it. */
import test from 'ava'
import {
  Dense,
  DeviceError,
  evaluate,
  jit,
  NumericalError,
  ones,
  Sequential,
  type Tensor,
  tensor,
  Variable,
  zeros,
} from '../ts/index.js'
import { equals } from './helpers.js'

const negative = () =>
  tensor([
    [-1, 0],
    [0, -1],
  ])
const numerical = { instanceOf: NumericalError }
/** 4 TiB. */
const huge = () => ones([2 ** 20, 2 ** 20]).mul(2)

test('a model too large for the memory fails for itself', async (t) => {
  const model = new Sequential({ inputShape: [2 ** 20] }).add(new Dense(2 ** 19))
  const x = new Float32Array(2 ** 20)
  await t.throwsAsync(model.predict(x), { instanceOf: DeviceError })
  await equals(t, ones([3]).add(1), [2, 2, 2])
  await t.throwsAsync(model.predict(x), { instanceOf: DeviceError })
  model.dispose()
  await equals(t, ones([3]).add(2), [3, 3, 3])
})

test('a Variable too large for the memory fails whenever it is read, and never else', async (t) => {
  const v = new Variable(huge())
  const counter = new Variable(zeros([2]))
  const step = jit((x: Tensor) => {
    counter.assign(counter.value.add(x))
    return counter.value.sum()
  })
  for (let round = 1; round <= 2; round++) {
    await equals(t, await step(ones([2])), 2 * round)
    counter.assign(counter.value.add(0))
    t.deepEqual([...(await counter.data())], [round, round])
    await t.throwsAsync(() => v.data(), { instanceOf: DeviceError })
    t.throws(() => v.dataSync(), { instanceOf: DeviceError })
  }
  const reads = jit(() => v.value.slice([0, 0], [1, 1]).sum())
  await t.throwsAsync(async () => reads(), { instanceOf: DeviceError })
  v.dispose()
  t.deepEqual(ones([2]).add(1).dataSync(), Float32Array.of(2, 2))
})

test('an assignment that fails is told to each reader until another one heals it', async (t) => {
  const v = new Variable(negative())
  const good = new Variable(zeros([2]))
  v.assign(v.value.cholesky())
  good.assign(good.value.add(1))
  await equals(t, ones([2]).add(1), [2, 2])
  t.deepEqual([...(await good.data())], [1, 1])
  for (let round = 0; round < 2; round++) {
    await t.throwsAsync(() => v.data(), numerical)
    t.throws(() => v.dataSync(), numerical)
    await t.throwsAsync(() => evaluate(v), numerical)
    await t.throwsAsync(() => v.value.add(1).data(), numerical)
  }
  t.is(v.version, 0)
  v.assign(
    tensor([
      [4, 0],
      [0, 9],
    ]).cholesky(),
  )
  t.deepEqual([...(await v.data())], [2, 0, 0, 3])
  t.is(v.version, 1)
})

test('of tensors evaluated together the good ones can be read', async (t) => {
  const [good, bad] = [negative().mul(2), negative().cholesky()]
  await t.throwsAsync(() => evaluate({ good, bad }), numerical)
  await equals(t, good, [
    [-2, 0],
    [0, -2],
  ])
  await t.throwsAsync(() => bad.data(), numerical)
})

test('a compiled function fails by what it reads, and only by that', async (t) => {
  const [bad, good] = [new Variable(negative()), new Variable(zeros([]))]
  const ofBad = jit(() => bad.value.sum())
  const ofGood = jit(() => {
    good.assign(good.value.add(1))
    return good.value
  })
  bad.assign(bad.value.cholesky())
  await equals(t, await ofGood(), 1)
  await t.throwsAsync(async () => ofBad(), numerical)
  await t.throwsAsync(async () => ofBad(), numerical)
  await equals(t, await ofGood(), 2)
  bad.assign(1)
  await equals(t, await ofBad(), 4)
})

test('a loop that only assigns keeps its graph small beside an assignment that fails', async (t) => {
  const [bad, counter] = [new Variable(negative()), new Variable(zeros([]))]
  for (let i = 0; i < 50; i++) {
    bad.assign(negative().cholesky())
    counter.assign(counter.value.add(1))
    await equals(t, ones([]).add(i), i + 1)
  }
  t.deepEqual([...(await counter.data())], [50])
  await t.throwsAsync(() => bad.data(), numerical)
})
