/** Arrays that are read some rows at a time, of files that NumPy, safetensors, PyTorch and Zarr wrote: `data/foreign-arrays.py` made them. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { ArgumentError, DataError, IOError } from '../ts/core/errors.js'
import { packageRoot } from '../ts/core/package-root.js'
import { blocksOf, type LazyArray } from '../ts/io/lazy-array.js'
import { readNpz, writeNpz } from '../ts/io/npz.js'
import { openArrays } from '../ts/io/open-any.js'
import { error, f32, fresh, scratch } from './io-scratch.js'

type Expected = [dtype: string, shape: number[], values: (number | string)[]]
const foreign: { values: Record<string, Record<string, Expected>>; files: Record<string, string> } =
  JSON.parse(readFileSync(join(packageRoot, '__test__', 'data', 'foreign-arrays.json'), 'utf8'))

const folder = join(scratch, 'foreign')
for (const [name, contents] of Object.entries(foreign.files)) {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), Buffer.from(contents, 'base64'))
}
const numbersOf = (values: Iterable<number | bigint | string>) => Array.from(values, Number)

/** Compares an array with the expected one: as a whole, by rows, and block by block. */
async function agrees(t: import('ava').ExecutionContext, array: LazyArray, [dtype, shape, values]: Expected) {
  t.is(array.dtype, dtype)
  t.deepEqual([...array.shape], shape)
  const wanted = numbersOf(values)
  const whole = await array.read()
  t.deepEqual([...whole.shape], shape)
  t.deepEqual(numbersOf(whole.data), wanted)
  if (shape.length === 0) return
  const [n = 0] = shape
  const width = n === 0 ? 0 : wanted.length / n
  for (let from = 0; from < n; from += 2) {
    const to = Math.min(n, from + 3)
    const part = await array.read([from, to])
    t.deepEqual([...part.shape], [to - from, ...shape.slice(1)])
    t.deepEqual(numbersOf(part.data), wanted.slice(from * width, to * width))
  }
  const found: number[] = []
  for await (const { data } of blocksOf(array, 16 * width)) found.push(...numbersOf(data))
  t.deepEqual(found, wanted)
}

for (const [file, expected] of Object.entries(foreign.values)) {
  test(`${file} holds what its program wrote, whole and by rows`, async (t) => {
    const { arrays } = await openArrays(join(folder, file))
    for (const [name, one] of Object.entries(expected)) {
      const array = arrays.get(name)
      if (array === undefined) t.fail(`${name} is missing among ${[...arrays.keys()]}`)
      else await agrees(t, array, one)
    }
  })
}

test('what is no array of numbers is told beside those that are', async (t) => {
  const npz = await openArrays(join(folder, 'npz/packed.npz'))
  t.deepEqual([...npz.arrays.keys()], ['fc1', 'fc2', 'y'])
  t.is(npz.refused[0]?.name, 'names')
  t.regex(npz.refused[0]?.reason ?? '', /holds text/)
  const zarr = await openArrays(join(folder, 'zarr3/group.zarr'))
  t.deepEqual([...zarr.arrays.keys()], ['fc1', 'inner/fc2', 'y'])
  t.regex(zarr.refused[0]?.reason ?? '', /element type .*is not supported/)
  const { refused } = await openArrays(join(folder, 'torch/complex.pt'))
  t.regex(refused[0]?.reason ?? '', /complex64|ComplexFloatStorage/)
})

test('files of PyTorch that are more than tensors are refused, and nothing runs', async (t) => {
  const refuses = (name: string, message: RegExp) =>
    t.throwsAsync(openArrays(join(folder, 'torch', name)), error(DataError, message))
  await refuses('harm.pt', /it names "posix\.system"; it is never executed/)
  t.false(existsSync('/tmp/hyperglow-harm'))
  await refuses('legacy.pt', /old format.*torch\.save\(torch\.load\(path, weights_only=True\), path\)/)
  await refuses('module.pt', /it names "torch\.nn\.modules\.linear\.Linear".*Save only tensors/)
})

test('bytes of two that have no name are refused with the way to read them', async (t) => {
  await t.throwsAsync(openArrays(join(folder, 'npy/unnamed.npy')), {
    message: /\|V2 is not supported; .*a\.view\(ml_dtypes\.bfloat16\)\.astype/,
  })
})

