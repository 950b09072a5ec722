/** What the values of dynamics are of: it goes with them from the evaluators to files, figures and reports. */
import type { Estimator } from '../estimators/estimator.js'
import { type Json, toJson } from '../io/json.js'

/** Layers and evaluators of recorded values. */
export interface DynamicsHeading {
  /** Names of the L layers, input side first. */
  readonly layers: readonly string[]
  /** Names of the E evaluators, in the order in which they were attached. */
  readonly evaluators: readonly string[]
  /** Unit of each evaluator's values, such as `'bits'`; 'none' for numbers without a unit, null where it is not known. */
  readonly units: readonly (string | null)[]
  /** Options of each evaluator, as plain data. */
  readonly evaluatorSettings: readonly Json[]
}

/** What recorded values were estimated from: it is seen while they are measured. */
export interface DynamicsSampling {
  /** Samples that each evaluator's values were estimated from, the most where batches differ; null where it is not known. */
  readonly samples: readonly (number | null)[]
  /** Entropy of the target's classes over the samples of the first evaluator, in nats; null where the target is not classes, or not known. */
  readonly labelEntropy: number | null
}

/** The heading of what evaluators say of these layers. */
export function headingOf(evaluators: readonly Estimator[], layers: readonly string[]): DynamicsHeading {
  return {
    layers: distinct(layers),
    evaluators: distinct(evaluators.map(({ name }) => name)),
    units: evaluators.map(({ unit }) => unit),
    evaluatorSettings: evaluators.map(({ name, settings }) => toJson(`the settings of ${name}`, settings)),
  }
}

/** In what two headings differ, in words; undefined where values of the one can go on those of the other. */
export function difference(before: DynamicsHeading, now: DynamicsHeading): string | undefined {
  for (const part of ['layers', 'evaluators', 'units', 'evaluatorSettings'] as const) {
    const [was, is] = [JSON.stringify(before[part]), JSON.stringify(now[part])]
    if (was !== is) return `${part} were ${was}, now they are ${is}`
  }
  return undefined
}

/** Names with a number behind those that came before: `['HSIC', 'HSIC']` become `['HSIC', 'HSIC_2']`. */
function distinct(names: readonly string[]): string[] {
  const seen = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let count = 2; seen.has(free); count++) free = `${name}_${count}`
    seen.add(free)
    return free
  })
}
