import { DataError, NumericalError, StateError } from '../errors.js'
import { type Tensor, tensor } from '../tensor.js'
import { checkWhole, oneOf } from './check.js'
import type { SampleData } from './data.js'
import { DiscreteMI } from './discrete.js'
import type { Estimator } from './estimator.js'
import { independentColumns } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { type DataKind, type KindOfSamples, kindOfSamples } from './kinds.js'
import { KSG } from './ksg.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { MixedKSG } from './mixed-ksg.js'
import { ResidualMI } from './residual.js'
import { Ross } from './ross.js'
import { StudentCopulaMI } from './student-copula.js'

/** Options of {@link MutualInformation}. */
export interface MutualInformationOptions {
  /** What x holds. Default 'auto': found from its values. */
  x?: DataKind | 'auto'
  /** What y holds. Default 'auto'. */
  y?: DataKind | 'auto'
  /** Decides folds and the like. Default 0. */
  seed?: number
}

const kinds = ['auto', 'numbers', 'classes', 'mixed'] as const

/** A value that occurs this often at least is an atom of mixed data, or in one sample of a hundred. */
const atomSize = 10
/** Samples that a continuous part needs to be estimated at all. */
const fewest = 20
/** Standard errors, of 1 / sqrt(n), by which the residual estimate must exceed the others to be believed. */
const margin = 4.5

/**
 * Mutual information of data of any kind, by one rule:
 *
 * - **numbers and numbers**: the largest of the information of the t copula ({@link StudentCopulaMI}; the normal copula is a case of it), of
 *   {@link KSG} 1 on normal scores (k = 3), and of 0. All of them err downwards, so the largest errs least. Where {@link ResidualMI} (the larger of its two directions, on
 *   the data and on normal scores) exceeds that by more than 4.5 / sqrt(n), it is taken instead.
 * - **numbers and classes**: the largest of {@link DiscriminantMI}, {@link Ross} (k = 3) and 0.
 * - **classes and classes**: {@link DiscreteMI}, not below 0.
 * - **mixed**: values that occur at least 10 times and in 1 % of the samples are atoms. With A the atom of x (or that it has none) and B that of y,
 *   I(X; Y) = I(A; B) + I(X; B | A) + I(A; Y | B) + I(X; Y | A, B), each term by the rule of its kind on the samples that have no atom there. Numbers of which
 *   single columns are discrete: {@link MixedKSG} (k = 5), not below 0.
 *
 * Columns that are constant or combinations of others are left out. Of a deterministic relation of numbers the information is infinite; what comes out is what the
 * samples and float64 resolve: some 13 nats per dimension where it is linear, else about ln n. An estimator that has no answer takes no part; where none
 * has, DataError says why. In the chain rule such a term counts as 0. `estimate` only: the rule looks at values. As an evaluator it runs at the end of epochs or on a probe.
 */
export class MutualInformation extends InformationEstimator<MutualInformationOptions> {
  constructor(options: MutualInformationOptions & InformationOptions = {}) {
    super(options, { x: 'auto', y: 'auto', seed: 0 })
    oneOf('kind of x', this.params.x, kinds)
    oneOf('kind of y', this.params.y, kinds)
    checkWhole('MutualInformation: seed', this.params.seed, 0)
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

  /** Labels are told from numbers by their values. */
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

  protected override async value(x: Tensor, y: Tensor): Promise<number> {
    this.checkCounts(x, y)
    const [p, q] = [await this.#side(x, this.params.x), await this.#side(y, this.params.y)]
    return (await this.#information(p, q)) / Math.log(this.params.base)
  }

  async #side(rows: Tensor, wanted: DataKind | 'auto'): Promise<Side> {
    const found = await kindOfSamples(rows)
    return { rows, ...found, kind: wanted === 'auto' ? found.kind : wanted }
  }

  async #information(x: Side, y: Side): Promise<number> {
    const { kind: a } = x
    const { kind: b } = y
    if (a === 'mixed' || b === 'mixed') return this.#mixed(x, y)
    if (a === 'classes' && b === 'classes') return largest([new DiscreteMI()], labelsOf(x), labelsOf(y))
    if (b === 'classes') return this.#classes(x.rows, labelsOf(y))
    if (a === 'classes') return this.#classes(y.rows, labelsOf(x))
    if (x.hasDiscreteColumns || y.hasDiscreteColumns) return largest([new MixedKSG()], x.rows, y.rows)
    return this.#numbers(x.rows, y.rows)
  }

  async #numbers(x: Tensor, y: Tensor): Promise<number> {
    const [a, b] = [await independentColumns(x), await independentColumns(y)]
    if (a === undefined || b === undefined) return 0
    const n = a.shape[0] as number
    const plain = await largest([new StudentCopulaMI(), new KSG({ copula: true })], a, b)
    const around = [new ResidualMI(), new ResidualMI({ copula: true })]
    // In one dimension normal scores are a lattice, of which the entropy by neighbours means nothing.
    const usable = (a.shape[1] as number) > 1 && (b.shape[1] as number) > 1 ? around : around.slice(0, 1)
    const residual = Math.max(await orZero(largest(usable, a, b)), await orZero(largest(usable, b, a)))
    return residual > plain + margin / Math.sqrt(n) ? residual : plain
  }

