/** A CUDA device gives the CPU's numbers. Skipped where there is none. */
import test from 'ava'
import {
  Dense,
  type DeviceRequest,
  devices,
  grad,
  HSIC,
  KSG,
  key,
  memory,
  normal,
  Sequential,
  type Tensor,
  tensor,
} from '../ts/index.js'
import { close } from './close.js'

const found = devices().find(({ kind }) => kind === 'cuda')
const onCuda = found ? test : test.skip

/** The values of a function of samples, on the CPU and on the CUDA device. */
async function both(make: (x: Tensor) => Tensor | Promise<Tensor>): Promise<[Float32Array, Float32Array]> {
  const values: Float32Array[] = []
  for (const device of ['cpu', 'cuda'] as DeviceRequest[]) {
    const x = normal(key(3), [24, 3]).to(device)
    values.push((await (await make(x)).data()) as Float32Array)
  }
  return values as [Float32Array, Float32Array]
}

onCuda('the device is described', (t) => {
  t.regex(found?.name ?? '', /^cuda:\d+$/)
  t.regex(found?.capability ?? '', /^\d+\.\d+$/)
  t.true((found?.model ?? '').length > 0)
  t.true((found?.memoryBytes ?? 0) >= (found?.freeBytes ?? 1))
  const x = tensor([1, 2, 3], { device: 'cuda' })
  t.is(x.device, 'cuda:0')
  t.true((memory().devices['cuda:0']?.bytes ?? 0) >= 12)
})

onCuda('elementwise results have the bits of the CPU', async (t) => {
  const [cpu, cuda] = await both((x) => x.mul(3).tanh().add(x.exp()))
  t.deepEqual(cuda, cpu)
})

onCuda('products and gradients are near those of the CPU', async (t) => {
  const loss = (x: Tensor) => x.matmul(x.transpose()).tanh().sum()
  const [cpu, cuda] = await both((x) => grad(loss)(x))
  close(t, cuda, cpu, 1e-5)
})

onCuda('HSIC, KSG and a step of training are near those of the CPU', async (t) => {
  const measured: number[][] = []
  const losses: (readonly number[])[] = []
  for (const device of ['cpu', 'cuda'] as DeviceRequest[]) {
    const x = normal(key(3), [24, 3]).to(device)
    const y = x.square()
    measured.push([await new HSIC({ sigma: 1 }).estimate(x, y), await new KSG({ k: 3 }).estimate(x, y)])
    const model = new Sequential({ inputShape: [3], device, seed: 1 })
      .add(new Dense(4, { activation: 'tanh' }))
      .add(new Dense(1))
      .compile({ loss: 'mse', optimizer: 'adam' })
    const target = x.sum([1]).expandDims(1)
    const { loss } = await model.fit(x, target, { epochs: 2, batchSize: 8, verbose: false })
    losses.push(loss)
  }
  close(t, measured[1] as number[], measured[0] as number[], 1e-5)
  close(t, losses[1] as number[], losses[0] as number[], 1e-5)
})
