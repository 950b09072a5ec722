import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { DType, TypedArray } from '../ts/dtype.js'
import {
  ArgumentError,
  DataError,
  DTypeError,
  type HyperglowError,
  IOError,
  ShapeError,
  StateError,
} from '../ts/errors.js'
import {
  type ArrayData,
  DynamicsWriter,
  loadDynamics,
  loadSegment,
  readNpy,
  readSafetensors,
  writeAtomic,
  writeNpy,
  writeSafetensors,
} from '../ts/io/index.js'

const scratch = mkdtempSync(join(tmpdir(), 'hyperglow-io-'))
test.after.always(() => rmSync(scratch, { recursive: true, force: true }))
let folders = 0
/** A path that nothing is at yet. */
const fresh = (name = '') => join(scratch, `${folders++}${name}`)

const error = (instanceOf: new (message: string) => HyperglowError, message: RegExp) => ({
  instanceOf,
  message,
})
const f32 = (shape: number[], ...values: number[]): ArrayData => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
})
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
  await t.throwsAsync(writeAtomic(join(folder, 'taken'), 'x'), error(IOError, /cannot write .*taken.*check/))
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
  ['an unknown dtype', () => handmade(entry('"F16"', '[1]', '[0,2]'), 2), /dtype "F16"; those read are F32/],
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
  ['metadata that are not text', () => handmade('{"__metadata__":{"a":1}}', 0), /not a map of text/],
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

test('safetensors: any damage to the header is a DataError or a sound file', async (t) => {
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
        if (!(thrown instanceof DataError)) throw thrown
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
    writeSafetensors(path, { __metadata__: f32([]) }),
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
  // Element [i, j, k] lies at i + 2 j + 6 k.
  const { shape, data } = await readNpy(npy(dict, bytes(12)))
  t.deepEqual(shape, [2, 3, 2])
  t.deepEqual([...(data as Uint8Array)], [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11])
})

test('npy: versions 2 and 3, other orders of keys, and Python 2 lengths', async (t) => {
  const dict = `{"shape": (2L, 1), "fortran_order": False, "descr": "=i4"}`
  for (const version of [1, 2, 3]) {
    const { dtype, shape, data } = await readNpy(
      npy(dict, new Uint8Array(Int32Array.of(-5, 6).buffer), version),
    )
    t.deepEqual([dtype, shape, [...(data as Int32Array)]], ['int32', [2, 1], [-5, 6]])
  }
})

