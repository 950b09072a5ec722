import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  DataError,
  DataGenerator,
  kFold,
  splitDataset,
  tensor,
} from '../ts/index.js'

/** Samples whose input is their index, with classes in the given proportions. */
function dataOf(counts: number[], options: object = {}): ArrayDataset {
  const labels = counts.flatMap((count, label) => new Array<number>(count).fill(label))
  // Spread over the data, so that samples of a class are not consecutive.
  const spread = labels.map((_, i) => labels[(i * 7) % labels.length] as number)
  return new ArrayDataset(
    Float32Array.from(spread, (_, i) => i),
    Int32Array.from(spread),
    {
      inputShape: [1],
      batchSize: 8,
      ...options,
    },
  )
}
const classesIn = (data: ArrayDataset) => {
  const counts: number[] = []
  for (const row of data.indices) {
    const label = data.labels?.[row] as number
    counts[label] = (counts[label] ?? 0) + 1
  }
  return counts
}

test('shares and numbers of samples, each in one part', (t) => {
  const data = dataOf([40, 60], { shuffle: true })
  const { train, validation, test: held } = splitDataset(data, { validation: 0.29, test: 10, seed: 3 })
  t.deepEqual([train.samples, validation.samples, held.samples], [61, 29, 10])
  const all = [...train.indices, ...validation.indices, ...held.indices].sort((a, b) => a - b)
  t.deepEqual(
    all,
    Array.from({ length: 100 }, (_, i) => i),
  )
  t.deepEqual([train.shuffle, validation.shuffle, held.shuffle], [true, false, false])
  t.deepEqual(
    [...validation.indices],
    [...validation.indices].sort((a, b) => a - b),
  )
  t.deepEqual(
    splitDataset(data, { validation: 0.29, test: 10, seed: 3 }).validation.indices,
    validation.indices,
  )
  t.notDeepEqual(
    splitDataset(data, { validation: 0.29, test: 10, seed: 4 }).validation.indices,
    validation.indices,
  )
  const some = splitDataset(data, { train: 20, validation: 5 })
  t.deepEqual([some.train.samples, some.validation.samples, some.test.samples], [20, 5, 0])
  t.is(splitDataset(data).train.samples, 100)
})

test('a split of a part stays within it', (t) => {
  const half = splitDataset(dataOf([50, 50]), { validation: 0.5 }).train
  const { train, validation } = splitDataset(half, { validation: 10, stratify: true })
  const rows = new Set(half.indices)
  t.true([...train.indices, ...validation.indices].every((row) => rows.has(row)))
  t.is(new Set([...train.indices, ...validation.indices]).size, 50)
})

test('stratified parts hold every class in proportion, to within two samples', (t) => {
  for (const counts of [
    [500, 300, 200],
    [7, 90, 3],
    [1, 1, 1, 97],
    [33, 33, 34],
  ]) {
    const data = dataOf(counts)
    const total = data.samples
    const parts = splitDataset(data, { validation: 0.2, test: 0.1, stratify: true, seed: 5 })
    for (const part of Object.values(parts) as ArrayDataset[]) {
      const found = classesIn(part)
      for (const [label, count] of counts.entries()) {
        const share = (count * part.samples) / total
        t.true(Math.abs((found[label] ?? 0) - share) <= 2, `${counts}: ${found} of ${part.samples}`)
      }
    }
    t.is(parts.train.samples + parts.validation.samples + parts.test.samples, total)
  }
  const exact = splitDataset(dataOf([500, 300, 200]), { validation: 0.2, stratify: true })
  t.deepEqual(classesIn(exact.validation), [100, 60, 40])
})

test('each sample validates in one fold and trains in the others', (t) => {
  for (const stratify of [false, true]) {
    const data = dataOf([31, 20])
    const folds = kFold(data, { folds: 4, stratify, seed: 2 })
    t.deepEqual(
      folds.map(({ validation }) => validation.samples),
      [13, 13, 13, 12],
    )
    const held = folds.flatMap(({ validation }) => [...validation.indices])
    t.deepEqual(
      held.sort((a, b) => a - b),
      Array.from({ length: 51 }, (_, i) => i),
    )
    for (const { train, validation } of folds) {
      t.is(train.samples, 51 - validation.samples)
      const validating = new Set(validation.indices)
      t.false(train.indices.some((row) => validating.has(row)))
      if (stratify) t.true(Math.abs((classesIn(validation)[0] as number) - 31 / 4) <= 2)
    }
  }
  t.is(kFold(dataOf([5, 5])).length, 5)
})

test('parts and folds that cannot be are refused', (t) => {
  const data = dataOf([6, 4])
  const refuses = (f: () => unknown, message: RegExp) => t.throws(f, { instanceOf: ArgumentError, message })
  refuses(() => splitDataset(data, { validation: 8, test: 3 }), /10 samples, of which -1 would train/)
  refuses(() => splitDataset(data, { train: 8, test: 3 }), /no more than there are/)
  refuses(() => splitDataset(data, { validation: 1.5 }), /share of at least 0 and below 1/)
  refuses(() => splitDataset([] as never), /must be an ArrayDataset/)
  refuses(() => kFold(data, { folds: 11 }), /11 folds of 10 samples/)
  const numbers = new ArrayDataset(new Float32Array(4), new Float32Array(4), { inputShape: [1] })
  refuses(() => kFold(numbers, { folds: 2, stratify: true }), /targets that are numbers/)
})

test('DataGenerator passes a label to ignore on', (t) => {
  const generator = new DataGenerator({ seed: 1 })
  const x = new Float32Array(8)
  const labels = [0, 1, 2, -100, 1, 0, 2, 1]
  const options = { inputShape: [1], validationSplit: 0.25 }
  const [train] = generator.prepareArrayData(x, labels, { ...options, ignoreIndex: -100 })
  t.is(train.classes, 3)
  t.throws(() => generator.prepareArrayData(x, labels, options), { instanceOf: DataError, message: /-100/ })
  const y = tensor(Int32Array.from(labels))
  const [other] = generator.setDataset(tensor(x).reshape([8, 1]), y, {
    validationSplit: 0.25,
    ignoreIndex: -100,
  })
  t.is(other.classes, 3)
})
