/** The kind of samples. */
import type { Tensor } from '../ops/tensor.js'
import { countsOf } from './counts.js'
import { classesOf, isLabels, numbersOf } from './samples.js'

/**
 * - `numbers`: values with an order, whether or not they repeat: measured, rounded, counted.
 * - `classes`: labels, one-hot rows, or a few frequent values.
 * - `mixed`: a few frequent values (atoms) among others that hardly repeat (a density).
 */
export type DataKind = 'numbers' | 'classes' | 'mixed'

/** One argument and its kind. */
export interface Side {
  /** float64 rows `[n, d]`; labels as one column. */
  readonly rows: Tensor
  readonly kind: DataKind
  /** Class of each sample: equal rows are one class. */
  readonly classes: Int32Array
  /** Count of each class. */
  readonly counts: Int32Array
  /** Entropy of the samples in nats, equal rows being one symbol. */
  readonly entropy: number
  /** The atom of each sample, -1 for none; for classes, the class. */
  readonly atoms: Int32Array
}

/** Number of different rows up to which they count as classes, if each is frequent enough. */
const fewValues = 20
/** Mean number of samples per value for few values. */
const samplesOfValue = 5
/** Mean number of samples per value up to which more values still count as classes. */
const samplesOfMany = 40
/** A value with at least this count is an atom of mixed data, if it has 1 % of the samples. */
const atomSize = 10
/** Smallest number of samples outside the atoms that identifies a density. */
const leastDensity = 20
/** Smallest share of different rows among the samples outside the atoms, for a density. */
const leastDifferent = 0.5

/**
 * The kind of an argument by its values, unless `wanted` is given: integer vectors and one-hot rows hold labels; few different rows with
 * enough samples each are classes; values that occur at least 10 times and in 1 % of the samples are atoms if at least half of the other
 * samples differ.
 *
 * @param x labels `[n]` or float64 rows `[n, d]`
 */
export async function kindOfSamples(x: Tensor, wanted: DataKind | 'auto' = 'auto'): Promise<Side> {
  const n = x.shape[0] as number
  const rows = numbersOf('samples', x)
  const classes = (await classesOf('samples', x).data()) as Int32Array
  const counts = countsOf(classes)
  const areLabels = wanted === 'auto' ? isLabels(x) || (await isOneHot(rows)) : wanted === 'classes'
  const base = { rows, classes, counts, entropy: entropyOfCounts(counts, n), atoms: classes }
  if (areLabels || (wanted === 'auto' && areFew(counts.length, n))) return { ...base, kind: 'classes' }
  const least = Math.max(atomSize, n / 100)
  const isMixed = wanted === 'mixed' || (wanted === 'auto' && areAtoms(counts, least))
  return { ...base, atoms: atomsOf(classes, counts, least), kind: isMixed ? 'mixed' : 'numbers' }
}

/** The class of each sample whose class occurs `least` times, -1 for others. */
function atomsOf(classes: Int32Array, counts: Int32Array, least: number): Int32Array {
  const atoms = new Int32Array(classes.length)
  for (let i = 0; i < atoms.length; i++) {
    const one = classes[i] as number
    atoms[i] = (counts[one] as number) >= least ? one : -1
  }
  return atoms
}

/** Whether the different values are few enough for several samples each. */
export function areFew(different: number, n: number): boolean {
  return different * samplesOfValue <= n && different <= Math.max(fewValues, n / samplesOfMany)
}

/** Plug-in entropy in nats. */
function entropyOfCounts(counts: Int32Array, n: number): number {
  let sum = 0
  for (const count of counts) sum += count * Math.log(count)
  return Math.log(n) - sum / n
}

/** Whether rows that occur `least` times are atoms: some exist, and the others hardly repeat. */
function areAtoms(counts: Int32Array, least: number): boolean {
  let [atoms, samples, different] = [0, 0, 0]
  for (const count of counts) {
    if (count >= least) {
      atoms++
    } else {
      samples += count
      different++
    }
  }
  return atoms > 0 && samples >= leastDensity && different >= leastDifferent * samples
}

/** Whether rows of several columns hold a single 1 and zeros otherwise. */
export async function isOneHot(rows: Tensor): Promise<boolean> {
  if ((rows.shape[1] as number) < 2) return false
  const sound = rows.equal(0).logicalOr(rows.equal(1)).all().logicalAnd(rows.sum(1).equal(1).all())
  return Boolean(await sound.item())
}
