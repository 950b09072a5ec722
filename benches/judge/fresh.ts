/**
 * New samples for the estimators: other distributions, parameters and seeds than in the project's folder. Their information is known by a
 * formula, or by integrals and sums of the densities in this file.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostRandom, writeNpy } from '../../ts/index.js'
import type { Kind, Truth } from './cases.js'
import {
  draws,
  entropyOfCounts,
  expectation,
  integral,
  normalDensity,
  normalTail,
  studentTerm,
} from './draws.js'

/** Number of samples of every case. */
const n = 2000

/** A distribution of pairs: single draws, and the mutual information in nats. */
interface Pair {
  readonly name: string
  readonly kind: Kind
  readonly dx: number
  readonly dy: number
  readonly information: number
  draw(random: HostRandom): { x: readonly number[]; y: readonly number[] }
}

/** d independent pairs of normal coordinates of correlation `rho`, each mapped by `map`. */
function normalPairs(name: string, d: number, rho: number, map = (x: number) => x): Pair {
  return {
    name,
    kind: 'cc',
    dx: d,
    dy: d,
    information: (-d / 2) * Math.log1p(-rho * rho),
    draw: (random) => {
      const x = draws.normals(random, d)
      const noise = draws.normals(random, d)
      const y = x.map((v, i) => rho * v + Math.sqrt(1 - rho * rho) * (noise[i] as number))
      return { x: x.map(map), y }
    },
  }
}

/** dx and dy normal columns; any two have correlation `rho`. */
function equicorrelated(dx: number, dy: number, rho: number): Pair {
  const logDet = (d: number) => (d - 1) * Math.log(1 - rho) + Math.log(1 + (d - 1) * rho)
  return {
    name: `fresh-multinormal-equal-${dx}-${dy}-${rho}`,
    kind: 'cc',
    dx,
    dy,
    information: (logDet(dx) + logDet(dy) - logDet(dx + dy)) / 2,
    draw: (random) => {
      const [shared = 0, ...own] = draws.normals(random, 1 + dx + dy)
      const all = own.map((v) => Math.sqrt(rho) * shared + Math.sqrt(1 - rho) * v)
      return { x: all.slice(0, dx), y: all.slice(dx) }
    },
  }
}

/** A t distribution of uncorrelated columns: only their scale is shared (Czyz et al. 2023, eq. 4). */
function student(d: number, nu: number): Pair {
  return {
    name: `fresh-student-identity-${d}-${d}-${nu}`,
    kind: 'cc',
    dx: d,
    dy: d,
    information: studentTerm(nu) + studentTerm(nu + 2 * d) - 2 * studentTerm(nu + d),
    draw: (random) => {
      const spread = Math.sqrt(nu / draws.normals(random, nu).reduce((sum, v) => sum + v * v, 0))
      const all = draws.normals(random, 2 * d).map((v) => v * spread)
      return { x: all.slice(0, d), y: all.slice(d) }
    },
  }
}

/** x uniform on [0, 1], y = x + noise uniform within +-reach. */
function uniformPlusNoise(reach: number): Pair {
  return {
    name: `fresh-1v1-additive-${reach}`,
    kind: 'cc',
    dx: 1,
    dy: 1,
    information: reach <= 0.5 ? reach - Math.log(2 * reach) : 1 / (4 * reach),
    draw: (random) => {
      const x = random.next()
      return { x: [x], y: [x + reach * (2 * random.next() - 1)] }
    },
  }
}

/** y = x^2 + noise: no monotone dependence. */
function parabola(noise: number): Pair {
  const density = (y: number) =>
    integral((x) => normalDensity(x) * (normalDensity((y - x * x) / noise) / noise), -8, 8, 4000)
  const entropy = integral((y) => entropyOfCounts([density(y)]), -6 * noise, 40, 4000)
  return {
    name: `fresh-parabola-${noise}`,
    kind: 'cc',
    dx: 1,
    dy: 1,
    information: entropy - 0.5 * Math.log(2 * Math.PI * Math.E * noise * noise),
    draw: (random) => {
      const [x = 0, e = 0] = draws.normals(random, 2)
      return { x: [x], y: [x * x + noise * e] }
    },
  }
}

