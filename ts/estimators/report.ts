import { ArgumentError, unknownName } from '../errors.js'
import type { ModelDynamics } from '../models/dynamics.js'
import { checkOptions } from '../options.js'
import { checkPositive } from './check.js'
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

/** What {@link theoryReport} finds, of the last epoch, in nats. */
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
 * @param dynamics of an estimator of information; HSIC and the like are in units of their own and say nothing here
 */
export function theoryReport(dynamics: ModelDynamics, options: TheoryReportOptions): TheoryReport {
  checkOptions('theoryReport', options, optionNames)
  const { n, classes, base = Math.E, tolerance = 0.05, targetEntropy, delta, beta } = options
  checkPositive('theoryReport: base', base)
  const { evaluators, values } = dynamics
  const evaluator = options.evaluator ?? (evaluators[0] as string)
  const index = evaluators.indexOf(evaluator)
  if (index < 0) throw unknownName('evaluator', evaluator, evaluators)
  const last = values.at(-1)?.[index]
  if (last === undefined) throw new ArgumentError('theoryReport: the dynamics hold no finished epoch')
  const optional = Object.fromEntries(
    Object.entries({ targetEntropy, delta, beta }).filter(([, value]) => value !== undefined),
  )
  const layers = dynamics.layers.map((name, layer) => {
    const [compression, relevance] = (last[layer] as number[]).map((v) => v * Math.log(base)) as [
      number,
      number,
    ]
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
  return { ...report, text: describeReport(evaluator, report) }
}

function describeReport(evaluator: string, report: Omit<TheoryReport, 'text'>): string {
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
  return [`${evaluator}, last epoch, in nats`, line(header), ...rows.map(line), ...verdict].join('\n')
}
