/**
 * Numbers that resemble real data: rounded, counted, heaped, evenly spaced, with heavy tails, in clusters, copied, with atoms and outliers.
 */
import type { HostRandom } from '../../ts/index.js'
import { draws, entropyOfCounts, integral, normalDensity, studentTerm } from './draws.js'
import { each, type Population } from './populations.js'
import {
  channelInformation,
  type Given,
  merged,
  normalBelow,
  normalCells,
  poissonChances,
  roundedNormals,
  sharedCounts,
  tableInformation,
} from './tables.js'

const normal = (random: HostRandom) => draws.normals(random, 1)[0] as number

/** Two standard normal numbers of correlation `rho`. */
function pair(random: HostRandom, rho: number): [number, number] {
  const [x, noise] = draws.normals(random, 2) as [number, number]
  return [x, rho * x + Math.sqrt(1 - rho * rho) * noise]
}

const ofNormals = (rho: number) => -0.5 * Math.log1p(-rho * rho)

const one = { dx: 1, dy: 1 } as const

const rounded = (value: number, step: number) => (step === 0 ? value : Math.round(value / step) * step)

/** A count with the given probabilities. */
const counted = (random: HostRandom, chances: readonly number[]) => draws.choice(random, chances)

function roundedPair(name: string, n: number, rho: number, stepX: number, stepY: number): Population {
  return {
    name: `m01-${name}`,
    kind: 'mixed',
    n,
    ...one,
    information: rho === 0 ? 0 : roundedNormals(rho, stepX, stepY),
    sample: each((random) => {
      const [x, y] = pair(random, rho)
      return [rounded(x, stepX), rounded(y, stepY)]
    }),
  }
}

function counts(
  name: string,
  kind: 'dd' | 'mixed',
  n: number,
  table: readonly (readonly number[])[],
): Population {
  const flat = table.flat()
  const width = (table[0] as readonly number[]).length
  return {
    name: `m02-${name}`,
    kind,
    n,
    ...one,
    information: tableInformation(table),
    sample: each((random) => {
      const cell = counted(random, flat)
      return [Math.floor(cell / width), cell % width]
    }),
  }
}

/** Independent counts. */
const apart = (a: number, b: number) =>
  poissonChances(a, Math.ceil(a + 40)).map((p) => poissonChances(b, Math.ceil(b + 40)).map((q) => p * q))

/** Both 0 with probability `zero`, otherwise independent counts. */
const gated = (zero: number, a: number, b: number) =>
  apart(a, b).map((row, i) => row.map((p, j) => (1 - zero) * p + (i + j === 0 ? zero : 0)))

/** Counts of a common rate, exponential of mean 1: overdispersed. */
function overdispersed(a: number, b: number): number[][] {
  const most = 12 * Math.max(a, b)
  const table = Array.from({ length: most + 1 }, () => new Array<number>(most + 1).fill(0))
  for (let node = 0; node < 300; node++) {
    const rate = (node + 0.5) / 25
    const weight = Math.exp(-rate) / 25
    const [p, q] = [poissonChances(a * rate, most), poissonChances(b * rate, most)]
    for (const [i, row] of table.entries()) {
      for (let j = 0; j <= most; j++)
        row[j] = (row[j] as number) + weight * (p[i] as number) * (q[j] as number)
    }
  }
  return table
}

/** x uniform on 0 .. 255, y = x + normal noise, rounded and clipped to 0 .. 255. */
function pixels(deviation: number, n: number): Population {
  const values = Array.from({ length: 256 }, (_, x) => x)
  const outputs = (x: number) => {
    const below = values.map((y) => (y === 255 ? 1 : normalBelow((y + 0.5 - x) / deviation)))
    return below.map((p, y) => p - (y === 0 ? 0 : (below[y - 1] as number)))
  }
  return {
    name: `m03-pixels-clipped-sd${deviation}`,
    kind: 'mixed',
    n,
    ...one,
    information: channelInformation(values.map((x) => ({ weight: 1, outputs: outputs(x) }))),
    sample: each((random) => {
      const x = random.int(256)
      return [x, Math.min(255, Math.max(0, Math.round(x + deviation * normal(random))))]
    }),
  }
}

