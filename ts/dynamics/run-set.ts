/** A set of runs of one experiment: means, standard errors, tables, comparisons. */
import { ArgumentError } from '../core/errors.js'
import { checkValue, finite, instance, text } from '../core/options.js'
import { baseOfUnit } from '../estimators/unit.js'
import type { Json } from '../io/json.js'
import { type MergedRuns, mergedRuns, type NamedRun } from './merged-runs.js'
import type { RowKind } from './naming.js'
import { type CompareRunsOptions, compareRuns, type RunComparison } from './run-comparison.js'
import { saveRuns } from './run-files.js'
import { runNotes } from './run-notes.js'
import { describeResults, type RunResults } from './run-results.js'
import { csvOf, latexOf, type RunTableOptions, type RunTextOptions, textOf } from './run-tables.js'
import type { PlaneSpread, ResultRow, RunValues } from './run-values.js'
import { type DynamicsLike, type DynamicsSource, placeOf } from './source.js'
import { type Spread, spreadOf } from './spread.js'

/**
 * Several runs of one experiment, for example one per seed. One run is a set of one. Figures with error bands, tables, CSV, LaTeX, JSON and
 * comparisons are made from it.
 *
 *     const set = RunSet.of(models)
 *     console.log(set.toText())
 *     const { mean, se } = set.spread('HSIC', 'dense_1', 10).ixt
 */
export class RunSet implements RunValues {
  readonly #runs: MergedRuns

  private constructor(runs: MergedRuns) {
    this.#runs = runs
  }

  /**
   * Makes a set of runs: models with tracked dynamics, results of `loadDynamics`, or plain dynamics. Epochs are the union; a missing epoch
   * of a run is NaN. Runs without a name are called `run 1`, `run 2` and so on.
   *
   * @throws ArgumentError, ShapeError unless given runs; DataError if two have one name, or if they differ in layers, evaluators, units or
   *   settings, with the difference; NumericalError for an infinite value
   */
  static of(runs: Iterable<DynamicsSource | NamedRun>): RunSet {
    return new RunSet(mergedRuns(runs, 'RunSet.of'))
  }

  /** Names of the runs. */
  get names(): readonly string[] {
    return this.#runs.names
  }

  /** Names of the L layers, input side first. */
  get layers(): readonly string[] {
    return this.#runs.layers
  }

  /** Names of the E evaluators. */
  get evaluators(): readonly string[] {
    return this.#runs.evaluators
  }

  /** Unit of each evaluator's values, 'none' for numbers without one; null if it is not known. */
  get units(): readonly (string | null)[] {
    return this.#runs.units
  }

  /** Settings of each evaluator. */
  get evaluatorSettings(): readonly Json[] {
    return this.#runs.evaluatorSettings
  }

  /** Samples of each evaluator's values, the maximum if batches or runs differ; null if it is not known. */
  get samples(): readonly (number | null)[] {
    return this.#runs.samples
  }

  /** Entropy of the target's classes in nats, the mean over the runs; null if it is not known for all of them. */
  get labelEntropy(): number | null {
    return this.#runs.labelEntropy
  }

  /** Number of each of the N epochs, ascending; of steps or rows according to {@link RunSet.rowKind}. */
  get epochs(): readonly number[] {
    return this.#runs.epochs
  }

  /** Kind of {@link RunSet.epochs}: 'epoch'; 'step' for dynamics by step; 'row', from 1, for runs without numbers. */
  get rowKind(): RowKind {
    return this.#runs.rowKind
  }

  /** Whether {@link RunSet.epochs} are numbers of epochs. */
  get epochsKnown(): boolean {
    return this.rowKind === 'epoch'
  }

  /**
   * Both measures of a layer in an epoch, over the runs.
   *
   * @param evaluator name or index
   * @param layer name or index
   * @param epoch number of the epoch
   * @throws UnknownNameError, ArgumentError for a missing one
   */
  spread(evaluator: number | string, layer: number | string, epoch: number): PlaneSpread {
    const e = placeOf('evaluator', evaluator, this.evaluators, 'RunSet.spread')
    const l = placeOf('layer', layer, this.layers, 'RunSet.spread')
    checkValue('RunSet.spread: epoch', epoch, finite)
    const n = this.epochs.indexOf(epoch)
    if (n >= 0) return this.#spread(n, e, l)
    const shown =
      this.epochs.length > 20 ? `${this.epochs.slice(0, 20).join(', ')}, ...` : this.epochs.join(', ')
    throw new ArgumentError(`RunSet.spread: given ${this.rowKind} ${epoch}, expected one of ${shown}`)
  }

  #spread(n: number, e: number, l: number): PlaneSpread {
    const at = ((n * this.evaluators.length + e) * this.layers.length + l) * 2
    const side = (offset: 0 | 1) => spreadOf(this.#runs.values.map((run) => run[at + offset] as number))
    return { ixt: side(0), ity: side(1) }
  }

