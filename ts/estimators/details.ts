/** What an estimate was, beside its value: `estimate(x, y, { details: true })`. */

import { inspect } from 'node:util'
import { literal } from '../core/create.js'
import { type Check, type Checks, checkValue, flag, text } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { entropyOf } from './counts.js'
import { type DataKind, kindOfSamples } from './kinds.js'
import { classCounts, classesOf, isLabels } from './samples.js'

/** Options of a call of `estimate`. */
export interface EstimateOptions {
  /** Resolve to {@link EstimateDetails} instead of the number. Default false. */
  details?: boolean
}

export const estimateChecks: Checks<EstimateOptions> = { details: flag }

const anyNumber: Check<number> = { expected: 'a number', accepts: (value) => typeof value === 'number' }

/** One argument of an estimate. */
export interface SideDetails {
  /** What it holds, by the type of its array and its values. */
  readonly kind: DataKind
  /** Numbers per sample; 1 for a vector of labels. */
  readonly dimensions: number
  /** Different rows, or labels. */
  readonly distinct: number
  /** Entropy of the n samples, equal rows being one symbol, in the unit of the value (nats where that has none): ln n where all rows differ. */
  readonly entropy: number
}

/** Samples that hashing puts together though they differ, on average over the members of the ensemble. */
export interface Collisions {
  /** Different rows of x less the buckets that hold them. */
  readonly x: number
  /** The same of y. */
  readonly y: number
}

/** What {@link Findings} collects, and every record has. */
interface Found {
  /** The most that the estimator can answer for these samples, in the unit of the value; Infinity where it has no such bound. */
  readonly limit: number
  /** What sets the limit, in words; empty where there is none. */
  readonly limitedBy: string
  /** Whether the value is within 10 % of the limit, so that it may say more of the limit than of the data. */
  readonly saturated: boolean
  /** What to know before the value is believed, in words. */
  readonly warnings: readonly string[]
  /** A bound from below on what is measured, where the estimator has one. */
  readonly lower?: number
  /** A bound from above, where the estimator has one. */
  readonly upper?: number
  /** Of EDGE. */
  readonly collisions?: Collisions
}

/** An estimate and what it was. Prints as a few lines of text. */
export interface EstimateDetails extends Found {
  readonly value: number
  /** 'nats', 'bits', 'bans', 'base b', or 'none' for measures that are no information, such as HSIC. */
  readonly unit: string
  /** Name of the estimator that was asked. */
  readonly estimator: string
  /** Its options, defaults included. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The formula that gave the value, where that is another one: KSG hands class labels to Ross. */
  readonly method: string
  /** Number of samples. */
  readonly n: number
  readonly x: SideDetails
  readonly y: SideDetails
  /** Time it took, these details left out. */
  readonly seconds: number
  toString(): string
}

/** The same of an entropy, which has one argument. */
export type EntropyDetails = Omit<EstimateDetails, 'y'>

/** Part of the limit from which an estimate counts as saturated. */
const saturation = 0.9

/** A warning, and the code under which `estimate` emits it once where no record is asked for; undefined where it is for the record only. */
interface Warning {
  readonly text: string
  readonly code: string | undefined
}

/**
 * What an estimator notes while it computes. It is handed down to whatever formula does the work, and each notes what it knows.
 * Limits and bounds are in nats, or without unit; the record converts them.
 */
export class Findings {
  /** Whether a record is wanted, so that what only it needs is worth computing. */
  readonly areWanted: boolean
  /** The formula that did the work, where it is not the estimator's own. */
  method: string | undefined
  lower: number | undefined
  upper: number | undefined
  collisions: Collisions | undefined
  #limit = Number.POSITIVE_INFINITY
  #limitedBy = ''
  #isOfSamples = false
  readonly #warnings: Warning[] = []

  constructor(areWanted = false) {
    this.areWanted = areWanted
  }

  /** The most that can come out. */
  get limit(): number {
    return this.#limit
  }

  get limitedBy(): string {
    return this.#limitedBy
  }

  get warnings(): readonly Warning[] {
    return this.#warnings
  }

  /** Notes something to know before the value is believed. @param code for a warning that is emitted where no record is asked for */
  warn(message: string, code?: string): void {
    checkValue('warn: text', message, text)
    if (!this.#warnings.some((one) => one.text === message)) this.#warnings.push({ text: message, code })
  }

  /** Whether the limit is set by the number of samples rather than by what they hold. */
  get isOfSamples(): boolean {
    return this.#isOfSamples
  }

  /** Notes a limit that the values set, such as an entropy; the smallest counts. @param by what sets it, in words */
  limitTo(limit: number, by: string): void {
    this.#take(limit, by, false)
  }

  /** Notes a limit that the number of samples sets. */
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

  /** Whether a value is so near the limit that it may say more of that than of the data. */
  isSaturated(value: number): boolean {
    checkValue('isSaturated: value', value, anyNumber)
    return this.#limit > 0 && value >= saturation * this.#limit
  }
}

/** What a record is made of besides the findings; the value in its unit. */
interface Outcome {
  readonly value: number
  /** Empty where it has none. */
  readonly unit: string
  /** Nats in one unit: ln of the base; 1 where there is no unit. */
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

/** How records print; not among their own fields, so that JSON holds these alone. */
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
