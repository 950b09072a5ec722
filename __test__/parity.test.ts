/** The pages about other systems: up to date, and naming nothing that is not there. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import { Library } from './parity/library.js'
import { pageOf } from './parity/page.js'
import { readTables } from './parity/rows.js'
import { programsOf } from './parity/snippets.js'
import { missingTests } from './parity/titles.js'

const read = (...path: string[]) => readFileSync(join(packageRoot, ...path), 'utf8')
const tables = readTables()
const rows = [...tables.values()].flat()

/** The built library; the blocks of the page beside it, and one program that must not compile. */
function built(): Library {
  const { names } = new Library(new Map())
  const blocks = programsOf('from-pyglow', read('docs', 'from-pyglow.md'), names)
  return new Library(new Map([...blocks, ['wrong', "import { Dense } from 'hyperglow'\nnew Dense('ten')\n"]]))
}

test('the page about promises is made of the table', (t) => {
  const [there, made] = [read('docs', 'parity.md').split('\n'), pageOf(tables).split('\n')]
  const other = made.findIndex((line, index) => line !== there[index])
  t.is(there[other], made[other], `line ${other + 1}; npm run parity writes the page anew`)
  t.is(there.length, made.length, 'npm run parity writes the page anew')
})

test('every promise of PyGlow has a row, in order', (t) => {
  const ids = tables.get('PyGlow')?.map(({ id }) => id)
  t.deepEqual(
    ids,
    Array.from({ length: 175 }, (_, i) => `PG-${String(i + 1).padStart(3, '0')}`),
  )
})

test('every test that is named is there', (t) => {
  t.deepEqual(missingTests(rows.flatMap(({ tests }) => tests)), [])
  const wrong = ['models: no such test', 'nothing: at all', 'golden conv: conv9d_*', 'golden hnets: hmlp_*']
  t.deepEqual(
    missingTests([
      ...wrong,
      'golden conv: conv1d_*',
      'layers-all: Dense: derivatives in the input and in all weights',
    ]),
    wrong,
  )
})

test('every name is in the built library, and the calls beside those of PyGlow compile', (t) => {
  const library = built()
  t.deepEqual(
    [...new Set(rows.flatMap(({ ours }) => ours))].filter((name) => !library.has(name)),
    [],
  )
  const missing = [
    'Nothing',
    'Network.nothing',
    'CompileOptions.nothing',
    'mnist.nothing',
    'mnist.load.nothing',
  ]
  t.deepEqual(
    missing.filter((name) => library.has(name)),
    [],
  )
  const [wrong, ...faults] = library.faults().sort((a) => (a.startsWith('wrong') ? -1 : 1))
  t.deepEqual(faults, [])
  t.regex(wrong ?? '', /^wrong line 2: Argument of type 'string' is not assignable/)
})

test('every path that the package exports can be imported', async (t) => {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> }
  const paths = Object.keys(exports).filter((path) => !path.endsWith('.json'))
  for (const path of ['./layers', './models', './estimators', './data', './dynamics', './plots', './train']) {
    t.true(paths.includes(path), path)
  }
  for (const path of paths) {
    const module = (await import(join('hyperglow', path))) as Record<string, unknown>
    t.true(Object.keys(module).length > 0, path)
  }
})
