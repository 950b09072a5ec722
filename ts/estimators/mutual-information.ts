import { DataError, StateError } from '../core/errors.js'
import { isPlainObject, oneOf, whole } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { inCanonicalOrder } from './canonical-order.js'
import { noteCapacity } from './capacity.js'
import { isSmallTable } from './classes-rule.js'
import { columnsOf, ofColumns } from './columns-rule.js'
import { withoutCopies } from './copies.js'
import type { SampleData } from './data.js'
import type { EstimateDetails, EstimateOptions, Findings } from './details.js'
import { type Estimate, larger } from './estimates.js'
import { independentColumns } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { type DataKind, isOneHot, kindOfSamples, type Side } from './kinds.js'
import { byKind } from './kinds-rule.js'
import { areEnough } from './numbers-rule.js'
import { doubledRanks } from './ranks.js'
import { areNumbers, isLabels } from './samples.js'

/** Options of {@link MutualInformation}. */
export interface MutualInformationOptions {
  /** Kind of x. Default 'auto': decided by its values. */
  x?: DataKind | 'auto'
  /** Kind of y. Default 'auto'. */
  y?: DataKind | 'auto'
  /** Seed of folds and ties. Default 0. */
  seed?: number
}

const kind = oneOf('auto', 'numbers', 'classes', 'mixed')

/**
 * Mutual information of data of any kind, by one rule made of published estimators.
 *
 * First, columns that are constant or functions of other columns are removed. Samples and arguments are put in a canonical order, so the
 * estimate does not depend on the given order. Of identical rows one is kept, if the rows were drawn from a density. Then the values
 * decide:
 *
 * - **a table**: few values for the samples, (r - 1)(c - 1) <= n / 5, or classes on both sides. {@link DiscreteMI}; for larger tables of
 *   classes the plug-in adjusted for chance (Vinh, Epps and Bailey 2010).
 * - **numbers and classes**: the larger of {@link DiscriminantMI} and {@link Ross} (k = 3) on normal scores with ties broken at random.
 * - **atoms**: frequent values among values that hardly repeat. The chain rule over atoms, each term by the rule of its kind.
 * - **numbers and numbers**: the larger of {@link KSG} 1 (k = 3) on normal scores, ties broken at random, and the t copula ({@link
 *   StudentCopulaMI}; the normal copula is a special case). Both are biased downward, so the larger has the smaller error. If {@link
 *   ResidualMI} (the larger of its two directions, on the data and on normal scores) exceeds both by more than 4.5 / sqrt(n), it is used
 *   instead. It is not used for columns that repeat values or are more even than random draws, such as times and grids: their entropy would
 *   be wrong. With fewer than 5 samples per column only neighbors are used: the correlations of so many columns cannot be estimated.
 *
 * - **discrete columns among others, on both sides**: the larger of the rules above on whole rows and the chain rule over columns, with A
 *   and B the discrete columns of x and y, and U and V the others: I(A; B) + I(U; B | A) + I(A; V | B) + I(U; V | A, B). A conditional term
 *   is estimated in each cell that has 100 samples and 2 % of all samples; the last term also from the ranks within cells. The copula
 *   breaks ties of such columns at random, separately for x and for y: by mid-ranks a shared label would be a linear relation without
 *   noise.
 *
 * Breaking ties at random is exact: a rounded, counted or heaped number is a function of itself with noise inside its cell, and the noise
 * is independent of the other side. The result is the mean of five rounds.
 *
 * The estimate is at least 0 and at most the limit of the samples: the entropies of x and y if values repeat, ln n per dimension, 2 ln n +
 * 5 in total (`details: true` names the limit, with a warning near it). A deterministic relation of numbers has infinite information, and
 * its estimate is the limit. An estimator without an answer is skipped; if none has an answer, DataError says why. `estimate` only: the
 * rule reads values. As an evaluator it runs at the end of epochs or on a probe.
 */
export class MutualInformation extends InformationEstimator<MutualInformationOptions> {
  constructor(options: MutualInformationOptions & InformationOptions = {}) {
    super(options, { x: 'auto', y: 'auto', seed: 0 }, { x: kind, y: kind, seed: whole(0) })
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get isLazy(): boolean {
    return false
  }

  override get minimumSamples(): number {
    return 6
  }

  override get advisedSamples(): number {
    return 256
  }

  override get takes() {
    return { x: 'any', y: 'any' } as const
  }

  /** Labels are recognized by their values. */
  protected override takesLabelsAsNumbers(): boolean {
    return false
  }

  protected override needsClasses(): boolean {
    return true
  }

  protected nats(): Tensor {
    throw new StateError(
      "MutualInformation chooses its formula by the values, so it has no lazy value; use await estimate(x, y), or attach it with { evaluateOn: 'epoch' }",
    )
  }

  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    const [a, b] = [await tellingColumns(x), await tellingColumns(y)]
    if (a === undefined) noteConstant('x', findings)
    if (b === undefined) noteConstant('y', findings)
    if (a === undefined || b === undefined) return 0
    const { nats, method } = await this.#ofPair(a, b, findings)
    findings.method = method
    return this.finished(Math.max(0, nats), findings)
  }

