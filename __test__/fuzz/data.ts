/** Calls of the functions that read data sets, and their small files. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { writeIdx } from '../../ts/data/idx.js'
import * as hg from '../../ts/index.js'
import { type Call, constructorCall, type FunctionTable, functionCalls } from './call.js'
import { some } from './operations.js'

const loading = (own: object) => () => [
  { batchSize: 2, validationSplit: 0.5, seed: 1, limit: 3, dataDir: 'image-sets', verify: true, ...own },
]

type Loader = { readonly load: (options: never) => unknown }

const loader = (name: string, { load }: Loader, args: () => unknown[]): Call => ({
  name: `${name}.load`,
  args,
  run: ([options]) => load(options as never),
})

const idxOptions = { batchSize: 2, validationSplit: 0.5, seed: 1, limit: 3, dataDir: 'image-sets' }

const imageSetCalls: readonly Call[] = [
  loader('fashionMnist', hg.fashionMnist, loading({})),
  loader('kmnist', hg.kmnist, loading({})),
  loader('emnist', hg.emnist, loading({ split: 'letters', upright: true })),
  loader('cifar10', hg.cifar10, loading({})),
  loader('cifar100', hg.cifar100, loading({ labels: 'coarse' })),
  loader('idxDataset', hg.idxDataset, () => [{ ...idxOptions, classNames: ['a', 'b', 'c', 'd'] }]),
]

const images = () => some([3, 2, 4, 4])
const ints = (rows: number[] | number[][]) => hg.tensor(rows, { dtype: 'int32' })
const places = () =>
  ints([
    [0, 1],
    [1, 0],
    [2, 1],
  ])
const labels = () => ints([0, 1, 2])
const batch = () => ({ x: images(), y: labels() })

const dataset = () =>
  new hg.ArrayDataset(some([10, 3]), ints([0, 1, 0, 1, 1, 1, 0, 0, 2, 2]), { batchSize: 4, shuffle: true })

/** A call of a function that makes an augmentation, which is then applied. */
const augmentation = (...args: unknown[]) => ({
  args: () => args,
  use: (change: hg.Augmentation) => change(batch(), hg.key(1)),
})

/** Goes through a source of batches. */
async function through(source: AsyncIterable<hg.Batch>): Promise<void> {
  for await (const { x } of source) await x.data()
}

/** Iterates over a value that may not be batches. */
async function past(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}

/** Takes the first batch alone: with other options there may be very many. */
async function briefly(loader: hg.WorkerLoader): Promise<void> {
  await using open = loader
  for await (const { x } of open) {
    await x.data()
    break
  }
}

const stored = () => ({ dtype: 'int32', shape: [3, 1], data: Int32Array.of(0, 1, 1) })

const functions: FunctionTable = {
  tensor: () => [stored(), { shape: [1, 3], dtype: 'int32' }],
  augment: augmentation([hg.horizontalFlip(), hg.cutout({ size: 2 })]),
  augmented: { args: () => [[batch()], hg.horizontalFlip(), { seed: 1 }], use: through },
  cropImages: () => [images(), places(), { size: [2, 3], padding: 1, mode: 'constant', fill: 0.5 }],
  cutout: augmentation({ size: 2, fill: 0.5, holes: 2 }),
  cutoutImages: () => [images(), places(), { size: 2, fill: 0.5 }],
  flipImages: () => [images(), ints([0, 1, 1]), 'vertical'],
  horizontalFlip: augmentation({ probability: 0.4 }),
  kFold: () => [dataset(), { folds: 3, stratify: true, seed: 2 }],
  mixSamples: () => [images(), ints([1, 2, 0]), some([3])],
  mixup: augmentation({ alpha: 0.4, classes: 3 }),
  noise: augmentation({ std: 0.1 }),
  normalization: augmentation({ mean: [0.1, 0.2], std: 0.5 }),
  normalizeImages: () => [images(), 0.5, [0.1, 0.2]],
  readCifar10: () => [{ dataDir: 'image-sets', verify: true }],
  readCifar100: () => [{ dataDir: 'image-sets', verify: true }],
  prefetch: { args: () => [[batch()], { batches: 2 }], use: past },
  quarterTurns: augmentation(),
  randomCrop: augmentation({ size: [3, 3], padding: 1, mode: 'reflect', fill: 0 }),
  randomShift: augmentation({ most: [1, 2], fill: 0.5 }),
  splitDataset: () => [dataset(), { train: 0.5, validation: 0.2, test: 2, stratify: true, seed: 2 }],
  shiftImages: () => [images(), places(), { fill: 0.5 }],
  turnImages: () => [images(), ints([1, 2, 3])],
  workerLoader: {
    args: () => [
      'samples.mjs',
      {
        samples: 3,
        batchSize: 2,
        shuffle: true,
        seed: 1,
        workers: 1,
        ahead: 1,
        call: 'sample',
        export: 'load',
        classes: 3,
        data: { offset: 1 },
      },
    ],
    use: briefly,
  },
  verticalFlip: augmentation({ probability: 0.4 }),
}

export const dataCalls: readonly Call[] = [
  ...imageSetCalls,
  constructorCall('ArrayDataset', hg.ArrayDataset, () => [stored(), stored(), { batchSize: 2 }]),
  ...functionCalls(hg as unknown as Readonly<Record<string, unknown>>, functions),
]

/** Makes the files that these calls read. */
export async function prepareDataFiles(): Promise<void> {
  writeFileSync('samples.mjs', 'export const load = (index) => ({ x: [index, 1], y: index })')
  mkdirSync('image-sets', { recursive: true })
  const images = { shape: [3, 28, 28], data: new Uint8Array(3 * 784).fill(7) }
  const labels = { shape: [3], data: Uint8Array.of(1, 2, 3) }
  for (const name of ['1', '2', '3', '4', '5']) {
    writeFileSync(`image-sets/data_batch_${name}.bin`, new Uint8Array(3073))
  }
  writeFileSync('image-sets/test_batch.bin', new Uint8Array(3073))
  for (const name of ['train', 'test']) writeFileSync(`image-sets/${name}.bin`, new Uint8Array(2 * 3074))
  for (const stem of ['train', 't10k', 'emnist-letters-train', 'emnist-letters-test']) {
    await writeIdx(`image-sets/${stem}-images-idx3-ubyte`, images)
    await writeIdx(`image-sets/${stem}-labels-idx1-ubyte`, labels)
  }
}
