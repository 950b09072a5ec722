/** The record of an estimate: `estimate(x, y, { details: true })`. */
import { inspect } from 'node:util'
import { literal } from '../core/create.js'
import { type Check, type Checks, checkValue, flag, text } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { logarithmBase } from './check.js'
import { entropyOf } from './counts.js'
import { type DataKind, kindOfSamples } from './kinds.js'
import { classCounts, classesOf, isLabels } from './samples.js'
import { unitOfBase } from './unit.js'

/** Options of a call of `estimate`. */
export interface EstimateOptions {
  /** Resolve to {@link EstimateDetails} instead of the number. Default false. */
  details?: boolean
}

export const estimateChecks: Checks<EstimateOptions> = { details: flag }

const anyNumber: Check<number> = { expected: 'a number', accepts: (value) => typeof value === 'number' }

/** One argument of an estimate. */
export interface SideDetails {
  /** Kind, by the type of its array and its values. */
  readonly kind: DataKind
  /** Numbers per sample; 1 for a vector of labels. */
  readonly dimensions: number
  /** Different rows, or labels. */
  readonly distinct: number
  /** Entropy of the n samples, equal rows being one symbol, in the unit of the value (nats if it has none): ln n if all rows differ. */
  readonly entropy: number
}

/** Different rows in the same bucket, averaged over the members of the ensemble. */
export interface Collisions {
  /** Different rows of x minus their buckets. */
  readonly x: number
  /** The same of y. */
  readonly y: number
}

/** What {@link Findings} collects, and every record has. */
interface Found {
  /** Maximum of the estimator for these samples, in the unit of the value; Infinity if there is none. */
  readonly limit: number
  /** The source of the limit, as text; empty if there is none. */
  readonly limitedBy: string
  /** Whether the value is within 10 % of the limit, and so may reflect the limit more than the data. */
  readonly saturated: boolean
  /** Warnings, as text. */
  readonly warnings: readonly string[]
  /** Lower bound of the measure, if the estimator has one. */
  readonly lower?: number
  /** Upper bound, if the estimator has one. */
  readonly upper?: number
  /** Of EDGE. */
  readonly collisions?: Collisions
}

/** An estimate and how it was made. Prints as a few lines of text. */
export interface EstimateDetails extends Found {
  readonly value: number
  /** 'nats', 'bits', 'bans', 'base b', or 'none' for measures other than information, such as HSIC. */
  readonly unit: string
  /** Name of the estimator. */
  readonly estimator: string
  /** Its options, defaults included. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The formula that gave the value, if it is another one: KSG passes class labels to Ross. */
  readonly method: string
  /** Number of samples. */
  readonly n: number
  readonly x: SideDetails
  readonly y: SideDetails
  /** Time of the estimate, without these details. */
  readonly seconds: number
  toString(): string
}

/** The same of an entropy, which has one argument. */
export type EntropyDetails = Omit<EstimateDetails, 'y'>

/** Fraction of the limit from which an estimate is saturated. */
const saturation = 0.9

/** A warning, and the code under which `estimate` emits it once if no record was requested; undefined for a warning only in records. */
interface Warning {
  readonly text: string
  readonly code: string | undefined
}

/** A warning with the code under which it is emitted. */
export interface Advice extends Warning {
  readonly code: string
}

/**
 * Notes of an estimator during its computation. It is passed down to the formula that does the work, and each level adds its notes. Limits
 * and bounds are in nats, or without unit; the record converts them, and texts are in the unit of the value.
 */
export class Findings {
  /** Whether a record was requested: if not, skip work that only the record needs. */
  readonly areWanted: boolean
  /** The formula that did the work, if it is not the estimator's own. */
  method: string | undefined
  lower: number | undefined
  upper: number | undefined
  collisions: Collisions | undefined
  #limit = Number.POSITIVE_INFINITY
  #limitedBy = ''
  #isOfSamples = false
  readonly #warnings: Warning[] = []