test('npy refuses what it cannot read', async (t) => {
  const dict = (descr: string, shape = '(1,)', order = 'False') =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`
  const refuses = (path: string, kind: new (message: string) => HyperglowError, message: RegExp) =>
    t.throwsAsync(readNpy(path), error(kind, message))
  await refuses(npy(dict("'>f4'"), bytes(4)), DTypeError, />f4 is not read; convert/)
  await refuses(npy(dict("'|O'"), bytes(4)), DTypeError, /\|O is not read/)
  await refuses(npy(dict("[('a', '<f4')]"), bytes(4)), DTypeError, /a record is not read/)
  await refuses(npy(dict("'<f4'"), bytes(3)), DataError, /needs 4 bytes, it has 3/)
  await refuses(npy(dict("'<f4'"), bytes(5)), DataError, /needs 4 bytes, it has 5/)
  await refuses(npy(dict("'<f4'", '(99999999999, 99999999999)'), bytes(5)), DataError, /not a sound/)
  await refuses(npy(dict("'<f4'", '(-1,)'), bytes(4)), DataError, /lacks/)
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

// ---- the store of dynamics

const plan = {
  epochs: 3,
  batches: 5,
  evaluators: ['hsic', 'edge'],
  layers: ['conv', 'dense'],
  chunkBatches: 2,
  seed: 7,
}
const width = 2 * 2 * 2
/** Values that say which batch they are of. */
const valuesOf = (epoch: number, batch: number) =>
  Float32Array.from({ length: width }, (_, i) => epoch * 100 + batch * 10 + i)
const nothing = () => new Array(width).fill(Number.NaN)
const stored = (values: Float32Array, epoch: number, batch: number) => [
  ...values.subarray((epoch * plan.batches + batch) * width, (epoch * plan.batches + batch + 1) * width),
]

test('dynamics come back as they were given', async (t) => {
  const folder = join(fresh(), 'runs', 'one')
  const writer = await DynamicsWriter.create(folder, {
    ...plan,
    evaluatorSettings: [
      { kernel: 'gaussian', sigma: 5, weight: Math.sqrt },
      { bins: Number.POSITIVE_INFINITY },
    ],
    notes: { dataset: 'mnist' },
  })
  for (let e = 0; e < 3; e++) for (let b = 0; b < 5; b++) await writer.append(e, b, valuesOf(e, b))
  t.false((await loadDynamics(folder)).finished)
  await writer.close()
  const read = await loadDynamics(folder)
  t.deepEqual(read.shape, [3, 5, 2, 2, 2])
  for (let e = 0; e < 3; e++)
    for (let b = 0; b < 5; b++) t.deepEqual(stored(read.values, e, b), [...valuesOf(e, b)])
  t.deepEqual(read.evaluators, ['hsic', 'edge'])
  t.deepEqual(read.layers, ['conv', 'dense'])
  t.deepEqual(read.evaluatorSettings, [
    { kernel: 'gaussian', sigma: 5, weight: 'sqrt' },
    { bins: 'Infinity' },
  ])
  t.deepEqual([read.seed, read.finished, read.completedBatches], [7, true, 15])
  t.deepEqual(read.notes, { dataset: 'mnist' })
  t.deepEqual(read.averaged().shape, [3, 2, 2, 2])
  t.deepEqual([...read.averaged().values.subarray(width, 2 * width)], [...valuesOf(1, 2)])
})

test('a chunk is on the disk as soon as its last batch is there, and not before', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  const chunk = (epoch: number, index: number) =>
    existsSync(join(folder, 'dynamics', 'c', `${epoch}`, `${index}`, '0', '0', '0'))
  await writer.append(0, 0, valuesOf(0, 0))
  t.false(chunk(0, 0))
  await writer.append(0, 1, valuesOf(0, 1))
  t.true(chunk(0, 0))
  await writer.append(0, 2, valuesOf(0, 2))
  await writer.append(0, 3, valuesOf(0, 3))
  await writer.append(0, 4, valuesOf(0, 4))
  t.true(chunk(0, 2), 'the short chunk at the end of an epoch')
  await writer.skip(1, 0)
  await writer.skip(1, 1)
  t.true(chunk(1, 0), 'skipped batches count')
  await writer.close()
})

test('missing batches are NaN and do not count in the mean', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  await writer.append(0, 1, valuesOf(0, 1))
  await writer.append(0, 3, valuesOf(0, 3))
  const odd = valuesOf(2, 4)
  odd[0] = Number.NaN
  await writer.append(2, 4, odd)
  await writer.close()
  const read = await loadDynamics(folder)
  t.deepEqual(stored(read.values, 0, 0), nothing())
  t.deepEqual([read.completedBatches, read.completedPerEpoch], [3, [2, 0, 1]])
  const { values } = read.averaged()
  t.deepEqual([...values.subarray(0, width)], [...valuesOf(0, 2)])
  t.deepEqual([...values.subarray(width, 2 * width)], nothing())
  t.deepEqual([...values.subarray(2 * width)], [...odd], 'a NaN of an evaluator is not hidden')
})

test('flush writes a part of a chunk, and later batches go beside it', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, chunkBatches: 4 })
  for (let b = 0; b < 5; b++) {
    const values = valuesOf(0, b)
    await writer.append(0, b, values)
    values.fill(-1)
    await writer.flush()
    t.is((await loadDynamics(folder)).completedBatches, b + 1)
  }
  await writer.close()
  const { values } = await loadDynamics(folder)
  for (let b = 0; b < 5; b++) t.deepEqual(stored(values, 0, b), [...valuesOf(0, b)])
})

test('appending without waiting keeps the order', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, chunkBatches: 1 })
  const all = []
  for (let e = 0; e < 3; e++) for (let b = 0; b < 5; b++) all.push(writer.append(e, b, valuesOf(e, b)))
  await writer.close()
  await Promise.all(all)
  t.is((await loadDynamics(folder)).completedBatches, 15)
})

test('append checks what it is given', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  await t.throwsAsync(
    writer.append(0, 0, new Float32Array(3)),
    error(ShapeError, /given 3 values.*2 x 2 x 2 = 8/),
  )
  await t.throwsAsync(writer.append(0, 0, [1] as never), error(ShapeError, /an array of 1/))
  await t.throwsAsync(
    writer.append(3, 0, valuesOf(0, 0)),
    error(ArgumentError, /outside 3 epochs of 5 batches/),
  )
  await t.throwsAsync(writer.append(0, 0.5, valuesOf(0, 0)), error(ArgumentError, /batch 0\.5/))
  await writer.append(1, 2, valuesOf(1, 2))
  await t.throwsAsync(writer.append(1, 2, valuesOf(1, 2)), error(ArgumentError, /once, in order/))
  await t.throwsAsync(writer.append(0, 4, valuesOf(0, 4)), error(ArgumentError, /in order/))
  await t.throwsAsync(writer.appendSegment(1, 2, []), error(StateError, /raw: true/))
  await writer.close()
  await writer.close()
  await t.throwsAsync(writer.append(1, 3, valuesOf(1, 3)), error(StateError, /closed/))
  await t.throwsAsync(writer.flush(), error(StateError, /closed/))
  t.is((await loadDynamics(folder)).completedBatches, 1)
})

test('create checks its options and touches nothing where they are wrong', async (t) => {
  const folder = fresh()
  const refuses = (options: object, message: RegExp) =>
    t.throwsAsync(DynamicsWriter.create(folder, { ...plan, ...options }), error(ArgumentError, message))
  await refuses({ epochs: 0 }, /epochs must be a whole number >= 1, given 0/)
  await refuses({ batches: 1.5 }, /batches/)
  await refuses({ chunkBatches: -1 }, /chunkBatches/)
  await refuses({ evaluators: [] }, /nothing to store/)
  await refuses({ layers: [] }, /layers is empty/)
  await refuses({ layers: [1] }, /list of names/)
  await refuses({ evaluatorSettings: [{}] }, /1 evaluatorSettings for 2 evaluators/)
  await refuses({ seed: Number.NaN }, /seed/)
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  await refuses({ notes: cyclic }, /cannot be written as JSON/)
  await t.throwsAsync(DynamicsWriter.create('', plan), error(ArgumentError, /folder/))
  t.false(existsSync(folder))
})

test('a store is replaced only when asked, and files of others in the folder stay', async (t) => {
  const folder = fresh()
  const first = await DynamicsWriter.create(folder, plan)
  await first.append(0, 0, valuesOf(0, 0))
  await first.close()
  writeFileSync(join(folder, 'plane.png'), 'a picture')
  await t.throwsAsync(
    DynamicsWriter.create(folder, plan),
    error(StateError, /already holds.*overwrite: true/),
  )
  t.is((await loadDynamics(folder)).completedBatches, 1)
  const second = await DynamicsWriter.create(folder, { ...plan, epochs: 1, overwrite: true })
  await second.close()
  const read = await loadDynamics(folder)
  t.deepEqual([read.shape[0], read.completedBatches], [1, 0])
  t.is(readFileSync(join(folder, 'plane.png'), 'utf8'), 'a picture')
})

test('a folder with something else is never taken over', async (t) => {
  const overwrite = { ...plan, overwrite: true }
  const make = (name: string, text: string) => {
    const folder = fresh()
    mkdirSync(folder)
    writeFileSync(join(folder, name), text)
    return folder
  }
  for (const [name, text] of [
    ['zarr.json', '{"zarr_format":3,"node_type":"group","attributes":{}}'],
    ['zarr.json', 'not JSON'],
    ['zarr.json', 'null'],
    ['.zgroup', '{"zarr_format":2}'],
    ['dynamics', 'my notes'],
  ] as const) {
    const folder = make(name, text)
    await t.throwsAsync(DynamicsWriter.create(folder, overwrite), error(DataError, /not a store of dynamics/))
    t.deepEqual(readdirSync(folder), [name])
    t.is(readFileSync(join(folder, name), 'utf8'), text)
  }
  const beside = make('notes.txt', 'mine')
  await (await DynamicsWriter.create(beside, plan)).close()
  t.is(readFileSync(join(beside, 'notes.txt'), 'utf8'), 'mine')
  await t.throwsAsync(
    DynamicsWriter.create(join(beside, 'notes.txt'), overwrite),
    error(IOError, /as a folder/),
  )
})

test('loadDynamics refuses what is not a sound store', async (t) => {
  await t.throwsAsync(loadDynamics(fresh()), error(IOError, /no zarr\.json; check the path/))
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  for (let b = 0; b < 5; b++) await writer.append(0, b, valuesOf(0, b))
  await writer.close()
  const group = join(folder, 'zarr.json')
  const good = readFileSync(group, 'utf8')
  const attributes = JSON.parse(good).attributes
  for (const [change, message] of [
    [{ format: 'other' }, /not a store/],
    [{ version: 99 }, /version 99.*newer/],
    [{ shape: [3, 5, 2, 2] }, /do not agree/],
    [{ layers: ['one'] }, /do not agree/],
    [{ shape: [1e15, 1e15, 2, 2, 2] }, /at most/],
    [{ shape: [3, 4, 2, 2, 2] }, /its array is \[3, 5, 2, 2, 2\]/],
  ] as const) {
    writeFileSync(
      group,
      JSON.stringify({ zarr_format: 3, node_type: 'group', attributes: { ...attributes, ...change } }),
    )
    await t.throwsAsync(loadDynamics(folder), error(DataError, message))
  }
  writeFileSync(group, good)
  const chunk = join(folder, 'dynamics', 'c', '0', '1', '0', '0', '0')
  const whole = readFileSync(chunk)
  for (const length of [0, 3, 4, whole.length - 4]) {
    writeFileSync(chunk, whole.subarray(0, length))
    await t.throwsAsync(loadDynamics(folder), error(DataError, /chunk 0\/1 .*damaged/))
  }
  rmSync(chunk)
  t.is((await loadDynamics(folder)).completedBatches, 3)
  rmSync(join(folder, 'dynamics', 'zarr.json'))
  await t.throwsAsync(loadDynamics(folder), error(DataError, /cannot be opened/))
})

test('a chunk that cannot be written rejects its append, and the next one may succeed', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, chunkBatches: 1 })
  mkdirSync(join(folder, 'dynamics', 'c'))
  writeFileSync(join(folder, 'dynamics', 'c', '0'), 'in the way')
  await t.throwsAsync(writer.append(0, 0, valuesOf(0, 0)), error(IOError, /cannot write/))
  rmSync(join(folder, 'dynamics', 'c', '0'))
  await writer.append(0, 1, valuesOf(0, 1))
  await writer.close()
  t.deepEqual((await loadDynamics(folder)).completedPerEpoch, [1, 0, 0])
})

// ---- raw segments

const segmentOf = (count: number, start: number): ArrayData[] => [
  { dtype: 'uint8', shape: [count, 2, 2], data: Uint8Array.from({ length: count * 4 }, (_, i) => start + i) },
  {
    dtype: 'float32',
    shape: [count, 3],
    data: Float32Array.from({ length: count * 3 }, (_, i) => start + i / 8),
  },
  {
    dtype: 'float64',
    shape: [count, 1],
    data: Float64Array.from({ length: count }, (_, i) => start - i / 3),
  },
  {
    dtype: 'int64',
    shape: [count],
    data: BigInt64Array.from({ length: count }, (_, i) => BigInt(start + i)),
  },
]

test('raw segments come back as the same tensors, the short last batch too', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, evaluators: [], raw: true })
  t.is(await loadSegment(folder, 0, 0), undefined, 'nothing was stored')
  await writer.appendSegment(0, 0, segmentOf(4, 10))
  await writer.appendSegment(0, 4, segmentOf(1, 50))
  await writer.append(0, 4, new Float32Array(0))
  await writer.close()
  t.deepEqual(await loadSegment(folder, 0, 0), segmentOf(4, 10))
  t.deepEqual(await loadSegment(folder, 0, 4), segmentOf(1, 50))
  t.is(await loadSegment(folder, 0, 1), undefined)
  t.is(await loadSegment(folder, 9, 0), undefined)
  const { shape, values } = await loadDynamics(folder)
  t.deepEqual([shape, values.length], [[3, 5, 0, 2, 2], 0])
  await (await DynamicsWriter.create(folder, { ...plan, overwrite: true })).close()
  t.is(await loadSegment(folder, 0, 0), undefined)
  t.deepEqual(readdirSync(folder).sort(), ['dynamics', 'zarr.json'])
})

test('raw segments of booleans and of one number a sample', async (t) => {
  const folder = fresh()
  await using writer = await DynamicsWriter.create(folder, { ...plan, layers: ['mask'], raw: true })
  const segment: ArrayData[] = [
    { dtype: 'int32', shape: [2], data: Int32Array.of(-1, 5) },
    { dtype: 'bool', shape: [2, 1], data: Uint8Array.of(1, 0) },
    { dtype: 'uint32', shape: [2], data: Uint32Array.of(2 ** 32 - 1, 0) },
  ]
  await writer.appendSegment(0, 0, segment)
  t.deepEqual(await loadSegment(folder, 0, 0), segment)
})

test('appendSegment checks what it is given', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, { ...plan, raw: true })
  const refuses = (segment: ArrayData[], message: RegExp) =>
    t.throwsAsync(writer.appendSegment(0, 1, segment), error(ShapeError, message))
  await writer.appendSegment(0, 0, segmentOf(4, 0))
  await refuses(segmentOf(4, 0).slice(1), /given 3 tensors, expected 4: x, h1, h2, y/)
  await refuses(
    [...segmentOf(4, 0).slice(0, 3), ...segmentOf(3, 0).slice(3)],
    /y has shape \(3\), expected \(4, \.\.\.\)/,
  )
  await refuses(segmentOf(5, 0), /only have fewer samples/)
  await refuses([f32([1, 2, 2], 1, 2, 3, 4), ...segmentOf(1, 0).slice(1)], /x is float32/)
  await refuses(segmentOf(0, 0), /without zeros/)
  await t.throwsAsync(writer.appendSegment(0, 0, segmentOf(4, 0)), error(ArgumentError, /in order/))
  await writer.appendSegment(0, 1, segmentOf(4, 8))
  await writer.close()
  t.deepEqual(await loadSegment(folder, 0, 1), segmentOf(4, 8))
  writeFileSync(join(folder, 'segments', 'h1', 'c', '0', '1', '0', '0'), 'short')
  await t.throwsAsync(loadSegment(folder, 0, 1), error(DataError, /damaged/))
  rmSync(join(folder, 'segments', 'h2'), { recursive: true })
  await t.throwsAsync(loadSegment(folder, 0, 0), error(DataError, /h2 is missing/))
  await t.throwsAsync(loadSegment(fresh(), 0, 0), error(IOError, /check the path/))
})

// ---- a process that is killed

/** A program that writes chunk after chunk and says which batch it has handed over, until it is killed. */
const endlessRun = `
  const { DynamicsWriter } = await import(process.argv[1])
  const [epochs, batches] = [1000, 6]
  const writer = await DynamicsWriter.create(process.argv[2], { epochs, batches, evaluators: ['a'], layers: ['l'], chunkBatches: 3 })
  for (let e = 0; e < epochs; e++) for (let b = 0; b < batches; b++) {
    await writer.append(e, b, Float32Array.of(e, b))
    process.stdout.write((e * batches + b + 1) + '\\n')
  }`

/** Runs the program and kills it once it has handed over `count` batches; resolves to how many it had said by then. */
function killAfter(folder: string, count: number): Promise<number> {
  const store = new URL('../ts/io/dynamics-store.js', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', endlessRun, store, folder])
  let [output, complaints] = ['', '']
  child.stderr.on('data', (text) => {
    complaints += text
  })
  child.stdout.on('data', (text) => {
    output += text
    if (said() >= count) child.kill('SIGKILL')
  })
  const said = () => Number(output.split('\n').at(-2) ?? 0)
  return new Promise((resolve, reject) => {
    child.on('close', (_code, signal) =>
      signal === 'SIGKILL' ? resolve(said()) : reject(new Error(complaints)),
    )
  })
}

test('a killed process leaves every finished chunk whole and no other', async (t) => {
  for (const count of [1, 2, 7, 20, 41]) {
    const folder = fresh()
    const said = await killAfter(folder, count)
    const { values, completedBatches, finished, completedPerEpoch } = await loadDynamics(folder)
    t.false(finished)
    t.is(completedBatches % 3, 0, 'whole chunks only')
    t.true(completedBatches >= said - (said % 3), `${said} handed over, ${completedBatches} found`)
    for (let i = 0; i < completedBatches; i++) {
      t.deepEqual([...values.subarray(2 * i, 2 * i + 2)], [Math.floor(i / 6), i % 6])
    }
    t.is(completedPerEpoch.length, 1000)
    const again = await DynamicsWriter.create(folder, { ...plan, overwrite: true })
    await again.close()
    t.is((await loadDynamics(folder)).completedBatches, 0)
  }
})

test('what a killed write leaves behind disturbs nobody', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  for (let b = 0; b < 5; b++) await writer.append(0, b, valuesOf(0, b))
  writeFileSync(join(folder, 'dynamics', 'c', '0', '0', '0', '0', '.tmp-1-abc'), 'half a chu')
  writeFileSync(join(folder, '.tmp-1-abc'), '{')
  t.is((await loadDynamics(folder)).completedBatches, 5)
  await writer.close()
})
