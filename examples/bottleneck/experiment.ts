/** A published experiment: its cases, its published numbers, and its claims. */

/** Measurements of one run, by name: a number, or one per epoch. */
export type Values = Readonly<Record<string, number | readonly number[]>>

/** One network at one setting. It is run once for each seed, and its measurements are stored. */
export interface Case {
  /** Settings besides those of the experiment, such as `width 8`; may be empty. */
  readonly settings: string
  /** Trains and measures. */
  run(seed: number): Promise<Values>
}

/** A published number, in the unit of the row. */
export interface Published {
  readonly value: number
  /** Accepted difference of our mean: for a single published run the only criterion. */
  readonly tolerance: number
  /** Standard error of the published mean, if there is one. */
  readonly standardError?: number
}

/** A number of a case, beside the published one. */
export interface Row {
  readonly name: string
  /** Case of the number; default the first. */
  readonly case?: string
  /** Reads the number from the measurements. */
  of(values: Values): number
  /** Default '% right'. */
  readonly unit?: string
  readonly published?: Published
  /** A published number that is shown but not compared: no band was fixed for it. */
  readonly theirs?: number
  /** Our goal instead of a comparison, for settings other than the published ones. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number }
}

/** A claim about every seed, such as an order. */
export interface Shape {
  readonly claim: string
  /** The cases of the claim. */
  readonly cases: readonly string[]
  /** @param of measurements of a case with one seed */
  holds(of: (name: string) => Values): boolean
}

/** A published experiment. */
export interface Experiment {
  /** The name of the experiment on the command line. */
  readonly name: string
  readonly title: string
  /** Shared settings of all cases. */
  readonly settings: string
  /** Differences from the published settings; undefined if there are none. */
  readonly differences?: string
  /** Cases by name. */
  readonly cases: Readonly<Record<string, Case>>
  readonly rows: readonly Row[]
  readonly shapes?: readonly Shape[]
  /** Text below the table, such as the reason for a number outside its band. */
  readonly remarks?: string
  /** Whether a higher number is better. Default true. */
  readonly higherIsBetter?: boolean
}

/** Experiments of one paper. */
export interface Study {
  readonly title: string
  /** Source and precision of the published numbers. */
  readonly source: string
  readonly experiments: readonly Experiment[]
}

/** The number of that name. */
export function numberOf(values: Values, name: string): number {
  const value = values[name]
  if (typeof value === 'number') return value
  throw new TypeError(
    `'${name}' is not a single number of a run, which has ${Object.keys(values).join(', ')}`,
  )
}

/** Numbers of that name, by epoch. */
export function curveOf(values: Values, name: string): readonly number[] {
  const value = values[name]
  if (value !== undefined && typeof value !== 'number') return value
  throw new TypeError(`'${name}' is not a curve of a run, which has ${Object.keys(values).join(', ')}`)
}

/** Reads a number. */
export const single = (name: string) => (values: Values) => numberOf(values, name)

/** Reads the entry of a curve after an epoch, counted from 1; default the last. */
export const after = (name: string, epoch?: number) => (values: Values) =>
  curveOf(values, name).at(epoch === undefined ? -1 : epoch - 1) ?? Number.NaN

/** A share in percent. */
export const percent = (share: number | undefined): number => 100 * (share ?? Number.NaN)
