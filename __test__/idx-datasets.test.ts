import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { writeIdx } from '../ts/data/idx.js'
import { ArgumentError, DataError, emnist, fashionMnist, IOError, idxDataset, kmnist } from '../ts/index.js'

const scratch = mkdtempSync(join(tmpdir(), 'hyperglow-idx-'))
test.after.always(() => rmSync(scratch, { recursive: true, force: true }))
let folders = 0

const pixelsOf = (count: number, size = 784) =>
  Uint8Array.from({ length: count * size }, (_, i) => (i * 7 + Math.floor(i / size)) % 256)
const labelsOf = (count: number, first = 0, classes = 10) =>
  Uint8Array.from({ length: count }, (_, i) => first + (i % classes))

/** A folder of four idx files. */
async function folderOf(
  files: Record<string, { shape: number[]; data: Uint8Array }>,
  below = '',
): Promise<string> {
  const folder = join(scratch, `${folders++}`)
  mkdirSync(join(folder, below), { recursive: true })
  for (const [name, array] of Object.entries(files)) await writeIdx(join(folder, below, name), array)
  return folder
}

const likeMnist = (train = 6, tests = 3, ending = '') => ({
  [`train-images-idx3-ubyte${ending}`]: { shape: [train, 28, 28], data: pixelsOf(train) },
  [`train-labels-idx1-ubyte${ending}`]: { shape: [train], data: labelsOf(train) },
  [`t10k-images-idx3-ubyte${ending}`]: { shape: [tests, 28, 28], data: pixelsOf(tests) },
  [`t10k-labels-idx1-ubyte${ending}`]: { shape: [tests], data: labelsOf(tests) },
})

const emnistFiles = (split: string, first: number) => ({
  [`emnist-${split}-train-images-idx3-ubyte.gz`]: { shape: [4, 28, 28], data: pixelsOf(4) },
  [`emnist-${split}-train-labels-idx1-ubyte.gz`]: { shape: [4], data: labelsOf(4, first) },
  [`emnist-${split}-test-images-idx3-ubyte.gz`]: { shape: [2, 28, 28], data: pixelsOf(2) },
  [`emnist-${split}-test-labels-idx1-ubyte.gz`]: { shape: [2], data: labelsOf(2, first) },
})

test('relatives of MNIST give batches, class names and the same split for a seed', async (t) => {
  for (const [loader, below, eighth] of [
    [fashionMnist, 'FashionMNIST/raw', 'bag'],
    [kmnist, 'kmnist', 're'],
  ] as const) {
    const dataDir = await folderOf(likeMnist(6, 3, '.gz'), below)
    const { train, validation, test, classNames } = await loader.load({
      dataDir,
      validationSplit: 0.5,
      seed: 2,
      batchSize: 2,
    })
    t.deepEqual([train.samples, validation.samples, test.samples], [3, 3, 3])
    t.deepEqual([train.classes, train.inputShape, classNames[8]], [10, [1, 28, 28], eighth])
    for await (const { x, y } of test) {
      const [first] = [...((await x.data()) as Float32Array).subarray(1, 2)]
      t.true(Math.abs((first as number) - ((7 / 255) * 2 - 1)) < 1e-6)
      t.deepEqual([...(await y.data())], [0, 1])
      break
    }
    const again = await loader.load({ dataDir, validationSplit: 0.5, seed: 2 })
    t.deepEqual(again.validation.indices, validation.indices)
  }
})

test('missing files of a set say which folders were looked at and how to get them', async (t) => {
  const dataDir = join(scratch, 'nowhere')
  const thrown = await t.throwsAsync(fashionMnist.load({ dataDir }), { instanceOf: IOError })
  for (const part of [
    '4 of 4 files',
    dataDir,
    join(dataDir, 'FashionMNIST/raw'),
    'train-images-idx3-ubyte.gz',
    'zalandoresearch',
  ]) {
    t.true(thrown.message.includes(part), part)
  }
  const three = await folderOf(likeMnist(), 'kmnist')
  rmSync(join(three, 'kmnist', 't10k-labels-idx1-ubyte'))
  await t.throwsAsync(kmnist.load({ dataDir: three }), {
    instanceOf: IOError,
    message: /1 of 4 files are missing in .*kmnist.*looked for t10k-labels/,
  })
})

