/**
 * How long the library blocks the event loop: `npm run bench:loop -- [--rounds 5] [--only REGEX]`.
 *
 * The longest turn of each case is measured several times; the result is the minimum, since another process can only make it longer. `own`
 * is the processor time of the JavaScript thread, if the system reports it, and must be below 20 ms; `wall` is wall time. Other columns are
 * the first round, in which plans are made and nothing is warm; the longest pause of the garbage collector; and the time in which plain
 * JavaScript fills as many bytes as the call must copy before it returns. Single synchronous calls are listed without a verdict.
 */
import { rmSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { cases, folder } from './loop/cases.js'
import type { LoopCase } from './loop/loop-case.js'
import { type Turns, turnsOf } from './loop/turns.js'

/** Maximum duration of a turn in milliseconds. */
const limit = 20

/** Time to make and fill an array of a number of megabytes, in milliseconds. */
function plainCost(megabytes: number): number {
  const start = performance.now()
  new Uint8Array(megabytes * 1e6).fill(1)
  return performance.now() - start
}

/** Runs the collector if Node permits programs to do so. */
const collect = () => (globalThis as { gc?: () => void }).gc?.()

interface Figures {
  /** The round with the shortest turn. */
  readonly best: Turns
  readonly first: Turns
  readonly plain: number
}

const lengthOf = ({ own, wall }: Turns) => own ?? wall

async function measure({ prepare, megabytes = 0 }: LoopCase, rounds: number): Promise<Figures> {
  const all: Turns[] = []
  let plain = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const work = await prepare(round)
    collect()
    all.push(await turnsOf(work))
    plain = Math.min(plain, plainCost(megabytes))
  }
  const best = all.reduce((least, turns) => (lengthOf(turns) < lengthOf(least) ? turns : least))
  return { best, first: all[0] as Turns, plain }
}

const ms = (value: number | undefined) => (value === undefined ? '-' : value.toFixed(1)).padStart(6)

function line(one: LoopCase, { best, first, plain }: Figures): string {
  const isFine = lengthOf(best) <= limit
  const verdict = one.isSynchronous ? 'call ' : isFine ? 'ok   ' : 'OVER '
  const cost = one.megabytes === undefined ? '     -' : ms(plain)
  return `${verdict} own ${ms(best.own)}  wall ${ms(best.wall)}  first ${ms(lengthOf(first))}  gc ${ms(best.collection)}  plain ${cost}  ${one.name}`
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, only: { type: 'string', default: '' } },
})
const chosen = cases.filter(({ name }) => new RegExp(values.only).test(name))
console.log(`longest turn in milliseconds, least of ${values.rounds} rounds; over ${limit} is too long`)
let over = 0
try {
  for (const one of chosen) {
    const figures = await measure(one, Number(values.rounds))
    if (!one.isSynchronous && lengthOf(figures.best) > limit) over++
    console.log(line(one, figures))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = over === 0 ? 0 : 1
