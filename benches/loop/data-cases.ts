/** Data sets and tables of full size, read without blocking the event loop. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { writeIdx } from '../../ts/data/idx.js'
import {
  ArrayDataset,
  Binned,
  cifar10,
  emnist,
  inspect,
  KDE,
  kFold,
  measure,
  readActivations,
  readCsv,
  readNpz,
  splitDataset,
  writeNpz,
} from '../../ts/index.js'
import type { LoopCase } from './loop-case.js'

/** Bytes with little pattern, always the same. */
function bytes(length: number): Uint8Array {
  const made = new Uint8Array(length)
  for (let i = 0; i < length; i++) made[i] = Math.imul(i, 2654435761) >>> 24
  return made
}

/** A file of a tar archive: its header, its contents, and padding. */
function member(name: string, contents: Uint8Array): Uint8Array[] {
  const header = Buffer.alloc(512)
  header.write(name)
  header.write(contents.length.toString(8).padStart(11, '0'), 124)
  header.write('        0', 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return [header, contents, Buffer.alloc(-contents.length & 511)]
}

/** The five training files and the test file, all the same. */
function archive(folder: string, name: string, ending: string, contents: Uint8Array): string {
  mkdirSync(folder, { recursive: true })
  const names = [...['1', '2', '3', '4', '5'].map((n) => `data_batch_${n}`), 'test_batch']
  // A gzip file may consist of several: the contents are compressed once.
  const zipped = gzipSync(contents, { level: 1 })
  const parts = names.flatMap((file) => {
    const [header, , filling] = member(`${file}${ending}`, contents) as [Uint8Array, Uint8Array, Uint8Array]
    return [gzipSync(header), zipped, gzipSync(filling)]
  })
  writeFileSync(join(folder, name), Buffer.concat(parts))
  return join(folder, name)
}

/** A batch of CIFAR-10 in the pickle format of Python 2: texts with one byte of length, and an array of bytes. */
function pickled(count: number): Uint8Array {
  const text = (value: string) => Buffer.from(`U${String.fromCharCode(value.length)}${value}`, 'latin1')
  const list = (items: Buffer[]) => [Buffer.from('](', 'latin1'), ...items, Buffer.from('e', 'latin1')]
  const long = Buffer.from('T\0\0\0\0', 'latin1')
  long.writeUInt32LE(3072 * count, 1)
  const shape = Buffer.from('M\0\0M\0\x0c\x86', 'latin1')
  shape.writeUInt16LE(count, 1)
  return Buffer.concat([
    Buffer.from('\x80\x02}(', 'latin1'),
    text('labels'),
    ...list(Array.from({ length: count }, (_, i) => Buffer.from([0x4b, i % 10]))),
    text('filenames'),
    ...list(Array.from({ length: count }, (_, i) => text(`image_s_${String(i).padStart(6, '0')}.png`))),
    text('data'),
    Buffer.from('cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01', 'latin1'),
    shape,
    Buffer.from(
      'cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89',
      'latin1',
    ),
    long,
    bytes(3072 * count),
    Buffer.from('tbu.', 'latin1'),
  ])
}

/** @param folder of the files of the cases */
export function dataCases(folder: string): readonly LoopCase[] {
  const cifar = (version: string, make: () => Uint8Array, ending: string): LoopCase => {
    let path: string | undefined
    return {
      name: `cifar10.load of 60,000 images, ${version} version`,
      prepare: async () => {
        path ??= archive(join(folder, version), `cifar-10-${version}.tar.gz`, ending, make())
        const dataDir = path
        return async () => {
          const { train, test } = await cifar10.load({ dataDir, verify: false })
          for (const used of [train, test]) used.dispose()
        }
      },
    }
  }
  const records = () => bytes(10_000 * 3073).map((byte, i) => (i % 3073 === 0 ? 3 : byte))
  return [
    cifar('binary', records, '.bin'),
    cifar('python', () => pickled(10_000), ''),
    {
      name: 'emnist.load of 112,800 + 18,800 images, turned upright',
      prepare: async (round) => {
        if (round === 0) await letters(join(folder, 'emnist'))
        return async () => {
          const { train, test } = await emnist.load({ dataDir: join(folder, 'emnist') })
          for (const used of [train, test]) used.dispose()
        }
      },
    },
    {
      name: 'readCsv of 40,000 lines of 50 numbers and a label',
      prepare: async () => {
        const lines = Array.from({ length: 40_000 }, (_, row) =>
          Array.from({ length: 51 }, (_, i) =>
            i === 50 ? `class ${row % 7}` : (((row * 50 + i) % 997) / 7).toFixed(4),
          ).join(),
        )
        const names = Array.from({ length: 51 }, (_, i) => `c${i}`).join()
        writeFileSync(join(folder, 'table.csv'), `${names}\n${lines.join('\n')}`)
        return () => readCsv(join(folder, 'table.csv'), { target: 'c50' })
      },
    },
    ...[false, true].map(
      (compress): LoopCase => ({
        name: `${compress ? 'compressed ' : ''}writeNpz and readNpz of 50 MB`,
        prepare: async () => {
          const data = Float32Array.from({ length: 12_500_000 }, (_, i) => i % 1009)
          const path = join(folder, `arrays-${compress}.npz`)
          return async () => {
            await writeNpz(path, { a: { dtype: 'float32', shape: [data.length], data } }, { compress })
            await readNpz(path)
          }
        },
      }),
    ),
    ...[false, true].map(
      (compress): LoopCase => ({
        name: `readActivations, inspect and measure of ${compress ? 'compressed ' : ''}epochs of 8,000 samples, 1,024 units`,
        prepare: async (round) => {
          const dump = join(folder, `dump-${compress}`)
          if (round === 0) await writeDump(dump, compress)
          return async () => {
            const activations = await readActivations(dump)
            await inspect(activations)
            await measure(activations, [new Binned(), new KDE()], { samples: 1000 })
            await measure(activations, new Binned(), { units: 'bits' })
          }
        },
      }),
    ),
    {
      name: 'splitDataset and kFold of 100,000 samples by class',
      isSynchronous: true,
      prepare: async () => {
        const labels = Int32Array.from({ length: 100_000 }, (_, i) => i % 10)
        const data = new ArrayDataset(new Float32Array(labels.length), labels, { inputShape: [1] })
        return () => {
          splitDataset(data, { validation: 0.1, test: 0.1, stratify: true })
          kFold(data, { folds: 5, stratify: true })
          data.dispose()
        }
      },
    },
  ]
}

/** Two epochs of a wide layer, half of it 0, with inputs, and labels as numbers. */
async function writeDump(folder: string, compress: boolean): Promise<void> {
  const n = 8000
  const floats = (width: number, step: number) => ({
    dtype: 'float32' as const,
    shape: [n, width],
    data: Float32Array.from({ length: n * width }, (_, i) => Math.max(0, Math.sin(i * step))),
  })
  const y = {
    dtype: 'float32' as const,
    shape: [n],
    data: Float32Array.from({ length: n }, (_, i) => i % 10),
  }
  for (const epoch of [0, 1]) {
    const arrays = { x: floats(784, 0.7), y, fc1: floats(1024, 1.3 + epoch), fc2: floats(64, 2.1) }
    await writeNpz(join(folder, `epoch_${epoch}.npz`), arrays, { compress })
  }
}

async function letters(folder: string): Promise<void> {
  for (const [half, count] of [
    ['train', 112_800],
    ['test', 18_800],
  ] as const) {
    const images = { shape: [count, 28, 28], data: bytes(count * 784) }
    const labels = { shape: [count], data: bytes(count).map((byte) => byte % 47) }
    await writeIdx(join(folder, `emnist-balanced-${half}-images-idx3-ubyte.gz`), images)
    await writeIdx(join(folder, `emnist-balanced-${half}-labels-idx1-ubyte.gz`), labels)
  }
}