  async #classes(x: Tensor, labels: Tensor): Promise<number> {
    const numbers = x.rank === 1 ? x.cast('float64').expandDims(1) : x
    const estimators: Estimator[] = [new Ross()]
    if ((x.shape[0] as number) >= fewest) estimators.push(new DiscriminantMI({ seed: this.params.seed }))
    return largest(estimators, numbers, labels)
  }

  /** The chain rule over atoms. */
  async #mixed(x: Side, y: Side): Promise<number> {
    const n = x.classes.length
    const [a, b] = [atomsOf(x), atomsOf(y)]
    const all = Int32Array.from({ length: n }, (_, i) => i)
    const without = (atoms: Int32Array) => all.filter((i) => atoms[i] === -1)
    let total = await largest([new DiscreteMI()], tensor(a), tensor(b))
    const conditional = async (side: Side, rows: Int32Array, other: Int32Array) => {
      const labels = rows.map((i) => other[i] as number)
      if (rows.length < fewest || new Set(labels).size < 2) return 0
      const value = await orZero(this.#classes(side.rows.take(tensor(rows)), tensor(labels)))
      return (value * rows.length) / n
    }
    total += await conditional(y, without(b), a)
    total += await conditional(x, without(a), b)
    const free = without(a).filter((i) => b[i] === -1)
    if (free.length < fewest) return total
    const take = (side: Side) => side.rows.take(tensor(free))
    const repeats = free.some((i) => (x.counts[i] as number) > 1 || (y.counts[i] as number) > 1)
    const value = await orZero(
      repeats ? largest([new MixedKSG()], take(x), take(y)) : this.#numbers(take(x), take(y)),
    )
    return total + (value * free.length) / n
  }
}

/**
 * Mutual information in nats of data of any kind: numbers, class labels, counts or a mixture, by the rule of {@link MutualInformation}.
 *
 *     await mutualInformation(activations, labels) // labels: Int32Array
 *
 * @param x n samples: nested arrays, a typed array, a tensor, an array with its shape, or the path of an .npy file; @param y the same draws
 * @throws DataError for NaN, infinite values and fewer than 6 samples; ShapeError for different numbers of samples
 */
export function mutualInformation(
  x: SampleData,
  y: SampleData,
  options: MutualInformationOptions & InformationOptions = {},
): Promise<number> {
  return new MutualInformation(options).estimate(x, y)
}

type Side = KindOfSamples & { readonly rows: Tensor }

function labelsOf({ classes }: Side): Tensor {
  return tensor(classes)
}

/** The atom of each sample, -1 where it has none. */
function atomsOf({ kind, classes, counts }: Side): Int32Array {
  if (kind === 'classes') return classes
  const least = Math.max(atomSize, classes.length / 100)
  return classes.map((label, i) => ((counts[i] as number) >= least ? label : -1))
}

/**
 * The largest of the estimates, and of 0. An estimator that the data have no answer for takes no part.
 *
 * @throws DataError, with the reasons, where none has an answer
 */
async function largest(estimators: readonly Estimator[], x: Tensor, y: Tensor): Promise<number> {
  const answers: number[] = []
  const reasons: string[] = []
  for (const estimator of estimators) {
    try {
      answers.push(await estimator.estimate(x, y))
    } catch (error) {
      if (!(error instanceof NumericalError || error instanceof DataError)) throw error
      reasons.push(error.message)
    }
  }
  if (answers.length > 0) return Math.max(0, ...answers)
  throw new DataError(
    `MutualInformation: no estimator has an answer for these samples. ${reasons.join('. ')}`,
  )
}

/** A term of a sum or of a comparison, 0 where it has no answer. */
async function orZero(value: Promise<number>): Promise<number> {
  try {
    return await value
  } catch (error) {
    if (error instanceof DataError) return 0
    throw error
  }
}
