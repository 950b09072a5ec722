/** Stream for progress, such as `process.stderr`. */
export interface ProgressStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  /** Width in characters; 80 if not known. */
  readonly columns?: number | undefined
}

/** Moves to the start of the line and clears it. */
export const wipeLine = '\r\u001b[2K'

const hide = '\u001b[?25l'
const show = '\u001b[?25h'
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Hides the cursor of a terminal. The returned function shows it again; so does the exit of the process, also by a signal.
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
    // A listener suppresses the signal's default action; without other listeners, the signal is sent again without this one.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  process.once('exit', restore)
  for (const signal of signals) process.once(signal, onSignal)
  stream.write(hide)
  return restore
}

/** Whether lines of the stream can be redrawn. */
export function canRedraw(stream: ProgressStream): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb'
}
