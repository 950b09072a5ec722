import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { DType, TypedArray } from '../ts/core/dtype.js'
import {
  ArgumentError,
  DataError,
  DTypeError,
  type HyperglowError,
  IOError,
  ShapeError,
} from '../ts/core/errors.js'
import { tensor, Variable } from '../ts/index.js'
import {
  type ArrayData,
  readNpy,
  readSafetensors,
  writeAtomic,
  writeNpy,
  writeSafetensors,
} from '../ts/io/index.js'
import { error, f32, fresh, scratch } from './io-scratch.js'

const everyType: Record<DType, TypedArray> = {
  float32: Float32Array.of(1.5, Number.NaN, Number.NEGATIVE_INFINITY, -0, 3e-45, 2),
  float64: Float64Array.of(Math.PI, Number.NaN, Number.POSITIVE_INFINITY, -0, 5e-324, 2),
  int32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 1, 2, 3),
  int64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n, 1n, 2n, 3n),
  uint8: Uint8Array.of(0, 255, 1, 2, 3, 4),
  bool: Uint8Array.of(0, 1, 1, 0, 1, 0),
  uint32: Uint32Array.of(0, 2 ** 32 - 1, 1, 2, 3, 4),
}
const samples = Object.fromEntries(
  Object.entries(everyType).map(([dtype, data]) => [dtype, { dtype, shape: [2, 3], data } as ArrayData]),
)

// ---- writeAtomic

test('writeAtomic makes the folders and leaves only the file', async (t) => {
  const folder = fresh()
  const path = join(folder, 'a', 'b', 'c.txt')
  await writeAtomic(path, 'grün')
  t.is(readFileSync(path, 'utf8'), 'grün')
  await writeAtomic(path, [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)])
  t.deepEqual([...readFileSync(path)], [1, 2, 3])
  t.deepEqual(readdirSync(join(folder, 'a', 'b')), ['c.txt'])
})

test('writeAtomic keeps permissions and follows a link', async (t) => {
  const folder = fresh()
  mkdirSync(folder)
  const path = join(folder, 'real')
  writeFileSync(path, 'old')
  chmodSync(path, 0o600)
  symlinkSync('real', join(folder, 'link'))
  await writeAtomic(join(folder, 'link'), 'new')
  t.is(readFileSync(path, 'utf8'), 'new')
  t.is(statSync(path).mode & 0o777, 0o600)
  t.deepEqual(readdirSync(folder).sort(), ['link', 'real'])
})

test('a failing writeAtomic is an IOError and leaves what was there', async (t) => {
  const folder = fresh()
  mkdirSync(join(folder, 'taken', 'inside'), { recursive: true })
  await t.throwsAsync(
    writeAtomic(join(folder, 'taken'), 'x'),
    error(IOError, /cannot write .*taken.*give the path of a file/),
  )
  t.deepEqual(readdirSync(folder), ['taken'])
  writeFileSync(join(folder, 'file'), 'old')
  await t.throwsAsync(writeAtomic(join(folder, 'file', 'below'), 'x'), error(IOError, /cannot write/))
  t.is(readFileSync(join(folder, 'file'), 'utf8'), 'old')
})

// ---- safetensors

/** A safetensors file with this header and this many bytes of data. */
function handmade(header: string, dataBytes: number, claimed?: bigint): string {
  const path = fresh('.safetensors')
  const bytes = Buffer.alloc(8 + Buffer.byteLength(header) + dataBytes)
  bytes.writeBigUInt64LE(claimed ?? BigInt(Buffer.byteLength(header)))
  bytes.write(header, 8)
  writeFileSync(path, bytes)
  return path
}

test('safetensors gives every type back, bit by bit, with metadata', async (t) => {
  const path = fresh('.safetensors')
  const tensors = {
    ...samples,
    scalar: f32([], 7),
    empty: f32([0, 4]),
    __proto__x: f32([1], 1),
    '10': f32([1], 2),
  }
  await writeSafetensors(path, tensors, { format: 'hyperglow', note: '"quoted" é' })
  const read = await readSafetensors(path)
  t.deepEqual([...read.tensors.keys()].sort(), Object.keys(tensors).sort())
  for (const [name, array] of Object.entries(tensors)) t.deepEqual(read.tensors.get(name), array)
  t.deepEqual({ ...read.metadata }, { format: 'hyperglow', note: '"quoted" é' })
  await writeSafetensors(path, read.tensors)
  t.deepEqual((await readSafetensors(path)).metadata, {})
})

test('a name that objects treat specially is a name like any other', async (t) => {
  const path = fresh()
  await writeSafetensors(path, new Map([['__proto__', f32([1], 5)]]))
  t.deepEqual((await readSafetensors(path)).tensors.get('__proto__')?.data, Float32Array.of(5))
})

