import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import { cifar10, cifar100, DataError, IOError, readCifar10, readCifar100 } from '../ts/index.js'
import { numpyDialect, type PickledArray } from '../ts/io/numpy-pickle.js'
import { readPickle } from '../ts/io/pickle.js'
import { readTar } from '../ts/io/tar.js'

/** Small archives and pickles written by Python and NumPy; those for the Python version have the opcodes of Python 2. */
const made = JSON.parse(readFileSync(join(packageRoot, '__test__', 'data', 'cifar.json'), 'utf8')) as Record<
  string,
  string
>
const bytesOf = (name: string) => Buffer.from(made[name] as string, 'base64')
const pickleOf = (name: string) => new Uint8Array(gunzipSync(bytesOf(name)))

const scratch = mkdtempSync(join(tmpdir(), 'hyperglow-cifar-'))
test.after.always(() => rmSync(scratch, { recursive: true, force: true }))
let folders = 0

function fresh(): string {
  const folder = join(scratch, `${folders++}`)
  mkdirSync(folder)
  return folder
}

/** A folder with archives. */
function archives(...names: string[]): string {
  const folder = fresh()
  for (const name of names) writeFileSync(join(folder, name), bytesOf(name))
  return folder
}

/** Pixels as the fixtures have them. */
const image = (i: number, salt: number) =>
  Uint8Array.from({ length: 3072 }, (_, k) => (k * 7 + i * 13 + salt) % 256)

async function membersOf(name: string): Promise<Map<string, Uint8Array>> {
  const members = new Map<string, Uint8Array>()
  async function* pieces() {
    yield gunzipSync(bytesOf(name))
  }
  await readTar(name, pieces(), {
    limitOf: () => 2 ** 20,
    take: ({ name }, bytes) => void members.set(name, bytes),
  })
  return members
}

// ---- CIFAR

test('both versions of CIFAR-10 hold the same images, in the order of the batches', async (t) => {
  for (const name of ['cifar-10-binary.tar.gz', 'cifar-10-python.tar.gz']) {
    const folder = archives(name)
    for (const dataDir of [folder, join(folder, name)]) {
      const files = await readCifar10({ dataDir })
      t.deepEqual([...files.trainLabels], [1, 8, 2, 7, 3, 6, 4, 5, 5, 4])
      t.deepEqual([...files.testLabels], [8, 0, 9])
      t.is(files.trainImages.length, 10 * 3072)
      t.deepEqual(files.trainImages.slice(3 * 3072, 4 * 3072), image(1, 2))
      t.deepEqual(files.testImages.slice(2 * 3072), image(2, 100))
      t.is(files.source, join(folder, name))
      t.deepEqual([files.classNames.length, files.classNames[9]], [10, 'truck'])
    }
  }
})

test('CIFAR-100 has fine and coarse labels, and names for both', async (t) => {
  for (const name of ['cifar-100-binary.tar.gz', 'cifar-100-python.tar.gz']) {
    const files = await readCifar100({ dataDir: archives(name) })
    t.deepEqual([...files.trainLabels], [19, 29, 0, 99])
    t.deepEqual([...files.trainCoarseLabels], [11, 15, 4, 13])
    t.deepEqual(
      [[...files.testLabels], [...files.testCoarseLabels]],
      [
        [49, 33],
        [10, 10],
      ],
    )
    t.deepEqual(files.trainImages.slice(3 * 3072), image(3, 50))
    t.deepEqual(
      [files.classNames.length, new Set(files.classNames).size, files.coarseNames.length],
      [100, 100, 20],
    )
    t.deepEqual([files.classNames[19], files.coarseNames[11]], ['cattle', 'large_omnivores_and_herbivores'])
    t.deepEqual([files.classNames[49], files.coarseNames[10]], ['mountain', 'large_natural_outdoor_scenes'])
  }
})

test('unpacked folders are read, of either version', async (t) => {
  for (const name of ['cifar-10-binary.tar.gz', 'cifar-10-python.tar.gz']) {
    const root = fresh()
    for (const [path, bytes] of await membersOf(name)) {
      mkdirSync(join(root, dirname(path)), { recursive: true })
      writeFileSync(join(root, path), bytes)
    }
    const folder = name.includes('binary') ? 'cifar-10-batches-bin' : 'cifar-10-batches-py'
    for (const dataDir of [root, join(root, folder)]) {
      t.deepEqual([...(await readCifar10({ dataDir })).testLabels], [8, 0, 9])
    }
  }
})

