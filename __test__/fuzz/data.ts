/** Calls of what reads data sets, and the small files that they read. */
import { writeIdx } from '../../ts/data/idx.js'
import * as hg from '../../ts/index.js'
import type { Call } from './call.js'

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

export const imageSetCalls: readonly Call[] = [
  loader('fashionMnist', hg.fashionMnist, loading({})),
  loader('kmnist', hg.kmnist, loading({})),
  loader('emnist', hg.emnist, loading({ split: 'letters', upright: true })),
  loader('idxDataset', hg.idxDataset, () => [{ ...idxOptions, classNames: ['a', 'b', 'c', 'd'] }]),
]

/** Makes the files that these calls read. */
export async function prepareDataFiles(): Promise<void> {
  const images = { shape: [3, 28, 28], data: new Uint8Array(3 * 784).fill(7) }
  const labels = { shape: [3], data: Uint8Array.of(1, 2, 3) }
  for (const stem of ['train', 't10k', 'emnist-letters-train', 'emnist-letters-test']) {
    await writeIdx(`image-sets/${stem}-images-idx3-ubyte`, images)
    await writeIdx(`image-sets/${stem}-labels-idx1-ubyte`, labels)
  }
}
