/**
 * Number of places to change for a new operation: CONTRIBUTING lists them, and the sources name an operation nowhere else.
 *
 * A place is a file or a folder that a recipe names first in a numbered line.
 */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'

const roots = ['crates/core/src', 'crates/kernels/src', 'crates/node/src', 'ts']

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return name === 'tests' ? [] : sourcesBelow(path)
    return /\.(rs|ts)$/.test(name) && name !== 'tests.rs' ? [relative(packageRoot, path)] : []
  })
}

const sources = roots.flatMap((root) => sourcesBelow(join(packageRoot, root)))

/**
 * The sources that say something about an operation: in Rust all that name it, in TypeScript those that declare it or list it, not
 * those that call it. Comments and tests beside the code do not count.
 */
function filesAbout(name: string): string[] {
  const inRust = new RegExp(String.raw`(?<![.\w])${name.replaceAll('_', '_?')}\b`, 'i')
  const plain = name.replaceAll('_', '')
  const inTypeScript = new RegExp(String.raw`^(export (const|function)| ) ${plain}\b[^,]|'${plain}'`, 'im')
  return sources.filter((file) => {
    const code = readFileSync(join(packageRoot, file), 'utf8').split('#[cfg(test)]')[0] as string
    const uncommented = code.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '')
    return (file.endsWith('.rs') ? inRust : inTypeScript).test(uncommented)
  })
}

/** The lines of a recipe that are numbered. */
function stepsOf(title: string): string[] {
  const text = readFileSync(join(packageRoot, 'CONTRIBUTING.md'), 'utf8')
  const recipe = text.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
  return recipe.split('\n').filter((line) => /^\d+\. /.test(line))
}

/** The places of a recipe: the first path of each numbered line. */
function placesOf(title: string): string[] {
  return stepsOf(title).map((line) => /^\d+\. `([^`]+)`/.exec(line)?.[1] ?? line)
}

/** Recipes, and operations that were added by them: some have no derivative, or are only part of a gradient, and leave out those places. */
const recipes = [
  { title: 'Add an elementwise operation', most: 3, example: 'log_1p', leavesOut: [] },
  { title: 'Add another primitive', most: 11, example: 'cum_sum', leavesOut: [] },
  {
    title: 'Add another primitive',
    most: 11,
    example: 'median_distance',
    leavesOut: ['crates/core/src/grad/'],
  },
  {
    title: 'Add another primitive',
    most: 11,
    example: 'congruence',
    leavesOut: ['crates/node/src/ops/', 'ts/ops/'],
  },
  { title: 'Add another primitive', most: 11, example: 'positive_inverse', leavesOut: ['ts/ops/'] },
]

for (const { title, most, example, leavesOut } of recipes) {
  test(`${title}: the recipe names every place of ${example}, and no others`, (t) => {
    const places = placesOf(title)
    t.true(places.length > 0 && places.length <= most, places.join(', '))
    for (const place of places) t.true(existsSync(join(packageRoot, place)), place)
    const isIn = (file: string, place: string) =>
      place.endsWith('/') ? file.startsWith(place) : file === place
    const files = filesAbout(example)
    t.deepEqual(
      files.filter((file) => !places.some((place) => isIn(file, place))),
      [],
      'files that no line names',
    )
    t.deepEqual(
      places.filter((place) => !files.some((file) => isIn(file, place))),
      leavesOut,
      'lines without a file',
    )
  })
}
