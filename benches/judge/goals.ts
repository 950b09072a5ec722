/** Means over families of cases, and the goals. */
import type { Kind, Peers, Truth } from './cases.js'

/** Estimates of our estimators on a case. */
export interface Verdict {
  readonly truth: Truth
  readonly estimates: Readonly<Record<string, number>>
  readonly seconds: Readonly<Record<string, number>>
  /** Estimators that refused, and the reasons. */
  readonly refusals: Readonly<Record<string, string>>
}

export const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return ((sorted[Math.ceil(half) - 1] as number) + (sorted[Math.floor(half)] as number)) / 2
}

export const errorOf = ({ truth, estimates }: Verdict, estimator: string): number =>
  Math.abs((estimates[estimator] ?? Number.NaN) - truth.mi_nats)

/** Mean absolute error of an estimator on the cases with an estimate. */
export const meanError = (verdicts: readonly Verdict[], estimator: string): number =>
  mean(verdicts.filter(({ estimates }) => estimator in estimates).map((v) => errorOf(v, estimator)))

/** Mean absolute error of each estimator on the cases of each kind. */
export function families(verdicts: readonly Verdict[]): Partial<Record<Kind, Record<string, number>>> {
  const result: Partial<Record<Kind, Record<string, number>>> = {}
  for (const kind of ['cc', 'cd', 'dd', 'mixed'] as const) {
    const of = verdicts.filter(({ truth }) => truth.kind === kind)
    const names = [...new Set(of.flatMap(({ estimates }) => Object.keys(estimates)))]
    if (of.length > 0) result[kind] = Object.fromEntries(names.map((name) => [name, meanError(of, name)]))
  }
  return result
}

/** Tolerance in nats of a correct estimate, unless the case has its own. */
const usualTolerance = 0.05

/** Whether `auto` is within the tolerance of the case. */
export const isRight = (verdict: Verdict): boolean =>
  errorOf(verdict, 'auto') <= (verdict.truth.tolerance ?? usualTolerance)

/** The kinds of messy samples, by the prefix of the names of their cases. */
const messyKinds: Readonly<Record<string, string>> = {
  m01: 'rounded normals',
  m02: 'counts',
  m03: 'pixels and ages, clipped and heaped',
  m04: 'evenly spaced x',
  m05: 'heavy tails',
  m06: 'clusters of different scale',
  m07: 'copies, atoms beside a density',
  m08: 'outliers',
  m09: 'labels and bits',
  m10: 'columns of several kinds',
  m11: 'functions of finite entropy',
  m12: 'angles',
  m13: 'serial rows',
  m14: 'scales and offsets',
  m15: 'shared discrete columns',
}

/** The kind of a case of messy samples; undefined for other cases. */
export const messyKindOf = ({ name }: Truth): string | undefined => messyKinds[name.slice(0, 3)]

/** Results of `auto` on messy samples of one kind. */
export interface MessyStanding {
  readonly kind: string
  readonly cases: number
  readonly right: number
  readonly error: number
  readonly worst: number
}

/** By kind, and in total. Empty without messy samples. */
export function messyStandings(verdicts: readonly Verdict[]): MessyStanding[] {
  const messy = verdicts.filter(({ truth }) => messyKindOf(truth) !== undefined)
  const standing = (kind: string, of: readonly Verdict[]): MessyStanding[] => {
    if (of.length === 0) return []
    const errors = of.map((verdict) => errorOf(verdict, 'auto'))
    return [
      {
        kind,
        cases: of.length,
        right: of.filter(isRight).length,
        error: mean(errors),
        worst: Math.max(...errors),
      },
    ]
  }
  return [
    ...Object.values(messyKinds).flatMap((kind) =>
      standing(
        kind,
        messy.filter(({ truth }) => messyKindOf(truth) === kind),
      ),
    ),
    ...standing('all', messy),
  ]
}

