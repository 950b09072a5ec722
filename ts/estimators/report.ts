import { ArgumentError, describe, unknownName } from '../errors.js'
import type { ModelDynamics } from '../models/dynamics.js'
import { checkOptions } from '../options.js'
import {
  checkDataProcessing,
  type InformationBounds,
  informationBounds,
  type ProcessingViolation,
} from './theory.js'

/** Options of {@link theoryReport}. */
export interface TheoryReportOptions {
  /** Number of training samples. */
  n: number
  /** Number of classes. */
  classes: number
  /** Name of the evaluator, one of information. Default: the first. */
  evaluator?: string
  /** Base of its logarithm. Default Math.E, nats. */
  base?: number
  /** Rise from layer to layer that counts as error of the estimate, in nats. Default 0.05. */
  tolerance?: number
  /** H(Y) in nats. Default ln of the number of classes. */
  targetEntropy?: number
  /** Default 0.05. */
  delta?: number
  /** Default 1. */
  beta?: number
}

/** What {@link theoryReport} finds, of the last epoch that the evaluator was due in, in nats. */
export interface TheoryReport {
  readonly layers: readonly ({
    readonly name: string
    readonly compression: number
    readonly relevance: number
  } & InformationBounds)[]
  /** Contradictions to I(X; T1) >= I(X; T2) >= ... */
  readonly compressionViolations: readonly ProcessingViolation[]
  /** Contradictions to I(T1; Y) >= I(T2; Y) >= ... */
  readonly relevanceViolations: readonly ProcessingViolation[]
  /** The same as a table. */
  readonly text: string
}

/** Evaluators that measure no information. */
const dependences: ReadonlySet<string> = new Set(['HSIC', 'CKA', 'DistanceCorrelation'])

const optionNames: readonly string[] = [
  'n',
  'classes',
  'evaluator',
  'base',
  'tolerance',
  'targetEntropy',
  'delta',
  'beta',
]

/**
 * Holds what a training run ended with against the theory: bounds for every layer and checks of the data-processing inequality.
 *
 *     await model.fitDataset(train, { epochs: 20 })
 *     console.log(theoryReport(model.dynamics(), { n: 48_000, classes: 10 }).text)
 *
 * @param dynamics of an estimator of information
 * @throws ArgumentError for HSIC and the like, which are in units of their own, for an evaluator without values and for wrong options
 */
export function theoryReport(dynamics: ModelDynamics, options: TheoryReportOptions): TheoryReport {
  checkOptions('theoryReport', options, optionNames)
  const { n, classes, base = Math.E, tolerance = 0.05, targetEntropy, delta, beta } = options
  if (typeof base !== 'number' || !(base > 1) || !Number.isFinite(base)) {
    throw new ArgumentError(
      `theoryReport: base must be a finite number above 1, such as Math.E or 2, received ${describe(base)}`,
    )
  }
  const { evaluators, values } = dynamics
  const evaluator = options.evaluator ?? (evaluators[0] as string)
  const index = evaluators.indexOf(evaluator)
  if (index < 0) throw unknownName('evaluator', evaluator, evaluators)
  if (dependences.has(evaluator.replace(/_\d+$/, ''))) {
    throw new ArgumentError(
      `theoryReport: ${evaluator} measures dependence in units of its own, of which the theory says nothing; attach an estimator of information such as KDE or Binned and name it: { evaluator: 'KDE' }`,
    )
  }
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
  const title =
    epoch === values.length - 1
      ? `${evaluator}, last epoch, in nats`
      : `${evaluator}, epoch ${epoch + 1} of ${values.length}, the last one that it was due in, in nats`
  return { ...report, text: describeReport(title, report) }
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
  const widths = header.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c] as number) : cell.padStart(widths[c] as number)))
      .join('  ')
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
  return [title, line(header), ...rows.map(line), ...verdict].join('\n')
}
