/**
 * Paths of weights and state: names from the outside in, joined by dots, such as `layers.2.inner.kernel`. In a pattern `*` matches
 * any part of one name and `**` any number of names; a pattern of a module matches all paths in the module.
 */
import { ArgumentError, describe, unknownName } from '../core/errors.js'

/** Maximum number of paths in a message: a network has hundreds. */
const mostListed = 12

/** A name between dots. */
const segment = /^[\p{L}\p{N}_$-]+$/u

/**
 * Checks a name that becomes part of a path, or several joined by dots.
 *
 * @throws ArgumentError
 */
export function checkPathName(what: string, name: string): string {
  if (typeof name === 'string' && name.split('.').every((part) => segment.test(part))) return name
  throw new ArgumentError(
    `${what} is ${describe(name)}, expected letters, digits, _, $ or -, such as 'encoder' or 'blocks.0'`,
  )
}

/** The path of `name` within `outer`; the root's path is empty. */
export function joinPath(outer: string, name: string): string {
  return outer === '' ? name : `${outer}.${name}`
}

/**
 * The paths that match a pattern, and all paths in a module that matches.
 *
 *     matching('freeze', 'encoder.**.bias', paths)
 *
 * @throws UnknownNameError if no path matches, except for `**`, which matches all paths
 */
export function matching(
  what: string,
  pattern: string,
  paths: readonly string[],
  noun = 'module or weight',
): string[] {
  if (typeof pattern !== 'string' || pattern === '') {
    throw new ArgumentError(
      `${what}: the pattern is ${describe(pattern)}, expected a path such as 'layers.0' or 'encoder.**.bias'`,
    )
  }
  const parts = pattern.split('.')
  const found = paths.filter((path) => matches(parts, path.split('.')))
  if (found.length > 0 || pattern === '**') return found
  throw unknownName(`${noun} for ${what}`, pattern, [...modulesOf(paths), ...paths], mostListed)
}

/** Whether a pattern matches a module, or a module that contains it. */
export function matchesModule(pattern: string, path: string): boolean {
  return matches(pattern.split('.'), path.split('.'))
}

/** The paths of the modules that contain a path, from the outside in. */
function modulesOf(paths: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const path of paths) {
    const names = path.split('.')
    for (let depth = 1; depth < names.length; depth++) found.add(names.slice(0, depth).join('.'))
  }
  return found
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern
  // At the end of the pattern the path ends too, or continues inside the module.
  if (first === undefined) return true
  if (first === '**') {
    return path.some((_, at) => matches(rest, path.slice(at)))
  }
  const [name, ...inner] = path
  return name !== undefined && matchesName(first, name) && matches(rest, inner)
}

function matchesName(pattern: string, name: string): boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${escaped}$`).test(name)
}
