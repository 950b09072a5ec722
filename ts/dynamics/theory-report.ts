import { ArgumentError, describe, unknownName } from '../core/errors.js'
import {
  atLeast,
  between,
  type Checks,
  checkOptions,
  isList,
  required,
  text,
  whole,
} from '../core/options.js'
import { textTable } from '../core/text-table.js'
import { logarithmBase } from '../estimators/check.js'
import {
  checkDataProcessing,
  type InformationBounds,
  informationBounds,
  type ProcessingViolation,
} from '../estimators/theory.js'
import { baseOfUnit } from '../estimators/unit.js'
import { amongSeveral, evaluatorText } from './naming.js'
import type { ModelDynamics } from './record.js'

/** Options of {@link theoryReport}. */
export interface TheoryReportOptions {
  /** Number of training samples. */
  n: number
  /** Number of classes. */
  classes: number
  /** Name of the evaluator, an estimator of information. Default: the first, and the title says so if there are several. */
  evaluator?: string
  /** Base of its logarithm, for dynamics without a unit; Math.E for nats, 2 for bits. */
  base?: number
  /** Rise from layer to layer that counts as estimation error, in nats. Default 0.05. */
  tolerance?: number
  /** H(Y) in nats. Default: the value of the samples, if the dynamics have it, otherwise ln of the number of classes. */
  targetEntropy?: number
  /** Default 0.05. */
  delta?: number
  /** Default 1. */
  beta?: number
}

/** Result of {@link theoryReport} for the last epoch with a value of the evaluator, in nats. */
export interface TheoryReport {
  readonly layers: readonly ({
    readonly name: string
    readonly compression: number
    readonly relevance: number
  } & InformationBounds)[]
  /** Violations of I(X; T1) >= I(X; T2) >= ... */
  readonly compressionViolations: readonly ProcessingViolation[]
  /** Violations of I(T1; Y) >= I(T2; Y) >= ... */
  readonly relevanceViolations: readonly ProcessingViolation[]
  /** The same as a table. */
  readonly text: string
}

const checks: Checks<TheoryReportOptions> = {
  n: required(whole(1)),
  classes: required(whole(1)),
  evaluator: text,
  base: logarithmBase,
  tolerance: atLeast(0),
  targetEntropy: atLeast(0),
  delta: between(0, 1, 'both'),
  beta: atLeast(0),
}

/**
 * Compares the last epoch of a training run with theory: bounds for every layer and checks of the data-processing inequality.
 *
 *     await model.fitDataset(train, { epochs: 20 })
 *     console.log(theoryReport(model.dynamics(), { n: 48_000, classes: 10 }).text)
 *
 * @param dynamics of an estimator of information; those of a model have its unit
 * @throws ArgumentError for HSIC and similar measures without a unit of information, for an evaluator without values, for values of unknown
 *   unit, and for wrong options
 */
export function theoryReport(dynamics: ReportedDynamics, options: TheoryReportOptions): TheoryReport {
  const given = checkOptions('theoryReport', options, checks)
  const { n, classes, tolerance = 0.05, delta, beta } = given
  const { evaluators, values, labelEntropy } = checkDynamics(dynamics)
  const targetEntropy = given.targetEntropy ?? labelEntropy ?? undefined
  const evaluator = given.evaluator ?? (evaluators[0] as string)
  const index = evaluators.indexOf(evaluator)
  if (index < 0) throw unknownName('evaluator', evaluator, evaluators)
  const base = baseOf(evaluator, dynamics.units?.[index] ?? null, given.base)
  if (values.length === 0) throw new ArgumentError('theoryReport: the dynamics hold no finished epoch')
  const epoch = values.findLastIndex((one) => one[index]?.flat().some((value) => !Number.isNaN(value)))
  if (epoch < 0) {
    throw new ArgumentError(
      `theoryReport: ${evaluator} has no value in any epoch: it was never due, or had no answer`,
    )
  }
  const last = values[epoch]?.[index] as number[][]
  const optional = Object.fromEntries(
    Object.entries({ targetEntropy, delta, beta }).filter(([, value]) => value !== undefined),
  )
  const layers = dynamics.layers.map((name, layer) => {
    const [compression, relevance] = (last[layer] as number[]).map((v) => v * Math.log(base)) as [
      number,
      number,
    ]
    if (Number.isNaN(compression) || Number.isNaN(relevance)) {
      throw new ArgumentError(
        `theoryReport: ${evaluator} has no ${Number.isNaN(compression) ? 'I(X; T)' : 'I(T; Y)'} (NaN) for layer ${name}; name an evaluator that measures both`,
      )
    }
    return {
      name,
      compression,
      relevance,
      ...informationBounds({ compression, relevance, n, classes, ...optional }),
    }
  })
  const compressionViolations = checkDataProcessing(
    layers.map(({ compression }) => compression),
    tolerance,
  )
  const relevanceViolations = checkDataProcessing(
    layers.map(({ relevance }) => relevance),
    tolerance,
  )
  const report = { layers, compressionViolations, relevanceViolations }
  const count = given.evaluator === undefined ? evaluators.length : 1
  const title = titleOf(dynamics, index, epoch, count)
  return { ...report, text: describeReport(title, report) }
}

