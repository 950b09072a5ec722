import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { IOError } from '../errors.js'

/**
 * Writes a whole file or none of it: into a temporary file beside `path`, forced to the disk, then renamed.
 * Missing folders are made.
 *
 * @throws IOError where the file cannot be written; what was at `path` before is then still there
 */
export async function writeWholeFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new IOError(`cannot write ${path}: ${why}`, { cause })
  }
}