/** Ages 18 .. 80, some given as the nearest multiple of 5, and a score in tenths that depends on them by `slope`. */
function heaped(name: string, slope: number, n: number): Population {
  const told = (age: number, heaps: boolean) => (heaps ? 5 * Math.round(age / 5) : age)
  const byAge = new Map<number, Given[]>()
  for (let age = 18; age <= 80; age++) {
    const outputs = normalCells((slope * (age - 49)) / 18, 1, 0.1, 8)
    for (const [heaps, weight] of [
      [true, 0.4],
      [false, 0.6],
    ] as const) {
      const said = told(age, heaps)
      byAge.set(said, [...(byAge.get(said) ?? []), { weight, outputs }])
    }
  }
  return {
    name: `m03-${name}`,
    kind: 'mixed',
    n,
    ...one,
    information: slope === 0 ? 0 : channelInformation([...byAge.values()].map(merged)),
    sample: each((random) => {
      const age = 18 + random.int(63)
      const score = (slope * (age - 49)) / 18 + normal(random)
      return [told(age, random.next() < 0.4), rounded(score, 0.1)]
    }),
  }
}

/** x evenly spaced, y = f(x) + normal noise; the information is for x uniform on [0, 1]. */
function spaced(name: string, n: number, f: (x: number) => number, noise: number): Population {
  const nodes = Array.from({ length: 400 }, (_, i) => f((i + 0.5) / 400))
  const density = (y: number) =>
    nodes.reduce((sum, center) => sum + normalDensity((y - center) / noise), 0) / (400 * noise)
  const [low, high] = [Math.min(...nodes) - 8 * noise, Math.max(...nodes) + 8 * noise]
  const entropy = integral((y) => entropyOfCounts([density(y)]), low, high, 2000)
  const information = entropy - 0.5 * Math.log(2 * Math.PI * Math.E * noise * noise)
  return {
    name: `m04-${name}`,
    kind: 'cc',
    n,
    ...one,
    information: nodes.every((y) => y === nodes[0]) ? 0 : information,
    sample: (random, count) =>
      Array.from({ length: count }, (_, i) => [i, f(i / (count - 1)) + noise * normal(random)]),
  }
}

/** Normal numbers of correlation `rho` after increasing maps. */
function mapped(name: string, n: number, rho: number, f: (z: number) => number, g = f): Population {
  return {
    name,
    kind: 'cc',
    n,
    ...one,
    information: ofNormals(rho),
    sample: each((random) => {
      const [x, y] = pair(random, rho)
      return [f(x), g(y)]
    }),
  }
}

/** A t pair of `nu` degrees of freedom and correlation `rho`. */
function studentPair(nu: number, rho: number, n: number): Population {
  return {
    name: `m05-student${nu}-rho${rho}`,
    kind: 'cc',
    n,
    ...one,
    information: ofNormals(rho) + studentTerm(nu) + studentTerm(nu + 2) - 2 * studentTerm(nu + 1),
    sample: each((random) => {
      const spread = Math.sqrt(nu / draws.normals(random, nu).reduce((sum, v) => sum + v * v, 0))
      return pair(random, rho).map((v) => v * spread)
    }),
  }
}

/** Normal clusters that overlap on neither axis: the information of the cluster, and of the numbers within it. */
function clusters(
  name: string,
  n: number,
  parts: readonly (readonly [chance: number, scale: number, rho: number])[],
): Population {
  const chances = parts.map(([chance]) => chance)
  const inside = parts.reduce((sum, [chance, , rho]) => sum + chance * ofNormals(rho), 0)
  const reach = parts.map(([, scale]) => 12 * scale)
  const centers = reach.map((_, i) => reach.slice(0, i).reduce((a, b) => a + 2 * b, 0) + (reach[i] as number))
  return {
    name: `m06-${name}`,
    kind: 'cc',
    n,
    ...one,
    information: entropyOfCounts(chances) + inside,
    sample: each((random) => {
      const c = draws.choice(random, chances)
      const [, scale, rho] = parts[c] as readonly [number, number, number]
      const [x, y] = pair(random, rho)
      const center = centers[c] as number
      return [center + scale * x, -center + scale * y]
    }),
  }
}

