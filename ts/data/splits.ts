/** Random splits of a dataset: into training, validation and test parts, or into folds. */

import { ArgumentError } from '../core/errors.js'
import { type Check, type Checks, checkOptions, checkValue, flag, instance, whole } from '../core/options.js'
import { HostRandom } from '../ops/random.js'
import { ArrayDataset } from './array-dataset.js'

/** Options of a split. */
export interface DivideOptions {
  /**
   * Split the samples of each class in the same proportion, to within two samples. Only for data with one class label per sample. Default
   * false.
   */
  stratify?: boolean
  /** Seed of the split. Default: the seed of the dataset. */
  seed?: number
}

/** Options of {@link splitDataset}. */
export interface SplitDatasetOptions extends DivideOptions {
  /** Training samples: a share below 1, or a number of samples. Default: the rest. */
  train?: number
  /** Validation samples. Default 0. */
  validation?: number
  /** Test samples. Default 0. */
  test?: number
}

/** Parts of a dataset, which share its source. */
export interface DatasetParts {
  /** Shuffled in every epoch if the dataset is. */
  train: ArrayDataset
  validation: ArrayDataset
  test: ArrayDataset
}

/** Options of {@link kFold}. */
export interface KFoldOptions extends DivideOptions {
  /** Number of folds. Default 5. */
  folds?: number
}

/** One fold for validation, and all others for training. */
export interface Fold {
  /** Shuffled in every epoch if the dataset is. */
  train: ArrayDataset
  validation: ArrayDataset
}

const amount: Check<number> = {
  expected: 'a share of at least 0 and below 1, or a whole number of samples',
  accepts: (value) => typeof value === 'number' && value >= 0 && (value < 1 || Number.isSafeInteger(value)),
}
const divideChecks: Checks<DivideOptions> = { stratify: flag, seed: whole(0) }
const splitChecks: Checks<SplitDatasetOptions> = {
  ...divideChecks,
  train: amount,
  validation: amount,
  test: amount,
}
const foldChecks: Checks<KFoldOptions> = { ...divideChecks, folds: whole(2) }

/**
 * Splits a dataset at random into parts for training, validation and tests: shares of its samples, or numbers of samples. Remaining samples
 * are left out. Within each part samples keep the order of the dataset; validation and test parts are not shuffled.
 *
 *     const { train, validation, test } = splitDataset(data, { validation: 0.1, test: 1000, stratify: true, seed: 1 })
 *
 * @throws {ArgumentError} if the parts need more samples than there are, leave none for training, or there are no labels for stratification
 */
export function splitDataset(data: ArrayDataset, options: SplitDatasetOptions = {}): DatasetParts {
  checkValue('splitDataset: data', data, instance(ArrayDataset, 'an'))
  const given = checkOptions('splitDataset', options, splitChecks)
  const count = data.samples
  const [validating, testing] = [sizeOf(given.validation ?? 0, count), sizeOf(given.test ?? 0, count)]
  const training = given.train === undefined ? count - validating - testing : sizeOf(given.train, count)
  const sizes = [training, validating, testing]
  const wanted = training + validating + testing
  if (training < 1 || wanted > count) {
    throw new ArgumentError(
      `splitDataset: ${count} samples, of which ${training} would train, ${validating} validate and ${testing} test; ` +
        'ask for no more than there are, and leave at least one to train on',
    )
  }
  const [train, validation, test] = divided('splitDataset', data, [...sizes, count - wanted], given) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  const held = { shuffle: false }
  return {
    train: data.subset(train),
    validation: data.subset(validation, held),
    test: data.subset(test, held),
  }
}

/**
 * Splits a dataset at random into folds; each fold validates once while the others train. Folds differ by at most one sample. Synchronous:
 * about ten milliseconds for 100,000 samples.
 *
 *     for (const { train, validation } of kFold(data, { folds: 5, stratify: true, seed: 1 })) { ... }
 *
 * @throws {ArgumentError} for more folds than samples, and if there are no labels for stratification
 */