  readonly #base: number

  /** @param areWanted whether a record was requested; @param base of the logarithm of the value's unit: Math.E for nats (default), 2 for bits */
  constructor(areWanted = false, base = Math.E) {
    checkValue('Findings: base', base, logarithmBase)
    this.areWanted = areWanted
    this.#base = base
  }

  /** A number of nats in the unit of the value, without the unit: '0.9054'. */
  inUnit(nats: number): string {
    checkValue('inUnit: nats', nats, anyNumber)
    return String(Number((nats / Math.log(this.#base)).toPrecision(4)))
  }

  /** A number of nats in the unit of the value, with the unit: '0.9054 bits'. */
  withUnit(nats: number): string {
    return `${this.inUnit(nats)} ${unitOfBase(this.#base)}`
  }

  /** A formula in nats, such as 'ln n', for the unit of the value: 'ln n / ln 2' for bits. */
  formula(nats: string): string {
    checkValue('formula: nats', nats, text)
    if (this.#base === Math.E) return nats
    return `${/ [+-] /.test(nats) ? `(${nats})` : nats} / ln ${this.#base}`
  }

  /** The maximum of the estimate. */
  get limit(): number {
    return this.#limit
  }

  get limitedBy(): string {
    return this.#limitedBy
  }

  get warnings(): readonly Warning[] {
    return this.#warnings
  }

  /** Notes a warning. @param code of a warning that is emitted if no record was requested */
  warn(message: string, code?: string): void {
    checkValue('warn: text', message, text)
    if (!this.#warnings.some((one) => one.text === message)) this.#warnings.push({ text: message, code })
  }

  /** Whether the limit comes from the number of samples, not from their values. */
  get isOfSamples(): boolean {
    return this.#isOfSamples
  }

  /** Notes a limit set by the values, such as an entropy; the smallest counts. @param by its source, as text */
  limitTo(limit: number, by: string): void {
    this.#take(limit, by, false)
  }

  /** Notes a limit set by the number of samples. */
  limitToSamples(limit: number, by: string): void {
    this.#take(limit, by, true)
  }

  #take(limit: number, by: string, isOfSamples: boolean): void {
    checkValue('limit', limit, anyNumber)
    checkValue('limit: by', by, text)
    if (!(limit < this.#limit)) return
    this.#limit = limit
    this.#limitedBy = by
    this.#isOfSamples = isOfSamples
  }

  /** Whether a value is so near the limit that it may reflect the limit more than the data. */
  isSaturated(value: number): boolean {
    checkValue('isSaturated: value', value, anyNumber)
    return this.#limit > 0 && value >= saturation * this.#limit
  }
}

/** Parts of a record other than the findings; the value in its unit. */
interface Outcome {
  readonly value: number
  /** Empty for a measure without unit. */
  readonly unit: string
  /** Nats in one unit: ln of the base; 1 without a unit. */
  readonly natsPerUnit: number
  readonly estimator: string
  readonly settings: object
  readonly seconds: number
}

/** The record of an estimate of two arguments. @param sides the samples as the estimator took them */
export async function estimateDetails(
  outcome: Outcome,
  findings: Findings,
  x: Tensor,
  y: Tensor,
): Promise<EstimateDetails> {
  const { natsPerUnit } = outcome
  const sides = { x: await sideDetails(x, natsPerUnit), y: await sideDetails(y, natsPerUnit) }
  return record(outcome, findings, x.shape[0] as number, sides)
}

/** The record of an entropy. */
export async function entropyDetails(
  outcome: Outcome,
  findings: Findings,
  x: Tensor,
): Promise<EntropyDetails> {
  const sides = { x: await sideDetails(x, outcome.natsPerUnit) }
  return record(outcome, findings, x.shape[0] as number, sides)
}

async function sideDetails(x: Tensor, natsPerUnit: number): Promise<SideDetails> {
  const n = x.shape[0] as number
  const { kind, classes } = await kindOfSamples(x)
  using ids = literal(classes)
  using entropy = entropyOf(classCounts(classesOf('samples', ids)), n)
  return {
    kind,
    dimensions: isLabels(x) ? 1 : x.size / n,
    distinct: new Set(classes).size,
    entropy: (await entropy.item()) / natsPerUnit,
  }
}

function record<S extends object>(outcome: Outcome, findings: Findings, n: number, sides: S) {
  const { value, unit, natsPerUnit, estimator, seconds } = outcome
  const { limitedBy, collisions, warnings } = findings
  const inUnit = (nats: number | undefined) =>
    nats === undefined ? undefined : Math.min(nats, findings.limit) / natsPerUnit
  const limit = findings.limit / natsPerUnit
  const optional = { lower: inUnit(findings.lower), upper: inUnit(findings.upper), collisions }
  const settings = Object.fromEntries(Object.entries(outcome.settings).filter(([, v]) => v !== undefined))
  const fields = {
    value,
    unit: unit === '' ? 'none' : unit,
    estimator,
    settings: Object.freeze(settings),
    method: findings.method ?? estimator,
    n,
    ...sides,
    limit,
    limitedBy,
    saturated: findings.isSaturated(value * natsPerUnit),
    warnings: Object.freeze(warnings.map(({ text }) => text)),
    ...Object.fromEntries(Object.entries(optional).filter(([, v]) => v !== undefined)),
    seconds,
  }
  return Object.freeze(Object.assign(Object.create(readable) as Readable, fields))
}

/** How a record prints; a separate field would appear in its JSON. */
interface Readable {
  toString(): string
}

const readable: Readable = {
  toString(this: EntropyDetails & Partial<Pick<EstimateDetails, 'y'>>) {
    return describeDetails(this)
  },
  [inspect.custom](this: Readable) {
    return this.toString()
  },
} as Readable

function describeDetails(details: EntropyDetails & Partial<Pick<EstimateDetails, 'y'>>): string {
  const { value, unit, estimator, settings, method, n, x, y, lower, upper, limit, seconds } = details
  const units = unit === 'none' ? '' : ` ${unit}`
  const number = (v: number) => String(Number(v.toPrecision(6)))
  const side = (name: string, { kind, dimensions, distinct }: SideDetails) =>
    `  ${name}: ${kind}, ${dimensions} ${dimensions === 1 ? 'dimension' : 'dimensions'}, ${distinct} different of ${n}`
  const options = Object.entries(settings)
    .map(
      ([name, v]) =>
        `${name}: ${typeof v === 'string' ? v : inspect(v, { breakLength: Number.POSITIVE_INFINITY })}`,
    )
    .join(', ')
  const bounds = [
    ...(lower === undefined ? [] : [`at least ${number(lower)}`]),
    ...(upper === undefined ? [] : [`at most ${number(upper)}`]),
  ]
  const share =
    Number.isFinite(limit) && limit > 0 ? `, of which this is ${Math.round((100 * value) / limit)} %` : ''
  return [
    `${number(value)}${units === '' ? ' (no unit: a measure of dependence)' : units}`,
    `  by ${estimator}${method === estimator ? '' : ` (${method})`}${options === '' ? '' : ` { ${options} }`}, ${number(seconds)} s`,
    side('x', x),
    ...(y === undefined ? [] : [side('y', y)]),
    ...(bounds.length === 0 ? [] : [`  bounds: ${bounds.join(', ')}${units}`]),
    ...(Number.isFinite(limit) ? [`  limit: ${number(limit)}${units}, ${details.limitedBy}${share}`] : []),
    ...(details.collisions === undefined
      ? []
      : [`  collisions: ${number(details.collisions.x)} of x, ${number(details.collisions.y)} of y`]),
    ...details.warnings.map((text) => `  warning: ${text}`),
  ].join('\n')
}