test('CIFAR loads as batches of color images', async (t) => {
  const { train, validation, test, classNames } = await cifar10.load({
    dataDir: archives('cifar-10-python.tar.gz'),
    batchSize: 4,
    seed: 3,
  })
  t.deepEqual([train.samples, validation.samples, test.samples], [8, 2, 3])
  t.deepEqual([train.inputShape, train.classes, classNames[3]], [[3, 32, 32], 10, 'cat'])
  for await (const { x, y } of test) {
    const pixels = (await x.data()) as Float32Array
    t.true(
      pixels.every(
        (p, i) => Math.abs(p - ((image(Math.floor(i / 3072), 100)[i % 3072] as number) / 127.5 - 1)) < 1e-6,
      ),
    )
    t.deepEqual([...(await y.data())], [8, 0, 9])
  }
  const dataDir = archives('cifar-100-binary.tar.gz')
  const fine = await cifar100.load({ dataDir })
  const coarse = await cifar100.load({ dataDir, labels: 'coarse' })
  t.deepEqual([fine.test.classes, [...(fine.test.labels as Int32Array)]], [100, [49, 33]])
  t.deepEqual([coarse.test.classes, [...(coarse.test.labels as Int32Array)]], [20, [10, 10]])
})

test('where nothing is found, the message says where it was looked and how to get the files', async (t) => {
  const dataDir = fresh()
  const thrown = await t.throwsAsync(readCifar10({ dataDir }), { instanceOf: IOError })
  for (const part of [
    dataDir,
    join(dataDir, 'cifar-10'),
    'cifar-10-batches-bin/data_batch_1.bin',
    'cifar-10-python.tar.gz',
    'cs.toronto.edu',
  ]) {
    t.true(thrown.message.includes(part), part)
  }
  const other = join(fresh(), 'images.tar.gz')
  writeFileSync(other, bytesOf('cifar-10-binary.tar.gz'))
  await t.throwsAsync(readCifar10({ dataDir: other }), { instanceOf: DataError, message: /another name/ })
})

test('damaged archives are refused', async (t) => {
  const refuses = async (name: string, bytes: Uint8Array, message: RegExp) => {
    const folder = fresh()
    writeFileSync(join(folder, name), bytes)
    const read = name.includes('100') ? readCifar100 : readCifar10
    await t.throwsAsync(read({ dataDir: folder }), { instanceOf: DataError, message }, `${message}`)
  }
  const name = 'cifar-10-binary.tar.gz'
  const whole = bytesOf(name)
  const tar = gunzipSync(whole)
  await refuses(name, whole.subarray(0, whole.length / 2), /cannot be decompressed/)
  await refuses(name, gzipSync(tar.subarray(0, 5000)), /cut off/)
  await refuses(name, tar, /cannot be decompressed/)
  await refuses(name, gzipSync(Buffer.from('<html>'.repeat(200))), /does not begin with a header/)
  await refuses(name, bytesOf('cifar-100-binary.tar.gz'), /has no data_batch_1\.bin/)
  const label = Buffer.from(tar)
  label[Math.floor(label.indexOf('test_batch.bin') / 512) * 512 + 512] = 10
  await refuses(name, gzipSync(label), /label 10 at 0 of 'labels', expected 0 to 9/)
})

test('an archive with as many images as the published one must be that', async (t) => {
  const count = 10_000
  const record = new Uint8Array(3073 * count)
  const folder = fresh()
  const header = (name: string) => {
    const block = Buffer.alloc(512)
    block.write(name)
    block.write(record.length.toString(8).padStart(11, '0'), 124)
    block.write('        0', 148)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return block
  }
  const names = ['1', '2', '3', '4', '5'].map((n) => `data_batch_${n}.bin`)
  // A gzip file may consist of several, so the records are compressed once.
  const zipped = gzipSync(record, { level: 1 })
  const filling = gzipSync(Buffer.alloc(-record.length & 511))
  const parts = [...names, 'test_batch.bin'].flatMap((name) => [gzipSync(header(name)), zipped, filling])
  writeFileSync(join(folder, 'cifar-10-binary.tar.gz'), Buffer.concat(parts))
  await t.throwsAsync(readCifar10({ dataDir: folder }), {
    instanceOf: DataError,
    message: /not the published CIFAR-10 file: MD5 \w{32}, expected c32a1d4a.*verify: false/,
  })
  t.is((await readCifar10({ dataDir: folder, verify: false })).trainLabels.length, 50_000)
})

// ---- tar

test('names of all kinds of tar are read, and links are passed over', async (t) => {
  const long = 'a-folder-whose-name-is-long/'.repeat(6)
  t.deepEqual(
    [...(await membersOf('cifar-100-python.tar.gz')).keys()],
    [`${long}train`, `${long}test`, `${long}meta`],
  )
  t.deepEqual(
    [...(await membersOf('cifar-100-binary.tar.gz')).keys()],
    [`${long}train.bin`, `${long}test.bin`],
  )
  t.is((await membersOf('cifar-10-binary.tar.gz')).size, 7)
})

