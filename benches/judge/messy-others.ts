/** Labels of every kind, columns of several kinds, functions, angles, serial rows, scales and offsets. */
import type { HostRandom } from '../../ts/index.js'
import { draws, entropyOfCounts, integral, normalDensity } from './draws.js'
import { each, type Population } from './populations.js'
import { channelInformation, normalBelow, normalCells, roundedNormals } from './tables.js'

const normal = (random: HostRandom) => draws.normals(random, 1)[0] as number

const one = { dx: 1, dy: 1 } as const

const ofNormals = (rho: number) => -0.5 * Math.log1p(-rho * rho)

/** I(X; Y) of classes with normal x of deviation 1 round centers on a line. */
function ofClasses(chances: readonly number[], centers: readonly number[]): number {
  const density = (x: number) => chances.map((p, c) => p * normalDensity(x - (centers[c] as number)))
  const [low, high] = [Math.min(...centers) - 9, Math.max(...centers) + 9]
  const term = (x: number) => {
    const parts = density(x)
    const whole = parts.reduce((a, b) => a + b, 0)
    return parts.reduce(
      (sum, p, c) => (p > 0 ? sum + p * Math.log(p / (whole * (chances[c] as number))) : sum),
      0,
    )
  }
  return integral(term, low, high, 4000)
}

interface OnLine {
  readonly name: string
  readonly kind: 'cd' | 'mixed'
  readonly n: number
  readonly chances: readonly number[]
  readonly centers: readonly number[]
  readonly tolerance?: number
}

/** Classes on a line, as integers (`cd`) or as floating-point numbers (`mixed`). */
function classes({ name, chances, centers, ...rest }: OnLine): Population {
  return {
    ...rest,
    name: `m09-${name}`,
    ...one,
    information: ofClasses(chances, centers),
    sample: each((random) => {
      const c = draws.choice(random, chances)
      return [(centers[c] as number) + normal(random), c]
    }),
  }
}

/** Random bits and a label of them. */
function bits(
  name: string,
  width: number,
  n: number,
  label: (bits: readonly number[]) => number,
  chances: readonly number[],
): Population {
  return {
    name: `m09-${name}`,
    kind: 'cd',
    n,
    dx: width,
    dy: 1,
    information: entropyOfCounts(chances),
    sample: each((random) => {
      const x = Array.from({ length: width }, () => random.int(2))
      return [...x, label(x)]
    }),
  }
}

/** h(sum of normal parts) - h(noise): y = f of a discrete part + the sum of a normal part and noise. */
function ofShifts(shifts: readonly number[], inner: number, noise: number): number {
  const deviation = Math.hypot(inner, noise)
  const density = (y: number) =>
    shifts.reduce((sum, shift) => sum + normalDensity((y - shift) / deviation), 0) /
    (shifts.length * deviation)
  const [low, high] = [Math.min(...shifts) - 9 * deviation, Math.max(...shifts) + 9 * deviation]
  return (
    integral((y) => entropyOfCounts([density(y)]), low, high, 4000) -
    0.5 * Math.log(2 * Math.PI * Math.E * noise ** 2)
  )
}

/** A normal column, one of few values, a constant and a copy of the first; y is their sum and noise. */
function severalKinds(name: string, n: number, values: readonly number[], weight: number): Population {
  return {
    name: `m10-${name}`,
    kind: 'mixed',
    n,
    dx: 4,
    dy: 1,
    information: ofShifts(
      values.map((v) => weight * v),
      1,
      1,
    ),
    sample: each((random) => {
      const [a, e] = draws.normals(random, 2) as [number, number]
      const d = values[random.int(values.length)] as number
      return [a, d, 7, 3 * a - 1, a + weight * d + e]
    }),
  }
}

