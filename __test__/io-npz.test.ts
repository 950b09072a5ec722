import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import { ArgumentError, DataError, DTypeError, IOError, readNpz, ShapeError, writeNpz } from '../ts/index.js'
import { type ZipContents, zipArchive, zipMember } from '../ts/io/zip-writer.js'
import { error, f32, fresh } from './io-scratch.js'

/** Archives that NumPy and Python wrote. */
const made = JSON.parse(readFileSync(join(packageRoot, '__test__', 'data', 'npz.json'), 'utf8')) as Record<
  string,
  string
>

function put(bytes: Uint8Array): string {
  const path = fresh('.npz')
  writeFileSync(path, bytes)
  return path
}
const contents = (bytes: Uint8Array): ZipContents => ({
  length: bytes.length,
  async *pieces() {
    yield bytes
  },
})
async function piecesOf(members: Parameters<typeof zipArchive>[0]): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of zipArchive(members).pieces()) pieces.push(Buffer.from(piece))
  return pieces
}
const written = (name: string) => put(Buffer.from(made[name] as string, 'base64'))

test('what NumPy writes is read, stored and deflated', async (t) => {
  for (const name of ['plain', 'compressed']) {
    const arrays = await readNpz(written(name))
    t.deepEqual([...arrays.keys()], ['x', 'y', 'z', 't', 's'])
    t.deepEqual(arrays.get('x'), f32([2, 3], 0, 0.5, 1, 1.5, 2, 2.5))
    t.deepEqual(arrays.get('y'), { dtype: 'int64', shape: [2], data: BigInt64Array.of(1n, -2n) })
    t.deepEqual(arrays.get('z'), { dtype: 'int32', shape: [2, 3], data: Int32Array.of(0, 1, 2, 3, 4, 5) })
    t.deepEqual(arrays.get('t'), { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) })
    t.deepEqual(arrays.get('s'), { dtype: 'float64', shape: [], data: Float64Array.of(2.5) })
  }
  t.deepEqual([...(await readNpz(written('unnamed'))).keys()], ['arr_0'])
})

test('some arrays alone: what they stand beside need not be readable', async (t) => {
  const path = written('objects')
  await t.throwsAsync(readNpz(path), error(DTypeError, /'x'.*pickled Python objects/))
  const arrays = await readNpz(path, { names: ['y'] })
  t.deepEqual([...arrays], [['y', { dtype: 'int32', shape: [2], data: Int32Array.of(0, 1) }]])
  await t.throwsAsync(readNpz(path, { names: ['z'] }), error(DataError, /no array "z"; it has x, y/))
})

test('names are keys, whatever they look like', async (t) => {
  const path = written('comment')
  t.deepEqual([...(await readNpz(path)).keys()], ['../../etc/x'])
})

test('what is written is read back, and is the same bytes for the same arrays', async (t) => {
  const long = Float64Array.from({ length: 5000 }, (_, i) => i % 7)
  const arrays = {
    a: f32([2, 2], 1, 2, 3, Number.NaN),
    'größe/1': { dtype: 'float64', shape: [50, 100], data: long },
    empty: { dtype: 'int32', shape: [0, 3], data: new Int32Array(0) },
    __proto__x: { dtype: 'uint8', shape: [], data: Uint8Array.of(9) },
  } as const
  const sizes: number[] = []
  for (const compress of [false, true]) {
    const [first, second] = [fresh('.npz'), fresh('.npz')]
    await writeNpz(first, arrays, { compress })
    await writeNpz(second, new Map(Object.entries(arrays)), { compress })
    t.deepEqual(readFileSync(first), readFileSync(second))
    sizes.push(readFileSync(first).length)
    t.deepEqual(
      [...(await readNpz(first))],
      Object.entries(arrays).map(([name, array]) => [name, { ...array, shape: [...array.shape] }]) as never,
    )
  }
  t.true((sizes[1] as number) < (sizes[0] as number) / 10)
  await writeNpz(fresh(), {})
})

test('arrays are taken as they are when the call is made', async (t) => {
  const data = Float32Array.of(1, 2)
  const path = fresh('.npz')
  const writing = writeNpz(path, { a: { dtype: 'float32', shape: [2], data } })
  data.fill(9)
  await writing
  t.deepEqual((await readNpz(path)).get('a'), f32([2], 1, 2))
})

