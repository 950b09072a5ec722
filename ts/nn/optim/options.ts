import { ArgumentError, describe } from '../../core/errors.js'
import {
  atLeast,
  between,
  type Check,
  type Checks,
  checkOptions,
  isInstance,
  isList,
  listOf,
  required,
  text,
} from '../../core/options.js'

/** Options that every optimizer takes. */
export interface OptimizerOptions {
  /** Step size. Each optimizer has its own default. */
  learningRate?: number
  /** Strength of L2 regularization (decoupled from the gradient in AdamW). Default 0 (AdamW: 0.01). */
  weightDecay?: number
}

/**
 * Parameters with their own options. A group's learning rate keeps its ratio to the optimizer's rate when the latter changes.
 * A parameter belongs to the first group that matches its path; other parameters use the common options.
 */
export type ParameterGroup<O> = Partial<O> & {
  /** Paths (or beginnings of paths, up to a dot), a pattern, or a test. */
  params: readonly string[] | RegExp | ((path: string) => boolean)
}

/** Checks and defaults of an optimizer's options. */
export interface OptimizerSetup<O extends OptimizerOptions> {
  /** Name in messages, for instance `'SGD'`. */
  readonly title: string
  readonly defaults: Required<O>
  readonly checks: Checks<O>
}

/** The checks of {@link OptimizerOptions}. */
export const commonChecks: Checks<OptimizerOptions> = { learningRate: atLeast(0), weightDecay: atLeast(0) }

/** The decay rate of an average. */
export const decayRate = between(0, 1, 'high')

const parameters: Check<ParameterGroup<object>['params']> = {
  expected: "paths such as ['layers.0'], a pattern, or a function of the path",
  accepts: (value) => typeof value === 'function' || isInstance(value, RegExp) || listOf(text).accepts(value),
}

/**
 * Checks groups of parameters.
 *
 * @throws {UnknownNameError} for an option that the optimizer does not have; {ArgumentError} for a value out of range
 */
export function checkGroups<O extends OptimizerOptions>(
  { title, checks }: OptimizerSetup<O>,
  groups: readonly ParameterGroup<O>[],
): ParameterGroup<O>[] {
  if (!isList(groups)) {
    throw new ArgumentError(
      `${title}: groups is ${describe(groups)}, expected a list such as [{ params: ['layers.0'], learningRate: 0.01 }]`,
    )
  }
  const own = { ...checks, params: required(parameters) }
  return Array.from(groups, (group) => {
    const given = checkOptions<object>(`a parameter group of ${title}`, group, own)
    return { ...given } as ParameterGroup<O>
  })
}

/** Whether a path belongs to a group. */
export function groupMatches(params: ParameterGroup<object>['params'], path: string): boolean {
  if (typeof params === 'function') return params(path)
  if (params instanceof RegExp) return params.test(path)
  return params.some((prefix) => path === prefix || path.startsWith(`${prefix}.`))
}
