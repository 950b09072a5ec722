/** Files of other programs: those of numpy 2 and safetensors 0.6 in `data/io-numpy.json`, and common mistakes. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import type { DType, TypedArray } from '../ts/core/dtype.js'
import { ArgumentError, DataError, DTypeError } from '../ts/core/errors.js'
import { packageRoot } from '../ts/core/package-root.js'
import { readIdx } from '../ts/data/idx.js'
import { readNpy, readSafetensors } from '../ts/io/index.js'
import { error, fresh } from './io-scratch.js'

const files: Record<string, string> = JSON.parse(
  readFileSync(join(packageRoot, '__test__', 'data', 'io-numpy.json'), 'utf8'),
)

/** A file of these bytes. */
function file(bytes: Uint8Array | string): string {
  const path = fresh()
  writeFileSync(path, bytes)
  return path
}
const fixture = (name: string) => file(Buffer.from(files[name] as string, 'base64'))

const halves = Float32Array.of(
  1.5,
  -0,
  65504,
  2 ** -24,
  0.00006097555160522461,
  0.3330078125,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
)
const arrays: [name: string, dtype: DType, shape: number[], data: TypedArray][] = [
  ['f2', 'float32', [9], halves],
  ['>f2', 'float32', [9], halves],
  ['f4be', 'float32', [2], Float32Array.of(1.5, -2.25)],
  ['f8be', 'float64', [1, 2], Float64Array.of(1.5, -2.25)],
  ['i1', 'int32', [2], Int32Array.of(-128, 127)],
  ['>i2', 'int32', [3], Int32Array.of(-32768, 32767, 1)],
  ['u2', 'int32', [2], Int32Array.of(0, 65535)],
  ['>u4', 'uint32', [2], Uint32Array.of(1, 2 ** 32 - 1)],
  ['u8', 'int64', [2], BigInt64Array.of(0n, 2n ** 63n - 1n)],
  ['>u8', 'int64', [2], BigInt64Array.of(7n, 2n ** 40n)],
  ['>i8', 'int64', [2], BigInt64Array.of(-5n, 2n ** 40n)],
  ['b', 'bool', [2], Uint8Array.of(1, 0)],
  ['fortran', 'int32', [2, 3], Int32Array.of(0, 1, 2, 3, 4, 5)],
  ['scalar', 'float64', [], Float64Array.of(2.5)],
  ['v2', 'float32', [2], Float32Array.of(1.5, 2.5)],
  ['bf', 'float32', [1], Float32Array.of(1.5)],
]
for (const [name, dtype, shape, data] of arrays) {
  test(`npy of NumPy: ${name}`, async (t) => {
    t.deepEqual(await readNpy(fixture(name)), { dtype, shape, data })
  })
}

test('every float16 and bfloat16 is given as the float32 that it is', async (t) => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i)
  const header = (type: string) =>
    Buffer.from(`{"w":{"dtype":"${type}","shape":[65536],"data_offsets":[0,131072]}}`)
  const read = async (type: string) => {
    const json = header(type)
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(json.length))
    const { tensors } = await readSafetensors(
      file(Buffer.concat([length, json, new Uint8Array(bits.buffer)])),
    )
    return tensors.get('w')?.data as Float32Array
  }
  const half = (i: number) => {
    const [sign, exponent, fraction] = [i & 0x8000 ? -1 : 1, (i >> 10) & 31, i & 1023]
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  }
  const same = (found: Float32Array, wanted: (i: number) => number) =>
    t.is(
      found.findIndex((value, i) => !Object.is(value, wanted(i))),
      -1,
    )
  same(await read('F16'), half)
  const brains = new Float32Array(Uint32Array.from(bits, (i) => i * 65536).buffer)
  same(await read('BF16'), (i) => brains[i] as number)
})

const refused: [name: string, message: RegExp][] = [
  ['c8', /<c8 is not supported; complex.*numpy\.stack\(\[a\.real, a\.imag\], -1\)/],
  ['U', /<U2.*text.*numpy\.unique/],
  ['M', /<M8\[D\].*times.*int64/],
  ['rec', /a record.*a\['name'\]/],
  ['obj', /\|O.*pickled.*run code.*numpy\.save/],
  ['longdouble', /<f16.*a\.astype\(numpy\.float64\)/],
]
for (const [name, message] of refused) {
  test(`npy of NumPy that is not read says how to convert it: ${name}`, async (t) => {
    await t.throwsAsync(readNpy(fixture(name)), error(DTypeError, message))
  })
}