/** Rows resampled from a normal pair, with replacement or each twice; the information is that of the distribution. */
function copied(name: string, n: number, rho: number, often: number | 'bootstrap'): Population {
  return {
    name: `m07-${name}`,
    kind: 'cc',
    n,
    ...one,
    tolerance: 0.1,
    information: ofNormals(rho),
    sample: (random, count) => {
      const drawn = often === 'bootstrap' ? count : count / often
      const rows = Array.from({ length: drawn }, () => pair(random, rho))
      return Array.from(
        { length: count },
        (_, i) => rows[often === 'bootstrap' ? random.int(drawn) : i % drawn] as [number, number],
      )
    },
  }
}

/** y = max(c, .) of a normal pair: values below c are not distinguished. */
function censored(rho: number, c: number, n: number): Population {
  const noise = Math.sqrt(1 - rho * rho)
  const below = normalBelow(c)
  const ofAtom = (x: number) => {
    const p = normalBelow((c - rho * x) / noise)
    return p > 0 ? normalDensity(x) * p * Math.log(p / below) : 0
  }
  const logRatio = (x: number, y: number) => {
    const z = (y - rho * x) / noise
    return normalDensity(x) * (normalDensity(z) / noise) * ((y * y - z * z) / 2 - Math.log(noise))
  }
  const ofRest = integral((y) => integral((x) => logRatio(x, y), -8, 8, 400), c, 8, 400)
  return {
    name: `m07-censored-${c}-rho${rho}`,
    kind: 'mixed',
    n,
    ...one,
    information: integral(ofAtom, -8, 8, 800) + ofRest,
    sample: each((random) => {
      const [x, y] = pair(random, rho)
      return [x, Math.max(c, y)]
    }),
  }
}

/** Zero with a probability that depends on x, otherwise lognormal with a mean of the logarithm shifted by x. */
function hurdle(shift: number, n: number): Population {
  const chance = (x: number) => normalBelow(x)
  const zero = integral((x) => normalDensity(x) * chance(x), -8, 8, 800)
  const given = (x: number, v: number) => (1 - chance(x)) * normalDensity(v - shift * x)
  const marginal = (v: number) => integral((x) => normalDensity(x) * given(x, v), -8, 8, 200)
  const atom = integral(
    (x) => {
      const p = chance(x)
      return p > 0 ? normalDensity(x) * p * Math.log(p / zero) : 0
    },
    -8,
    8,
    800,
  )
  const rest = integral(
    (v) => {
      const whole = marginal(v)
      const inner = (x: number) => {
        const p = given(x, v)
        return p > 0 && whole > 0 ? normalDensity(x) * p * Math.log(p / whole) : 0
      }
      return integral(inner, -8, 8, 200)
    },
    -12,
    12,
    400,
  )
  return {
    name: `m07-hurdle-${shift}`,
    kind: 'mixed',
    n,
    ...one,
    information: atom + rest,
    sample: each((random) => {
      const x = normal(random)
      return [x, random.next() < chance(x) ? 0 : Math.exp(shift * x + normal(random))]
    }),
  }
}

/** Both 0 together with probability `zero`, otherwise independent lognormal numbers: the information of the zeros. */
function sharedGate(zero: number, n: number): Population {
  return {
    name: `m07-shared-gate-${zero}`,
    kind: 'mixed',
    n,
    ...one,
    information: entropyOfCounts([zero, 1 - zero]),
    sample: each((random) =>
      random.next() < zero ? [0, 0] : [Math.exp(normal(random)), Math.exp(normal(random))],
    ),
  }
}

