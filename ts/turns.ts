/** Turns of the event loop, which work that ends at once must not keep from happening. */
import { performance } from 'node:perf_hooks'

/** Time that promises resolved at once may take of one turn, in milliseconds. */
const turnLimit = 8

/** When the present turn began, 0 before anything was done in it. */
let turnStart = 0

const endTurn = () => {
  turnStart = 0
}

/**
 * A promise that is resolved, or resolves in the next turn of the event loop where loops of `await` have kept this one for
 * too long: timers, abort signals and other people's work come in between.
 */
export function settled(): Promise<void> {
  if (turnStart === 0) {
    turnStart = performance.now()
    setImmediate(endTurn)
  } else if (performance.now() - turnStart > turnLimit) {
    return new Promise((resolve) => setImmediate(resolve))
  }
  return Promise.resolve()
}
