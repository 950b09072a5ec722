// Content hashes of source files, and the stamps that remember which hash was built last.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './command.mjs'

/**
 * Files below `path` (itself, if it is a file; none, if it does not exist), relative to the repository, in a fixed order.
 *
 * @param accept which file names count
 */
export function filesUnder(path, accept = () => true) {
  const absolute = join(root, path)
  if (!existsSync(absolute)) return []
  if (statSync(absolute).isFile()) return [path]
  return readdirSync(absolute, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = `${path}/${entry.name}`
      if (entry.isDirectory()) return filesUnder(child, accept)
      return entry.isFile() && accept(entry.name) ? [child] : []
    })
}

/** Hash of the names and contents of files. */
export function fingerprint(files) {
  const hash = createHash('sha256')
  for (const file of files) {
    const content = readFileSync(join(root, file))
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

/** Whether `hash` is the hash of the last build according to the stamp file. */
export function isStamped(stamp, hash) {
  const path = join(root, stamp)
  return existsSync(path) && readFileSync(path, 'utf8') === hash
}

/** Remembers `hash` as built. */
export function writeStamp(stamp, hash) {
  mkdirSync(dirname(join(root, stamp)), { recursive: true })
  writeFileSync(join(root, stamp), hash)
}
