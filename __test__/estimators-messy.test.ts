/** mutualInformation on data that resemble real data: rounded, tied, copied, evenly spaced, with too many columns. */
import test, { type ExecutionContext } from 'ava'
import { messyPopulations } from '../benches/judge/messy.js'
import { withoutCopies } from '../ts/estimators/copies.js'
import { kindOfSamples } from '../ts/estimators/kinds.js'
import { areEven, repeatedValues } from '../ts/estimators/spacing.js'
import { withTiesBroken } from '../ts/estimators/tie-breaking.js'
import { type DataKind, HostRandom, key, mutualInformation, Ross, type Tensor, tensor } from '../ts/index.js'

function normals(seed: number, n: number): number[] {
  const random = new HostRandom(seed)
  return Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log1p(-random.next())) * Math.cos(2 * Math.PI * random.next()),
  )
}

const rounded = (values: readonly number[], step: number) => values.map((v) => Math.round(v / step) * step)

const column = (values: readonly number[]): Tensor =>
  tensor(Float64Array.from(values), { shape: [values.length, 1] })

function within(t: ExecutionContext, got: number, low: number, high: number): void {
  t.true(got >= low && got <= high, `${got}, expected ${low} to ${high}`)
}

test('numbers that repeat because they were rounded tell nothing of each other', async (t) => {
  const decimal = await mutualInformation(rounded(normals(1, 500), 0.1), rounded(normals(2, 500), 0.1))
  within(t, decimal, 0, 0.05)
  const heights = normals(3, 1000).map((v) => Math.round(170 + 10 * v))
  const weights = normals(4, 1000).map((v) => Math.round(70 + 12 * v))
  within(t, await mutualInformation(heights, weights), 0, 0.05)
})

test('evenly spaced numbers tell nothing of noise', async (t) => {
  for (const n of [300, 2000]) {
    const noise = normals(5, n)
    const times = Array.from({ length: n }, (_, i) => i)
    within(t, await mutualInformation(times, noise), 0, 0.06)
    within(
      t,
      await mutualInformation(
        noise,
        times.map((i) => Math.sqrt(i / n)),
      ),
      0,
      0.06,
    )
  }
})

test('one of the bits tells ln 2, and never more than the label holds', async (t) => {
  const n = 4096
  const bits = tensor(
    Float64Array.from({ length: 12 * n }, (_, i) => (Math.floor(i / 12) >> (i % 12)) & 1),
    { shape: [n, 12] },
  )
  const label = Int32Array.from({ length: n }, (_, i) => i & 1)
  within(t, await mutualInformation(bits, label), Math.LN2 - 0.01, Math.LN2 + 1e-9)
  t.true((await new Ross().estimate(bits, label)) <= Math.LN2 + 1e-9)
})

/** Samples of every part of the rule, as rows and as labels. */
function pairsOfKinds(): Record<string, [number[][], number[][] | Int32Array]> {
  const n = 400
  const z = normals(6, n)
  const y = normals(7, n).map((v, i) => 0.7 * v + 0.7 * (z[i] as number))
  const other = normals(8, n)
  const rows = (...columns: readonly (readonly number[])[]) =>
    z.map((_, i) => columns.map((c) => c[i] as number))
  const random = new HostRandom(9)
  const drawn = z.map(() => random.int(n))
  const again = (values: readonly number[]) => drawn.map((i) => values[i] as number)
  return {
    numbers: [rows(z), rows(y)],
    rounded: [rows(rounded(z, 0.1)), rows(rounded(y, 0.2))],
    'several columns': [rows(rounded(z, 0.5), other), rows(y)],
    labels: [rows(z), Int32Array.from(y, (v) => Math.floor(v) + 5)],
    bits: [
      rows(
        z.map((v) => Number(v > 0)),
        other.map((v) => Number(v > 0)),
      ),
      Int32Array.from(y, (v) => Number(v > 0)),
    ],
    atoms: [rows(z.map((v) => Math.max(0, v))), rows(y)],
    table: [rows(rounded(z, 1)), rows(rounded(y, 1))],
    'large table of labels': [rows(rounded(z, 0.1)), Int32Array.from(y, (v) => Math.floor(10 * v))],
    grid: [rows(z.map((_, i) => i)), rows(y)],
    copies: [rows(again(z)), rows(again(y))],
  }
}