  async #ofPair(a: Tensor, b: Tensor, findings: Findings): Promise<Estimate> {
    const { x: kindOfX, y: kindOfY, seed } = this.params
    const ordered = await inCanonicalOrder(a, b)
    const { x, y } = await withoutCopies(ordered.x, ordered.y)
    const [forX, forY] = ordered.isSwapped ? [kindOfY, kindOfX] : [kindOfX, kindOfY]
    const [p, q] = [await kindOfSamples(x, forX), await kindOfSamples(y, forY)]
    checkClassesWanted(ordered.isSwapped ? 'y' : 'x', p, forX)
    checkClassesWanted(ordered.isSwapped ? 'x' : 'y', q, forY)
    const found = await ofSides(p, q, seed)
    const [given, other] = ordered.isSwapped ? [q, p] : [p, q]
    noteCapacity(given, other, found, findings)
    noteWidth(p, q, findings)
    return found
  }
}

/** A constant argument has entropy 0, so the information is 0. */
function noteConstant(what: 'x' | 'y', findings: Findings): void {
  findings.limitTo(0, `the entropy of ${what}, which is constant`)
  findings.warn(`MutualInformation: ${what} is constant, so the information is 0`)
}

/** Refuses numbers that the option declares to be classes. */
function checkClassesWanted(argument: 'x' | 'y', { classes, counts }: Side, wanted: DataKind | 'auto'): void {
  const n = classes.length
  const singles = counts.reduce((sum, count) => sum + Number(count === 1), 0)
  if (wanted !== 'classes' || !areNumbers(singles, n)) return
  throw new DataError(
    `MutualInformation: with the option { ${argument}: 'classes' } each different value of ${argument} is a class, but ${singles} of ${n} samples have a class of their own, so ${argument} holds numbers; ` +
      `leave the option out, or give { ${argument}: 'numbers' }`,
  )
}

/** Warns of too many columns to estimate their correlations. */
function noteWidth(x: Side, y: Side, findings: Findings): void {
  if (x.kind !== 'numbers' || y.kind !== 'numbers') return
  const n = x.classes.length
  const [dx, dy] = [x.rows.shape[1] as number, y.rows.shape[1] as number]
  if (areEnough(n, dx, dy)) return
  findings.warn(
    `MutualInformation: ${n} samples of ${dx + dy} columns in total are too few to estimate correlations, so only neighbors are used, which are biased far downward in ` +
      'so many dimensions; use fewer columns or more samples',
    'HYPERGLOW_WIDE',
  )
}

/** The estimate of the rule. If both sides have discrete columns, the larger of the rule and the chain rule over columns. */
async function ofSides(x: Side, y: Side, seed: number): Promise<Estimate> {
  const found = await byKind(x, y, seed)
  if (x.kind === 'classes' || y.kind === 'classes' || isSmallTable(x, y)) return found
  const a = await columnsOf(x)
  const b = a && (await columnsOf(y))
  return a === undefined || b === undefined ? found : larger(found, await ofColumns(a, b, seed))
}

/**
 * The columns that are neither constant nor functions of others, by their ranks and by their values; one-hot rows as labels. Undefined if
 * no column is left.
 */
async function tellingColumns(rows: Tensor): Promise<Tensor | undefined> {
  const x = !isLabels(rows) && (await isOneHot(rows)) ? rows.argMax(1) : rows
  if (isLabels(x)) return (await x.max().notEqual(x.min()).item()) ? x : undefined
  const ofRanks = await independentColumns(x, doubledRanks(x))
  return ofRanks === undefined ? undefined : independentColumns(ofRanks)
}

/**
 * Mutual information in nats of data of any kind: numbers, class labels, counts or a mixture, by the rule of {@link MutualInformation}.
 *
 *     await mutualInformation(activations, labels) // labels: Int32Array
 *     console.log(await mutualInformation(x, y, { details: true })) // kinds of data, formula, limit, warnings
 *
 * Each kind of warning is emitted once per process; with `details: true` the result holds the warnings.
 *
 * @param x n samples: nested arrays, a typed array, a tensor, an array with its shape, or the path of an .npy file;
 * @param y the same draws
 * @throws DataError for NaN, infinite values and fewer than 6 samples; ShapeError for different numbers of samples
 */
export function mutualInformation(
  x: SampleData,
  y: SampleData,
  options?: MutualInformationOptions & InformationOptions & { details?: false },
): Promise<number>
export function mutualInformation(
  x: SampleData,
  y: SampleData,
  options: MutualInformationOptions & InformationOptions & { details: true },
): Promise<EstimateDetails>
export function mutualInformation(
  x: SampleData,
  y: SampleData,
  options?: MutualInformationOptions & InformationOptions & EstimateOptions,
): Promise<number | EstimateDetails>
export function mutualInformation(
  x: SampleData,
  y: SampleData,
  options?: MutualInformationOptions & InformationOptions & EstimateOptions,
): Promise<number | EstimateDetails> {
  // Spread would make an object of any value; the constructor refuses a value that is not an object.
  const { details, ...settings } = isPlainObject(options) ? options : { details: undefined }
  const estimator = new MutualInformation(isPlainObject(options) ? settings : options)
  return estimator.shareWarnings(warned).estimate(x, y, details === undefined ? {} : { details })
}

/** Codes that {@link mutualInformation} has emitted: it makes a new estimator for each call. */
const warned = new Set<string>()
