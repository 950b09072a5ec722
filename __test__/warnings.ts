/** What is warned of while something runs. */

export type Warning = Error & { readonly code?: string }

/** The warnings of this process during some work, those of concurrent tests included. */
export async function warningsOf(work: () => unknown): Promise<Warning[]> {
  const found: Warning[] = []
  const note = (warning: Warning) => found.push(warning)
  process.on('warning', note)
  try {
    await work()
    // Node reports warnings in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('warning', note)
  }
  return found
}