test('a compressed file with as many samples as the published one must be that', async (t) => {
  const dataDir = await folderOf(likeMnist(6, 10_000, '.gz'))
  await t.throwsAsync(fashionMnist.load({ dataDir }), {
    instanceOf: DataError,
    message:
      /t10k-(images|labels).*not the published Fashion-MNIST file: MD5 \w{32}, expected b\w{31};.*verify: false/,
  })
  t.is((await fashionMnist.load({ dataDir, verify: false })).test.samples, 10_000)
})

test('EMNIST is given upright, unless asked otherwise, with the classes of its split', async (t) => {
  const dataDir = await folderOf(emnistFiles('letters', 1), 'gzip')
  const first = async (upright: boolean) => {
    const { test, classNames } = await emnist.load({ split: 'letters', dataDir, upright })
    t.deepEqual([classNames.length, classNames[0], test.classes], [26, 'a', 26])
    t.deepEqual([...(test.labels as Int32Array)], [0, 1])
    return (await test.source.x.data()) as Uint8Array
  }
  const [upright, stored] = [await first(true), await first(false)]
  t.deepEqual(stored, pixelsOf(2))
  const turned = stored.map((_, i) => {
    const [image, row, column] = [Math.floor(i / 784), Math.floor((i % 784) / 28), i % 28]
    return stored[image * 784 + column * 28 + row] as number
  })
  t.deepEqual(upright, turned)
})

test('every split of EMNIST has its files and names', async (t) => {
  const counts = { balanced: 47, byclass: 62, bymerge: 47, digits: 10, mnist: 10 } as const
  for (const [split, count] of Object.entries(counts)) {
    const dataDir = await folderOf(emnistFiles(split, 0))
    const data = await emnist.load({ split: split as 'balanced', dataDir })
    t.is(data.classNames.length, count)
    t.is(new Set(data.classNames).size, count)
  }
  await t.throwsAsync(emnist.load({ split: 'caps' as never }), {
    instanceOf: ArgumentError,
    message: /balanced/,
  })
  const wrong = await folderOf({
    ...emnistFiles('letters', 1),
    'emnist-letters-test-labels-idx1-ubyte.gz': { shape: [2], data: labelsOf(2, 0) },
  })
  await t.throwsAsync(emnist.load({ split: 'letters', dataDir: wrong }), {
    instanceOf: DataError,
    message: /label 0 at 0, expected 1 to 26 for EMNIST letters/,
  })
})

test('any idx folder: images with and without channels, rows, and names of classes', async (t) => {
  const set = (rank: number, shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1)
    return {
      [`train-images-idx${rank}-ubyte`]: { shape: [5, ...shape], data: pixelsOf(5, size) },
      'train-labels-idx1-ubyte': { shape: [5], data: labelsOf(5, 0, 2) },
      [`test-images-idx${rank}-ubyte`]: { shape: [2, ...shape], data: pixelsOf(2, size) },
      'test-labels-idx1-ubyte': { shape: [2], data: labelsOf(2, 0, 2) },
    }
  }
  const load = async (rank: number, shape: number[], more = {}) =>
    idxDataset.load({ dataDir: await folderOf(set(rank, shape)), ...more })
  t.deepEqual((await load(3, [4, 5])).train.inputShape, [1, 4, 5])
  t.deepEqual((await load(4, [3, 4, 5])).train.inputShape, [3, 4, 5])
  const rows = await load(2, [6], { classNames: ['cat', 'dog'], limit: 3, validationSplit: 0 })
  t.deepEqual(
    [rows.train.inputShape, rows.train.samples, rows.test.samples, rows.classNames],
    [[6], 3, 2, ['cat', 'dog']],
  )
  t.deepEqual((await load(2, [6])).classNames, ['0', '1'])
  await t.throwsAsync(load(2, [6], { classNames: ['cat'] }), {
    instanceOf: DataError,
    message: /label 1 at 1/,
  })
  const mixed = await folderOf({
    ...set(3, [4, 5]),
    'test-images-idx3-ubyte': set(3, [5, 4])['test-images-idx3-ubyte'] as never,
  })
  await t.throwsAsync(idxDataset.load({ dataDir: mixed }), {
    instanceOf: DataError,
    message: /expected one shape/,
  })
})
