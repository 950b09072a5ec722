/** Dividing a dataset at random: into training, validation and tests, or into folds. */

import { ArgumentError } from '../core/errors.js'
import { type Check, type Checks, checkOptions, checkValue, flag, instance, whole } from '../core/options.js'
import { HostRandom } from '../ops/random.js'
import { ArrayDataset } from './array-dataset.js'

/** How samples are divided. */
export interface DivideOptions {
  /**
   * Divide the samples of each class in the same proportion, to within two of them. Only for data with one class label a sample.
   * Default false.
   */
  stratify?: boolean
  /** Decides which samples go where. Default that of the dataset. */
  seed?: number
}

/** Options of {@link splitDataset}. */
export interface SplitDatasetOptions extends DivideOptions {
  /** Samples to train on: a share below 1, or a number of them. Default: what the others leave. */
  train?: number
  /** Samples to validate on. Default 0. */
  validation?: number
  /** Samples to test on. Default 0. */
  test?: number
}

/** Parts of a dataset, which share its source. */
export interface DatasetParts {
  /** In another order in every epoch where the dataset is. */
  train: ArrayDataset
  validation: ArrayDataset
  test: ArrayDataset
}

/** Options of {@link kFold}. */
export interface KFoldOptions extends DivideOptions {
  /** Number of folds. Default 5. */
  folds?: number
}

/** One fold, and all others to train on. */
export interface Fold {
  /** In another order in every epoch where the dataset is. */
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
 * Divides a dataset at random into parts for training, validation and tests: shares of its samples, or numbers of them. Samples that no
 * part asks for are left out. Within each part samples keep the order of the dataset; validation and tests are not shuffled.
 *
 *     const { train, validation, test } = splitDataset(data, { validation: 0.1, test: 1000, stratify: true, seed: 1 })
 *
 * @throws {ArgumentError} where the parts want more samples than there are, leave none to train on, or there are no labels to stratify by
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
 * Divides a dataset at random into folds, each of which validates once while the others train. Folds differ by at most one sample. Some ten
 * milliseconds for 100,000 samples, at once.
 *
 *     for (const { train, validation } of kFold(data, { folds: 5, stratify: true, seed: 1 })) { ... }
 *
 * @throws {ArgumentError} for more folds than samples, and where there are no labels to stratify by
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
  // The small term takes back the rounding of a share: 0.29 * 100 is 28.999...
  return amount < 1 ? Math.floor(amount * count + 1e-9) : amount
}

/** Places of the samples of each part, rising; sizes add up to the number of samples. */
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
  // In the order of places, which a sort would take several times as long for.
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
 * Goes through the samples class by class, and gives each to the part that is furthest behind its share of those so far. So all parts stay
 * near their shares throughout, and each is within two samples of its share of every class.
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

/** Places by their class; within a class they keep their order. */
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
  const given = labels === undefined ? 'targets that are numbers' : 'several labels a sample'
  throw new ArgumentError(
    `${what}: stratify needs one class label a sample, and the dataset has ${given}; leave stratify out`,
  )
}