/** The fields of dynamics in the report; those of a model have all of them. */
export type ReportedDynamics = Pick<ModelDynamics, 'values' | 'layers' | 'evaluators'> &
  Partial<Pick<ModelDynamics, 'units' | 'evaluatorSettings' | 'epochs' | 'labelEntropy'>>

/** Throws unless given the lists of dynamics. */
function checkDynamics(dynamics: ReportedDynamics): ReportedDynamics {
  const { evaluators, layers, values } = (dynamics ?? {}) as Partial<ReportedDynamics>
  const isComplete = (epoch: unknown) =>
    isList(epoch) &&
    (epoch as unknown[]).every(
      (one) =>
        isList(one) && (one as unknown[]).length === layers?.length && (one as unknown[]).every(isPair),
    )
  // Array.from, since a hole counts as a missing entry.
  const isWhole = isList(values) && Array.from(values ?? []).every(isComplete)
  if (isNames(evaluators) && isNames(layers) && isWhole) return dynamics
  throw new ArgumentError(
    `theoryReport: given ${describe(dynamics)}, expected dynamics, such as model.dynamics(): { layers, evaluators, values }, values of shape [epochs, evaluators, layers, 2]`,
  )
}

const isNames = (names: unknown) =>
  isList(names) && (names as unknown[]).every((name) => typeof name === 'string')
const isPair = (pair: unknown) =>
  isList(pair) &&
  (pair as unknown[]).length === 2 &&
  (pair as unknown[]).every((value) => typeof value === 'number')

/** Base of the logarithm of the values: by their unit, otherwise as the caller gives it. */
function baseOf(evaluator: string, unit: string | null, given: number | undefined): number {
  if (unit === null) {
    if (given !== undefined) return given
    throw new ArgumentError(
      `theoryReport: the unit of ${evaluator} is not known; give the base of its logarithm: { base: Math.E } for nats, { base: 2 } for bits`,
    )
  }
  const own = baseOfUnit(unit)
  if (own === undefined) {
    throw new ArgumentError(
      `theoryReport: ${evaluator} measures dependence, for which the theory has no bounds; attach an estimator of information such as KDE or Binned and name it: { evaluator: 'KDE' }`,
    )
  }
  if (given !== undefined && given !== own) {
    throw new ArgumentError(
      `theoryReport: base is ${given}, but ${evaluator} measured in ${unit}, base ${own}; leave base out`,
    )
  }
  return own
}

/** Evaluator with its settings, epoch and unit. @param count evaluators among which the first was taken; 1 for an evaluator that was asked for */
function titleOf(
  { evaluators, evaluatorSettings, epochs, values }: ReportedDynamics,
  index: number,
  row: number,
  count: number,
): string {
  const evaluator = evaluatorText({
    evaluator: evaluators[index] as string,
    unit: null,
    settings: Object(evaluatorSettings?.[index]) as Record<string, unknown>,
  })
  const last = values.length - 1
  const number = (n: number) => epochs?.[n] ?? n + 1
  const kind = epochs === undefined ? 'row' : 'epoch'
  const when =
    row === last
      ? `last ${kind} (${number(row)})`
      : `${kind} ${number(row)} of ${number(last)}, the last one that it was due in`
  const name = evaluators[index] as string
  const title = `${amongSeveral(name, name, count)}, ${when}, in nats`
  return evaluator === name ? title : `${title}\n${evaluator}`
}

function describeReport(title: string, report: Omit<TheoryReport, 'text'>): string {
  const header = ['layer', 'I(X;T)', 'I(T;Y)', 'gap <=', 'error >=', 'I(X;T) - beta I(T;Y)']
  const rows = report.layers.map((layer) => [
    layer.name,
    ...[
      layer.compression,
      layer.relevance,
      layer.generalizationGap,
      layer.errorAtLeast,
      layer.lagrangian,
    ].map((value) => value.toFixed(4)),
  ])
  const rises = (what: string, found: readonly ProcessingViolation[]) =>
    found.map(
      ({ layer, excess }) =>
        `data processing: ${what} rises by ${excess.toFixed(4)} at ${report.layers[layer]?.name}`,
    )
  const violations = [
    ...rises('I(X;T)', report.compressionViolations),
    ...rises('I(T;Y)', report.relevanceViolations),
  ]
  const verdict = violations.length === 0 ? ['data processing: no rise beyond the tolerance'] : violations
  return [title, textTable([header, ...rows], { left: [0] }), ...verdict].join('\n')
}
