/** Epochs as they are written on a command line: `0:256:log`, `0:100:10`, `1,5,last`. */
import { logSchedule } from '../analysis/schedule.js'
import { ArgumentError } from '../core/errors.js'

/** Epochs of a range that is spaced by its logarithm. */
const logPoints = 30

/**
 * Those of the epochs that a text asks for: numbers, `first`, `last`, ranges `from:to` with both ends, `from:to:step`, and `from:to:log`, which takes those
 * nearest to 30 epochs that are spaced by their logarithm; several with commas between.
 *
 * @param there rising
 * @throws ArgumentError for a text that means nothing, for single epochs that are not there, and where none is chosen
 */
export function epochsOf(given: string, there: readonly number[]): number[] {
  const chosen = new Set(given.split(',').flatMap((part) => chosenBy(part.trim(), given, there)))
  if (chosen.size > 0) return there.filter((epoch) => chosen.has(epoch))
  throw new ArgumentError(`--epochs ${given}: none of the epochs ${shown(there)} is chosen`)
}

function chosenBy(part: string, given: string, there: readonly number[]): number[] {
  const [from, to, step, ...more] = part.split(':')
  if (to === undefined) {
    const epoch = epochOf(from as string, given, there)
    if (there.includes(epoch)) return [epoch]
    throw new ArgumentError(`--epochs ${given}: epoch ${epoch} is not there; there are ${shown(there)}`)
  }
  const low = from === '' ? (there[0] as number) : epochOf(from as string, given, there)
  const high = to === '' ? (there.at(-1) as number) : epochOf(to, given, there)
  const within = there.filter((epoch) => epoch >= low && epoch <= high)
  if (step === undefined) return within
  if (step === 'log' && more.length === 0) {
    const wanted = logSchedule(Math.max(0, high - low), logPoints).map((epoch) => low + epoch)
    return wanted.flatMap((epoch) => (within.length === 0 ? [] : [nearest(epoch, within)]))
  }
  const width = Number(step)
  if (more.length > 0 || !Number.isSafeInteger(width) || width < 1) throw unreadable(given)
  return within.filter((epoch) => (epoch - low) % width === 0)
}

function epochOf(text: string, given: string, there: readonly number[]): number {
  if (text === 'last') return there.at(-1) as number
  if (text === 'first') return there[0] as number
  const epoch = Number(text)
  if (text !== '' && Number.isSafeInteger(epoch) && epoch >= 0) return epoch
  throw unreadable(given)
}

const nearest = (wanted: number, among: readonly number[]) =>
  among.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a))

const unreadable = (given: string) =>
  new ArgumentError(
    `--epochs: given "${given}", expected numbers, first, last, or ranges such as 0:256:log, 0:100:10 and 5:, with commas between`,
  )

const shown = (epochs: readonly number[]) =>
  `${epochs.slice(0, 12).join(', ')}${epochs.length > 12 ? `, ... ${epochs.at(-1)}` : ''}`
