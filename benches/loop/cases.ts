/** Work that must not block the event loop: one row each. */
import { mkdtempSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ArrayDataset,
  Dense,
  DynamicsWriter,
  EDGE,
  evaluate,
  HSIC,
  IBSequential,
  informationPlane,
  jit,
  KSG,
  key,
  loadDynamics,
  MINE,
  mutualInformation,
  normal,
  permutationTest,
  readNpy,
  readSafetensors,
  Sequential,
  type Tensor,
  tensor,
  writeAtomic,
  writeNpy,
  writeSafetensors,
} from '../../ts/index.js'
import { dataCases } from './data-cases.js'
import type { LoopCase } from './loop-case.js'

/** Folder of the files of all cases; the caller removes it. */
export const folder = mkdtempSync(join(tmpdir(), 'hyperglow-loop-'))

const M = 1e6

/** Numbers without a pattern, always the same: a sum of four uniform ones. */
function noise(length: number, seed = 1): Float64Array {
  let state = seed
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  }
  return Float64Array.from({ length }, () => draw() + draw() + draw() + draw())
}

const floats = (length: number) => Float32Array.from({ length }, (_, i) => (i % 1009) / 1009)

/** Rows of numbers as nested arrays. */
function nested(rows: number, columns: number, seed = 1): number[][] {
  const values = noise(rows * columns, seed)
  return Array.from({ length: rows }, (_, i) => [...values.subarray(i * columns, (i + 1) * columns)])
}

/** A computed tensor. */
async function computed(x: Tensor): Promise<Tensor> {
  await evaluate(x)
  return x
}

/** A compiled model of 12.5 million weights. */
function wideModel(): Sequential {
  const model = new Sequential({ inputShape: [12_544], seed: 1 })
  model.add(new Dense(990, { activation: 'relu' }))
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ optimizer: 'sgd', loss: 'crossEntropy' })
  return model
}

/** A perceptron for inputs [20] and ten classes. */
function smallModel(depth = 2): IBSequential {
  const model = new IBSequential({ inputShape: [20], trackDynamics: true, seed: 1 })
  for (let layer = 0; layer < depth; layer++) model.add(new Dense(32, { activation: 'relu' }))
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({ optimizer: 'sgd', loss: 'crossEntropy', metrics: ['accuracy'] })
  return model
}

const samples = 20_000
/** Two columns that depend on each other. */
function pair(): { x: Float64Array; y: Float64Array } {
  const [x, other] = [noise(samples, 1), noise(samples, 2)]
  return { x, y: x.map((value, i) => value + (other[i] as number)) }
}

const estimates: readonly LoopCase[] = [
  {
    name: `mutualInformation, ${samples} numbers`,
    prepare: async () => {
      const { x, y } = pair()
      return () => mutualInformation(x, y)
    },
  },
  {
    name: `mutualInformation, ${samples} numbers and labels`,
    prepare: async () => {
      const { x, y } = pair()
      const labels = Int32Array.from(y, (value) => Math.floor(value * 2) + 10)
      return () => mutualInformation(x, labels)
    },
  },
  {
    name: `mutualInformation, ${samples} rounded numbers`,
    prepare: async () => {
      const { x, y } = pair()
      const rounded = x.map((value) => Math.round(value * 20) / 20)
      return () => mutualInformation(rounded, y)
    },
  },
  {
    name: `mutualInformation, nested arrays ${samples} x 20`,
    prepare: async () => {
      const [x, y] = [nested(samples, 20), noise(samples, 3)]
      return () => mutualInformation(x, y)
    },
  },
  {
    name: 'mutualInformation of a million labels',
    prepare: async () => {
      const x = Int32Array.from({ length: M }, (_, i) => (i * 7919) % 13)
      const y = x.map((label, i) => (i % 3 === 0 ? i % 5 : label))
      return () => mutualInformation(x, y)
    },
  },
  {
    name: 'EDGE of 300,000 numbers',
    prepare: async () => {
      const [x, y] = [noise(300_000, 1), noise(300_000, 2)]
      return () => new EDGE().estimate(x, y)
    },
  },
  {
    name: 'permutationTest of 1000 numbers',
    prepare: async () => {
      const [x, y] = [noise(1000, 1), noise(1000, 2)]
      return () => permutationTest(x, y, new HSIC({ sigma: 'median' }), { permutations: 100 })
    },
  },
  {
    name: 'fifty estimates of 300 numbers at once',
    prepare: async () => {
      const pairs = Array.from({ length: 50 }, (_, i) => [noise(300, i + 1), noise(300, i + 100)] as const)
      return () => Promise.all(pairs.map(([x, y]) => mutualInformation(x, y)))
    },
  },
  {
    name: 'three hundred estimates of 300 numbers, one after the other',
    prepare: async () => {
      const [x, y] = [noise(300, 1), noise(300, 2)]
      const ksg = new KSG()
      return async () => {
        for (let i = 0; i < 300; i++) await ksg.estimate(x, y)
      }
    },
  },
  {
    name: 'mutualInformation, 2000 samples of 40 columns and 10',
    prepare: async () => {
      const x = { dtype: 'float64', shape: [2000, 40], data: noise(80_000, 1) } as const
      const y = { dtype: 'float64', shape: [2000, 10], data: noise(20_000, 2) } as const
      return () => mutualInformation(x, y)
    },
  },
  {
    name: `EDGE, ${samples} numbers`,
    prepare: async () => {
      const { x, y } = pair()
      return () => new EDGE().estimate(x, y)
    },
  },
  {
    name: 'MINE, 500 numbers',
    prepare: async () => {
      const { x, y } = pair()
      return () => new MINE({ steps: 50 }).estimate(x.subarray(0, 500), y.subarray(0, 500))
    },
  },
  {
    name: 'HSIC of 5000 samples',
    prepare: async () => {
      const x = { dtype: 'float64', shape: [5000, 10], data: noise(50_000, 1) } as const
      const y = { dtype: 'float64', shape: [5000, 10], data: noise(50_000, 2) } as const
      return () => new HSIC({ sigma: 1 }).estimate(x, y)
    },
  },
]

