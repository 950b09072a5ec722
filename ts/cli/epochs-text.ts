/** Epochs on a command line: `0:256:log`, `0:100:10`, `1,5,last`. */
import { logSchedule } from '../analysis/schedule.js'
import { ArgumentError } from '../core/errors.js'

/** Number of epochs of a logarithmic range. */
const logPoints = 30

/**
 * The epochs selected by a text: numbers, `first`, `last`, ranges `from:to` with both ends, `from:to:step`, and `from:to:log`, which
 * selects the epochs nearest to 30 log-spaced ones; several are separated by commas.
 *
 * @param there ascending
 * @throws ArgumentError for an invalid text, for missing single epochs, and if no epoch is selected
 */
export function epochsOf(given: string, there: readonly number[]): number[] {
  const chosen = new Set(given.split(',').flatMap((part) => chosenBy(part.trim(), given, there)))
  if (chosen.size > 0) return there.filter((epoch) => chosen.has(epoch))
  throw new ArgumentError(`--epochs ${given}: selects none of the epochs ${shown(there)}; name some of them`)
}

function chosenBy(part: string, given: string, there: readonly number[]): number[] {
  const [from, to, step, ...more] = part.split(':')
  if (to === undefined) {
    const epoch = epochOf(from as string, given, there)
    if (there.includes(epoch)) return [epoch]
    throw new ArgumentError(`--epochs ${given}: epoch ${epoch} is missing; there are ${shown(there)}`)
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
    `--epochs: given "${given}", expected numbers, first, last, or ranges such as 0:256:log, 0:100:10 and 5:, separated by commas`,
  )

const shown = (epochs: readonly number[]) =>
  `${epochs.slice(0, 12).join(', ')}${epochs.length > 12 ? `, ... ${epochs.at(-1)}` : ''}`