test('rows that are not there are refused', async (t) => {
  const { arrays } = await openArrays(join(folder, 'npy/plain.npy'))
  const array = arrays.get('plain') as LazyArray
  for (const rows of [[0, 8], [-1, 2], [3, 2], [0.5, 2], [0], 'x', null]) {
    await t.throwsAsync(array.read(rows as never), error(ArgumentError, /expected \[from, to\] with 0/))
  }
  t.is((await array.read([3, 3])).data.length, 0)
})

test('a file that changed after it was opened is refused', async (t) => {
  const path = fresh('changed.npy')
  writeFileSync(path, readFileSync(join(folder, 'npy/plain.npy')))
  const { arrays } = await openArrays(path)
  writeFileSync(path, readFileSync(join(folder, 'npy/version2.npy')))
  const array = arrays.values().next().value as LazyArray
  await t.throwsAsync(array.read(), error(DataError, /written again after it was opened/))
})

test('files that end early, and archives with other sums, are refused', async (t) => {
  const cut = (name: string, keep: number) => {
    const path = fresh(name.replaceAll('/', '-'))
    writeFileSync(path, readFileSync(join(folder, name)).subarray(0, -keep))
    return path
  }
  await t.throwsAsync(openArrays(cut('npy/plain.npy', 4)), error(DataError, /not a valid \.npy file/))
  await t.throwsAsync(openArrays(cut('npz/packed.npz', 10)), error(DataError, /no directory at its end/))
  const path = fresh('wrong.npz')
  await writeNpz(
    path,
    { x: f32([300, 100], ...Array.from({ length: 30000 }, (_, i) => i)) },
    { compress: true },
  )
  const bytes = readFileSync(path)
  const at = bytes.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1'))
  bytes[at + 16] = (bytes[at + 16] as number) ^ 1
  writeFileSync(path, bytes)
  const array = (await openArrays(path)).arrays.get('x') as LazyArray
  await t.throwsAsync(array.read(), error(DataError, /another checksum/))
  await t.throwsAsync(readNpz(path), error(DataError, /another checksum/))
  t.deepEqual((await array.read([0, 1])).data[99], 99)
})

test('a deflated array is read block by block, and from any row', async (t) => {
  const path = fresh('long.npz')
  const data = Float32Array.from({ length: 1 << 18 }, (_, i) => Math.fround(Math.sin(i)))
  await writeNpz(path, { x: { dtype: 'float32', shape: [1 << 12, 64], data } }, { compress: true })
  const array = (await openArrays(path)).arrays.get('x') as LazyArray
  const found = new Float32Array(data.length)
  let at = 0
  for await (const block of blocksOf(array, 64 * 8 * 100)) {
    t.is(block.shape[0], Math.min(100, 4096 - at / 64))
    found.set(block.data as Float32Array, at)
    at += block.data.length
  }
  t.deepEqual(found, data)
  t.deepEqual((await array.read([4000, 4001])).data, data.slice(4000 * 64, 4001 * 64))
  t.deepEqual((await array.read([1, 2])).data, data.slice(64, 128))
})

test('CSV files with and without names, and labels that are texts', async (t) => {
  const file = (name: string, text: string) => {
    const path = fresh(name)
    writeFileSync(path, text)
    return path
  }
  const only = async (path: string, labels = false) =>
    [...(await openArrays(path, { labels })).arrays.values()][0] as LazyArray
  const named = await only(file('a.csv', 'u,v\n1,2\n3,4\n5,6\n'))
  t.deepEqual([...named.shape], [3, 2])
  t.deepEqual([...(await named.read([1, 3])).data], [3, 4, 5, 6])
  const bare = await only(file('b.tsv', '1\t2\n3\t4\n'))
  t.deepEqual([...(await bare.read()).data], [1, 2, 3, 4])
  const texts = await only(file('y.csv', 'dog\ncat\ndog\n'), true)
  t.deepEqual([...(await texts.read()).data], [1, 0, 1])
  const header = await only(file('y2.csv', 'species\ncat\ndog\n'), true)
  t.deepEqual(await header.read([1, 2]), { dtype: 'int32', shape: [1], data: Int32Array.of(1) })
  await t.throwsAsync(openArrays(file('empty.csv', '')), error(DataError, /is empty/))
})

test('what is not read is told by name and path', async (t) => {
  await t.throwsAsync(openArrays(join(scratch, 'nowhere.npy')), error(IOError, /no such file/))
  writeFileSync(join(scratch, 'a.h5'), 'x')
  await t.throwsAsync(openArrays(join(scratch, 'a.h5')), error(DataError, /of an unsupported format.*\.npz/))
  await t.throwsAsync(openArrays(folder), error(DataError, /a folder that is not a Zarr array/))
})
