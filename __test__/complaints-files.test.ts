/**
 * What people report in public of file formats, tried here. A test is named after the report: repository#number, or repository!number
 * of a pull request.
 */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync, gzipSync } from 'node:zlib'
import test from 'ava'
import { encodeIdx, readIdx } from '../ts/data/idx.js'
import {
  ArrayDataset,
  DataError,
  DTypeError,
  DynamicsWriter,
  loadDynamics,
  mnist,
  readNpy,
  readNpz,
  readSafetensors,
  writeNpy,
  writeNpz,
  writeSafetensors,
} from '../ts/index.js'
import { error, f32, fresh } from './io-scratch.js'

function put(bytes: Uint8Array | string, name = ''): string {
  const path = fresh(name)
  writeFileSync(path, bytes)
  return path
}

const images = {
  dtype: 'uint8',
  shape: [2, 2, 2],
  data: Uint8Array.of(0, 51, 102, 153, 204, 255, 1, 2),
} as const
const labels = { dtype: 'uint8', shape: [2], data: Uint8Array.of(3, 9) } as const

test('CEA-LIST/N2D2#118, shubhammor0403/EMNIST#1, tolstikhin/adagan#1, hanbt/learn_dl#52: a compressed idx file is one whatever its name, and a plain one named .gz too', async (t) => {
  const plain = encodeIdx(images)
  for (const [bytes, name] of [
    [gzipSync(plain), 'train-images-idx3-ubyte'],
    [plain, 'train-images-idx3-ubyte.gz'],
  ] as const) {
    t.deepEqual(await readIdx(put(bytes, name)), images)
  }
})

test('tensorflow/tensorflow#15668, fgnt/mnist#1: an error page saved as .gz is told to be one', async (t) => {
  const page = `<!DOCTYPE html><html><title>503 Service Unavailable</title>${'<p>.</p>'.repeat(81)}${'.'.repeat(13)}</html>`
  t.is(page.length, 727)
  const path = put(page, 'train-images-idx3-ubyte.gz')
  await t.throwsAsync(readIdx(path), error(DataError, /web page.*fetch it again/))
})

test('datapythonista/mnist#19: an empty file is told to be empty', async (t) => {
  await t.throwsAsync(readIdx(put('', 't10k-labels-idx1-ubyte.gz')), error(DataError, /0 bytes/))
})

test('CuriousAI/ladder#1: pixels of images come scaled to 0..1, and the scale is told', async (t) => {
  const dataDir = fresh()
  mkdirSync(dataDir)
  const pixels = { dtype: 'uint8', shape: [2, 28, 28], data: new Uint8Array(2 * 784).fill(255, 784) } as const
  for (const part of ['train', 't10k']) {
    writeFileSync(join(dataDir, `${part}-images-idx3-ubyte`), encodeIdx(pixels))
    writeFileSync(join(dataDir, `${part}-labels-idx1-ubyte`), encodeIdx(labels))
  }
  const { train } = await mnist.load({ dataDir, batchSize: 2 })
  for await (const { x } of train) {
    t.is(await x.max().item(), 1)
    t.is(x.dtype, 'float32')
  }
  const raw = new ArrayDataset(pixels, labels, { batchSize: 2, shuffle: false })
  for await (const { x } of raw) t.is(await x.max().item(), 255)
})

test('UCSC-REAL/cifar-10-100n#1: an .npy file of 0 bytes is refused', async (t) => {
  await t.throwsAsync(readNpy(put('', 'labels.npy')), error(DataError, /0 bytes/))
})

/** An .npy file. @param wide whether the length of the header has 4 bytes, as from version 2 on */
function npy(version: number, header: string, values: Uint8Array, wide = version > 1): Buffer {
  const text = Buffer.from(`${header}\n`, 'utf8')
  const length = Buffer.alloc(wide ? 4 : 2)
  if (wide) length.writeUInt32LE(text.length)
  else length.writeUInt16LE(text.length)
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]), length, text, values])
}
const doubles = Buffer.from(Float64Array.of(1, 2, 3, 4).buffer)
const header = (order: string, more = '') =>
  `{'descr': '<f8', 'fortran_order': ${order}, 'shape': (2, 2), ${more}}`

