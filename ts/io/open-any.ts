/** Files of arrays of any supported format, by their names. */

import { type Stats, statSync } from 'node:fs'
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

/** Result of {@link openArrays}. */
export interface ArrayFile {
  readonly path: string
  readonly format: ArrayFormat
  /** Arrays by name, in the order of the file. The one array of an .npy or CSV file has the name of the file without extension. */
  readonly arrays: ReadonlyMap<string, LazyArray>
  /** Contents of the file that are not read, such as text, and the reasons. */
  readonly refused: readonly { readonly name: string; readonly reason: string }[]
}

/** Options of {@link openArrays}. */
export interface OpenArraysOptions {
  /** Whether a CSV file of one column holds labels: texts and whole numbers from 0 are then classes. Default false. */
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

/** Extensions of the supported files. */
export const arrayEndings: readonly string[] = Object.keys(formats)

/** File information of a path; undefined if there is nothing readable. */
export function infoOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    // A name that is too long, a folder without permission, or not a path at all.
    return undefined
  }
}

/** The format of a file by its name, of a folder by its contents; undefined for others. */
export function formatOf(path: string): ArrayFormat | undefined {
  const info = infoOf(path)
  if (info?.isDirectory()) return isZarr(path) ? 'zarr' : undefined
  return formats[extname(path).toLowerCase()]
}

/** Name of a file without folder and extension. */
export function stemOf(path: string): string {
  const name = basename(path)
  const ending = extname(name)
  return Object.hasOwn(formats, ending.toLowerCase()) ? name.slice(0, -ending.length) : name
}

/**
 * Opens a file of arrays: .npy, .npz, .safetensors, .csv and .tsv, the zip archives of `torch.save` (.pt, .pth), or a Zarr folder. Values
 * are read on demand, all or some rows at a time, so a file may be larger than memory.
 *
 *     const { arrays } = await openArrays('epoch_3.npz')
 *     const rows = await arrays.get('fc1').read([0, 1000])
 *
 * @throws IOError if it cannot be read; DataError for another format, and for damaged files
 */
export async function openArrays(path: string, options: OpenArraysOptions = {}): Promise<ArrayFile> {
  checkPath('openArrays', path)
  const { labels = false } = checkOptions('openArrays', options, checks)
  const info = infoOf(path)
  if (info === undefined)
    throw new IOError(`cannot open ${path}: there is no such file or folder; check the path`)
  const format = formatOf(path)
  if (format === undefined) {
    const what = info.isDirectory()
      ? 'a folder that is not a Zarr array or group'
      : 'of an unsupported format'
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
