/** Measured time of plans, step by step. */
import { performance } from 'node:perf_hooks'
import { native } from './native.js'
import { type Checks, callable, checkOptions, checkValue, whole } from './options.js'
import { evaluated } from './tensor.js'
import { tensorsIn } from './tensors-in.js'
import { textTable } from './text-table.js'

/** Options of {@link profile}. */
export interface ProfileOptions {
  /** Number of consecutive calls of the function. Default 1. */
  runs?: number
}

/** Steps of a plan that run together, one line of {@link Profile}. */
export interface ProfiledStep {
  /** Number of the first step in the plan. */
  readonly first: number
  /** Number of the last step. */
  readonly last: number
  /** Description of the steps. */
  readonly what: string
  /** Scope of the steps in the model; may be empty. */
  readonly scope: string
  /** Mean time of a run. */
  readonly milliseconds: number
  /** Share of the time of all plans, in [0, 1]. */
  readonly share: number
  /** Bytes read in a run. For a view, and for an operation that selects rows, only accessed bytes count. */
  readonly bytesRead: number
  /** Bytes written in a run. Values that the steps pass to each other do not count. */
  readonly bytesWritten: number
  /** 10^9 bytes per second, read and written. */
  readonly gigabytesPerSecond: number
  /** Multiplications and additions of products and convolutions in a run; undefined if there are none. */
  readonly flops: number | undefined
}

/** A plan that ran, see {@link profile}. */
export interface ProfiledPlan {
  /** Name of the device. */
  readonly device: string
  /** The plan, as text of `explain`. */
  readonly text: string
  /** Number of successful runs. */
  readonly runs: number
  /** Mean time of a run. */
  readonly milliseconds: number
  /** In the order of execution on the device. */
  readonly steps: readonly ProfiledStep[]
}

/** Result of {@link profile}. */
export interface Profile<T> {
  /** Result of the last call. */
  readonly result: T
  /** In order of their first run. */
  readonly plans: readonly ProfiledPlan[]
  /** Total time of all calls, from the first to the end of the last, JavaScript and waiting included. */
  readonly milliseconds: number
  /** Bytes that all steps of all runs read and wrote. */
  readonly bytes: number
  /** A table, the slowest steps first. */
  toString(): string
}

type PlanTimes = ReturnType<typeof native.profileEnd>[number]

const checks: Checks<ProfileOptions> = { runs: whole(1) }

/**
 * Runs a function and measures every step of the plans that run during the calls.
 *
 *     const { plans } = await profile(() => step(x, y), { runs: 100 })
 *     console.log(String(await profile(() => model.fit(x, y, { epochs: 2 }))))
 *
 * The first run of a plan takes longer than the others, since it touches its memory for the first time: call the function once before, or
 * several times. Other computations of this thread during the calls count too; runs that end after the function do not.
 *
 * @param fn may be async; tensors in its result are computed
 * @throws {StateError} (rejects) if another profile is in progress; errors of `fn`
 */
export async function profile<T>(
  fn: () => T | Promise<T>,
  options: ProfileOptions = {},
): Promise<Profile<T>> {
  checkValue('profile: fn', fn, callable<() => T | Promise<T>>())
  const { runs = 1 } = checkOptions('profile', options, checks)
  native.profileBegin()
  let times: PlanTimes[]
  let result: T
  let milliseconds: number
  try {
    const start = performance.now()
    result = await computed(fn)
    for (let run = 1; run < runs; run++) result = await computed(fn)
    milliseconds = performance.now() - start
  } finally {
    times = native.profileEnd()
  }
  const spent = times.reduce((sum, plan) => sum + plan.milliseconds, 0)
  const plans = times.filter((plan) => plan.runs > 0).map((plan) => profiledPlan(plan, spent))
  const moved = plans.map((plan) => plan.runs * sum(plan.steps.map(bytesOf)))
  const found = { result, plans, milliseconds, bytes: sum(moved) }
  return { ...found, toString: () => table(found, runs) }
}

/** Calls a function and computes the tensors in its result. */
async function computed<T>(fn: () => T | Promise<T>): Promise<T> {
  const result = await fn()
  const ids = [...tensorsIn(result)].map(({ id }) => id).filter((id) => id !== 0)
  if (ids.length > 0) await evaluated(ids, computed)
  return result
}

/** @param spent milliseconds of all plans */
function profiledPlan({ device, text, runs, milliseconds, steps }: PlanTimes, spent: number): ProfiledPlan {
  const profiled = steps.map((step): ProfiledStep => {
    const mean = step.milliseconds / runs
    const { first, last, what, scope, bytesRead, bytesWritten } = step
    return {
      first,
      last,
      what,
      scope,
      milliseconds: mean,
      share: step.milliseconds / spent,
      bytesRead,
      bytesWritten,
      gigabytesPerSecond: (bytesRead + bytesWritten) / mean / 1e6,
      flops: step.flops ?? undefined,
    }
  })
  return { device, text, runs, milliseconds: milliseconds / runs, steps: profiled }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

const bytesOf = ({ bytesRead, bytesWritten }: ProfiledStep) => bytesRead + bytesWritten

/** Maximum number of steps in the table. */
const shown = 20

const heading = ['plan', 'steps', 'runs', 'ms/run', 'share', 'read', 'written', 'GB/s', 'GFLOP/s', 'what']

function table({ plans, milliseconds, bytes }: Omit<Profile<unknown>, 'result'>, calls: number): string {
  const lines = plans.flatMap((plan, number) => plan.steps.map((step) => ({ number, plan, step })))
  lines.sort((a, b) => b.step.share - a.step.share)
  const rows = lines
    .slice(0, shown)
    .map(({ number, plan, step }) => [
      String(number),
      step.first === step.last ? String(step.first) : `${step.first}-${step.last}`,
      String(plan.runs),
      step.milliseconds.toFixed(4),
      percent(step.share),
      readable(step.bytesRead),
      readable(step.bytesWritten),
      step.gigabytesPerSecond.toFixed(1),
      step.flops === undefined ? '' : (step.flops / step.milliseconds / 1e6).toFixed(1),
      step.scope === '' ? step.what : `${step.what}  [${step.scope}]`,
    ])
  const spent = sum(plans.map((plan) => plan.runs * plan.milliseconds))
  const rest = lines.slice(shown)
  const more = `${rest.length} more steps, ${percent(sum(rest.map(({ step }) => step.share)))}`
  return [
    `${counted(calls, 'call')}, ${milliseconds.toFixed(2)} ms; ${counted(plans.length, 'plan')}, ${spent.toFixed(2)} ms, ${readable(bytes)} read and written`,
    ...(rows.length > 0 ? [textTable([heading, ...rows], { left: [heading.length - 1] })] : []),
    ...(rest.length > 0 ? [more] : []),
  ].join('\n')
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

/** A number of bytes in the format of plans. */
function readable(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`
}
