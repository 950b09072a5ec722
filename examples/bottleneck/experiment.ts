/** A published experiment: what is run, what was published, and what must be seen. */

/** What one run measured, by name: a number, or one for each epoch. */
export type Values = Readonly<Record<string, number | readonly number[]>>

/** One network at one setting. It is run once for each seed, and what it measured is kept. */
export interface Case {
  /** What it takes besides what the experiment says, such as `width 8`; may be empty. */
  readonly settings: string
  /** Trains and measures. */
  run(seed: number): Promise<Values>
}

/** What was published, in the unit of the row. */
export interface Published {
  readonly value: number
  /** How far ours may lie from it: of a single run this is all there is. */
  readonly tolerance: number
  /** Standard error of the published mean, where there is one. */
  readonly standardError?: number
}

/** A number of a case, beside what was published. */
export interface Row {
  readonly name: string
  /** Of what the number is; the first case unless it is said. */
  readonly case?: string
  /** Reads it from what was measured. */
  of(values: Values): number
  /** Default '% right'. */
  readonly unit?: string
  readonly published?: Published
  /** A published number that is told but not compared: no band was agreed for it. */
  readonly theirs?: number
  /** What ours must reach in place of a comparison, for settings that are not the published ones. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number }
}

/** Something that must be seen in every seed, such as an order. */
export interface Shape {
  readonly claim: string
  /** The cases it is about. */
  readonly cases: readonly string[]
  /** @param of what a case measured with one seed */
  holds(of: (name: string) => Values): boolean
}

/** A published experiment. */
export interface Experiment {
  /** The word it is asked for by. */
  readonly name: string
  readonly title: string
  /** What all cases share. */
  readonly settings: string
  /** Where ours differ from the published ones; undefined where they do not. */
  readonly differences?: string
  /** Cases by name. */
  readonly cases: Readonly<Record<string, Case>>
  readonly rows: readonly Row[]
  readonly shapes?: readonly Shape[]
  /** Said below the table, such as the reason for a number outside its band. */
  readonly remarks?: string
  /** Whether a higher number is better. Default true. */
  readonly higherIsBetter?: boolean
}

/** Experiments of one paper. */
export interface Study {
  readonly title: string
  /** Where the published numbers are from, and how exact they are. */
  readonly source: string
  readonly experiments: readonly Experiment[]
}

/** The number of that name. */
export function numberOf(values: Values, name: string): number {
  const value = values[name]
  if (typeof value === 'number') return value
  throw new TypeError(`'${name}' is no single number of a run, which has ${Object.keys(values).join(', ')}`)
}

/** Numbers of that name, by epoch. */
export function curveOf(values: Values, name: string): readonly number[] {
  const value = values[name]
  if (value !== undefined && typeof value !== 'number') return value
  throw new TypeError(`'${name}' is no curve of a run, which has ${Object.keys(values).join(', ')}`)
}

/** Reads a number. */
export const single = (name: string) => (values: Values) => numberOf(values, name)

/** Reads the entry of a curve after an epoch, counted from 1; default the last. */
export const after = (name: string, epoch?: number) => (values: Values) =>
  curveOf(values, name).at(epoch === undefined ? -1 : epoch - 1) ?? Number.NaN

/** A share in percent. */
export const percent = (share: number | undefined): number => 100 * (share ?? Number.NaN)