const values: readonly LoopCase[] = [
  {
    name: 'data() of 200 MB',
    prepare: async () => {
      const x = await computed(normal(key(1), [50 * M]))
      return async () => {
        await x.data()
        x.dispose()
      }
    },
  },
  {
    name: 'array() of 1000 x 1000',
    prepare: async () => {
      const x = await computed(normal(key(1), [1000, 1000]))
      return async () => {
        await x.array()
        x.dispose()
      }
    },
  },
  {
    name: 'tensor() of nested arrays 20000 x 20',
    isSynchronous: true,
    prepare: async () => {
      const rows = nested(20_000, 20)
      return () => tensor(rows).dispose()
    },
  },
  {
    name: 'tensor() of a Float32Array of 50 MB',
    isSynchronous: true,
    megabytes: 50,
    prepare: async () => {
      const x = floats(12.5 * M)
      return () => tensor(x).dispose()
    },
  },
  {
    name: 'dispose() of 100,000 tensors',
    isSynchronous: true,
    prepare: async () => {
      const all = Array.from({ length: 100_000 }, (_, i) => tensor([i]))
      return () => {
        for (const one of all) one.dispose()
      }
    },
  },
  {
    name: 'trace of a function of 300 nodes',
    prepare: async (round) => {
      const x = await computed(normal(key(1), [8, 8]))
      return async () => {
        const f = jit((a: Tensor) => {
          let b = a
          for (let i = 0; i < 150; i++) b = b.mul(1 + round).add(i)
          return b
        })
        const y = await f(x)
        for (const used of [x, y, f]) used.dispose()
      }
    },
  },
]

const file = (name: string) => join(folder, name)
const big = () => ({ dtype: 'float32', shape: [12.5 * M], data: floats(12.5 * M) }) as const

const files: readonly LoopCase[] = [
  {
    name: 'writeNpy of 50 MB',
    megabytes: 50,
    prepare: async () => {
      const array = big()
      return () => writeNpy(file('a.npy'), array)
    },
  },
  {
    name: 'readNpy of 50 MB',
    prepare: async () => {
      await writeNpy(file('a.npy'), big())
      return () => readNpy(file('a.npy'))
    },
  },
  {
    name: 'readNpy of 50 MB of float64 in the other order of bytes and of axes',
    prepare: async () => {
      const data = new Float64Array(6.25 * M)
      await writeNpy(file('f.npy'), { dtype: 'float64', shape: [2500, 2500], data })
      const bytes = await readFile(file('f.npy'))
      const header = bytes.toString('latin1', 0, 128).replace("'<f8'", "'>f8'").replace('False', 'True ')
      bytes.write(header, 'latin1')
      await writeAtomic(file('f.npy'), bytes)
      return () => readNpy(file('f.npy'))
    },
  },
  {
    name: 'writeSafetensors of 50 MB',
    megabytes: 50,
    prepare: async () => {
      const a = big()
      return () => writeSafetensors(file('a.safetensors'), { a })
    },
  },
  {
    name: 'writeSafetensors of 50 MB of bool',
    megabytes: 50,
    prepare: async () => {
      const a = { dtype: 'bool', shape: [50 * M], data: new Uint8Array(50 * M).fill(1) } as const
      return () => writeSafetensors(file('b.safetensors'), { a })
    },
  },
  {
    name: 'readSafetensors of 50 MB and 50 MB of bool',
    prepare: async () => {
      const b = { dtype: 'bool', shape: [50 * M], data: new Uint8Array(50 * M) } as const
      await writeSafetensors(file('ab.safetensors'), { a: big(), b })
      return () => readSafetensors(file('ab.safetensors'))
    },
  },
  {
    name: 'loadDynamics of 200 epochs of 1000 batches',
    prepare: async (round) => {
      const path = file(`dynamics-${round}`)
      const writer = await DynamicsWriter.create(path, {
        epochs: 200,
        batches: 1000,
        evaluators: ['a', 'b'],
        layers: ['one', 'two', 'three'],
        chunkBatches: 1000,
        seed: 1,
      })
      const values = new Float32Array(12).fill(1)
      for (let epoch = 0; epoch < 200; epoch++)
        for (let batch = 0; batch < 1000; batch++) await writer.append(epoch, batch, values)
      await writer.close()
      return () => loadDynamics(path)
    },
  },
]