/** A normal column and a binary one that both tell a class: they are independent given it. */
function severalKindsAndLabel(n: number): Population {
  const [shift, likely] = [1.5, 0.8]
  const term = (x: number) => {
    let sum = 0
    for (const bit of [0, 1]) {
      const parts = [0, 1].map((c) => 0.5 * normalDensity(x - shift * c) * (bit === c ? likely : 1 - likely))
      const whole = parts.reduce((a, b) => a + b, 0)
      for (const p of parts) if (p > 0) sum += p * Math.log(p / (0.5 * whole))
    }
    return sum
  }
  return {
    name: 'm10-cont-bit-label',
    kind: 'cd',
    n,
    dx: 2,
    dy: 1,
    information: integral(term, -9, 11, 4000),
    sample: each((random) => {
      const c = random.int(2)
      return [shift * c + normal(random), random.next() < likely ? c : 1 - c, c]
    }),
  }
}

/** y = f(x) of a normal x, with the entropy that y has. */
function functionOf(name: string, n: number, f: (x: number) => number, entropy: number): Population {
  return {
    name: `m11-${name}`,
    kind: 'mixed',
    n,
    ...one,
    information: entropy,
    sample: each((random) => {
      const x = normal(random)
      return [x, f(x)]
    }),
  }
}

const entropyOfFloor = (factor: number) =>
  entropyOfCounts(
    Array.from(
      { length: 20 * factor },
      (_, i) => normalBelow(i / factor - 10 + 1 / factor) - normalBelow(i / factor - 10),
    ),
  )

/** A uniform angle and the same with von Mises noise (the method of Best and Fisher 1979). */
function angles(kappa: number, n: number): Population {
  const bessel = integral((t) => Math.exp(kappa * Math.cos(t)), 0, Math.PI, 2000) / Math.PI
  const first = integral((t) => Math.cos(t) * Math.exp(kappa * Math.cos(t)), 0, Math.PI, 2000) / Math.PI
  const noise = (random: HostRandom) => {
    for (;;) {
      const t = Math.PI * (2 * random.next() - 1)
      if (random.next() < Math.exp(kappa * (Math.cos(t) - 1))) return t
    }
  }
  const turn = 2 * Math.PI
  return {
    name: `m12-angles-vonmises${kappa}`,
    kind: 'cc',
    n,
    ...one,
    information: (kappa * first) / bessel - Math.log(bessel),
    sample: each((random) => {
      const x = turn * random.next()
      return [x, (((x + noise(random)) % turn) + turn) % turn]
    }),
  }
}

/** A uniform angle and its sine with noise. */
function sine(noise: number, n: number): Population {
  const nodes = Array.from({ length: 800 }, (_, i) => Math.sin((2 * Math.PI * (i + 0.5)) / 800))
  return {
    name: `m12-sine-sd${noise}`,
    kind: 'cc',
    n,
    ...one,
    information: ofShifts(nodes, 0, noise),
    sample: each((random) => {
      const x = 2 * Math.PI * random.next()
      return [x, Math.sin(x) + noise * normal(random)]
    }),
  }
}

/** An autoregressive series and itself `lag` steps later; or, with no lag, another one. */
function series(name: string, n: number, a: number, lag: number): Population {
  const grown = (random: HostRandom, count: number) => {
    const values = [normal(random)]
    while (values.length < count)
      values.push(a * (values.at(-1) as number) + Math.sqrt(1 - a * a) * normal(random))
    return values
  }
  return {
    name: `m13-${name}`,
    kind: 'cc',
    n,
    ...one,
    information: lag === 0 ? 0 : ofNormals(a ** lag),
    sample: (random, count) => {
      const x = grown(random, count + lag)
      const y = lag === 0 ? grown(random, count) : x.slice(lag)
      return Array.from({ length: count }, (_, i) => [x[i] as number, y[i] as number])
    },
  }
}

/** Columns of very different scale, of which one tells. */
function scales(
  name: string,
  n: number,
  factors: readonly number[],
  telling: number,
  rho: number,
): Population {
  return {
    name: `m14-${name}`,
    kind: 'cc',
    n,
    dx: factors.length,
    dy: 1,
    information: ofNormals(rho),
    sample: each((random) => {
      const [e = 0, ...x] = draws.normals(random, 1 + factors.length)
      const y = rho * (x[telling] as number) + Math.sqrt(1 - rho * rho) * e
      return [...x.map((v, i) => v * (factors[i] as number)), y]
    }),
  }
}

