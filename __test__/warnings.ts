/** What is warned of while something runs. */

export type Warning = Error & { readonly code?: string }

/** The warnings of this process while some work is done, those of other tests at the same time included. */
export async function warningsOf(work: () => unknown): Promise<Warning[]> {
  const found: Warning[] = []
  const note = (warning: Warning) => found.push(warning)
  process.on('warning', note)
  try {
    await work()
    // Node tells of warnings in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('warning', note)
  }
  return found
}
