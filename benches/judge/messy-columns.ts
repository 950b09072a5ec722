/** Shared discrete columns on both sides, among others. */
import type { HostRandom } from '../../ts/index.js'
import { draws, entropyOfCounts } from './draws.js'
import { each, type Population } from './populations.js'

interface Shared {
  readonly name: string
  readonly n: number
  /** Number of equally likely classes. */
  readonly classes: number
  /** Correlation of the normal columns. */
  readonly rho: number
  /** Share of the samples whose class differs in y. */
  readonly errors?: number
  /** Rounding step of the normal columns; 0 for none. */
  readonly step?: number
  /** Whether the class of y is drawn independently. */
  readonly isApart?: boolean
  /** The columns that represent a class. */
  readonly columns?: (one: number, classes: number) => readonly number[]
  readonly tolerance?: number
}

const label = (one: number) => [one]

const oneHot = (one: number, classes: number) => Array.from({ length: classes }, (_, c) => Number(c === one))

/** H(C) - H(C | C'): the class transmitted with errors, each wrong class equally likely. */
function ofClass(classes: number, errors: number): number {
  const wrong = new Array<number>(classes - 1).fill(errors / (classes - 1))
  return Math.log(classes) - entropyOfCounts([1 - errors, ...wrong])
}

/** x = (class, normal), y = (the same class, normal): the information of the classes plus that of the normal columns. */
function shared({ name, n, classes, rho, tolerance, ...rest }: Shared): Population {
  const { errors = 0, step = 0, isApart = false, columns = label } = rest
  const given = (value: number) => (step === 0 ? value : Math.round(value / step) * step)
  const passedOn = (random: HostRandom, one: number) => {
    if (isApart) return random.int(classes)
    return random.next() < errors ? (one + 1 + random.int(classes - 1)) % classes : one
  }
  const width = columns(0, classes).length + 1
  return {
    name: `m15-${name}`,
    kind: 'mixed',
    n,
    dx: width,
    dy: width,
    information: (isApart ? 0 : ofClass(classes, errors)) - 0.5 * Math.log1p(-rho * rho),
    ...(tolerance === undefined ? {} : { tolerance }),
    sample: each((random) => {
      const one = random.int(classes)
      const [x, e] = draws.normals(random, 2) as [number, number]
      const y = rho * x + Math.sqrt(1 - rho * rho) * e
      return [...columns(one, classes), given(x), ...columns(passedOn(random, one), classes), given(y)]
    }),
  }
}

/** Cases m15. */
export const messyColumns = (): readonly Population[] => [
  shared({ name: '4-labels', n: 1000, classes: 4, rho: 0.8 }),
  shared({ name: '4-labels-rounded-0.1', n: 2000, classes: 4, rho: 0.8, step: 0.1, tolerance: 0.1 }),
  shared({ name: '4-labels-err-0.15', n: 2000, classes: 4, rho: 0.8, errors: 0.15, tolerance: 0.1 }),
  shared({ name: 'binary', n: 1000, classes: 2, rho: 0.8 }),
  shared({ name: '3-labels-noise', n: 2000, classes: 3, rho: 0 }),
  shared({ name: 'one-hot-3-noise', n: 2000, classes: 3, rho: 0, columns: oneHot }),
  shared({ name: 'one-hot-10', n: 2000, classes: 10, rho: 0.6, columns: oneHot, tolerance: 0.1 }),
  shared({ name: '4-labels-indep', n: 1000, classes: 4, rho: 0, isApart: true }),
  shared({ name: 'one-hot-3-indep', n: 2000, classes: 3, rho: 0, isApart: true, columns: oneHot }),
]
