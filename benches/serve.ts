/**
 * The line protocol by which a program joins the peers' interleaved runs: each line on stdin, `{"case", "ms"}`, has a reply on stdout,
 * `{"ms", "iters", "value", "rss_mb"}`, with `start_s` in the first reply for a case, or `{"skip": true}`.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Inputs, type Job } from './job.js'
import { Timed } from './timing.js'

/** Replies until stdin ends. */
export async function serve(job: Job, folder: string | undefined): Promise<void> {
  const live = new Map<string, Timed>()
  for await (const line of createInterface({ input: process.stdin })) {
    const { case: name, ms } = JSON.parse(line) as { case: string; ms: number }
    process.stdout.write(`${JSON.stringify(await answer(job, live, name, ms, folder))}\n`)
  }
}

async function answer(
  job: Job,
  live: Map<string, Timed>,
  name: string,
  ms: number,
  folder: string | undefined,
): Promise<object> {
  const setup = Object.hasOwn(job, name) ? job[name] : undefined
  if (setup === undefined) return { skip: true }
  let timed = live.get(name)
  let first = {}
  if (timed === undefined) {
    timed = await Timed.start(setup, new Inputs(folder, name))
    live.set(name, timed)
    first = { start_s: process.uptime() }
  }
  const block = await timed.block(ms)
  return { ...block, ...first, rss_mb: peakResident() }
}

/** The maximum resident memory so far, in MiB. */
function peakResident(): number {
  // Fallback without /proc: on Linux this figure would include that of the parent process.
  if (!existsSync('/proc/self/status')) return process.resourceUsage().maxRSS / 1024
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024
}
