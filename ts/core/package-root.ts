import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Name of the package in folder `dir`, or undefined if `dir` has no readable package.json. */
function packageNameAt(dir: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
    return (manifest as { name?: string }).name
  } catch {
    return undefined
  }
}

function findRoot(from: string): string {
  for (let dir = from; ; dir = dirname(dir)) {
    if (packageNameAt(dir) === 'hyperglow') return dir
    if (dirname(dir) === dir) {
      throw new Error(`hyperglow: no package.json named "hyperglow" above ${from}; reinstall the package`)
    }
  }
}

/**
 * Absolute path of the folder with hyperglow's package.json.
 *
 * Files that the library reads at run time are below it (`assets/`, and `__test__/data` in a checkout), so they are found from `ts/`,
 * `dist/` and `build/ts/` alike.
 */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)))
