/** Learning rates that change from epoch to epoch. */
import { ArgumentError } from '../../core/errors.js'
import {
  above,
  atLeast,
  between,
  type Checks,
  callable,
  checkOptions,
  checkValue,
  finite,
  flag,
  listOf,
  oneOf,
  required,
} from '../../core/options.js'

/** The learning rate of an epoch (0 is the first epoch), from the optimizer's own rate. */
export type Schedule = (baseRate: number, epoch: number) => number

/** The base rate times `factor(epoch)`. */
export function lambdaLR(factor: (epoch: number) => number): Schedule {
  checkValue('lambdaLR: factor', factor, callable<(epoch: number) => number>())
  return checked((base, epoch) => base * factor(epoch))
}

/** Options of {@link stepLR}. */
export interface StepOptions {
  /** Epochs between two reductions. */
  stepSize: number
  /** Default 0.1. */
  gamma?: number
}

const stepLRChecks: Checks<StepOptions> = { stepSize: required(above(0)), gamma: atLeast(0) }

/** The rate is multiplied by `gamma` every `stepSize` epochs. */
export function stepLR(options: StepOptions): Schedule {
  const { stepSize, gamma = 0.1 } = checkOptions('stepLR', options, stepLRChecks)
  return checked((base, epoch) => base * gamma ** Math.floor(epoch / stepSize))
}

/** Options of {@link multiStepLR}. */
export interface MultiStepOptions {
  /** Epochs at which the rate is reduced. */
  milestones: readonly number[]
  /** Default 0.1. */
  gamma?: number
}

const multiStepLRChecks: Checks<MultiStepOptions> = {
  milestones: required(listOf(finite)),
  gamma: atLeast(0),
}

/** The rate is multiplied by `gamma` at each milestone, and twice at a milestone that is given twice. */
export function multiStepLR(options: MultiStepOptions): Schedule {
  const { milestones, gamma = 0.1 } = checkOptions('multiStepLR', options, multiStepLRChecks)
  const places: readonly number[] = [...milestones]
  return checked((base, epoch) => base * gamma ** places.filter((milestone) => milestone <= epoch).length)
}

/** Options of {@link exponentialLR}. */
export interface ExponentialOptions {
  gamma: number
}

const exponentialLRChecks: Checks<ExponentialOptions> = { gamma: required(atLeast(0)) }

/** The rate is multiplied by `gamma` every epoch. */
export function exponentialLR(options: ExponentialOptions): Schedule {
  const { gamma } = checkOptions('exponentialLR', options, exponentialLRChecks)
  return checked((base, epoch) => base * gamma ** epoch)
}

/** Options of {@link linearLR}. */
export interface LinearOptions {
  /** Default 1/3. */
  startFactor?: number
  /** Default 1. */
  endFactor?: number
  /** Default 5. */
  totalEpochs?: number
}

const linearLRChecks: Checks<LinearOptions> = {
  startFactor: atLeast(0),
  endFactor: atLeast(0),
  totalEpochs: above(0),
}

/** Linear from `startFactor` to `endFactor` of the base rate over `totalEpochs`, then constant. */
export function linearLR(options: LinearOptions = {}): Schedule {
  const {
    startFactor = 1 / 3,
    endFactor = 1,
    totalEpochs = 5,
  } = checkOptions('linearLR', options, linearLRChecks)
  return checked(
    (base, epoch) =>
      base * (startFactor + ((endFactor - startFactor) * Math.min(epoch, totalEpochs)) / totalEpochs),
  )
}

/** Options of {@link polynomialLR}. */
export interface PolynomialDecayOptions {
  /** Default 5. */
  totalEpochs?: number
  /** Default 1. */
  power?: number
}

const polynomialLRChecks: Checks<PolynomialDecayOptions> = { totalEpochs: above(0), power: atLeast(0) }