  /** Means over the runs, as dynamics for figures and tables. */
  mean(): DynamicsLike {
    return this.#dynamics((n, e, l) => {
      const { ixt, ity } = this.#spread(n, e, l)
      return [ixt.mean, ity.mean]
    })
  }

  /** Each run on the union of epochs; NaN for missing values. */
  runs(): readonly { readonly name: string; readonly dynamics: DynamicsLike }[] {
    return this.names.map((name, run) => ({
      name,
      dynamics: this.#dynamics((n, e, l) => {
        const at = ((n * this.evaluators.length + e) * this.layers.length + l) * 2
        const values = this.#runs.values[run] as Float64Array
        return [values[at] as number, values[at + 1] as number]
      }),
    }))
  }

  #dynamics(pair: (n: number, e: number, l: number) => [number, number]): DynamicsLike {
    const { layers, evaluators, units, evaluatorSettings, samples, labelEntropy, epochs, rowKind } = this
    return {
      layers,
      evaluators,
      units,
      evaluatorSettings,
      samples,
      labelEntropy,
      epochs: rowKind === 'epoch' ? epochs : null,
      steps: rowKind === 'step' ? epochs : null,
      values: epochs.map((_, n) => evaluators.map((_, e) => layers.map((_, l) => pair(n, e, l)))),
    }
  }

  /**
   * The same set with information in another unit; values without a unit do not change.
   *
   * @param unit 'nats', 'bits', 'bans' or 'base b'
   * @throws ArgumentError for another unit, and if the unit of an evaluator is not known
   */
  in(unit: string): RunSet {
    checkValue('RunSet.in: unit', unit, text)
    const base = baseOfUnit(unit)
    if (base === undefined) {
      throw new ArgumentError(
        `RunSet.in: given "${unit}", expected 'nats', 'bits', 'bans' or 'base b' such as 'base 3'`,
      )
    }
    const factors = this.units.map((own, e) => {
      if (own === null) {
        throw new ArgumentError(
          `RunSet.in: the unit of ${this.evaluators[e]} is not known; give the runs their units`,
        )
      }
      const from = baseOfUnit(own)
      return from === undefined || own === unit ? undefined : Math.log(from) / Math.log(base)
    })
    const width = this.layers.length * 2
    const converted = (values: Float64Array) =>
      values.map((value, i) => value * (factors[Math.floor(i / width) % this.evaluators.length] ?? 1))
    return new RunSet({
      ...this.#runs,
      units: this.units.map((own, e) => (factors[e] === undefined ? own : unit)),
      evaluatorSettings: this.evaluatorSettings.map((own, e) =>
        factors[e] === undefined ? own : withBase(own, base),
      ),
      values: this.#runs.values.map(converted),
    })
  }

  /** Values of each evaluator for each layer in each epoch with a value: by evaluator, by epoch, input side first. */
  results(): readonly ResultRow[] {
    return this.evaluators.flatMap((estimator, e) =>
      this.epochs.flatMap((epoch, n) => {
        const rows = this.layers.map((layer, l) => ({
          estimator,
          settings: this.evaluatorSettings[e] as Json,
          units: this.units[e] as string | null,
          samples: this.samples[e] as number | null,
          layer,
          epoch,
          ...this.#spread(n, e, l),
        }))
        return rows.some(({ ixt, ity }) => hasValue(ixt) || hasValue(ity)) ? rows : []
      }),
    )
  }

  /** Notes on the values: saturation, violations of theory with their size, differences between runs. */
  notes(): string[] {
    return [...this.#runs.remarks, ...runNotes(this)]
  }

  /** All results as plain data for JSON; null means no value. */
  toJSON(): RunResults {
    return describeResults(this)
  }

  /** One line of CSV (RFC 4180) for each of {@link RunSet.results}, with a header; missing values are empty. */
  toCsv(): string {
    return csvOf(this)
  }

  /**
   * A table of means with standard errors as aligned text.
   *
   * @throws UnknownNameError, ArgumentError for a missing evaluator, layer or epoch
   */
  toText(options: RunTextOptions = {}): string {
    return textOf(this, options)
  }

  /**
   * A table of means with standard errors in LaTeX, which needs the package booktabs.
   *
   * @throws as {@link RunSet.toText} does
   */
  toLatex(options: RunTableOptions = {}): string {
    return latexOf(this, options)
  }

  /**
   * Writes each run, as float32, as a store of dynamics in a separate folder inside `folder`, for {@link readRuns}. An existing store is
   * replaced.
   *
   * @throws DataError for names with the same folder name; IOError if a store cannot be written
   */
  async save(folder: string): Promise<void> {
    await saveRuns(folder, this.runs())
  }

  /**
   * Compares this setting with another one, run by run: pairs have the same name, so the effect of the seed cancels in the differences.
   * Differences are this - other, in the unit of the values. P-values are adjusted over the layers (Benjamini and Hochberg 1995),
   * separately for each measure and epoch.
   *
   * @param other a set of the same layers, evaluators, units and settings
   * @throws DataError for sets that do not match, and for fewer than 2 pairs
   */
  async compare(other: RunSet, options: CompareRunsOptions = {}): Promise<RunComparison> {
    checkValue('RunSet.compare: other', other, aSet)
    return compareRuns(this, other, options)
  }
}

/** The check of another set; the constructor is private. */
const aSet = instance<RunSet>(RunSet as unknown as abstract new () => RunSet)

function hasValue({ values }: Spread): boolean {
  return values.some((value) => !Number.isNaN(value))
}

/** Settings with another base of the logarithm, if they have one. */
function withBase(settings: Json, base: number): Json {
  return typeof settings === 'object' && settings !== null && 'base' in settings
    ? { ...settings, base }
    : settings
}