/** A normal pair in which a share of the samples is independent and `spread` times as wide. */
function outliers(rho: number, part: number, spread: number, n: number): Population {
  const noise = Math.sqrt(1 - rho * rho)
  const wide = (v: number) => normalDensity(v / spread) / spread
  const joint = (x: number, y: number) =>
    (1 - part) * normalDensity(x) * (normalDensity((y - rho * x) / noise) / noise) + part * wide(x) * wide(y)
  const margin = (v: number) => (1 - part) * normalDensity(v) + part * wide(v)
  // In asinh both the narrow and the wide part are smooth.
  const reach = Math.asinh(8 * spread)
  const term = (a: number, b: number) => {
    const [x, y] = [Math.sinh(a), Math.sinh(b)]
    const p = joint(x, y)
    return p > 0 ? p * Math.log(p / (margin(x) * margin(y))) * Math.cosh(a) * Math.cosh(b) : 0
  }
  return {
    name: `m08-${100 * part}pct-sd${spread}-rho${rho}`,
    kind: 'cc',
    n,
    ...one,
    information: integral((a) => integral((b) => term(a, b), -reach, reach, 800), -reach, reach, 800),
    sample: each((random) =>
      random.next() < part ? draws.normals(random, 2).map((v) => v * spread) : pair(random, rho),
    ),
  }
}

/** Cases m01 to m08. */
export const messyNumbers = (): readonly Population[] => [
  roundedPair('1dec-1dec-indep', 800, 0, 0.1, 0.1),
  roundedPair('half-half-rho0.5', 1500, 0.5, 0.5, 0.5),
  roundedPair('1dec-cont-rho0.6', 1000, 0.6, 0.1, 0),
  roundedPair('0dec-1dec-rho0.7', 2000, 0.7, 1, 0.1),
  roundedPair('2dec-2dec-rho0.8', 2000, 0.8, 0.01, 0.01),
  roundedPair('cont-0dec-indep', 1000, 0, 0, 1),
  counts('poisson-3-7-indep', 'mixed', 2000, apart(3, 7)),
  counts('bipoisson-5-5-5', 'mixed', 2000, sharedCounts(5, 5, 5)),
  counts('bipoisson-20-20-30', 'mixed', 2000, sharedCounts(20, 20, 30)),
  counts('zip-gate-labels', 'dd', 1500, gated(0.4, 3, 3)),
  counts('overdispersed-4-6', 'mixed', 2000, overdispersed(4, 6)),
  counts('bipoisson-10-10-8-labels', 'dd', 2000, sharedCounts(10, 10, 8)),
  pixels(40, 3000),
  pixels(12, 2000),
  heaped('age-score-indep', 0, 1500),
  heaped('age-score-0.8', 0.8, 2000),
  spaced('time-noise', 500, () => 0, 1),
  spaced('time-noise-long', 5000, () => 0, 1),
  spaced('grid-signal-sd0.15', 1500, (x) => x, 0.15),
  spaced('grid-sine-sd0.5', 2000, (x) => Math.sin(4 * Math.PI * x), 0.5),
  mapped('m05-cauchy-margins-rho0.5', 2000, 0.5, (z) => Math.tan(Math.PI * (normalBelow(z) - 0.5))),
  mapped('m05-lognormal-cubed-rho0.8', 1500, 0.8, (z) => Math.exp(3 * z)),
  studentPair(1, 0.5, 2000),
  studentPair(2, 0, 3000),
  clusters('4-scales', 3000, [
    [0.4, 0.01, 0.8],
    [0.3, 1, 0],
    [0.2, 30, 0.5],
    [0.1, 1000, 0.9],
  ]),
  clusters('2-of-unequal-size', 2000, [
    [0.95, 1, 0.6],
    [0.05, 100, 0],
  ]),
  copied('bootstrap-rho0.5', 1500, 0.5, 'bootstrap'),
  copied('bootstrap-indep', 2000, 0, 'bootstrap'),
  copied('rows-twice-rho0.8', 2000, 0.8, 2),
  censored(0.7, 0, 2000),
  hurdle(0.8, 2000),
  sharedGate(0.4, 2000),
  outliers(0.8, 0.01, 50, 2000),
  outliers(0, 0.01, 50, 2000),
  outliers(0.6, 0.05, 10, 2000),
]