test('the answer depends neither on the order of samples or arguments nor on units', async (t) => {
  const random = new HostRandom(10)
  for (const [name, [x, y]] of Object.entries(pairsOfKinds())) {
    const order = random.permutation(x.length)
    const permuted = (rows: number[][] | Int32Array) =>
      rows instanceof Int32Array
        ? Int32Array.from(order, (i) => rows[i] as number)
        : Array.from(order, (i) => rows[i] as number[])
    const mapped = (f: (v: number) => number) => x.map((row) => row.map(f))
    const value = await mutualInformation(x, y)
    const others = {
      permuted: await mutualInformation(permuted(x), permuted(y)),
      swapped: await mutualInformation(y, x),
      scaled: await mutualInformation(
        mapped((v) => 4 * v),
        y,
      ),
      mirrored: await mutualInformation(
        mapped((v) => -v),
        y,
      ),
    }
    for (const [how, other] of Object.entries(others)) {
      t.true(Math.abs(other - value) < 1e-12, `${name}, ${how}: ${other}, expected ${value}`)
    }
  }
})

test('an increasing map of a column changes nothing where ranks decide', async (t) => {
  const { rounded: tied, labels } = pairsOfKinds()
  for (const [x, y] of [tied, labels] as [number[][], number[][] | Int32Array][]) {
    const mapped = x.map((row) => row.map((v) => Math.exp(v / 2)))
    const [value, other] = [await mutualInformation(x, y), await mutualInformation(mapped, y)]
    t.true(Math.abs(value - other) < 0.02, `${other}, expected ${value}`)
  }
})

test('one sample of every messy kind', async (t) => {
  const seen = new Set<string>()
  for (const { name, n, dx, kind, information, tolerance, sample } of messyPopulations()) {
    const mess = name.slice(0, 3)
    if (seen.has(mess)) continue
    seen.add(mess)
    const rows = sample(new HostRandom(11), n)
    const x = rows.map((row) => row.slice(0, dx))
    const y = rows.map((row) => row.slice(dx))
    const value = await mutualInformation(x, kind === 'cd' ? Int32Array.from(y.flat()) : y)
    t.true(Math.abs(value - information) <= (tolerance ?? 0.06), `${name}: ${value}, expected ${information}`)
  }
  t.is(seen.size, 15)
})

test('large tables of labels are adjusted for chance', async (t) => {
  const random = new HostRandom(12)
  const labels = (count: number) => Int32Array.from({ length: 1000 }, () => random.int(count))
  within(t, await mutualInformation(labels(30), labels(30)), 0, 0.08)
  const x = labels(40)
  const order = random.permutation(40)
  const entropy = Math.log(40)
  within(
    t,
    await mutualInformation(
      x,
      x.map((v) => order[v] as number),
    ),
    entropy - 0.06,
    entropy,
  )
})

test('what n samples cannot show is capped, and said', async (t) => {
  const z = normals(13, 600)
  const cubes = await mutualInformation(
    z,
    z.map((v) => v ** 3),
    { details: true },
  )
  t.true(cubes.value <= Math.log(600) + 1e-9 && cubes.saturated)
  t.regex(cubes.warnings.join(), /functions of each other/)
  const noise = normals(14, 600)
  const nearly = await mutualInformation(
    z,
    z.map((v, i) => v + 1e-4 * (noise[i] as number)),
    { details: true },
  )
  within(t, nearly.value, Math.log(1e4) - 0.1, Math.log(1e4) + 0.1)
  t.is(nearly.method, 'ResidualMI')
  t.regex(nearly.warnings.join(), /come from a linear relation/)
  const random = new HostRandom(15)
  const weights = Array.from({ length: 20 * 80 }, () => random.next() - 0.5)
  const inputs = Array.from({ length: 300 }, (_, i) => normals(100 + i, 20))
  const units = inputs.map((row) =>
    Array.from({ length: 80 }, (_, j) =>
      Math.tanh(row.reduce((sum, v, i) => sum + v * (weights[i * 80 + j] as number), 0)),
    ),
  )
  const wide = await mutualInformation(units, inputs, { details: true })
  t.true(wide.value <= wide.limit && wide.value < Math.log(300))
  t.is(wide.method, 'KSG')
  t.regex(wide.warnings.join(), /300 samples of 100 columns/)
})

