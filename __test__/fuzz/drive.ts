/** Runs the calls in separate processes, so that an abort or an endless loop is a finding with a known call. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Calls of one process. */
const chunk = 500
/** A process that is silent for longer hangs. */
const silence = 60_000

export interface Finding {
  readonly call: string
  readonly change: string
  readonly what: string
  /** Seed of the process that found it. */
  readonly seed: number
}

interface Line extends Partial<Finding> {
  readonly now?: string
  readonly done?: number
}

/** One process; resolves to its findings. */
function run(count: number, seed: number, only: string): Promise<Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hyperglow-fuzz-'))
  const worker = fileURLToPath(new URL('worker.js', import.meta.url))
  const child = spawn(process.execPath, [worker, String(count), String(seed), only], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const found: Finding[] = []
  let now = 'the start'
  let isDone = false
  let errors = ''
  let timer: NodeJS.Timeout | undefined
  const wait = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      found.push({ call: now, change: '', what: `silent for ${silence / 1000} s`, seed })
      child.kill('SIGKILL')
    }, silence)
  }
  wait()
  child.stderr.on('data', (data: Buffer) => {
    errors = (errors + data.toString()).slice(-2000)
  })
  createInterface(child.stdout).on('line', (text) => {
    wait()
    // What calls write themselves, such as progress, is no line of ours.
    if (!text.startsWith('{')) return
    const line = JSON.parse(text) as Line
    if (line.now !== undefined) now = line.now
    else if (line.done !== undefined) isDone = true
    else if (line.call !== undefined && line.what !== undefined) {
      found.push({ call: line.call, change: line.change ?? '', what: line.what, seed })
    }
  })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      rmSync(folder, { recursive: true, force: true })
      if (!isDone) {
        const last = errors.trim().split('\n').slice(-6).join(' | ')
        found.push({ call: now, change: '', what: `the process ended with ${signal ?? code}: ${last}`, seed })
      }
      resolve(found)
    })
  })
}

/**
 * Makes calls with one argument changed in each.
 *
 * @param count number of calls; @param seed decides them; @param only calls of this name, all where empty
 * @returns the calls that ended with something else than a result or a HyperglowError
 */
export async function fuzz(count: number, seed: number, only = '', processes = 1): Promise<Finding[]> {
  const sizes = Array.from({ length: Math.ceil(count / chunk) }, (_, i) => Math.min(chunk, count - i * chunk))
  const found: Finding[] = []
  let next = 0
  const work = async () => {
    while (next < sizes.length) {
      const index = next++
      found.push(...(await run(sizes[index] as number, seed + index, only)))
    }
  }
  await Promise.all(Array.from({ length: Math.min(processes, availableParallelism()) }, work))
  return found
}
