/** Calls of the functions that read and measure activations, and their small dump. */
import * as hg from '../../ts/index.js'
import { type Call, type FunctionTable, functionCalls } from './call.js'

const samples = 12
const floats = (width: number, scale: number): hg.ArrayData => ({
  dtype: 'float32',
  shape: [samples, width],
  data: Float32Array.from({ length: samples * width }, (_, i) => Math.sin(scale * i)),
})
const labels = (): hg.ArrayData => ({
  dtype: 'int32',
  shape: [samples],
  data: Int32Array.from({ length: samples }, (_, i) => i % 3),
})
const lazy = (array: hg.ArrayData): hg.LazyArray => ({ ...array, read: async () => array })

/** Activations in memory. */
const activations = (): hg.Activations => ({
  source: 'memory',
  notes: [],
  runs: [
    {
      name: 'a',
      epochs: [0, 1],
      epochsKnown: true,
      layers: ['fc1', 'fc2'],
      x: () => lazy(floats(3, 1)),
      y: () => lazy(labels()),
      layer: (epoch, name) => lazy(floats(2, name === 'fc1' ? 1 + epoch : 0.3)),
    },
  ],
})

const options = {
  units: 'bits',
  layers: ['fc*'],
  epochs: [1],
  samples: 10,
  bootstrap: 2,
  level: 0.9,
  permutations: 2,
  seed: 1,
  onProgress: () => {},
}

const functions: FunctionTable = {
  readActivations: () => ['a-dump', { x: 'x', y: labels(), layers: ['fc1'] }],
  inspect: () => [activations(), { values: 20 }],
  measure: () => [activations(), [new hg.Binned(), new hg.KDE()], options],
}

/** Makes the dump that the calls read. */
export async function prepareDump(): Promise<void> {
  await hg.writeAtomic('a-dump/note.txt', 'no array')
  await hg.writeNpz('a-dump/epoch_1.npz', { x: floats(3, 1), y: labels(), fc1: floats(2, 0.5) })
}

export const activationCalls: readonly Call[] = functionCalls(
  hg as unknown as Readonly<Record<string, unknown>>,
  functions,
)