test('archives beyond the numbers of zip have those of zip64', async (t) => {
  const member = await zipMember('a.npy', [contents(Buffer.from('abc'))], false)
  const many = await piecesOf(Array.from({ length: 65_536 }, (_, i) => ({ ...member, name: `${i}.npy` })))
  const path = put(Buffer.concat(many))
  await t.throwsAsync(
    readNpz(path),
    error(DataError, /'0': it has only 3 bytes|'0' is not a valid \.npy|'0'.*NUMPY/),
  )
  t.is(Buffer.concat(many.slice(-1)).length, 22 + 56 + 20)
  // Sizes and places of 4 GiB and more, without such contents.
  const [header, , entry, end] = await piecesOf([{ ...member, size: 2 ** 32, storedSize: 2 ** 32 }])
  t.is(header?.readUInt32LE(18), 0xffffffff)
  t.is(header?.readBigUInt64LE((header?.length ?? 0) - 16), 2n ** 32n)
  t.is(entry?.readUInt32LE(24), 0xffffffff)
  t.is(end?.length, 22)
})

test('archives that are damaged or claim much are refused', async (t) => {
  const whole = Buffer.from(made.plain as string, 'base64')
  const refuses = async (bytes: Uint8Array, message: RegExp) =>
    t.throwsAsync(readNpz(put(bytes)), error(DataError, message), `${message}`)
  await refuses(whole.subarray(0, whole.length - 30), /no directory at its end/)
  await refuses(new Uint8Array(0), /no directory/)
  await refuses(
    Buffer.from('\x93NUMPY and more, as it is in a file of one array', 'latin1'),
    /array of NumPy; read it with readNpy/,
  )
  await refuses(Buffer.from(made.bzip2 as string, 'base64'), /method 12/)
  await refuses(Buffer.from(made.other as string, 'base64'), /not an \.npz file: it holds "notes\.txt"/)
  const changed = (at: (bytes: Buffer) => number, value: number, name = 'plain') => {
    const bytes = Buffer.from(made[name] as string, 'base64')
    bytes[at(bytes)] = value
    return bytes
  }
  const entry = (bytes: Buffer) => bytes.indexOf('PK\x01\x02', 0, 'latin1')
  const data = (bytes: Buffer) => bytes.indexOf('NUMPY') + 125
  await refuses(changed(data, 77), /'x\.npy' has another checksum/)
  await refuses(
    changed((b) => entry(b) + 8, 1),
    /encrypted/,
  )
  await refuses(
    changed((b) => entry(b) + 26, 0x7f),
    /claims \d+ bytes from \d+/,
  )
  await refuses(
    changed((b) => entry(b) + 26, 0x7f, 'compressed'),
    /claims \d+ bytes from/,
  )
  await refuses(
    changed((b) => entry(b) + 24, 0, 'compressed'),
    /more than the|cannot be unpacked/,
  )
  await refuses(
    changed((b) => entry(b) + 28, 0xff),
    /directory is damaged/,
  )
  await refuses(
    changed((b) => b.length - 12, 1),
    /claims \d+/,
  )
  await refuses(
    changed((b) => b.indexOf('PK\x03\x04', 8, 'latin1'), 0),
    /does not begin where/,
  )
  const twice = await zipMember('a.npy', [contents(Buffer.from('abc'))], true)
  await refuses(Buffer.concat(await piecesOf([twice, twice])), /holds the array "a" twice/)
  await t.throwsAsync(readNpz(fresh()), error(IOError, /cannot open/))
})

test('writeNpz refuses what it cannot write, and leaves the old file', async (t) => {
  const path = fresh('.npz')
  await writeNpz(path, { a: f32([1], 5) })
  const refuses = (arrays: unknown, kind: Parameters<typeof error>[0], message: RegExp) =>
    t.throwsAsync(writeNpz(path, arrays as never), error(kind, message))
  await refuses([f32([1], 1)], ArgumentError, /arrays by name/)
  await refuses({ '': f32([1], 1) }, ArgumentError, /as a name/)
  await refuses({ a: f32([2], 1) }, ShapeError, /2 elements, the data have 1/)
  await refuses({ a: { dtype: 'int32', shape: [1], data: Float32Array.of(1) } }, DTypeError, /Int32Array/)
  t.deepEqual((await readNpz(path)).get('a'), f32([1], 5))
})