interface Family {
  readonly name: string
  readonly estimator: string
  readonly has: (truth: Truth) => boolean
  readonly goal: number
  readonly measure?: (errors: readonly number[]) => number
}

const width = ({ dx, dy }: Truth) => Math.max(dx, dy)
/** Cases of one kind that are not messy. */
const isClean = (kind: Kind) => (truth: Truth) => truth.kind === kind && messyKindOf(truth) === undefined
const isContinuous = isClean('cc')
const between = (low: number, high: number) => (truth: Truth) =>
  isContinuous(truth) && width(truth) >= low && width(truth) <= high

const list: readonly Family[] = [
  { name: 'continuous, all', estimator: 'auto', has: isContinuous, goal: 0.055 },
  { name: '1-d x 1-d', estimator: 'auto', has: between(1, 1), goal: 0.011 },
  { name: '2-d and 3-d', estimator: 'auto', has: between(2, 3), goal: 0.09 },
  { name: '5-d', estimator: 'auto', has: between(4, 9), goal: 0.04 },
  { name: '10-d and more', estimator: 'auto', has: between(10, Number.POSITIVE_INFINITY), goal: 0.035 },
  {
    name: 'Student-t',
    estimator: 'auto',
    has: (truth) => isContinuous(truth) && truth.name.includes('student'),
    goal: 0.075,
  },
  { name: 'labels', estimator: 'auto', has: isClean('cd'), goal: 0.02 },
  { name: 'labels, neighbors alone', estimator: 'Ross', has: isClean('cd'), goal: 0.069 },
  { name: 'discrete', estimator: 'auto', has: isClean('dd'), goal: 0.0059 },
  { name: 'mixed', estimator: 'auto', has: isClean('mixed'), goal: 0.017 },
  {
    name: 'continuous, dx + dy <= 10',
    estimator: 'EDGE',
    has: (truth) => isContinuous(truth) && truth.dx + truth.dy <= 10,
    goal: 0.25,
  },
  {
    name: 'continuous, dx + dy <= 10, median',
    estimator: 'EDGE',
    has: (truth) => isContinuous(truth) && truth.dx + truth.dy <= 10,
    goal: 0.075,
    measure: median,
  },
]

/** A family's mean (or median) error with its goal. */
export interface Standing {
  readonly family: string
  readonly estimator: string
  readonly cases: number
  readonly error: number
  readonly goal: number
  /** The best peer with estimates for every case of the family. */
  readonly peer: { readonly name: string; readonly error: number } | undefined
}

export function standings(verdicts: readonly Verdict[], peers: Peers): Standing[] {
  return list.flatMap(({ name, estimator, has, goal, measure = mean }) => {
    const of = verdicts.filter((verdict) => has(verdict.truth) && estimator in verdict.estimates)
    if (of.length === 0) return []
    const error = measure(of.map((verdict) => errorOf(verdict, estimator)))
    const cases = of.map(({ truth }) => truth.name)
    return [{ family: name, estimator, cases: of.length, error, goal, peer: bestPeer(cases, peers, measure) }]
  })
}

function bestPeer(cases: readonly string[], peers: Peers, measure: (errors: readonly number[]) => number) {
  const first = peers.get(cases[0] as string) ?? new Map<string, number>()
  const whole = [...first.keys()].flatMap((name) => {
    const errors = cases.map((c) => peers.get(c)?.get(name))
    return errors.includes(undefined) ? [] : [{ name, error: measure(errors as number[]) }]
  })
  return whole.sort((a, b) => a.error - b.error)[0]
}

/** Number of continuous cases that `auto` estimates within 0.05 nats, and their total. */
export function closeCases(verdicts: readonly Verdict[]): { close: number; of: number } {
  const continuous = verdicts.filter(({ truth, estimates }) => isContinuous(truth) && 'auto' in estimates)
  return { close: continuous.filter((v) => errorOf(v, 'auto') <= 0.05).length, of: continuous.length }
}