const models: readonly LoopCase[] = [
  {
    name: 'save of 12.5 million weights',
    prepare: async () => {
      const model = wideModel()
      await evaluate(Object.values(model.weights))
      return async () => {
        await model.save(file('model'))
        model.dispose()
      }
    },
  },
  {
    name: 'load of 12.5 million weights',
    prepare: async () => {
      const model = wideModel()
      await model.save(file('model'))
      return async () => {
        await model.load(file('model'))
        model.dispose()
      }
    },
  },
  {
    name: 'fit of a Float32Array of 200 MB, one epoch',
    megabytes: 200,
    prepare: async () => {
      const n = (50 * M) / 2000
      const x = { dtype: 'float32', shape: [n, 2000], data: floats(50 * M) } as const
      const model = new Sequential({ inputShape: [2000], seed: 1 })
      model.add(new Dense(10, { activation: 'softmax' }))
      model.compile({ optimizer: 'sgd', loss: 'crossEntropy' })
      const y = Int32Array.from({ length: n }, (_, i) => i % 10)
      return async () => {
        await model.fit(x.data, y, { epochs: 1, batchSize: 512, verbose: false })
        model.dispose()
      }
    },
  },
  {
    name: 'fit of nested arrays 20000 x 20, one epoch',
    prepare: async () => {
      const x = nested(20_000, 20)
      const y = Int32Array.from({ length: 20_000 }, (_, i) => i % 10)
      const model = smallModel()
      return async () => {
        await model.fit(x, y, { epochs: 1, batchSize: 256, verbose: false })
        model.dispose()
      }
    },
  },
  {
    name: 'predict of 200,000 rows',
    prepare: async () => {
      const x = await computed(normal(key(1), [200_000, 20]))
      const model = smallModel()
      return async () => {
        const y = await model.predict(x)
        await y.data()
        for (const used of [x, y, model]) used.dispose()
      }
    },
  },
  {
    name: 'fit of a million shuffled samples, one epoch',
    prepare: async () => {
      const x = await computed(normal(key(1), [M, 20]))
      const y = Int32Array.from({ length: M }, (_, i) => i % 10)
      const data = new ArrayDataset(x, y, { batchSize: 8192, shuffle: true })
      const model = smallModel()
      return async () => {
        await model.fitDataset(data, { epochs: 1, verbose: false })
        for (const used of [data, model]) used.dispose()
      }
    },
  },
  {
    name: 'fit of twenty layers, one epoch of ten batches',
    prepare: async () => {
      const x = await computed(normal(key(1), [640, 20]))
      const y = Int32Array.from({ length: 640 }, (_, i) => i % 10)
      const model = smallModel(20)
      model.attachEvaluator(new HSIC({ sigma: 5 }))
      return async () => {
        await model.fit(x, y, { epochs: 1, batchSize: 64, verbose: false })
        for (const used of [x, model]) used.dispose()
      }
    },
  },
  {
    name: 'fit with an evaluator, two epochs, and its plane as SVG',
    prepare: async () => {
      const model = smallModel()
      model.attachEvaluator(new HSIC({ sigma: 5 }))
      const x = await computed(normal(key(1), [6400, 20]))
      const y = Int32Array.from({ length: 6400 }, (_, i) => i % 10)
      return async () => {
        await model.fit(x, y, { epochs: 2, batchSize: 64, verbose: false })
        await informationPlane(model).save(file('plane.svg'))
        for (const used of [x, model]) used.dispose()
      }
    },
  },
]

/** The trajectories of six layers over 2000 epochs. */
function courses() {
  const layers = ['one', 'two', 'three', 'four', 'five', 'six']
  const at = (epoch: number, layer: number) => 1 + Math.sin(epoch / 997 + layer)
  const values = Array.from({ length: 2000 }, (_, epoch) => [
    layers.map((_, layer) => [at(epoch, layer), at(2 * epoch, layer)]),
  ])
  return { values, layers, evaluators: ['HSIC'], units: ['none'] }
}

const figures: readonly LoopCase[] = [
  {
    name: 'informationPlane() of 2000 epochs',
    isSynchronous: true,
    prepare: async () => {
      const source = courses()
      return () => informationPlane(source)
    },
  },
  ...['svg', 'png'].map((format) => ({
    name: `save of an information plane of 2000 epochs as ${format}`,
    prepare: async () => {
      const plane = informationPlane(courses())
      return () => plane.save(file(`plane.${format}`))
    },
  })),
]

/** All cases, by topic. */
export const cases: readonly LoopCase[] = [
  ...estimates,
  ...values,
  ...files,
  ...models,
  ...figures,
  ...dataCases(folder),
]
