// Runs other programs and reports each in one line. Node built-ins only: this runs before `npm ci`.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Absolute path of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** An error that the user can fix. Its message is printed without a stack trace. */
export class SetupError extends Error {}

/** `1.2 s` or `3 min 20 s`. */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Path of the program `name` that the installed npm package `pkg` brings, to be run by node. */
export function packageBin(pkg, name) {
  const folder = join(root, 'node_modules', pkg)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return join(folder, typeof bin === 'string' ? bin : bin[name])
}

/**
 * Runs a program in the repository and captures its output.
 *
 * @returns {Promise<{ code: number, output: string }>} code 127 if the program does not exist
 */
export function capture(program, args, env = {}) {
  return new Promise((resolve) => {
    const options = { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }
    const child = spawn(program, args, options)
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.stderr.on('data', (chunk) => chunks.push(chunk))
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}\n` }))
    child.on('close', (code, signal) => {
      if (signal) chunks.push(Buffer.from(`${program}: ended by ${signal}\n`))
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString('utf8') })
    })
  })
}

/**
 * Runs a node program with this terminal as its own, and resolves to its exit code.
 *
 * Ctrl-C reaches the program directly; this process waits until the program has handled it.
 */
export function handOver(script, args) {
  return new Promise((resolve, reject) => {
    const wait = () => {}
    const forward = (signal) => child.kill(signal)
    process.on('SIGINT', wait)
    process.on('SIGTERM', forward)
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait)
      process.off('SIGTERM', forward)
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1))
    })
  })
}

/**
 * Runs one stage of the set-up and says on stderr when it begins and ends, so stdout stays the main program's. Stages may run side by side.
 *
 * @param label short description of the work
 * @param steps `[program, args, env?]`, run in turn
 * @throws {SetupError} with all that the failing step printed
 */
export async function stage(label, steps) {
  process.stderr.write(`${label} ...\n`)
  const start = performance.now()
  for (const [program, args, env] of steps) {
    const { code, output } = await capture(program, args, env)
    if (code !== 0) {
      throw new SetupError(`${output.trimEnd()}\n${label}: failed (exit status ${code})`)
    }
  }
  process.stderr.write(`${label}: ${duration(performance.now() - start)}\n`)
}