test('equal contents give equal bytes in any order, and the data begin at a multiple of 8', async (t) => {
  const [one, two] = [fresh(), fresh()]
  await writeSafetensors(one, samples, { a: '1', b: '2' })
  await writeSafetensors(two, Object.fromEntries(Object.entries(samples).reverse()), { b: '2', a: '1' })
  const bytes = readFileSync(one)
  t.deepEqual(bytes, readFileSync(two))
  t.is(Number(bytes.readBigUInt64LE()) % 8, 0)
})

test('safetensors: no tensors at all is a file too', async (t) => {
  const path = fresh()
  await writeSafetensors(path, {})
  t.is((await readSafetensors(path)).tensors.size, 0)
  t.is((await readSafetensors(handmade('{}', 0))).tensors.size, 0)
})

test('safetensors: unaligned data written by others are read', async (t) => {
  const path = handmade(
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}}',
    9,
  )
  t.deepEqual((await readSafetensors(path)).tensors.get('b')?.data, Float64Array.of(0))
})

const entry = (dtype: string, shape: string, offsets: string) =>
  `{"a":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`
const pair = (a: string, b: string) =>
  `{"a":{"dtype":"F32","shape":[1],"data_offsets":${a}},"b":{"dtype":"F32","shape":[1],"data_offsets":${b}}}`
