/** Names, units and settings of recorded values. They go with the values to files, figures and reports. */
import type { Estimator } from '../estimators/estimator.js'
import { type Json, toJson } from '../io/json.js'

/** Layers and evaluators of recorded values. */
export interface DynamicsHeading {
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the E evaluators, in the order in which they were attached. */
  readonly evaluators: readonly string[]
  /** Unit of each evaluator's values, such as `'bits'`; 'none' for numbers without a unit, null if it is not known. */
  readonly units: readonly (string | null)[]
  /** Options of each evaluator, as plain data. */
  readonly evaluatorSettings: readonly Json[]
}

/** Sample sizes of recorded values, collected during measurement. */
export interface DynamicsSampling {
  /** Samples of each evaluator's values, the maximum if batches differ; null if it is not known. */
  readonly samples: readonly (number | null)[]
  /** Entropy of the target's classes over the samples of the first evaluator, in nats; null if the target is not classes, or not known. */
  readonly labelEntropy: number | null
}

/** The heading of the values of evaluators for layers. */
export function headingOf(evaluators: readonly Estimator[], layers: readonly string[]): DynamicsHeading {
  return {
    layers: distinct(layers),
    evaluators: distinct(evaluators.map(({ name }) => name)),
    units: evaluators.map(({ unit }) => unit),
    evaluatorSettings: evaluators.map(({ name, settings }) => toJson(`the settings of ${name}`, settings)),
  }
}

/** The difference between two headings, as text; undefined if values of one can be appended to the other. */
export function difference(before: DynamicsHeading, now: DynamicsHeading): string | undefined {
  for (const part of ['layers', 'evaluators', 'units', 'evaluatorSettings'] as const) {
    const [was, is] = [JSON.stringify(before[part]), JSON.stringify(now[part])]
    if (was !== is) return `${part} were ${was}, now they are ${is}`
  }
  return undefined
}

/** Names with a number after repeated ones: `['HSIC', 'HSIC']` become `['HSIC', 'HSIC_2']`. */
function distinct(names: readonly string[]): string[] {
  const seen = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let count = 2; seen.has(free); count++) free = `${name}_${count}`
    seen.add(free)
    return free
  })
}
