/** Decompression of Zarr chunks on the helper thread and on this thread. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as zarr from 'zarrita'
import { crc32c } from '../ts/io/crc32c.js'
import { openArrays } from '../ts/io/index.js'
import { fresh } from './io-scratch.js'

const configurations = {
  blosc: { cname: 'lz4', clevel: 5, shuffle: 1, blocksize: 0 },
  lz4: {},
  zstd: { level: 1 },
} as const

interface Maker {
  fromConfig(configuration: object, chunk: object): { encode(bytes: Uint8Array): Promise<Uint8Array> }
}

async function packed(name: keyof typeof configurations, values: Float32Array): Promise<Uint8Array> {
  const maker = (await zarr.registry.get(name)?.()) as unknown as Maker
  const codec = maker.fromConfig(configurations[name], { shape: [] })
  return codec.encode(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
}

/** Writes an array of one chunk in version 2 or 3 and returns its folder. */
async function written(
  name: keyof typeof configurations,
  version: 2 | 3,
  values: Float32Array,
): Promise<string> {
  const folder = fresh(`${name}${version}.zarr`)
  const shape = [values.length / 8, 8]
  mkdirSync(join(folder, 'c', '0'), { recursive: true })
  const metadata =
    version === 2
      ? {
          zarr_format: 2,
          shape,
          chunks: shape,
          dtype: '<f4',
          fill_value: 0,
          order: 'C',
          filters: null,
          compressor: { id: name, ...configurations[name] },
        }
      : {
          zarr_format: 3,
          node_type: 'array',
          shape,
          data_type: 'float32',
          chunk_grid: { name: 'regular', configuration: { chunk_shape: shape } },
          chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
          fill_value: 0,
          codecs: [
            { name: 'bytes', configuration: { endian: 'little' } },
            { name, configuration: configurations[name] },
          ],
          attributes: {},
        }
  writeFileSync(join(folder, version === 2 ? '.zarray' : 'zarr.json'), JSON.stringify(metadata))
  const chunk = version === 2 ? join(folder, '0.0') : join(folder, 'c', '0', '0')
  writeFileSync(chunk, await packed(name, values))
  return folder
}

const read = async (folder: string) => {
  const { arrays } = await openArrays(folder)
  return (await arrays.get('data')?.read())?.data
}

for (const name of ['blosc', 'lz4', 'zstd'] as const) {
  for (const version of [2, 3] as const) {
    test(`${name} of version ${version}: chunks of any size hold what was packed`, async (t) => {
      for (const count of [800, 400_000]) {
        const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i) * (i % 7))
        t.deepEqual(await read(await written(name, version, values)), values)
      }
    })
  }
}

/** Writes an array of one chunk of version 3, in Fortran order and with a checksum. */
async function transposed(rows: number, columns: number): Promise<string> {
  const folder = fresh('transposed.zarr')
  const shape = [rows, columns]
  mkdirSync(join(folder, 'c', '0'), { recursive: true })
  const metadata = {
    zarr_format: 3,
    node_type: 'array',
    shape,
    data_type: 'float32',
    chunk_grid: { name: 'regular', configuration: { chunk_shape: shape } },
    chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
    fill_value: 0,
    codecs: [
      { name: 'transpose', configuration: { order: [1, 0] } },
      { name: 'bytes', configuration: { endian: 'little' } },
      { name: 'crc32c' },
    ],
    attributes: {},
  }
  writeFileSync(join(folder, 'zarr.json'), JSON.stringify(metadata))
  const bytes = new Uint8Array(4 * rows * columns + 4)
  const values = new Float32Array(bytes.buffer, 0, rows * columns)
  for (let at = 0; at < values.length; at++) values[at] = (at % rows) + Math.floor(at / rows) / 1024
  new DataView(bytes.buffer).setUint32(bytes.length - 4, await crc32c(bytes.subarray(0, -4)), true)
  writeFileSync(join(folder, 'c', '0', '0'), bytes)
  return folder
}

test('CRC-32C has the values of RFC 3720', async (t) => {
  const of = async (...bytes: number[]) => (await crc32c(Uint8Array.from(bytes))).toString(16)
  t.is(await of(...Buffer.from('123456789')), 'e3069283')
  t.is(await of(...new Uint8Array(32)), '8a9136aa')
  t.is(await of(...new Uint8Array(32).fill(255)), '62a8ab43')
  t.is(await of(...new Uint8Array(32).map((_, i) => i)), '46dd794e')
})

test('a checksum of version 3 is verified', async (t) => {
  const folder = await transposed(50, 7)
  const found = (await read(folder)) as Float32Array
  t.is(found[7 * 3 + 2], Math.fround(3 + 2 / 1024))
  const chunk = join(folder, 'c', '0', '0')
  const bytes = readFileSync(chunk)
  bytes[100] = (bytes[100] as number) ^ 1
  writeFileSync(chunk, bytes)
  await t.throwsAsync(read(folder), {
    code: 'DATA',
    message: /chunk 0\/0 cannot be read: .*its checksum is \d+, that of its bytes is \d+/,
  })
})

test.serial('the event loop goes on while a large chunk is verified and transposed', async (t) => {
  const [rows, columns] = [40_000, 250]
  const folder = await transposed(rows, columns)
  let [turns, isDone] = [0, false]
  const count = () => {
    turns++
    if (!isDone) setTimeout(count, 2)
  }
  count()
  const found = (await read(folder)) as Float32Array
  isDone = true
  t.is(found[columns * 39_999 + 249], Math.fround(39_999 + 249 / 1024))
  // Verified and copied in one turn each, the chunk would leave room for a few turns only.
  t.true(turns > 15, `${turns} turns`)
})

test('a damaged chunk is told with its place and the name of its compression', async (t) => {
  for (const count of [800, 400_000]) {
    const folder = await written('zstd', 3, new Float32Array(count).fill(2))
    writeFileSync(join(folder, 'c', '0', '0'), new Uint8Array(1000).fill(7))
    await t.throwsAsync(read(folder), {
      code: 'DATA',
      message: /chunk 0\/0 cannot be read: .*(?<!hyperglow\.)zstd/,
    })
  }
})

test.serial('the event loop goes on while a large chunk is unpacked', async (t) => {
  const values = Float32Array.from({ length: 8_000_000 }, (_, i) => Math.fround(Math.sin(i * i)))
  const folder = await written('blosc', 3, values)
  // Starts the thread.
  await read(await written('blosc', 3, values.subarray(0, 400_000)))
  let turns = 0
  let isDone = false
  const count = () => {
    turns++
    if (!isDone) setTimeout(count, 2)
  }
  count()
  t.is((await read(folder))?.length, values.length)
  isDone = true
  // Decompressed on this thread, the chunk would block the event loop for tenths of a second.
  t.true(turns > 10, `${turns} turns`)
})