export function kFold(data: ArrayDataset, options: KFoldOptions = {}): Fold[] {
  checkValue('kFold: data', data, instance(ArrayDataset, 'an'))
  const given = checkOptions('kFold', options, foldChecks)
  const { folds = 5 } = given
  const count = data.samples
  if (folds > count) {
    throw new ArgumentError(
      `kFold: ${folds} folds of ${count} samples; ask for at most one fold for each sample`,
    )
  }
  const sizes = Array.from({ length: folds }, (_, fold) => Math.floor((count + folds - 1 - fold) / folds))
  const parts = divided('kFold', data, sizes, given)
  return parts.map((validation) => {
    const isHeld = new Uint8Array(count)
    for (const place of validation) isHeld[place] = 1
    const rest = new Int32Array(count - validation.length)
    for (let place = 0, at = 0; place < count; place++) if (isHeld[place] === 0) rest[at++] = place
    return { train: data.subset(rest), validation: data.subset(validation, { shuffle: false }) }
  })
}

/** Number of samples of a share or a number. */
function sizeOf(amount: number, count: number): number {
  // The small term compensates the rounding of a share: 0.29 * 100 is 28.999...
  return amount < 1 ? Math.floor(amount * count + 1e-9) : amount
}

/** Indices of the samples of each part, ascending; the sizes sum to the number of samples. */
function divided(
  what: string,
  data: ArrayDataset,
  sizes: readonly number[],
  { stratify = false, seed = data.seed }: DivideOptions,
): Int32Array[] {
  const order = new HostRandom(seed).permutation(data.samples)
  const partOf = new Int32Array(order.length)
  if (stratify) byClass(sortedBy(classesOf(what, data), order), sizes, partOf)
  else inRow(order, sizes, partOf)
  // One pass in index order, several times faster than sorting.
  const parts = sizes.map((size) => new Int32Array(size))
  const filled = new Int32Array(sizes.length)
  for (let place = 0; place < partOf.length; place++) {
    const part = partOf[place] as number
    const at = filled[part] as number
    const places = parts[part] as Int32Array
    places[at] = place
    filled[part] = at + 1
  }
  return parts
}

/** The first samples for the first part, and so on. */
function inRow(order: Int32Array, sizes: readonly number[], partOf: Int32Array): void {
  let from = 0
  for (const [part, size] of sizes.entries()) {
    for (let i = from; i < from + size; i++) partOf[order[i] as number] = part
    from += size
  }
}

/**
 * Passes through the samples class by class, and assigns each to the part that is furthest below its share so far. So all parts stay near
 * their shares throughout, and each is within two samples of its share of every class.
 */
function byClass(sorted: Int32Array, sizes: readonly number[], partOf: Int32Array): void {
  const count = sorted.length
  const filled = new Int32Array(sizes.length)
  for (let i = 0; i < count; i++) {
    let most = Number.NEGATIVE_INFINITY
    let chosen = 0
    for (let part = 0; part < filled.length; part++) {
      const size = sizes[part] as number
      const done = filled[part] as number
      const behind = (size * (i + 1)) / count - done
      if (done === size || behind <= most) continue
      most = behind
      chosen = part
    }
    filled[chosen] = (filled[chosen] as number) + 1
    partOf[sorted[i] as number] = chosen
  }
}

/** Indices sorted by class; within a class they keep their order. */
function sortedBy(classes: Int32Array, order: Int32Array): Int32Array {
  const starts = new Map<number, number>()
  for (const label of classes) starts.set(label, (starts.get(label) ?? 0) + 1)
  let start = 0
  for (const label of [...starts.keys()].sort((a, b) => a - b)) {
    const size = starts.get(label) as number
    starts.set(label, start)
    start += size
  }
  const sorted = new Int32Array(order.length)
  for (const place of order) {
    const label = classes[place] as number
    const at = starts.get(label) as number
    sorted[at] = place
    starts.set(label, at + 1)
  }
  return sorted
}

/** The class of each sample of a dataset. */
function classesOf(what: string, data: ArrayDataset): Int32Array {
  const { labels, source, indices } = data
  if (labels !== undefined && labels.length === source.x.shape[0]) {
    return indices.map((row) => labels[row] as number)
  }
  const given = labels === undefined ? 'targets that are numbers' : 'several labels per sample'
  throw new ArgumentError(
    `${what}: stratify needs one class label per sample, and the dataset has ${given}; leave stratify out`,
  )
}