test('details tell what was seen and what decided', async (t) => {
  const { labels, atoms, table } = pairsOfKinds()
  const ask = ([x, y]: [number[][], number[][] | Int32Array] | undefined = [[], []]) =>
    mutualInformation(x, y, { details: true })
  const ofLabels = await ask(labels)
  t.deepEqual([ofLabels.x.kind, ofLabels.y.kind, ofLabels.n], ['numbers', 'classes', 400])
  t.true(['Ross', 'DiscriminantMI'].includes(ofLabels.method))
  t.is(ofLabels.limitedBy, 'the entropy of y in the samples')
  t.is((await ask(atoms)).method, 'chain rule over atoms')
  t.is((await ask(table)).method, 'DiscreteMI')
})

test('copies go where samples were drawn from a density, and there alone', async (t) => {
  const random = new HostRandom(16)
  const [x, y] = [normals(17, 300), normals(18, 300)]
  const drawn = Array.from({ length: 300 }, () => random.int(300))
  const kept = async (a: readonly number[], b: readonly number[]) =>
    (await withoutCopies(column(a), column(b))).x.shape[0]
  const of = (values: readonly number[]) => drawn.map((i) => values[i] as number)
  t.is(await kept(of(x), of(y)), new Set(drawn).size)
  // A grid of times with measurements that were drawn again: y has a density.
  t.is(await kept(drawn, of(y)), new Set(drawn).size)
  t.is(await kept(x, y), 300)
  // Naturally repeated values, in each column.
  t.is(await kept(rounded(x, 0.5), rounded(y, 0.5)), 300)
  // Whole numbers that are functions of each other.
  t.is(
    await kept(
      drawn,
      drawn.map((v) => 2 * v),
    ),
    300,
  )
  // An atom of both is no copy, however often it occurs.
  const gate = x.map(() => random.next() < 0.4)
  t.is(
    await kept(
      x.map((v, i) => (gate[i] ? 0 : v)),
      y.map((v, i) => (gate[i] ? 0 : v)),
    ),
    300,
  )
})

test('grids and smooth functions of them are even, draws are not', (t) => {
  const n = 200
  const times = Array.from({ length: n }, (_, i) => i)
  const random = new HostRandom(19)
  const even = (values: readonly number[]) => Boolean(areEven(column(values)).itemSync())
  t.true(even(times))
  t.true(even(Array.from(random.permutation(n))))
  t.true(even(times.map((i) => Math.exp(i / 50))))
  t.false(even(normals(20, n)))
  t.false(even(normals(21, n).map((v) => v ** 5)))
  t.false(even(times.map(() => random.next())))
  t.is(repeatedValues(column([1, 2, 2, 3, 2])).itemSync(), 3)
})

test('ties are broken at random, and order is kept', (t) => {
  const values = rounded(normals(22, 300), 0.5)
  const broken = withTiesBroken(column(values), key(1)).dataSync() as Float64Array
  t.is(new Set(broken).size, 300)
  for (const [i, v] of values.entries()) {
    for (const [j, w] of values.entries()) {
      if (v < w && !((broken[i] as number) < (broken[j] as number)))
        t.fail(`${v} and ${w} have changed places`)
    }
  }
  t.notDeepEqual(withTiesBroken(column(values), key(2)).dataSync(), broken)
})

test('kinds are told by values', async (t) => {
  const z = normals(23, 500)
  const kind = async (x: Tensor, wanted?: DataKind) => (await kindOfSamples(x, wanted)).kind
  t.is(await kind(column(z)), 'numbers')
  t.is(await kind(column(rounded(z, 0.1))), 'numbers')
  t.is(await kind(column(rounded(z, 1))), 'classes')
  t.is(await kind(column(z.map((v) => Math.max(0, v)))), 'mixed')
  t.is(await kind(tensor(Int32Array.from(z, (v) => Math.round(100 * v)))), 'classes')
  t.is(await kind(column(z), 'mixed'), 'mixed')
  const oneHot = z.flatMap((_, i) => Array.from({ length: 60 }, (_, c) => Number(c === i % 60)))
  t.is(await kind(tensor(Float64Array.from(oneHot), { shape: [500, 60] })), 'classes')
})
