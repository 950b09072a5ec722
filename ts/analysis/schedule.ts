/** Schedules of epochs to measure. */
import { checkValue, whole } from '../core/options.js'

const epochs = whole(0, 2 ** 31)
const count = whole(1, 1e6)

/**
 * Epochs evenly spaced on a log scale: 0 and round(last^(i / (points - 1))) for i = 0 .. points - 1, each once, ascending. Most changes of
 * the information plane happen early.
 *
 *     logSchedule(1000, 5) // [0, 1, 6, 32, 178, 1000]
 *
 * @param last the last epoch, at least 0
 * @param points number of epochs before duplicates are removed, without the 0
 * @throws ArgumentError for other numbers
 */
export function logSchedule(last: number, points: number): number[] {
  checkValue('logSchedule: last', last, epochs)
  checkValue('logSchedule: points', points, count)
  if (last === 0) return [0]
  if (points === 1) return [0, last]
  const found = Array.from({ length: points }, (_, i) => Math.floor(last ** (i / (points - 1)) + 0.5))
  return [...new Set([0, ...found])]
}

/**
 * Evenly spaced epochs: 0 and round(last i / points) for i = 1 .. points, each once, ascending.
 *
 *     linearSchedule(100, 4) // [0, 25, 50, 75, 100]
 *
 * @param last the last epoch, at least 0
 * @param points number of epochs without the 0
 * @throws ArgumentError for other numbers
 */
export function linearSchedule(last: number, points: number): number[] {
  checkValue('linearSchedule: last', last, epochs)
  checkValue('linearSchedule: points', points, count)
  return [...new Set(Array.from({ length: points + 1 }, (_, i) => Math.round((last * i) / points)))]
}
