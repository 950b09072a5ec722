/** How the command line ends: what it says, and its exit code. */
import { ArgumentError, HyperglowError } from '../core/errors.js'

/** Exit codes; docs/cli.md tells them. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** Thrown by what an interrupt ends. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** The exit code of an error that was thrown by a command, after saying what there is to say of it on standard error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) {
    process.stderr.write('hyperglow: interrupted; files that were written are whole\n')
    return exitCodes.interrupted
  }
  if (error instanceof HyperglowError) {
    process.stderr.write(`hyperglow: ${error.message}\n`)
    return error instanceof ArgumentError ? exitCodes.usage : exitCodes.failed
  }
  process.stderr.write(
    `hyperglow: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  return exitCodes.failed
}

/** Warnings of the library as one line each, on standard error, each once. */
export function plainWarnings(): void {
  const said = new Set<string>()
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message, stack }) => {
    if (said.has(message)) return
    said.add(message)
    process.stderr.write(name === 'HyperglowWarning' ? `warning: ${message}\n` : `${stack ?? message}\n`)
  })
}

/** A signal that SIGINT and SIGTERM abort; the second one ends the process. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCodes.interrupted)
      controller.abort(new Interrupted(`ended by ${name}`))
    })
  }
  return controller.signal
}

/** A reader of standard output that has enough, such as `head`, ends the process quietly. */
export function quietPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    throw error
  })
}
