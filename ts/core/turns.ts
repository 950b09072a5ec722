/** Turns of the event loop, which work that ends at once must not keep from happening. */
import { performance } from 'node:perf_hooks'

/** Time that promises resolved at once may take of one turn, in milliseconds. */
const turnLimit = 8

/** When the present turn began, 0 before anything was done in it. */
let turnStart = 0

const endTurn = () => {
  turnStart = 0
}

/** Whether the present turn has lasted too long; begins one where none has. */
function isOver(): boolean {
  if (turnStart !== 0) return performance.now() - turnStart > turnLimit
  turnStart = performance.now()
  setImmediate(endTurn)
  return false
}

/** Bytes that are copied in one turn of the event loop: a few milliseconds, fresh pages included. */
export const bytesPerTurn = 4 << 20

/** Resolves in the next turn of the event loop, so that others get theirs in the midst of long work. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Work that yields wherever a turn of the event loop may end, every few milliseconds, and returns its result. */
export type Work<T> = Generator<void, T>

/** Does work without a break. */
export function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

/** Does work with a turn of the event loop wherever it yields; the first part is done before this returns. */
export async function inTurns<T>(work: Work<T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
    await nextTurn()
  }
}

/** Resolves in a later turn, and in one with time left: all that wait are called in the same turn. */
async function laterTurn(): Promise<void> {
  do await nextTurn()
  while (isOver())
}

/**
 * A promise that is resolved, or resolves in a later turn of the event loop where loops of `await` have kept this one for
 * too long: timers, abort signals and other people's work come in between.
 */
export function settled(): Promise<void> {
  return isOver() ? laterTurn() : Promise.resolve()
}