test('rogersce/cnpy#7: the order of the axes is a word, wherever it stands and whatever is around it', async (t) => {
  const orders: [text: string, values: number[]][] = [
    [header('False'), [1, 2, 3, 4]],
    [header('True'), [1, 3, 2, 4]],
    [`{'fortran_order':True,'shape':(2,2),'descr':'<f8'}`, [1, 3, 2, 4]],
    [`{'shape': (2, 2),   'fortran_order' :   False , 'descr': '<f8' }`, [1, 2, 3, 4]],
  ]
  for (const [text, values] of orders) {
    t.deepEqual(await readNpy(put(npy(1, text, doubles))), {
      dtype: 'float64',
      shape: [2, 2],
      data: Float64Array.from(values),
    })
  }
  for (const order of ['true', 'Trueish', '1', 'None']) {
    await t.throwsAsync(readNpy(put(npy(1, header(order), doubles))), error(DataError, /True or False/))
  }
})

test('rogersce/cnpy!77: from version 2 on the length of the header has 4 bytes', async (t) => {
  const data = Float64Array.of(1, 2, 3, 4)
  for (const version of [1, 2, 3]) {
    t.deepEqual((await readNpy(put(npy(version, header('False'), doubles)))).data, data)
    await t.throwsAsync(
      readNpy(put(npy(version, header('False'), doubles, version === 1))),
      error(DataError, /./),
    )
  }
})

test('issp-center-dev/H-wave!165: of version 3, too, what NumPy refuses is refused', async (t) => {
  // What Python 2 wrote is forgiven in versions 1 and 2 alone.
  const old = `{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }`
  for (const version of [1, 2]) t.is((await readNpy(put(npy(version, old, doubles)))).data.length, 4)
  await t.throwsAsync(readNpy(put(npy(3, old, doubles))), error(DataError, /"2L" is not a whole number/))
  for (const more of [`'extra': 1, `, `'shape': (4,), `]) {
    await t.throwsAsync(readNpy(put(npy(3, header('False', more), doubles))), error(DataError, /key|twice/))
  }
  await t.throwsAsync(readNpy(put(npy(4, header('False'), doubles))), error(DataError, /version/))
})

test('numpy/numpy!28330: an array that lacks its end says how much is missing', async (t) => {
  const path = fresh('.npy')
  await writeNpy(path, f32([128, 100], ...new Float32Array(12_800)))
  truncateSync(path, readFileSync(path).length - 25_600)
  await t.throwsAsync(readNpy(path), error(DataError, /51200 bytes.*25600/))
})

/** An archive of one deflated array whose local header has zip64 marks, as NumPy writes them for arrays of any size. */
function savezCompressed(array: Buffer): Buffer {
  const packed = deflateRawSync(array)
  const sum = crc32(array)
  const name = Buffer.from('x.npy')
  const local = Buffer.alloc(30)
  local.writeUInt32LE(0x04034b50, 0)
  local.writeUInt16LE(45, 4)
  local.writeUInt16LE(8, 8)
  local.writeUInt32LE(sum, 14)
  local.writeUInt32LE(0xffffffff, 18)
  local.writeUInt32LE(0xffffffff, 22)
  local.writeUInt16LE(name.length, 26)
  local.writeUInt16LE(20, 28)
  const extra = Buffer.alloc(20)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(16, 2)
  extra.writeBigUInt64LE(BigInt(array.length), 4)
  extra.writeBigUInt64LE(BigInt(packed.length), 12)
  const central = Buffer.alloc(46)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt16LE(45, 4)
  central.writeUInt16LE(45, 6)
  central.writeUInt16LE(8, 10)
  central.writeUInt32LE(sum, 16)
  central.writeUInt32LE(packed.length, 20)
  central.writeUInt32LE(array.length, 24)
  central.writeUInt16LE(name.length, 28)
  const body = Buffer.concat([local, name, extra, packed])
  const directory = Buffer.concat([central, name])
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(body.length, 16)
  return Buffer.concat([body, directory, end])
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

test('rogersce/cnpy!103: small arrays of savez_compressed have the marks of zip64', async (t) => {
  const arrays = await readNpz(put(savezCompressed(npy(1, header('False'), doubles)), '.npz'))
  t.deepEqual([...arrays], [['x', { dtype: 'float64', shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) }]])
})

