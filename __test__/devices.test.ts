/** Several devices in one process. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import {
  ArrayDataset,
  arange,
  DeviceError,
  deviceInfo,
  devices,
  evaluate,
  eye,
  full,
  grad,
  HSIC,
  jit,
  key,
  linspace,
  memory,
  normal,
  ones,
  onesLike,
  Sequential,
  type Tensor,
  TreeDataset,
  tensor,
  Variable,
  valueAndGrad,
  zeros,
  zerosLike,
} from '../ts/index.js'
import { equals } from './helpers.js'

const reference = { device: 'reference' } as const

test('the devices are listed, the default one marked', (t) => {
  const listed = devices()
  t.deepEqual(
    listed.map(({ name, kind, isDefault }) => ({ name, kind, isDefault })),
    [
      { name: 'cpu', kind: 'cpu', isDefault: true },
      { name: 'reference', kind: 'reference', isDefault: false },
    ],
  )
  t.true(listed.every(({ threads }) => threads >= 1))
  t.deepEqual(deviceInfo(), listed[0])
})

test('everything that makes tensors takes a device', async (t) => {
  const made = [
    tensor([1, 2, 3], reference),
    zeros([3], reference),
    ones([3], reference),
    full([3], 7, reference),
    arange(3, reference),
    arange(1, 4, { dtype: 'int32', ...reference }),
    linspace(0, 1, 3, reference),
    eye(1, 3, reference),
  ]
  for (const x of made) t.is(x.device, 'reference')
  const [first, ...others] = made as [Tensor, ...Tensor[]]
  const sum = others.reduce((total, x) => total.add(x.cast('float32')), first)
  t.is(sum.device, 'reference')
  await equals(t, sum, [[11, 13.5, 17]])
  t.is(tensor([1], { device: 'auto' }).device, 'cpu')
  t.is(zerosLike(first).device, 'reference')
  t.is(onesLike(first).device, 'reference')
  t.throws(() => onesLike(first).add(tensor([1, 2, 3])), { instanceOf: DeviceError })
})

test('a device that is not there is refused with those that are', (t) => {
  const wrong = {
    instanceOf: DeviceError,
    message: 'tensor: there is no device "tpu"; use "cpu" or "reference", or "auto"',
  }
  t.throws(() => tensor([1], { device: 'tpu' as 'cpu' }), wrong)
  for (const device of ['cuda', 'cuda:1'] as const) {
    const message = new RegExp(
      `^zeros: given device "${device}", but there is no CUDA device: .+; .+\\. Otherwise use "cpu" or "reference", or "auto"$`,
    )
    t.throws(() => zeros([1], { device }), { instanceOf: DeviceError, message })
    t.throws(() => ones([1]).to(device), { instanceOf: DeviceError, message: /^to: given device/ })
    t.throws(() => new Variable(ones([1]), { device }), {
      instanceOf: DeviceError,
      message: /^Variable: given device/,
    })
  }
  t.throws(() => tensor([1], { device: 3 as unknown as 'cpu' }), { instanceOf: DeviceError })
})

test('operands on two devices are refused where they meet', async (t) => {
  const [a, b] = [tensor([1, 2]), tensor([3, 4], reference)]
  const message =
    'add: operands on "cpu" and on "reference"; bring them to one device, for instance with x.to("cpu")'
  t.throws(() => a.add(b), { instanceOf: DeviceError, message })
  await equals(t, a.add(b.to('cpu')), [4, 6])
  await equals(t, a.to('reference').add(b), [4, 6])
  // Constants are computed where they are used, with a value and without.
  const two = full([2], 2)
  t.is(two.device, 'cpu')
  for (let round = 0; round < 2; round++) {
    t.is(two.mul(b).device, 'reference')
    await equals(t, two.mul(b), [6, 8])
    await equals(t, two.mul(a), [2, 4])
    await two.data()
  }
})

test('derivatives of any order come back to where they belong', async (t) => {
  const there = (x: Tensor) => x.to('reference').pow(3).sum().to('cpu')
  const x = tensor([1, 2], { dtype: 'float64' })
  const first = grad(there)
  const second = grad((x: Tensor) => first(x).sum())
  t.deepEqual([first(x).device, second(x).device], ['cpu', 'cpu'])
  await equals(t, first(x), [3, 12])
  await equals(t, second(x), [6, 12])
  const both = grad((x: Tensor) => there(x).add(x.square().sum()))
  await equals(t, both(x), [5, 16])
})

test('a Variable stays on its device', async (t) => {
  const w = new Variable(zeros([2]), { name: 'w', device: 'reference' })
  t.is(w.device, 'reference')
  t.is(w.value.device, 'reference')
  const message =
    'assign: a Variable on "reference" given a tensor on "cpu"; bring it there: x.to("reference")'
  t.throws(() => w.assign(tensor([1, 2])), { instanceOf: DeviceError, message })
  t.is(w.version, 0)
  w.assign(3)
  t.is(w.value.device, 'reference')
  await equals(t, w.value, [3, 3])
  w.assign(tensor([1, 2]).to(w.device))
  await equals(t, w.value, [1, 2])
  t.is(new Variable(tensor([1])).device, 'cpu')
})

test('compiled functions run on the device of their arguments', async (t) => {
  const w = new Variable(tensor([1, 1], reference), { name: 'w' })
  const step = jit((x: Tensor, rate: Tensor) => {
    const { value, grads } = valueAndGrad((w: Tensor) => w.mul(x).sum(), w.value)
    w.assign(w.value.sub(grads.mul(rate)))
    return value
  })
  const x = tensor([1, 2], reference)
  for (const expected of [3, 0.5, -2]) await equals(t, await step(x, 0.5), expected)
  await equals(t, w.value, [-0.5, -2])
  const double = jit((x: Tensor) => x.mul(2))
  t.is((await double(x)).device, 'reference')
  t.is((await double(tensor([1, 2]))).device, 'cpu')
  t.is(double.programs, 2)
  t.throws(() => jit((x: Tensor) => x.to('reference'))(tensor([1])), {
    instanceOf: DeviceError,
    message: /^to: from "cpu" to "reference" while a function is being compiled.*before it is called/,
  })
  t.throws(() => jit((x: Tensor, y: Tensor) => [x, y])(tensor([1]), x), {
    instanceOf: DeviceError,
    message: /^jit: .*on "cpu" and on "reference"/,
  })
})

test('random numbers are the same on every device', async (t) => {
  const drawn = await Promise.all(
    (['cpu', 'reference'] as const).map((device) => {
      const x = normal(key(7).to(device), [100], { dtype: 'float64' })
      t.is(x.device, device)
      return x.array()
    }),
  )
  await equals(t, tensor(drawn[0] as number[], { dtype: 'float64' }), drawn[1] as number[])
})

test('a failure goes along', async (t) => {
  const bad = tensor([[-1]])
    .cholesky()
    .to('reference')
    .add(1)
  await t.throwsAsync(bad.data(), { message: /cholesky/ })
})

test.serial('memory is counted by device', async (t) => {
  const before = memory()
  const x = tensor(new Float64Array(1000), reference)
  const after = memory()
  t.is((after.devices.reference?.bytes ?? 0) - (before.devices.reference?.bytes ?? 0), 8000)
  t.is((after.devices.reference?.buffers ?? 0) - (before.devices.reference?.buffers ?? 0), 1)
  const sum = Object.values(after.devices).reduce((total, { bytes }) => total + bytes, 0)
  t.is(after.bytes, sum)
  x.dispose()
  t.is(memory().devices.reference?.bytes, before.devices.reference?.bytes)
  await evaluate(ones([2]))
})

test('models, estimators and data sets are refused a device that is not there', async (t) => {
  const device = 'tpu' as 'cpu'
  const wrong = { instanceOf: DeviceError, message: /there is no device "tpu"; use "cpu" or "reference"/ }
  t.throws(() => new Sequential({ inputShape: [2], device }), wrong)
  t.throws(() => new HSIC({ sigma: 1, device }), wrong)
  t.throws(() => new ArrayDataset([[1]], [1], { device }), wrong)
  t.throws(() => new TreeDataset({ x: [1] }, { device }), wrong)
  const model = new Sequential({ inputShape: [2] })
  await t.throwsAsync(model.to(device), wrong)
  t.is(model.device, 'cpu')
})

test('HYPERGLOW_DEVICE chooses the default device', async (t) => {
  const library = JSON.stringify(new URL('../ts/index.js', import.meta.url).href)
  const script = `const { ones, tensor, Variable, Sequential, deviceInfo } = await import(${library})
    try {
      const x = tensor([1, 2])
      console.log(x.device, ones([2]).device, new Variable(x).device, new Sequential({ inputShape: [2] }).device,
        deviceInfo().name, x.add(1).sum().itemSync(), tensor([1], { device: 'cpu' }).device)
    } catch (e) { console.log(e.name, e.message) }`
  const run = async (device: string) => {
    const env = { ...process.env, HYPERGLOW_DEVICE: device }
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env,
    })
    return stdout.trim()
  }
  t.is(await run('reference'), 'reference reference reference reference reference 5 cpu')
  t.is(await run('auto'), 'cpu cpu cpu cpu cpu 5 cpu')
  t.is(
    await run('tpu'),
    'DeviceError HYPERGLOW_DEVICE: there is no device "tpu"; this machine has cpu and reference',
  )
})
