import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Calls `use` with a new temporary folder, and removes the folder afterward. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hyperglow-test-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
