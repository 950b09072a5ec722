/** Programs of the documentation compile and run unchanged. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import ts from 'typescript-6'
import { packageRoot } from '../ts/core/package-root.js'

/** Pages whose TypeScript blocks are all complete programs. */
const pages = ['runs.md', 'transforms.md']

/** The programs of a page by file name: from a comment at the top, otherwise numbered. */
function programsOf(page: string): Map<string, string> {
  const text = readFileSync(join(packageRoot, 'docs', page), 'utf8')
  const found = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, program]) => program as string)
  const stem = page.replace('.md', '')
  return new Map(
    found.map((program, i) => [/^\/\/ ([\w-]+\.ts)\b/.exec(program)?.[1] ?? `${stem}-${i}.ts`, program]),
  )
}

/** What the compiler says of files. */
function faultsOf(files: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(packageRoot, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, files: [], include: [] },
    ts.sys,
    packageRoot,
  )
  const program = ts.createProgram([...files], {
    ...options,
    noEmit: true,
    incremental: false,
    rootDir: packageRoot,
    paths: { hyperglow: [join(packageRoot, 'ts/index.ts')] },
    typeRoots: [join(packageRoot, 'node_modules/@types')],
  })
  // The library itself is checked when it is built.
  return files
    .map((file) => program.getSourceFile(file))
    .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
    .map(({ file, start = 0, messageText }) => {
      const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
      return `${file?.fileName}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
}

/** Runs a program; returns its stderr and its exit code. */
function run(file: string, cwd: string): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [file], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, said })))
}

const library = pathToFileURL(join(packageRoot, 'build/ts/index.js')).href
const folder = mkdtempSync(join(tmpdir(), 'hyperglow-docs-'))
test.after.always(() => rmSync(folder, { recursive: true, force: true }))

for (const page of pages) {
  const programs = programsOf(page)

  test.serial(`the programs of docs/${page} compile`, (t) => {
    t.true(programs.size > 1)
    // Beside the packages, so that the compiler finds them.
    const sources = join(packageRoot, 'build', `docs-${page.replace('.md', '')}`)
    rmSync(sources, { recursive: true, force: true })
    mkdirSync(sources, { recursive: true })
    const files = [...programs].map(([name, program]) => {
      writeFileSync(join(sources, name), program)
      return join(sources, name)
    })
    t.deepEqual(faultsOf(files), [])
  })

  const compiled = (name: string) => join(folder, name.replace('.ts', '.mjs'))
  for (const [name, program] of programs) {
    const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
    const { outputText } = ts.transpileModule(program, { compilerOptions: target })
    writeFileSync(compiled(name), withLibrary(outputText, library))
  }
  for (const name of programs.keys()) {
    test.serial(`the program ${name} of docs/${page} runs`, async (t) => {
      const { code, said } = await run(compiled(name), folder)
      t.is(code, 0, said)
    })
  }
}

function withLibrary(program: string, library: string): string {
  return program
    .replace("from 'hyperglow'", `from '${library}'`)
    .replace("from './data.js'", "from './data.mjs'")
}