test('a tar that comes byte by byte is the same, and one that claims much is refused', async (t) => {
  const tar = gunzipSync(bytesOf('cifar-100-binary.tar.gz'))
  async function* slowly() {
    for (let at = 0; at < tar.length; at += 97) yield tar.subarray(at, at + 97)
  }
  const seen: [string, number][] = []
  const selection = (limit: number) => ({
    limitOf: (name: string) => (basename(name) === 'test.bin' ? limit : undefined),
    take: ({ name }: { name: string }, bytes: Uint8Array) => void seen.push([basename(name), bytes.length]),
  })
  await readTar('slow', slowly(), selection(2 ** 20))
  t.deepEqual(seen, [['test.bin', 2 * 3074]])
  await t.throwsAsync(readTar('large', slowly(), selection(100)), {
    instanceOf: DataError,
    message: /6148 bytes, and at most 100/,
  })
  const wrong = Buffer.from(tar)
  wrong[0] = (wrong[0] as number) ^ 1
  async function* changed() {
    yield wrong
  }
  await t.throwsAsync(readTar('changed', changed(), selection(1)), {
    instanceOf: DataError,
    message: /header/,
  })
})

// ---- pickle

test('pickles of every protocol from 2 to 5 hold the same data', async (t) => {
  for (const name of ['bytes2', 'bytes4', 'bytes5', 'text2', 'text4', 'text5']) {
    const dict = await readPickle(name, pickleOf(name), numpyDialect)
    t.true(dict instanceof Map)
    const { labels, data } = Object.fromEntries(dict as Map<string, unknown>)
    t.deepEqual(labels, [1, 8], name)
    t.deepEqual((data as PickledArray).shape, [2, 3072])
    t.deepEqual((data as PickledArray).data.slice(0, 5), image(0, 1).slice(0, 5))
  }
  const fortran = (await readPickle('fortran', pickleOf('fortran'), numpyDialect)) as ReadonlyMap<
    string,
    PickledArray
  >
  t.true(fortran.get('data')?.fortranOrder)
})

test('a pickle that would run code is refused by name, and nothing runs', async (t) => {
  for (const name of ['evil2', 'evil4']) {
    await t.throwsAsync(readPickle(name, pickleOf(name), numpyDialect), {
      instanceOf: DataError,
      message: /it names "(posix|nt)\.system"; it is never executed/,
    })
  }
  t.false(existsSync('/tmp/harm'))
  const refuses = (bytes: string | Uint8Array, message: RegExp) =>
    t.throwsAsync(
      readPickle('x', typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, numpyDialect),
      {
        instanceOf: DataError,
        message,
      },
    )
  await refuses(pickleOf('protocol0'), /opcode/)
  await refuses(pickleOf('object'), /it names "(__builtin__|builtins)\.complex"/)
  await refuses(pickleOf('floats'), /element type "f8"/)
  await refuses('\x80\x02)\x81.', /the opcode NEWOBJ at byte 3/)
  await refuses('\x80\x02c__builtin__\neval\n.', /"__builtin__\.eval"/)
  await refuses('\x80\x02cnumpy\nndarray\n.', /a function or a type/)
  await refuses('\x80\x02(K\x01', /ends at byte 5, truncated/)
  await refuses('\x80\x02T\xff\xff\xff\xffab', /truncated/)
  await refuses('\x80\x02h\x05.', /value 5, which was never stored/)
  await refuses('\x80\x02.', /empty stack/)
  await refuses('\x80\x02K\x01e.', /mark that is not there/)
  await refuses('\x80\x02]q\x00h\x00a.', /refers to itself/)
  await refuses('\x80\x02K\x01K\x02.', /left over/)
  await refuses('', /truncated/)
})

test('lists that hold each other many times over are read in no time', async (t) => {
  // Each list contains the one before it twice: 2^60 entries, if they were copied.
  const place = (i: number) => String.fromCharCode(i)
  let text = '\x80\x02(]q\x00'
  for (let i = 0; i < 60; i++) text += `](h${place(i)}h${place(i)}eq${place(i + 1)}`
  // The lists before the last are below it: one tuple of all.
  text += 't.'
  const value = (await readPickle(
    'x',
    Buffer.from(text, 'latin1'),
    numpyDialect,
  )) as readonly (readonly unknown[])[]
  t.is(value.length, 61)
  t.is(value[60]?.[0], value[60]?.[1])
})
