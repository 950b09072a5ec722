/** Files of arrays of any format that is read, told by their names. */

import { statSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { DataError, IOError } from '../core/errors.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import { checkPath } from './atomic.js'
import { openCsv } from './csv.js'
import type { LazyArray } from './lazy-array.js'
import { openNpy } from './npy.js'
import { openNpz } from './npz.js'
import { OpenArrays } from './open-arrays.js'
import { openSafetensors } from './safetensors.js'
import { openTorch } from './torch.js'
import { isZarr, openZarr } from './zarr.js'

/** A format of files of arrays. */
export type ArrayFormat = 'npy' | 'npz' | 'safetensors' | 'csv' | 'zarr' | 'torch'

/** What {@link openArrays} gives. */
export interface ArrayFile {
  readonly path: string
  readonly format: ArrayFormat
  /** Arrays by name, in the order of the file. The one array of an .npy or CSV file has the name of the file without its ending. */
  readonly arrays: ReadonlyMap<string, LazyArray>
  /** What of the file is not read, such as text, and why. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[]
}

/** Options of {@link openArrays}. */
export interface OpenArraysOptions {
  /** Whether a CSV file of one column holds labels, which are classes where they are texts or whole numbers from 0. Default false. */
  labels?: boolean
}

const checks: Checks<OpenArraysOptions> = { labels: flag }

const formats: Readonly<Record<string, ArrayFormat>> = {
  '.npy': 'npy',
  '.npz': 'npz',
  '.safetensors': 'safetensors',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.zarr': 'zarr',
  '.pt': 'torch',
  '.pth': 'torch',
}

/** Endings of the files that are read. */
export const arrayEndings: readonly string[] = Object.keys(formats)

/** The format of a file by its name, of a folder by what lies in it; undefined for any other. */
export function formatOf(path: string): ArrayFormat | undefined {
  const info = statSync(path, { throwIfNoEntry: false })
  if (info?.isDirectory()) return isZarr(path) ? 'zarr' : undefined
  return formats[extname(path).toLowerCase()]
}

/** Name of a file without folder and ending. */
export function stemOf(path: string): string {
  const name = basename(path)
  const ending = extname(name)
  return Object.hasOwn(formats, ending.toLowerCase()) ? name.slice(0, -ending.length) : name
}

/**
 * Opens a file of arrays: .npy, .npz, .safetensors, .csv and .tsv, the zip archives of `torch.save` (.pt, .pth), or a folder of Zarr. Values are
 * read when they are asked for, all or some rows at a time, so that a file may be larger than the memory.
 *
 *     const { arrays } = await openArrays('epoch_3.npz')
 *     const rows = await arrays.get('fc1').read([0, 1000])
 *
 * @throws IOError where it cannot be read; DataError for another format, and for what is damaged
 */
export async function openArrays(path: string, options: OpenArraysOptions = {}): Promise<ArrayFile> {
  checkPath('openArrays', path)
  const { labels = false } = checkOptions('openArrays', options, checks)
  const info = statSync(path, { throwIfNoEntry: false })
  if (info === undefined)
    throw new IOError(`cannot open ${path}: there is no such file or folder; check the path`)
  const format = formatOf(path)
  if (format === undefined) {
    const what = info.isDirectory() ? 'a folder that is no Zarr array or group' : 'of no format that is read'
    throw new DataError(
      `${path} is ${what}; expected a file that ends in ${arrayEndings.join(', ')}, or a Zarr folder`,
    )
  }
  const { arrays, refused } = await open(path, format, labels)
  return { path, format, arrays, refused }
}

async function open(path: string, format: ArrayFormat, labels: boolean): Promise<OpenArrays> {
  switch (format) {
    case 'npz':
      return openNpz(path)
    case 'safetensors':
      return openSafetensors(path)
    case 'zarr':
      return openZarr(path)
    case 'torch':
      return openTorch(path)
    default: {
      const opened = new OpenArrays()
      opened.arrays.set(stemOf(path), await (format === 'npy' ? openNpy(path) : openCsv(path, { labels })))
      return opened
    }
  }
}