/** Classes of unequal weights, x normal around a position per class. */
function classesOnLine(weights: readonly number[], distance: number): Pair {
  const density = (x: number) => weights.reduce((sum, w, c) => sum + w * normalDensity(x - distance * c), 0)
  const entropy = integral((x) => entropyOfCounts([density(x)]), -9, distance * weights.length + 9, 20_000)
  return {
    name: `fresh-label-line-C${weights.length}`,
    kind: 'cd',
    dx: 1,
    dy: 1,
    information: entropy - 0.5 * Math.log(2 * Math.PI * Math.E),
    draw: (random) => {
      const c = draws.choice(random, weights)
      return { x: [distance * c + (draws.normals(random, 1)[0] as number)], y: [c] }
    },
  }
}

/** Equal classes around `centers` in d dimensions; the information is the mean of ln p(x | c) / p(x) over 200,000 draws. */
function classesInSpace(name: string, centers: readonly (readonly number[])[]): Pair {
  const d = (centers[0] as readonly number[]).length
  const logRatio = (x: readonly number[], c: number) => {
    const logs = centers.map(
      (center) => -center.reduce((sum, m, i) => sum + ((x[i] as number) - m) ** 2, 0) / 2,
    )
    const most = Math.max(...logs)
    const sum = logs.reduce((total, log) => total + Math.exp(log - most), 0)
    return (logs[c] as number) - most - Math.log(sum / centers.length)
  }
  const draw = (random: HostRandom) => {
    const c = random.int(centers.length)
    const center = centers[c] as readonly number[]
    return { x: draws.normals(random, d).map((v, i) => v + (center[i] as number)), y: [c] }
  }
  const random = new HostRandom(7)
  const information = expectation(200_000, () => {
    const { x, y } = draw(random)
    return logRatio(x, y[0] as number)
  })
  return { name, kind: 'cd', dx: d, dy: 1, information, draw }
}

/** Symbols of a table of weights. */
function table(name: string, weights: readonly (readonly number[])[]): Pair {
  const total = weights.flat().reduce((sum, w) => sum + w, 0)
  const cells = weights.map((row) => row.map((w) => w / total))
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
  const columns = (cells[0] as number[]).map((_, j) => sum(cells.map((row) => row[j] as number)))
  return {
    name,
    kind: 'dd',
    dx: 1,
    dy: 1,
    information: entropyOfCounts(cells.map(sum)) + entropyOfCounts(columns) - entropyOfCounts(cells.flat()),
    draw: (random) => {
      const cell = draws.choice(random, cells.flat())
      return { x: [Math.floor(cell / columns.length)], y: [cell % columns.length] }
    },
  }
}

function randomTable(rows: number, columns: number): Pair {
  const random = new HostRandom(11)
  const weights = Array.from({ length: rows }, () =>
    Array.from({ length: columns }, () => random.next() ** 3 + 0.02),
  )
  return table(`fresh-table${rows}x${columns}`, weights)
}

/** x one of m whole numbers, y uniform on [x, x + 2] (Gao et al. 2017). */
function stepped(m: number): Pair {
  return {
    name: `fresh-mixed-unif-m${m}`,
    kind: 'mixed',
    dx: 1,
    dy: 1,
    information: Math.log(m) - ((m - 1) * Math.LN2) / m,
    draw: (random) => {
      const x = random.int(m)
      return { x: [x], y: [x + 2 * random.next()] }
    },
  }
}

/** x exponential, y 0 with probability p, else a Poisson number of mean x. */
function zeroInflated(p: number): Pair {
  const counts = 80
  const given = (x: number) => {
    const chances: number[] = []
    for (let k = 0, term = Math.exp(-x); k < counts; k++, term *= x / k) chances.push((1 - p) * term)
    chances[0] = (chances[0] as number) + p
    return chances
  }
  // The chance of k over all x is 2^-(k + 1).
  const overall = Array.from({ length: counts }, (_, k) => (1 - p) * 0.5 ** (k + 1) + (k === 0 ? p : 0))
  const conditional = integral((x) => Math.exp(-x) * entropyOfCounts(given(x)), 0, 40, 8000)
  return {
    name: `fresh-mixed-zip-p${p}`,
    kind: 'mixed',
    dx: 1,
    dy: 1,
    information: entropyOfCounts(overall) - conditional,
    draw: (random) => {
      const x = -Math.log1p(-random.next())
      return { x: [x], y: [draws.choice(random, given(x))] }
    },
  }
}

