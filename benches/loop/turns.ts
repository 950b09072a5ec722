/** Measurement of the longest turn of the event loop. */
import { openSync, readSync } from 'node:fs'
import { PerformanceObserver, performance } from 'node:perf_hooks'

/** The longest turn of some work, in milliseconds. */
export interface Turns {
  /** Wall time: it includes time in which another process had the processor. */
  readonly wall: number
  /** Processor time of this thread; undefined if the system does not report it. The resolution is one or two milliseconds. */
  readonly own: number | undefined
  /** The longest pause of the garbage collector, which is part of some turn. */
  readonly collection: number
}

/** Interval between two readings of the clocks, in milliseconds: waiting time does not count. */
const interval = 1

/** Reads the processor time of this thread, in milliseconds; only Linux reports it for a thread. */
function threadClock(): (() => number) | undefined {
  try {
    // The name means the thread that opens it, and the file keeps reporting on that thread.
    const file = openSync('/proc/thread-self/schedstat', 'r')
    const text = Buffer.alloc(64)
    return () => {
      const length = readSync(file, text, 0, text.length, 0)
      return Number(text.toString('latin1', 0, length).split(' ')[0]) / 1e6
    }
  } catch {
    return undefined
  }
}

const ownTime = threadClock()

/** Runs some work to its end and measures the event loop; the part before the first `await` is a turn too. */
export async function turnsOf(work: () => unknown): Promise<Turns> {
  let collection = 0
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collection = Math.max(collection, duration)
  })
  observer.observe({ entryTypes: ['gc'] })
  let [wall, own] = [0, 0]
  let [at, used] = [performance.now(), ownTime?.() ?? 0]
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    const [now, nowUsed] = [performance.now(), ownTime?.() ?? 0]
    wall = Math.max(wall, now - at)
    own = Math.max(own, nowUsed - used)
    at = now
    used = nowUsed
    timer = setTimeout(look, interval)
  }
  timer = setTimeout(look, interval)
  try {
    await work()
  } finally {
    clearTimeout(timer)
    look()
    clearTimeout(timer)
    // Entries are reported in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 5))
    observer.disconnect()
  }
  return { wall: Math.max(0, wall - interval), own: ownTime && own, collection }
}
