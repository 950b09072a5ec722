/** Names of files that are being written, and the removal of those whose writer was killed. */

import { createHash, randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'

/** Begin of the names of temporary files; a reader of folders skips them. */
export const temporaryPrefix = '.tmp-'

/** Machines that share a folder do not know of each other's processes: names say whose a file is. */
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const pattern = new RegExp(`^\\${temporaryPrefix}${machine}-(\\d+)-[0-9a-f]{12}$`)

/** A name for a temporary file or folder that no other has. */
export function temporaryName(): string {
  return `${temporaryPrefix}${machine}-${process.pid}-${randomBytes(6).toString('hex')}`
}

/** Folders that were looked through by this process. */
const seen = new Set<string>()

/**
 * Removes what killed processes of this machine left half-written in a folder, at the first call for it. Files of processes that live, or
 * of another machine, stay; what cannot be removed is left alone, since it disturbs nobody.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const path = resolve(folder)
  if (seen.has(path)) return
  seen.add(path)
  for (const name of await readdir(path).catch(() => [])) {
    const owner = pattern.exec(name)?.[1]
    if (owner === undefined || isAlive(Number(owner))) continue
    await rm(join(path, name), { recursive: true, force: true }).catch(() => {})
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Others' processes may not be signalled, but they live.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