/** Normal numbers of correlation `rho`, x as offset + unit * round(x / step). */
function offset(name: string, n: number, rho: number, step: number, unit: number, from: number): Population {
  return {
    name: `m14-${name}`,
    kind: 'mixed',
    n,
    ...one,
    information: roundedNormals(rho, step, 0),
    sample: each((random) => {
      const [x, e] = draws.normals(random, 2) as [number, number]
      return [from + unit * Math.round(x / step), rho * x + Math.sqrt(1 - rho * rho) * e]
    }),
  }
}

const even = (count: number) => new Array<number>(count).fill(1 / count)

/** Cases m09 to m14. */
export const messyOthers = (): readonly Population[] => [
  classes({
    name: 'imbalanced-1-200',
    kind: 'cd',
    n: 4000,
    chances: [1 - 1 / 200, 1 / 200],
    centers: [0, 2.5],
    tolerance: 0.01,
  }),
  classes({ name: 'imbalanced-1-50', kind: 'cd', n: 2000, chances: [0.98, 0.02], centers: [0, 2] }),
  classes({ name: '3-classes-as-floats', kind: 'mixed', n: 1000, chances: even(3), centers: [0, 1, 3] }),
  classes({
    name: '10-classes',
    kind: 'cd',
    n: 2000,
    chances: even(10),
    centers: [0, 9, 3, 6, 15, 12, 27, 18, 24, 21],
  }),
  classes({ name: '4-classes-indep', kind: 'cd', n: 1000, chances: even(4), centers: [0, 0, 0, 0] }),
  bits('8bits-one-of-them', 8, 1500, (x) => x[3] as number, [0.5, 0.5]),
  bits('12bits-or-of-two', 12, 3000, (x) => Math.max(x[0] as number, x[5] as number), [0.25, 0.75]),
  severalKinds('cont-3values-const-dup', 2000, [0, 1, 2], 1.5),
  severalKinds('cont-bit-const-dup', 1500, [0, 1], 2),
  severalKindsAndLabel(2000),
  functionOf('floor-of-3x', 2000, (x) => Math.floor(3 * x), entropyOfFloor(3)),
  functionOf('sign', 1000, (x) => Number(x > 0), Math.LN2),
  functionOf('rounded', 1500, (x) => Math.round(2 * x) / 2, entropyOfCounts(normalCells(0, 1, 0.5, 10))),
  functionOf(
    'folded-floor',
    1500,
    (x) => Math.floor(2 * Math.abs(x)),
    entropyOfCounts(
      Array.from({ length: 20 }, (_, i) => 2 * (normalBelow((i + 1) / 2) - normalBelow(i / 2))),
    ),
  ),
  angles(1, 2000),
  angles(8, 2000),
  sine(0.3, 2000),
  series('ar1-0.9-lag1', 2000, 0.9, 1),
  series('ar1-0.8-lag3', 3000, 0.8, 3),
  series('ar1-0.7-indep', 2000, 0.7, 0),
  scales('columns-1e-3-to-1e3', 2000, [1e-3, 1, 1e3], 0, 0.7),
  scales('columns-1e8-1e-8', 1500, [1e8, 1e-8], 1, 0.5),
  offset('offset-1e6-step8', 2000, 0.8, 0.05, 8, 1e6),
  offset('offset-1e9-indep', 1000, 0, 0.1, 64, 1e9),
  channel(0.15, 1500),
]

/** Four letters through a channel that errs. */
function channel(error: number, n: number): Population {
  const given = [0, 1, 2, 3].map((x) => ({
    weight: 0.25,
    outputs: [0, 1, 2, 3].map((y) => (x === y ? 1 - error : error / 3)),
  }))
  return {
    name: `m09-4-letters-err-${error}`,
    kind: 'dd',
    n,
    ...one,
    information: channelInformation(given),
    sample: each((random) => {
      const x = random.int(4)
      return [x, random.next() < error ? (x + 1 + random.int(3)) % 4 : x]
    }),
  }
}
