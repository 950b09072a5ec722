/** Estimators on a command line: `binned:bins=30,range=data`. */
import { ArgumentError } from '../core/errors.js'
import type { Estimator } from '../estimators/estimator.js'
import { createEstimator, type EstimatorName, estimatorNames } from '../estimators/named.js'
import { baseOfUnit } from '../estimators/unit.js'

/** Short names of options in the literature. */
const shortNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  kde: { v: 'variance' },
}

/**
 * The estimator of a text `name:option=value,option=value`. Values are numbers, true, false, words, or lists such as `[-1,1]`. Names are
 * those of `createEstimator`, in upper or lower case.
 *
 * @throws UnknownNameError for another name or option; ArgumentError for an invalid value
 */
export function estimatorOf(given: string, units: string | undefined): Estimator {
  const [name, rest] = halves(given, ':')
  const known = estimatorNames.find((one) => one.toLowerCase() === name.toLowerCase())
  const options: Record<string, unknown> = {}
  for (const part of rest === undefined ? [] : optionsIn(rest)) {
    const [key, value] = halves(part, '=')
    if (value === undefined || key === '' || value === '') {
      throw new ArgumentError(
        `--estimator ${given}: given "${part}", expected option=value as in binned:bins=30,range=data`,
      )
    }
    options[shortNames[known ?? '']?.[key] ?? key] = readValue(value)
  }
  const make = (extra: object) =>
    createEstimator((known ?? name) as EstimatorName, { ...options, ...extra } as never)
  const estimator = make({})
  const base = units === undefined ? undefined : baseOfUnit(units)
  const isInformation = estimator.unit !== 'none'
  return base !== undefined && isInformation && options.base === undefined ? make({ base }) : estimator
}

/** Units of information, checked. */
export function checkedUnits(units: string): string {
  if (baseOfUnit(units) !== undefined) return units
  throw new ArgumentError(`--units: given "${units}", expected nats, bits, bans or "base b" such as "base 3"`)
}

function halves(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text.trim(), undefined] : [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}

/** The parts between commas, except commas within brackets. */
function optionsIn(text: string): string[] {
  return text.split(/,(?![^[]*\])/).map((part) => part.trim())
}

function readValue(text: string): unknown {
  if (text.startsWith('[') && text.endsWith(']'))
    return text
      .slice(1, -1)
      .split(',')
      .map((one) => readValue(one.trim()))
  if (text === 'true' || text === 'false') return text === 'true'
  const number = Number(text)
  return Number.isNaN(number) ? text : number
}