const badFiles: [string, () => string, RegExp][] = [
  ['an empty header', () => handmade('', 0), /does not begin with \{/],
  ['a header longer than the file', () => handmade('{}', 0, 3n), /claims 3 bytes, but only 2 follow/],
  ['a header beyond the bound', () => handmade('{}', 0, 100_000_001n), /at most 100000000/],
  ['a header of 2^64 - 1', () => handmade('{}', 0, 2n ** 64n - 1n), /at most/],
  ['text that is not JSON', () => handmade('{"a":', 0), /not JSON/],
  ['a list', () => handmade('[]', 0), /does not begin with \{/],
  [
    'bytes that are not UTF-8',
    () => {
      const path = handmade('{"a":1}', 0)
      const bytes = readFileSync(path)
      bytes[10] = 0xff
      writeFileSync(path, bytes)
      return path
    },
    /not JSON/,
  ],
  ['an entry that is no object', () => handmade('{"a":1}', 0), /dtype undefined/],
  ['an entry that is null', () => handmade('{"a":null}', 0), /dtype undefined/],
  ['a negative length', () => handmade(entry('"F32"', '[-1]', '[0,4]'), 4), /bad shape/],
  ['a broken length', () => handmade(entry('"F32"', '[0.5]', '[0,2]'), 2), /bad shape/],
  [
    'lengths beyond 2^53',
    () => handmade(entry('"F32"', '[9007199254740991,9007199254740991]', '[0,4]'), 4),
    /bad shape/,
  ],
  ['a shape that is no list', () => handmade(entry('"F32"', '4', '[0,4]'), 4), /bad shape/],
  ['three offsets', () => handmade(entry('"F32"', '[1]', '[0,4,8]'), 4), /bad data_offsets/],
  ['offsets that go backwards', () => handmade(entry('"F32"', '[1]', '[4,0]'), 4), /bad data_offsets/],
  ['negative offsets', () => handmade(entry('"F32"', '[1]', '[-4,0]'), 4), /bad data_offsets/],
  ['a size that does not fit the shape', () => handmade(entry('"F32"', '[2]', '[0,4]'), 4), /needs 8/],
  ['data cut short', () => handmade(entry('"F32"', '[2]', '[0,8]'), 7), /truncated/],
  ['bytes after the data', () => handmade(entry('"F32"', '[1]', '[0,4]'), 5), /belong to none/],
  ['an overlap', () => handmade(pair('[0,4]', '[2,6]'), 6), /overlaps/],
  ['the same bytes twice', () => handmade(pair('[0,4]', '[0,4]'), 4), /overlaps/],
  ['a hole', () => handmade(pair('[0,4]', '[8,12]'), 12), /belong to no array/],
  ['a hole at the begin', () => handmade(entry('"F32"', '[1]', '[4,8]'), 8), /belong to no array/],
  [
    'an array named twice',
    () => handmade(entry('"U8"', '[1]', '[0,1]').replace(/}$/, ',"\\u0061":{}}'), 1),
    /names 'a' twice/,
  ],
  ['metadata that are a list', () => handmade('{"__metadata__":["a"]}', 0), /not a map of text/],
  [
    'booleans other than 0 and 1',
    () => {
      const path = handmade(entry('"BOOL"', '[1]', '[0,1]'), 1)
      const bytes = readFileSync(path)
      bytes[bytes.length - 1] = 2
      writeFileSync(path, bytes)
      return path
    },
    /other than 0 and 1/,
  ],
]
for (const [what, make, message] of badFiles) {
  test(`safetensors refuses ${what}`, async (t) => {
    await t.throwsAsync(readSafetensors(make()), error(DataError, message))
  })
}

test('safetensors refuses a file cut at any byte', async (t) => {
  const whole = fresh()
  await writeSafetensors(whole, { a: f32([2], 1, 2), b: samples.bool as ArrayData })
  const bytes = readFileSync(whole)
  const path = fresh()
  for (let length = 0; length < bytes.length; length++) {
    writeFileSync(path, bytes.subarray(0, length))
    await t.throwsAsync(readSafetensors(path), { instanceOf: DataError }, `${length} bytes`)
  }
})

test('safetensors: any damage to the header is a typed error or a sound file', async (t) => {
  const whole = fresh()
  await writeSafetensors(whole, { a: f32([2], 1, 2), b: f32([1], 3) })
  const bytes = readFileSync(whole)
  const path = fresh()
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
      const damaged = Buffer.from(bytes)
      damaged[at] = value
      writeFileSync(path, damaged)
      await readSafetensors(path).catch((thrown) => {
        if (!(thrown instanceof DataError || thrown instanceof DTypeError)) throw thrown
      })
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('safetensors: missing file, folder instead of a file', async (t) => {
  await t.throwsAsync(readSafetensors(fresh()), error(IOError, /cannot open .*check the path/))
  await t.throwsAsync(readSafetensors(scratch), error(IOError, /not a file/))
})

test('writeSafetensors checks before it writes', async (t) => {
  const path = fresh()
  const write = (array: unknown) => writeSafetensors(path, { w: array as ArrayData })
  await t.throwsAsync(
    write(f32([3], 1, 2)),
    error(ShapeError, /'w': shape \(3\) has 3 elements, the data have 2/),
  )
  await t.throwsAsync(write(f32([-1], 1)), error(ShapeError, /whole numbers/))
  await t.throwsAsync(
    write({ ...f32([1], 1), dtype: 'float16' }),
    error(DTypeError, /"float16"; use one of float32/),
  )
  await t.throwsAsync(
    write({ ...f32([1], 1), dtype: 'float64' }),
    error(DTypeError, /needs a Float64Array, given Float32Array/),
  )
  await t.throwsAsync(
    write({ dtype: 'bool', shape: [1], data: Uint8Array.of(2) }),
    error(DTypeError, /0 or 1/),
  )
  await t.throwsAsync(write(null), error(ArgumentError, /expected \{ dtype, shape, data \}/))
  await t.throwsAsync(
    writeSafetensors(path, { __metadata__: f32([1], 1) }),
    error(ArgumentError, /belongs to the format/),
  )
  const metadata = { epoch: 3 } as unknown as Record<string, string>
  await t.throwsAsync(writeSafetensors(path, {}, metadata), error(ArgumentError, /'epoch' must be text/))
  t.false(existsSync(path))
})

// ---- npy

test('npy gives every type back, bit by bit', async (t) => {
  for (const array of [...Object.values(samples), f32([], 4), f32([0, 3]), f32([3], 1, 2, 3)]) {
    const path = fresh('.npy')
    await writeNpy(path, array)
    t.deepEqual(await readNpy(path), array)
    t.is((readFileSync(path).readUInt16LE(8) + 10) % 64, 0)
  }
})

/** An .npy file with this header text. */
function npy(dict: string, data: Uint8Array, version = 1): string {
  const path = fresh('.npy')
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  length.writeUIntLE(dict.length, 0, length.length)
  writeFileSync(
    path,
    Buffer.concat([
      Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0`, 'latin1'),
      length,
      Buffer.from(dict),
      data,
    ]),
  )
  return path
}
const bytes = (count: number) => Uint8Array.from({ length: count }, (_, i) => i)

test('npy: Fortran order becomes C order', async (t) => {
  const dict = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2), }\n"
  // Element [i, j, k] is at i + 2 j + 6 k.
  const { shape, data } = await readNpy(npy(dict, bytes(12)))
  t.deepEqual(shape, [2, 3, 2])
  t.deepEqual([...(data as Uint8Array)], [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11])
})

test('npy: versions 2 and 3, other orders of keys, and Python 2 lengths', async (t) => {
  const dictOf = (length: string) => `{"shape": (${length}, 1), "fortran_order": False, "descr": "=i4"}`
  for (const version of [1, 2, 3]) {
    const { dtype, shape, data } = await readNpy(
      npy(dictOf(version < 3 ? '2L' : '2'), new Uint8Array(Int32Array.of(-5, 6).buffer), version),
    )
    t.deepEqual([dtype, shape, [...(data as Int32Array)]], ['int32', [2, 1], [-5, 6]])
  }
})

test('npy refuses what it cannot read', async (t) => {
  const dict = (descr: string, shape = '(1,)', order = 'False') =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`
  const refuses = (path: string, kind: new (message: string) => HyperglowError, message: RegExp) =>
    t.throwsAsync(readNpy(path), error(kind, message))
  await refuses(npy(dict("'<f16'"), bytes(16)), DTypeError, /<f16 is not supported; convert/)
  await refuses(npy(dict("[('a', '<f4')]"), bytes(4)), DTypeError, /a record is not supported/)
  await refuses(npy(dict("'<f4'"), bytes(3)), DataError, /needs 4 bytes, it has 3/)
  await refuses(npy(dict("'<f4'"), bytes(5)), DataError, /needs 4 bytes, it has 5/)
  await refuses(npy(dict("'<f4'", '(99999999999, 99999999999)'), bytes(5)), DataError, /not a valid/)
  for (const [shape, why] of [
    ['(-1,)', /shape "\(-1,\)": "-1" is not a whole number/],
    ['(1.5, 2)', /"1\.5" is not a whole number/],
    ['(6)', /is written \(6,\)/],
    ['(1,,2)', /an empty length/],
    ['[1]', /expected a tuple/],
    ['6', /expected a tuple/],
  ] as const) {
    await refuses(npy(dict("'<f4'", shape), bytes(4)), DataError, why)
  }
  const twice = `{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (2,)}`
  await refuses(npy(twice, bytes(8)), DataError, /'shape' twice/)
  await refuses(npy(twice.replace("'shape': (2", "'order': (2"), bytes(4)), DataError, /the key "order"/)
  await refuses(npy("{'descr': '<f4', 'shape': (1,)}", bytes(4)), DataError, /lacks fortran_order/)
  await refuses(npy(dict("'<f4'", '(1,)', 'Maybe'), bytes(4)), DataError, /lacks/)
  await refuses(npy(dict("'|b1'"), Uint8Array.of(7)), DataError, /other than 0 and 1/)
  await refuses(npy('import os', bytes(4)), DataError, /lacks/)
  await refuses(npy(dict("'<f4'"), bytes(4), 9), DataError, /version 9/)
  const cut = npy(dict("'<f4'"), bytes(4))
  writeFileSync(cut, readFileSync(cut).subarray(0, 30))
  await refuses(cut, DataError, /truncated/)
  writeFileSync(cut, 'NUMPY is not here')
  await refuses(cut, DataError, /does not begin with/)
  writeFileSync(cut, '')
  await refuses(cut, DataError, /only 0 bytes/)
  await refuses(fresh(), IOError, /cannot open/)
})

test('what is no array with its values is refused with the way to one', async (t) => {
  const path = fresh('.npy')
  const way = /\{ dtype: t\.dtype, shape: t\.shape, data: await t\.data\(\) \}/
  const given = tensor([1, 2])
  for (const value of [given, new Variable(given)] as unknown as ArrayData[]) {
    await t.throwsAsync(writeNpy(path, value), error(ArgumentError, way))
    await t.throwsAsync(writeSafetensors(path, { w: value }), error(ArgumentError, way))
  }
  const more = { ...f32([1], 1), fortran_order: true }
  await t.throwsAsync(
    writeNpy(path, more),
    error(ArgumentError, /"fortran_order": valid are dtype, shape, data/),
  )
  await t.throwsAsync(writeSafetensors(path, { w: more }), error(ArgumentError, /fortran_order/))
  t.false(existsSync(path))
})

test('text with half of a surrogate pair is refused on writing', async (t) => {
  const path = fresh('.safetensors')
  const half = error(ArgumentError, /half of a surrogate pair/)
  await t.throwsAsync(writeSafetensors(path, { 'a\ud800': f32([1], 1) }), half)
  await t.throwsAsync(writeSafetensors(path, {}, { 'a\udc00b': 'text' }), half)
  await t.throwsAsync(writeSafetensors(path, {}, { key: '\ud83d' }), half)
  await writeSafetensors(path, { '\u{1f600}': f32([1], 1) }, { key: '\u{1f600}' })
  t.deepEqual([...(await readSafetensors(path)).tensors.keys()], ['\u{1f600}'])
})

test('a URL for a path is refused with the way to a path', async (t) => {
  const url = new URL('file:///tmp/a.npy') as unknown as string
  const way = error(ArgumentError, /fileURLToPath/)
  await t.throwsAsync(readNpy(url), way)
  await t.throwsAsync(writeNpy(url, f32([1], 1)), way)
  await t.throwsAsync(readSafetensors(url), way)
  await t.throwsAsync(writeAtomic(url, 'text'), way)
})
