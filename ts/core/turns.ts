/** Turns of the event loop: synchronous work must not block it. */
import { performance } from 'node:perf_hooks'

/** Maximum duration of one turn for promises that resolve at once, in milliseconds. */
const turnLimit = 8

/** Start of the current turn, 0 before any work in it. */
let turnStart = 0

const endTurn = () => {
  turnStart = 0
}

/** Whether the current turn has lasted too long; starts the clock of a new turn. */
function isOver(): boolean {
  if (turnStart !== 0) return performance.now() - turnStart > turnLimit
  turnStart = performance.now()
  setImmediate(endTurn)
  return false
}

/** Bytes that are copied in one turn of the event loop: a few milliseconds, fresh pages included. */
export const bytesPerTurn = 4 << 20

/** Resolves in the next turn of the event loop, so that other work can run in the middle of long work. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Work that yields every few milliseconds, where a turn of the event loop may end, and returns its result. */
export type Work<T> = Generator<void, T>

/** Does work without interruption. */
export function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

/** Does work with a turn of the event loop at each yield; the first part is done before this returns. */
export async function inTurns<T>(work: Work<T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    await nextTurn()
  }
}

/** Resolves in a later turn that has time left: all waiting callbacks run in the same turn. */
async function laterTurn(): Promise<void> {
  do await nextTurn()
  while (isOver())
}

/**
 * A resolved promise, or one that resolves in a later turn of the event loop if loops of `await` have kept this turn too long: timers,
 * abort signals and other callbacks run in between.
 */
export function settled(): Promise<void> {
  return isOver() ? laterTurn() : Promise.resolve()
}
