/** Names of temporary files, and removal of those whose writer was killed. */

import { createHash, randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'

/** Prefix of temporary files; readers of folders skip them. */
export const temporaryPrefix = '.tmp-'

/** Machines that share a folder do not see each other's processes, so names contain the machine. */
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const pattern = new RegExp(`^\\${temporaryPrefix}${machine}-(\\d+)-[0-9a-f]{12}$`)

/** A unique name for a temporary file or folder. */
export function temporaryName(): string {
  return `${temporaryPrefix}${machine}-${process.pid}-${randomBytes(6).toString('hex')}`
}

/** Folders that this process has cleaned. */
const seen = new Set<string>()

/**
 * Removes half-written files of killed processes of this machine in a folder, at the first call for it. Files of running processes, or of
 * other machines, stay. A file that cannot be removed stays and does no harm.
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
    // Processes of other users cannot be signaled, but they are running.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
