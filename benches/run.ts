/**
 * Our side of the benchmark jobs.
 *
 *     npm run bench -- [job ...] [--only REGEX] [--quick] [--json FILE]
 *     npm run bench -- --serve JOB [--inputs FOLDER]
 *
 * The first prints one JSON line per case; times are of blocks of iterations after a warm-up. The second serves the peers' programs, see
 * serve.ts.
 */
import { parseArgs } from 'node:util'
import { deviceInfo, writeAtomic } from '../ts/index.js'
import { Inputs, type Job } from './job.js'
import { jobs } from './jobs/index.js'
import { serve } from './serve.js'
import { median, Timed } from './timing.js'

/** Number of blocks of a case, and milliseconds of one. */
const full = { rounds: 7, ms: 400 }
const quick = { rounds: 5, ms: 100 }

function jobNamed(name: string): Job {
  const job = Object.hasOwn(jobs, name) ? jobs[name] : undefined
  if (job !== undefined) return job
  console.error(`there is no job '${name}'; jobs are ${Object.keys(jobs).join(', ')}`)
  process.exit(2)
}

async function measure(job: string, name: string, { rounds, ms }: typeof full): Promise<string> {
  const timed = await Timed.start(
    jobNamed(job)[name] as NonNullable<Job[string]>,
    new Inputs(undefined, name),
  )
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push((await timed.block(ms)).ms)
  const { name: device, threads } = deviceInfo()
  return JSON.stringify({
    job,
    case: name,
    ms_median: median(times),
    ms_min: Math.min(...times),
    rounds,
    threads,
    device,
  })
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    serve: { type: 'string' },
    inputs: { type: 'string' },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
if (values.serve !== undefined) {
  await serve(jobNamed(values.serve), values.inputs)
} else {
  const wanted = positionals.length > 0 ? positionals : Object.keys(jobs)
  const only = new RegExp(values.only)
  const cases = wanted.flatMap((job) =>
    Object.keys(jobNamed(job))
      .filter((name) => only.test(name))
      .map((name) => [job, name] as const),
  )
  const lines: string[] = []
  for (const [job, name] of cases) {
    const line = await measure(job, name, values.quick ? quick : full)
    console.log(line)
    lines.push(line)
  }
  if (values.json !== undefined) await writeAtomic(values.json, `${lines.join('\n')}\n`)
}
