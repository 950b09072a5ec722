import { ArgumentError } from '../errors.js'
import { checkOptions } from '../options.js'

/** Options that every optimizer takes. */
export interface OptimizerOptions {
  /** Step size. The default differs from one optimizer to the next. */
  learningRate?: number
  /** Strength of L2 regularisation (decoupled from the gradient in AdamW). Default 0 (AdamW: 0.01). */
  weightDecay?: number
}

/**
 * Parameters with options of their own. A group's learning rate keeps its ratio to the optimizer's when that changes.
 * A parameter belongs to the first group that matches its path; parameters that no group matches use the common options.
 */
export type ParameterGroup<O> = Partial<O> & {
  /** Paths (or beginnings of paths, up to a dot), a pattern, or a test. */
  params: readonly string[] | RegExp | ((path: string) => boolean)
}

/** Fills in defaults. Throws UnknownNameError for an option that the optimizer does not have. */
export function withDefaults<O extends object>(
  optimizer: string,
  defaults: Required<O>,
  given: Partial<O>,
): Required<O> {
  checkOptions(optimizer, given, Object.keys(defaults))
  const filled = { ...defaults }
  for (const [name, value] of Object.entries(given) as [keyof O & string, unknown][]) {
    if (value !== undefined) filled[name] = value as Required<O>[keyof O & string]
  }
  return filled
}

/** Throws ArgumentError unless the option is a finite number of at least `least` (and below `below`, where given). */
export function checkRange(optimizer: string, name: string, value: number, least = 0, below?: number): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) {
    if (below === undefined || value < below) return
  }
  const upper = below === undefined ? '' : ` and below ${below}`
  throw new ArgumentError(
    `${optimizer}: ${name} must be a number of at least ${least}${upper}, received ${value}`,
  )
}

/** Whether a path belongs to a group. */
export function groupMatches(params: ParameterGroup<object>['params'], path: string): boolean {
  if (typeof params === 'function') return params(path)
  if (params instanceof RegExp) return params.test(path)
  return params.some((prefix) => path === prefix || path.startsWith(`${prefix}.`))
}
