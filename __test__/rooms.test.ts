/** The rooms of `ts/` depend on each other in one direction: each imports only earlier rooms. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'

/** The rooms, lowest first. */
const rooms = [
  'core',
  'ops',
  'transforms',
  'io',
  'nn',
  'layers',
  'data',
  'estimators',
  'analysis',
  'dynamics',
  'plots',
  'train',
  'models',
  'cli',
] as const

const source = join(packageRoot, 'ts')

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? filesBelow(path) : [path]
  })
}

const roomOf = (file: string) => relative(source, file).split(sep)[0] as string

/** What a file imports of ours, as paths; imports of types count as well. */
function importsOf(file: string): string[] {
  const specifiers = readFileSync(file, 'utf8').matchAll(/\b(?:from|import\()\s*'(\.[^']*)'/g)
  return [...specifiers].map(([, specifier]) => resolve(dirname(file), specifier as string))
}

test('every folder of ts/ is a room, and only the index lies outside of them', (t) => {
  t.deepEqual(readdirSync(source).sort(), [...rooms, 'index.ts'].sort())
})

test('no room imports one above it', (t) => {
  const upward = filesBelow(source)
    .filter((file) => roomOf(file) !== 'index.ts')
    .flatMap((file) => {
      const own = rooms.indexOf(roomOf(file) as (typeof rooms)[number])
      const above = importsOf(file).filter((path) => rooms.indexOf(roomOf(path) as never) > own)
      return above.map((path) => `${relative(source, file)} -> ${relative(source, path)}`)
    })
  t.deepEqual(upward, [])
})