test('TeleHuman/MoRE#5: an archive that was cut is told to be cut, whatever its first bytes', async (t) => {
  const path = fresh('.npz')
  await writeNpz(path, { x: f32([1000], ...new Float32Array(1000)), y: f32([2], 1, 2) })
  const whole = readFileSync(path)
  for (const length of [4, 100, whole.length - 30, whole.length - 1]) {
    await t.throwsAsync(readNpz(put(whole.subarray(0, length))), error(DataError, /zip|end|cut|truncated/))
  }
})

test('numpy/numpy#22435: an archive that was read is whole, though the file is written anew meanwhile', async (t) => {
  const path = fresh('.npz')
  await writeNpz(path, { d1: f32([2], 1, 2), d2: f32([2], 11, 22) })
  const reading = readNpz(path)
  await writeNpz(path, { d1: f32([2], 33, 33), d2: f32([2], 3, 3) })
  const found = await reading
  const values = [
    ...(found.get('d1') as { data: Float32Array }).data,
    ...(found.get('d2') as { data: Float32Array }).data,
  ]
  t.true([[1, 2, 11, 22].join(), [33, 33, 3, 3].join()].includes(values.join()), String(values))
})

/** A safetensors file. */
function safetensors(json: string, bytes: Uint8Array): string {
  const text = Buffer.from(json)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return put(Buffer.concat([length, text, bytes]), '.safetensors')
}
const entry = (begin: number, end: number, shape = '[1]') =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}`

test('huggingface/safetensors#278: a number in the metadata is read as text, and refused on writing', async (t) => {
  const file = safetensors(`{"__metadata__":{"step":3},"x":${entry(0, 4)}}`, new Uint8Array(4))
  t.deepEqual((await readSafetensors(file)).metadata, { step: '3' })
  await t.throwsAsync(writeSafetensors(fresh(), {}, { step: 3 } as never), {
    message: /must be text, given number/,
  })
})

test('huggingface/safetensors#401: a name that stands twice is refused', async (t) => {
  const file = safetensors(`{"x":${entry(0, 4)},"x":${entry(4, 8)}}`, new Uint8Array(8))
  await t.throwsAsync(readSafetensors(file), error(DataError, /names 'x' twice/))
})

for (const [report, metadata] of [
  ['#88', '{}'],
  ['#96', 'null'],
] as const) {
  test(`foundation-model-stack/fastsafetensors${report}: metadata may be ${metadata}`, async (t) => {
    const file = safetensors(`{"__metadata__":${metadata},"x":${entry(0, 4)}}`, new Uint8Array(4))
    const found = await readSafetensors(file)
    t.deepEqual([found.metadata, found.tensors.size], [{}, 1])
  })
}

test('ml-explore/mlx#3363: offsets that do not fit the shape are refused, and nothing behind the file is read', async (t) => {
  const file = safetensors(`{"t":${entry(0, 4, '[1000,1000]')}}`, new Uint8Array(4))
  await t.throwsAsync(readSafetensors(file), error(DataError, /'t' has 4 bytes, but F32 .* needs 4000000/))
  const beyond = safetensors(`{"t":${entry(0, 4_000_000, '[1000,1000]')}}`, new Uint8Array(4))
  await t.throwsAsync(readSafetensors(beyond), error(DataError, /ends at 4000000, but there are 4 bytes/))
})

test('ohdearquant/lattice#752: arrays that share bytes, or leave some out, are refused', async (t) => {
  const shared = safetensors(`{"k":${entry(0, 4)},"v":${entry(0, 4)}}`, new Uint8Array(4))
  await t.throwsAsync(readSafetensors(shared), error(DataError, /overlaps/))
  const gap = safetensors(`{"k":${entry(0, 4)},"v":${entry(8, 12)}}`, new Uint8Array(12))
  await t.throwsAsync(readSafetensors(gap), error(DataError, /belong to no array/))
})

test('promptfoo/modelaudit!1607: an array without elements has equal offsets, a full one may not', async (t) => {
  const empty = safetensors(`{"a":${entry(0, 4)},"scaled_fp8":${entry(4, 4, '[0]')}}`, new Uint8Array(4))
  t.deepEqual((await readSafetensors(empty)).tensors.get('scaled_fp8')?.shape, [0])
  const full = safetensors(`{"a":${entry(0, 0, '[1]')}}`, new Uint8Array(0))
  await t.throwsAsync(readSafetensors(full), error(DataError, /0 bytes, but F32/))
})

test('kekzl/imp#1603: an unknown element type is refused, and does not end the checks of others', async (t) => {
  const file = safetensors(`{"t":{"dtype":"F9","shape":[1],"data_offsets":[900,904]}}`, new Uint8Array(4))
  await t.throwsAsync(readSafetensors(file), error(DTypeError, /"F9", which is not supported/))
})

const plan = { epochs: 2, batches: 2, evaluators: ['hsic'], layers: ['dense'], chunkBatches: 1 }

test('manzt/zarrita.js#352: what is missing is NaN on disk and when read, not 0', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  await writer.append(0, 0, Float32Array.of(1, 2))
  await writer.close()
  const metadata = jsonFiles(folder).map((text) => JSON.parse(text) as { fill_value?: unknown })
  const fills = metadata.flatMap((one) => ('fill_value' in one ? [one.fill_value] : []))
  t.true(fills.includes('NaN') && !fills.includes(null), String(fills))
  const { values } = await loadDynamics(folder)
  t.deepEqual([...values.subarray(0, 4)], [1, 2, Number.NaN, Number.NaN])
})

/** The metadata of a store as text. */
function jsonFiles(folder: string): string[] {
  return ['zarr.json', 'values/zarr.json', 'dynamics/zarr.json'].flatMap((name) => {
    try {
      return [readFileSync(join(folder, name), 'utf8')]
    } catch {
      return []
    }
  })
}

test('zarr-developers/zarr-python#2741, #2990: metadata are JSON, with numbers that JSON has not as text', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, {
    ...plan,
    evaluatorSettings: [{ sigma: Number.NaN, bound: Number.POSITIVE_INFINITY }],
  })
  await writer.close()
  const texts = jsonFiles(folder)
  t.true(texts.length > 0)
  for (const text of texts) t.notThrows(() => JSON.parse(text))
  t.deepEqual((await loadDynamics(folder)).evaluatorSettings, [{ sigma: 'NaN', bound: 'Infinity' }])
})

test('R-CF/zarr#3: NaN in the metadata is a number where a number belongs', async (t) => {
  const folder = fresh()
  const writer = await DynamicsWriter.create(folder, plan)
  await writer.close()
  const { values } = await loadDynamics(folder)
  t.true(values.every((value) => Number.isNaN(value)))
})

test('hdmf-dev/hdmf-zarr#379: text that reads like a number stays text', async (t) => {
  const folder = fresh()
  const notes = { author: 'NaN', unit: 'Infinity', count: 3 }
  const writer = await DynamicsWriter.create(folder, { ...plan, notes })
  await writer.close()
  t.deepEqual((await loadDynamics(folder)).notes, notes)
})