/** The base rate times `(1 - epoch / totalEpochs)^power`, then 0. */
export function polynomialLR(options: PolynomialDecayOptions = {}): Schedule {
  const { totalEpochs = 5, power = 1 } = checkOptions('polynomialLR', options, polynomialLRChecks)
  return checked((base, epoch) => base * (1 - Math.min(epoch, totalEpochs) / totalEpochs) ** power)
}

/** Options of {@link cosineLR}. */
export interface CosineOptions {
  /** Epochs of half a cosine. */
  period: number
  /** Default 0. */
  minRate?: number
}

const cosineLRChecks: Checks<CosineOptions> = { period: required(above(0)), minRate: atLeast(0) }

/** Half a cosine from the base rate to `minRate` in `period` epochs, and back (Loshchilov and Hutter 2017). */
export function cosineLR(options: CosineOptions): Schedule {
  const { period, minRate = 0 } = checkOptions('cosineLR', options, cosineLRChecks)
  return checked((base, epoch) => cosine(base, minRate, epoch / period))
}

/** Options of {@link cosineRestartsLR}. */
export interface CosineRestartsOptions {
  /** Epochs of the first half cosine. */
  period: number
  /** Default 1. */
  multiplier?: number
  /** Default 0. */
  minRate?: number
}

const cosineRestartsLRChecks: Checks<CosineRestartsOptions> = {
  period: required(above(0)),
  multiplier: atLeast(1),
  minRate: atLeast(0),
}

/** Half a cosine to `minRate`, restarted after `period` epochs; each period is `multiplier` times as long as the period before. */
export function cosineRestartsLR(options: CosineRestartsOptions): Schedule {
  const {
    period,
    multiplier = 1,
    minRate = 0,
  } = checkOptions('cosineRestartsLR', options, cosineRestartsLRChecks)
  return checked((base, epoch) => {
    const [since, length] = placeInPeriods(epoch, period, multiplier)
    return cosine(base, minRate, since / length)
  })
}

/** Shape of the phases of {@link oneCycleLR}: half a cosine, or a line. */
export type Annealing = 'cos' | 'linear'

const annealings: { readonly [A in Annealing]: (from: number, to: number, phase: number) => number } = {
  cos: cosine,
  linear: (from, to, phase) => from + (to - from) * phase,
}

/** Options of {@link oneCycleLR}. */
export interface OneCycleOptions {
  maxRate: number
  totalSteps: number
  /** Share of the steps in which the rate rises. Default 0.3. */
  riseShare?: number
  /** Default 25. */
  initialDivisor?: number
  /** Default 1e4. */
  finalDivisor?: number
  /** Default 'cos'. */
  annealing?: Annealing
  /** Default false. */
  threePhase?: boolean
}

const oneCycleLRChecks: Checks<OneCycleOptions> = {
  maxRate: required(atLeast(0)),
  totalSteps: required(above(0)),
  riseShare: between(0, 1),
  initialDivisor: above(0),
  finalDivisor: above(0),
  annealing: oneOf(...(Object.keys(annealings) as Annealing[])),
  threePhase: flag,
}

/**
 * One rise and one long fall (Smith and Topin 2018): from `maxRate / initialDivisor` up to `maxRate` over the first
 * `riseShare` of all steps, then down to the initial rate over `finalDivisor`. With `threePhase` the rate falls to the initial rate in as
 * many steps as it rose, and then to the final rate; `riseShare` is at most 0.5. `annealing` is the shape of each phase. The base rate is not used.
 *
 * The phases end with steps `riseShare * totalSteps - 1`, with `threePhase` `2 * riseShare * totalSteps - 2`, and `totalSteps - 1`, as in
 * PyTorch's OneCycleLR.
 */
