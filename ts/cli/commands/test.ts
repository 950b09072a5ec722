/** `hyperglow test X Y`: test of independence of two arrays. */
import { permutationTest } from '../../analysis/permutation-test.js'
import { arrayOf } from '../array-argument.js'
import { estimatorOf } from '../estimator-text.js'
import { shownNumber, type Terminal } from '../terminal.js'

/** Options of the command, as parsed by commander. */
export interface TestOptions {
  readonly estimator: readonly string[]
  readonly permutations: number
  readonly seed: number
}

/** Tests independence by permutation, for any measure of dependence. */
export async function testCommand(
  [pathX, pathY]: readonly [string, string],
  { estimator: texts, permutations, seed }: TestOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const estimators = texts.map((text) => estimatorOf(text, undefined))
  const [x, y] = [await arrayOf(pathX, true), await arrayOf(pathY, true)]
  const results = []
  for (const estimator of estimators) {
    signal.throwIfAborted()
    const { value, pValue, nullMean, nullDeviation } = await permutationTest(x, y, estimator, {
      permutations,
      seed,
      signal,
    })
    const { name, settings, unit: units } = estimator
    results.push({ estimator: name, settings, units, value, pValue, nullMean, nullDeviation, permutations })
  }
  terminal.json({ n: x.shape[0] ?? 1, results, notes: [] })
  terminal.prose(
    `permutation test of independence, n = ${x.shape[0] ?? 1}, ${permutations} shuffles; values under independence: mean and deviation over the shuffles\n`,
  )
  const rows = results.map((one) => [
    one.estimator,
    shownNumber(one.value),
    one.units,
    shownNumber(one.pValue),
    `${shownNumber(one.nullMean)} ± ${shownNumber(one.nullDeviation)}`,
  ])
  terminal.table([['estimator', 'value', 'unit', 'p', 'under independence'], ...rows], { left: [0, 2, 4] })
}
