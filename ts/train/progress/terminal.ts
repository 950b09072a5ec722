/** Where progress is written; `process.stderr` is one. */
export interface ProgressStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  /** Width in characters; 80 where not known. */
  readonly columns?: number | undefined
}

/** To the start of the line, wiping it. */
export const wipeLine = '\r\u001b[2K'

const hide = '\u001b[?25l'
const show = '\u001b[?25h'
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Hides the cursor of a terminal. It is shown again by the function returned, and also when the process exits or is
 * told to by a signal before that.
 */
export function hideCursor(stream: ProgressStream): () => void {
  let hidden = true
  const restore = () => {
    if (!hidden) return
    hidden = false
    process.removeListener('exit', restore)
    for (const signal of signals) process.removeListener(signal, onSignal)
    stream.write(show)
  }
  const onSignal = (signal: NodeJS.Signals) => {
    restore()
    // A listener suppresses what the signal does by itself; unless others listen too, it is sent again without ours.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  process.once('exit', restore)
  for (const signal of signals) process.once(signal, onSignal)
  stream.write(hide)
  return restore
}

/** Whether lines of the stream can be drawn anew. */
export function canRedraw(stream: ProgressStream): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb'
}
