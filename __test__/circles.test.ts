/**
 * No circles: a file of `ts/` imports no file that leads back to it, types included, and a module of the Rust crates uses no module that leads back
 * to it. A module and those inside it are one thing here: a parent exports what its children define.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'

type Graph = ReadonlyMap<string, readonly string[]>

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return filesBelow(path, ending)
    return name.endsWith(ending) ? [path] : []
  })
}

/** The circles of a graph, each as the nodes on it: a search in depth that meets a node that it has not left yet. */
function circlesOf(graph: Graph): string[][] {
  const circles: string[][] = []
  const finished = new Set<string>()
  const path: string[] = []
  const visit = (node: string) => {
    if (finished.has(node)) return
    const start = path.indexOf(node)
    if (start >= 0) {
      circles.push([...path.slice(start), node])
      return
    }
    path.push(node)
    for (const next of graph.get(node) ?? []) visit(next)
    path.pop()
    finished.add(node)
  }
  for (const node of graph.keys()) visit(node)
  return circles
}

test('the search finds a circle, and no other', (t) => {
  const graph = new Map([
    ['a', ['b', 'd']],
    ['b', ['c', 'd']],
    ['c', ['b']],
    ['d', []],
  ])
  t.deepEqual(circlesOf(graph), [['b', 'c', 'b']])
})

test('files of ts/ import each other in no circle', (t) => {
  const source = join(packageRoot, 'ts')
  const imports = (file: string): string[] => {
    const specifiers = readFileSync(file, 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']*)'/g)
    return [...specifiers].map(([, path]) => resolve(dirname(file), (path as string).replace(/\.js$/, '.ts')))
  }
  const files = filesBelow(source, '.ts')
  const graph = new Map(files.map((file) => [file, imports(file)]))
  t.true(files.length > 100 && [...graph.values()].flat().length > files.length)
  t.deepEqual(
    circlesOf(graph).map((circle) => circle.map((file) => relative(source, file)).join(' -> ')),
    [],
  )
})

/** The paths of a `use`, with its braces written out: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`. */
function pathsOf(use: string): string[] {
  const open = use.indexOf('{')
  if (open < 0) return [use.split(' as ')[0] as string]
  const [before, inside] = [use.slice(0, open), use.slice(open + 1, use.lastIndexOf('}'))]
  let depth = 0
  const parts = ['']
  for (const letter of inside) {
    if (letter === '{') depth++
    if (letter === '}') depth--
    if (letter === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += letter
  }
  return parts.filter((part) => part !== '').flatMap((part) => pathsOf(before + part))
}

/** The modules of a crate, each with the modules that it uses; without tests. */
function modulesOf(source: string): Graph {
  const nameOf = (file: string) =>
    relative(source, file)
      .replace(/(^|\/)(mod|lib)\.rs$|\.rs$/, '')
      .split('/')
      .join('::')
  const files = new Map(filesBelow(source, '.rs').map((file) => [nameOf(file), file]))
  const resolved = (from: string, path: string): string => {
    const [first, ...rest] = path.split('::') as [string, ...string[]]
    let base = first === 'crate' ? [] : from.split('::')
    if (first === 'super') base = base.slice(0, -1)
    while (rest[0] === 'super') {
      base = base.slice(0, -1)
      rest.shift()
    }
    const full = [...base, ...rest]
    while (full.length > 0 && !files.has(full.join('::'))) full.pop()
    return full.join('::')
  }
  const usedBy = (name: string, file: string): string[] => {
    const code = (readFileSync(file, 'utf8').split('#[cfg(test)]')[0] as string).replaceAll(/\/\/.*$/gm, '')
    const uses = [...code.matchAll(/\buse\s+((?:crate|super|self)\b[^;]*);/g)]
    const paths = uses.flatMap(([, use]) => pathsOf((use as string).replaceAll(/\s(?!as\b)(?<!\bas\s)/g, '')))
    const isApart = (other: string) =>
      other !== '' && !`${name}::`.startsWith(`${other}::`) && !`${other}::`.startsWith(`${name}::`)
    return paths.map((path) => resolved(name, path)).filter(isApart)
  }
  const names = [...files.keys()].filter((name) => name !== '' && !/(^|::)tests(::|$)/.test(name))
  return new Map(names.map((name) => [name, usedBy(name, files.get(name) as string)]))
}

for (const crate of ['core', 'kernels', 'node']) {
  test(`modules of crates/${crate} use each other in no circle`, (t) => {
    const graph = modulesOf(join(packageRoot, 'crates', crate, 'src'))
    t.true([...graph.values()].flat().length >= graph.size / 2)
    t.deepEqual(
      circlesOf(graph).map((circle) => circle.join(' -> ')),
      [],
    )
  })
}
