/** What the programs of published experiments share: options, what they say of claims, and how they end. */

/** Options that each of them takes. */
export const commonOptions = {
  quick: { type: 'boolean', default: false },
  seeds: { type: 'string', default: '1' },
  out: { type: 'string', default: 'docs/results.md' },
} as const

/** A claim, the number that decides about it, and whether it holds. */
export type Check = readonly [claim: string, value: number, holds: boolean]

/** Prints checks; whether all hold. */
export function allHold(checks: readonly Check[]): boolean {
  for (const [claim, value, holds] of checks) {
    console.log(`${holds ? 'ok  ' : 'FAIL'} ${claim}: ${value.toFixed(2)}`)
  }
  return checks.every(([, , holds]) => holds)
}

/** Runs a program, tells how long it took, and sets the exit status: 1 where something does not hold, 2 with the usage for options that mean nothing. */
export async function runProgram(usage: string, main: (args: string[]) => Promise<boolean>): Promise<void> {
  const start = performance.now()
  try {
    const holds = await main(process.argv.slice(2))
    console.log(`${((performance.now() - start) / 1000).toFixed(0)} s in all`)
    process.exitCode = holds ? 0 : 1
  } catch (error) {
    if (!(error instanceof TypeError) || !/--|option|argument/i.test(error.message)) throw error
    console.error(`${error.message}\n${usage}`)
    process.exitCode = 2
  }
}