test('unsigned integers beyond int64 are refused with their place', async (t) => {
  await t.throwsAsync(readNpy(fixture('u8big')), error(DataError, /18446744073709551615 at 1.*float64/))
})

test('safetensors: every type of published weights', async (t) => {
  const { tensors } = await readSafetensors(fixture('st'))
  const found = Object.fromEntries([...tensors].map(([name, { dtype, data }]) => [name, [dtype, data]]))
  t.deepEqual(found, {
    F16: ['float32', halves],
    BF16: ['float32', Float32Array.of(1.5, -3.140625, Number.POSITIVE_INFINITY, 9.183549615799121e-41)],
    I8: ['int32', Int32Array.of(-128, 127)],
    I16: ['int32', Int32Array.of(-32768, 32767)],
    U16: ['int32', Int32Array.of(0, 65535)],
    U32: ['uint32', Uint32Array.of(1, 2 ** 32 - 1)],
    U64: ['int64', BigInt64Array.of(0n, 2n ** 63n - 1n)],
    BOOL: ['bool', Uint8Array.of(1, 0)],
    I64: ['int64', BigInt64Array.of(-5n)],
    F64: ['float64', Float64Array.of(0.1)],
  })
  await t.throwsAsync(readSafetensors(fixture('st8')), error(DTypeError, /F8_E4M3.*v\.float\(\)/))
  await t.throwsAsync(readSafetensors(fixture('stc')), error(DTypeError, /C64.*tensor\.real/))
})

/** A safetensors file of one byte with this text in front of and among its header. */
function weights(before: string, metadata = ''): string {
  const json = `${before}{${metadata}"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)))
  return file(Buffer.concat([length, Buffer.from(json), Uint8Array.of(7)]))
}

test('safetensors: white space before the header, and metadata as others write them', async (t) => {
  const metadata = async (text: string) =>
    (await readSafetensors(weights('', `"__metadata__":${text},`))).metadata
  t.is((await readSafetensors(weights(' \n'))).tensors.size, 1)
  t.deepEqual(await metadata('null'), {})
  t.deepEqual(await metadata('{}'), {})
  t.deepEqual(await metadata('{"step":3,"tags":["a"],"none":null,"text":"3"}'), {
    step: '3',
    tags: '["a"]',
    none: 'null',
    text: '3',
  })
})

test('other files say what they are and how to convert them', async (t) => {
  const zip = fixture('npz')
  await t.throwsAsync(readNpy(zip), error(DataError, /zip archive.*with readNpz/))
  await t.throwsAsync(readSafetensors(zip), error(DataError, /zip archive.*save_file\(torch\.load/))
  const pickle = file(Buffer.from('80025d71002e'.padEnd(80, '0'), 'hex'))
  await t.throwsAsync(readNpy(pickle), error(DataError, /pickle, which may run code/))
  await t.throwsAsync(readSafetensors(pickle), error(DataError, /pickle, which may run code/))
  await t.throwsAsync(readSafetensors(fixture('b')), error(DataError, /array of NumPy; read it with readNpy/))
  const page = file(`<!doctype html><title>404</title>${' '.repeat(700)}`)
  await t.throwsAsync(readNpy(page), error(DataError, /web page.*fetch it again/))
  await t.throwsAsync(readIdx(page), error(DataError, /web page.*fetch it again/))
  const pointer = file('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n')
  await t.throwsAsync(readSafetensors(pointer), error(DataError, /git lfs pull/))
  for (const read of [readNpy, readSafetensors, readIdx]) {
    await t.throwsAsync(read(file('')), error(DataError, /0 bytes/))
    await t.throwsAsync(read(5 as never), error(ArgumentError, /given 5, expected the path of a file/))
  }
})

test('idx: compressed files by their content, and small signed integers', async (t) => {
  const bytes = (code: number, ...values: number[]) => Uint8Array.of(0, 0, code, 1, 0, 0, 0, 2, ...values)
  const read = async (content: Uint8Array) => await readIdx(file(content))
  t.deepEqual(await read(gzipSync(bytes(8, 1, 255))), {
    dtype: 'uint8',
    shape: [2],
    data: Uint8Array.of(1, 255),
  })
  t.deepEqual(await read(bytes(9, 1, 255)), { dtype: 'int32', shape: [2], data: Int32Array.of(1, -1) })
  t.deepEqual(await read(bytes(11, 1, 0, 255, 254)), {
    dtype: 'int32',
    shape: [2],
    data: Int32Array.of(256, -2),
  })
})
