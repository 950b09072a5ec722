import {
  type ArrayDataset,
  ArrayDataset as Data,
  Dense,
  IBSequential,
  type NetworkOptions,
} from '../ts/index.js'
import { numbers } from './helpers.js'

/** Points in four dimensions, labeled by their region: learnable in a few epochs. */
export function points(count: number, salt = 1): { x: Float32Array; y: Int32Array } {
  const x = Float32Array.from(numbers(count * 4, -1, 1, salt))
  const y = Int32Array.from({ length: count }, (_, i) => {
    const [a = 0, b = 0, c = 0] = x.subarray(i * 4)
    return a + b > 0 ? 0 : c > 0 ? 1 : 2
  })
  return { x, y }
}

/** The same as a dataset. */
export function dataset(count: number, batchSize: number, shuffle = false, seed = 0): ArrayDataset {
  const { x, y } = points(count)
  return new Data(x, y, { batchSize, inputShape: [4], shuffle, seed, classes: 3 })
}

/** Two dense layers, compiled. */
export function classifier(options: Partial<NetworkOptions> = {}, learningRate = 0.1): IBSequential {
  const model = new IBSequential({ inputShape: [4], ...options })
  model.add(new Dense(8, { activation: 'relu' }))
  model.add(new Dense(3, { activation: 'softmax' }))
  return model.compile({ metrics: ['accuracy'], learningRate })
}

/** All weights, in order. */
export async function weightsOf(model: { weights: IBSequential['weights'] }): Promise<number[][]> {
  return Promise.all(
    Object.values(model.weights).map(async (variable) => [...(await variable.data())].map(Number)),
  )
}