export function oneCycleLR(options: OneCycleOptions): Schedule {
  const {
    maxRate,
    totalSteps,
    riseShare = 0.3,
    initialDivisor = 25,
    finalDivisor = 1e4,
    annealing = 'cos',
    threePhase = false,
  } = checkOptions('oneCycleLR', options, oneCycleLRChecks)
  checkValue('oneCycleLR: riseShare', riseShare, between(0, threePhase ? 0.5 : 1))
  const anneal = annealings[annealing]
  const initial = maxRate / initialDivisor
  const last = totalSteps - 1
  const rise = { end: riseShare * totalSteps - 1, from: initial, to: maxRate }
  const fall = { end: last, from: threePhase ? initial : maxRate, to: initial / finalDivisor }
  const back = { end: 2 * riseShare * totalSteps - 2, from: maxRate, to: initial }
  const phases = threePhase ? [rise, back, fall] : [rise, fall]
  return checked((_base, step) => {
    if (step > last) {
      throw new ArgumentError(`oneCycleLR: step ${step} is beyond the ${totalSteps} steps of the cycle`)
    }
    const at = phases.findIndex(({ end }) => step <= end)
    const { from, to, end } = phases[at] as typeof rise
    const start = at === 0 ? 0 : (phases[at - 1] as typeof rise).end
    return anneal(from, to, end === start ? 1 : (step - start) / (end - start))
  })
}

/** 1, then 0.1 after epoch 80, 0.01 after 120, 0.001 after 160 and 0.0005 after 180: the usual schedule of residual networks. */
export function residualNetworkLR(): Schedule {
  return lambdaLR((epoch) =>
    epoch > 180 ? 5e-4 : epoch > 160 ? 1e-3 : epoch > 120 ? 1e-2 : epoch > 80 ? 0.1 : 1,
  )
}

/** Options of {@link warmupLR}. */
export interface WarmupOptions {
  /** Steps, or epochs, over which the rate rises to that of the optimizer. */
  steps: number
  /** Part of the rate to begin with. Default 1 / (steps + 1), so that the first one is no 0. */
  startFactor?: number
}

const warmupLRChecks: Checks<WarmupOptions> = { steps: required(above(0)), startFactor: between(0, 1) }

/**
 * A linear rise at the beginning, and then another schedule from its own beginning (Goyal et al. 2017). Counted in steps with `new LearningRate(..., { per: 'step' })`, in epochs
 * without.
 *
 *     callbacks: [new LearningRate(warmupLR({ steps: 500 }, cosineLR({ period: 10_000 })), { per: 'step' })]
 *
 * @param then the schedule behind the rise. Default: the rate of the optimizer
 */
export function warmupLR(options: WarmupOptions, then: Schedule = (base) => base): Schedule {
  const given = checkOptions('warmupLR', options, warmupLRChecks)
  const { steps, startFactor = 1 / (given.steps + 1) } = given
  checkValue('warmupLR: then', then, callable<Schedule>())
  return checked((base, step) =>
    step < steps ? base * (startFactor + ((1 - startFactor) * step) / steps) : then(base, step - steps),
  )
}

function cosine(from: number, to: number, phase: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * phase))) / 2
}

/** Position of an epoch in its period, and the period's length; each period is `multiplier` times as long as the period before. */
function placeInPeriods(epoch: number, period: number, multiplier: number): [since: number, length: number] {
  if (multiplier === 1) return [epoch % period, period]
  // n periods take period (multiplier^n - 1) / (multiplier - 1); a loop over them would not end for a multiplier near 1.
  const begin = (n: number) => (period * (multiplier ** n - 1)) / (multiplier - 1)
  const guess = Math.floor(Math.log1p((epoch * (multiplier - 1)) / period) / Math.log(multiplier))
  const n = begin(guess + 1) <= epoch ? guess + 1 : begin(guess) > epoch ? guess - 1 : guess
  return [epoch - begin(n), period * multiplier ** n]
}

/** A schedule that checks its rate and epoch. */
function checked(schedule: Schedule): Schedule {
  return (base, epoch) =>
    schedule(
      checkValue('schedule: base rate', base, atLeast(0)),
      checkValue('schedule: epoch', epoch, atLeast(0)),
    )
}