/** A normal pair of correlation rho, y set to 0 below 0, as by a relu. */
function rectified(rho: number): Pair {
  const spread = Math.sqrt(1 - rho * rho)
  const ofAtom = integral(
    (x) => {
      const chance = normalTail((rho * x) / spread)
      return chance > 0 ? normalDensity(x) * chance * Math.log(chance / 0.5) : 0
    },
    -9,
    9,
    4000,
  )
  const ofRest = integral(
    (y) =>
      integral(
        (x) => {
          const z = (y - rho * x) / spread
          const logRatio = -(z * z) / 2 - Math.log(spread) + (y * y) / 2
          return normalDensity(x) * (normalDensity(z) / spread) * logRatio
        },
        -9,
        9,
        2000,
      ),
    0,
    9,
    2000,
  )
  return {
    name: `fresh-mixed-relu-${rho}`,
    kind: 'mixed',
    dx: 1,
    dy: 1,
    information: ofAtom + ofRest,
    draw: (random) => {
      const [x = 0, e = 0] = draws.normals(random, 2)
      return { x: [x], y: [Math.max(0, rho * x + spread * e)] }
    },
  }
}

const pairs = (): readonly Pair[] => [
  normalPairs('fresh-gauss1-rho0.8', 1, 0.8),
  normalPairs('fresh-gauss3-rho0.7', 3, 0.7),
  normalPairs('fresh-gauss8-rho0.6', 8, 0.6),
  normalPairs('fresh-lognormal1-rho0.6', 1, 0.6, Math.exp),
  normalPairs('fresh-indep2', 2, 0),
  equicorrelated(4, 2, 0.5),
  student(1, 5),
  student(2, 5),
  uniformPlusNoise(0.3),
  parabola(0.5),
  classesOnLine([0.3, 0.25, 0.15, 0.1, 0.1, 0.1], 2),
  classesInSpace(
    'fresh-label-d4-C6',
    Array.from({ length: 6 }, (_, c) => centerOf(c, 4)),
  ),
  classesInSpace(
    'fresh-label-ring-C6',
    Array.from({ length: 6 }, (_, c) => onRing(c / 6, 3)),
  ),
  randomTable(6, 6),
  randomTable(2, 5),
  table(
    'fresh-indep4x4',
    Array.from({ length: 4 }, (_, i) => [1, 2, 3, 4].map((w) => w * (i + 1))),
  ),
  stepped(10),
  zeroInflated(0.3),
  rectified(0.8),
]

function centerOf(c: number, d: number): number[] {
  const random = new HostRandom(100 + c)
  return draws.normals(random, d).map((v) => 1.2 * v)
}

function onRing(turn: number, radius: number): number[] {
  return [radius * Math.cos(2 * Math.PI * turn), radius * Math.sin(2 * Math.PI * turn)]
}

/** Writes a folder for the judge: samples for the given seed, and truth.json. */
export async function writeFresh(folder: string, seed: number): Promise<void> {
  const cases: Truth[] = []
  for (const [number, { name, kind, dx, dy, information, draw }] of pairs().entries()) {
    const random = new HostRandom(1000 * seed + number)
    const data = new Float32Array(n * (dx + dy))
    for (let i = 0; i < n; i++) {
      const { x, y } = draw(random)
      data.set([...x, ...y], i * (dx + dy))
    }
    const file = `${name}.npy`
    await writeNpy(join(folder, file), { data, shape: [n, dx + dy], dtype: 'float32' })
    cases.push({ name, kind, n, dx, dy, mi_nats: information, file })
  }
  writeFileSync(join(folder, 'truth.json'), JSON.stringify({ cases }, null, 2))
}
