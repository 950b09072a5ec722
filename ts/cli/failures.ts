/** Errors and exit codes of the command line. */
import { ArgumentError, HyperglowError } from '../core/errors.js'

/** Exit codes, as in docs/cli.md. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** Thrown by an interrupted command. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** The exit code of an error of a command; prints the error to standard error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) {
    process.stderr.write('hyperglow: interrupted; every file that was written is complete\n')
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

/** Prints warnings of the library as one line each to standard error, each once. */
export function plainWarnings(): void {
  const said = new Set<string>()
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message, stack }) => {
    if (said.has(message)) return
    said.add(message)
    process.stderr.write(name === 'HyperglowWarning' ? `warning: ${message}\n` : `${stack ?? message}\n`)
  })
}

/** A signal that SIGINT and SIGTERM abort; a second one ends the process. */
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

/** Ends the process quietly if the reader of standard output, such as `head`, closes it. */
export function quietPipes(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok)
    throw error
  })
}
