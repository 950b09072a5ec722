/**
 * The programs of docs/debugging.md print what the page shows. Numbers of bytes, times and lines are those of one machine: each is one '#' here, and the
 * name of the vector level is LEVEL.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import * as library from '../ts/index.js'

/** A program, and the lines that it prints. */
interface Shown {
  readonly title: string
  readonly program: string
  readonly lines: readonly string[]
}

/** Programs of the page that are followed by their output, each after a heading. */
function shownOn(page: string): Shown[] {
  const blocks = [...page.matchAll(/^## ([^\n]*)$|^```ts\n(.*?)^```\n\n(?:```\n(.*?)^```$)?/gms)]
  let title = ''
  return blocks.flatMap(([, heading, program, output]) => {
    if (heading !== undefined) title = heading
    if (program === undefined || output === undefined) return []
    return [{ title, program, lines: output.split('\n').filter((line) => line.trim() !== '') }]
  })
}

const unnumbered = (text: string) =>
  text
    .replaceAll(/\b(avx2|avx512|amx|portable)\b/g, 'LEVEL')
    .replaceAll(/@[\da-f]+/g, '@#')
    .replaceAll(/\d+(\.\d+)?/g, '#')
    .replaceAll(/[KM]iB/g, 'iB')
    .replaceAll(/ +/g, ' ')
    .trim()

const folder = mkdtempSync(join(tmpdir(), 'hyperglow-debugging-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

/** The processor of the page, if this one has its instructions. */
const hasVectors = library.devices().some(({ level }) => /avx|amx/.test(level))
const env = { ...process.env, HYPERGLOW_THREADS: '2', ...(hasVectors && { HYPERGLOW_CPU: 'avx2' }) }

/** What a program prints, faults included. */
function printed(program: string): Promise<string> {
  const names = Object.keys(library).filter((name) => new RegExp(`\\b${name}\\b`).test(program))
  const from = pathToFileURL(join(packageRoot, 'build/ts/index.js')).href
  const own = mkdtempSync(join(folder, 'run-'))
  writeFileSync(join(own, 'dbg.mjs'), `import { ${names.join(', ')} } from '${from}'\n${program}`)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['dbg.mjs'], { cwd: own, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece) => {
        text += String(piece).replaceAll(`file://${own}/`, '')
      })
    child.on('error', reject)
    child.on('close', () => resolve(text))
  })
}

const programs = shownOn(readFileSync(join(packageRoot, 'docs/debugging.md'), 'utf8'))

test('the page shows programs of every fault', (t) => {
  t.deepEqual(
    [...new Set(programs.map(({ title }) => title))],
    ['A wrong shape', 'A NaN', 'A slow step', 'Growing memory'],
  )
})

for (const [number, { title, program, lines }] of programs.entries()) {
  test.serial(
    `${title}, program ${number + 1} of docs/debugging.md prints what the page shows`,
    async (t) => {
      const output = await printed(program)
      const all = output.split('\n').map(unnumbered)
      const missing = lines.filter((line) => !all.includes(unnumbered(line)))
      t.deepEqual(missing, [], output)
    },
  )
}
