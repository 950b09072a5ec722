/** Environment variables. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'

test('misspelt environment variables are refused at the first use', async (t) => {
  const library = JSON.stringify(new URL('../ts/index.js', import.meta.url).href)
  const script = `const { ones } = await import(${library})
    try { ones([2]) } catch (e) { console.log(e.name, e.message) }`
  const run = promisify(execFile)
  for (const [name, value] of [
    ['HYPERGLOW_CPU', 'avx1024'],
    ['HYPERGLOW_THREADS', 'two'],
    ['HYPERGLOW_CONV', 'directly'],
    ['HYPERGLOW_CLUSTERS', 'yes'],
  ] as const) {
    const env = { ...process.env, [name]: value }
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { env })
    t.regex(stdout, new RegExp(`^ArgumentError ${name}: the environment variable is '${value}', expected`))
  }
})
