/** Learning rates that change from epoch to epoch. */
import { ArgumentError, describe, unknownName } from '../errors.js'
import { checkOptions } from '../options.js'

/** The learning rate of an epoch (0 is the first one), from the optimizer's own rate. */
export type Schedule = (baseRate: number, epoch: number) => number

/** Times `factor(epoch)`. */
export function lambdaLR(factor: (epoch: number) => number): Schedule {
  if (typeof factor !== 'function') {
    throw new ArgumentError(`lambdaLR: given ${describe(factor)}, expected a function of the epoch`)
  }
  return (base, epoch) => base * factor(epoch)
}

/** Times `gamma` every `stepSize` epochs. */
export function stepLR(options: { stepSize: number; gamma?: number }): Schedule {
  checkOptions('stepLR', options, ['stepSize', 'gamma'])
  const { stepSize, gamma = 0.1 } = { ...options }
  positive('stepLR: stepSize', stepSize)
  notNegative('stepLR: gamma', gamma)
  return (base, epoch) => base * gamma ** Math.floor(epoch / stepSize)
}

/** Times `gamma` at each milestone; a milestone given twice counts twice. */
export function multiStepLR(options: { milestones: readonly number[]; gamma?: number }): Schedule {
  checkOptions('multiStepLR', options, ['milestones', 'gamma'])
  const { milestones, gamma = 0.1 } = { ...options }
  if (!Array.isArray(milestones) || !Array.from(milestones).every(Number.isFinite)) {
    throw new ArgumentError(
      `multiStepLR: milestones is ${describe(milestones)}, expected a list of epochs such as [30, 80]`,
    )
  }
  notNegative('multiStepLR: gamma', gamma)
  const places: readonly number[] = [...milestones]
  return (base, epoch) => base * gamma ** places.filter((milestone) => milestone <= epoch).length
}

/** Times `gamma` every epoch. */
export function exponentialLR(options: { gamma: number }): Schedule {
  checkOptions('exponentialLR', options, ['gamma'])
  const { gamma } = { ...options }
  notNegative('exponentialLR: gamma', gamma)
  return (base, epoch) => base * gamma ** epoch
}

/** Linear from `startFactor` to `endFactor` of the base rate over `totalEpochs`, then constant. */
export function linearLR(
  options: { startFactor?: number; endFactor?: number; totalEpochs?: number } = {},
): Schedule {
  checkOptions('linearLR', options, ['startFactor', 'endFactor', 'totalEpochs'])
  const { startFactor = 1 / 3, endFactor = 1, totalEpochs = 5 } = options
  positive('linearLR: totalEpochs', totalEpochs)
  notNegative('linearLR: startFactor', startFactor)
  notNegative('linearLR: endFactor', endFactor)
  return (base, epoch) =>
    base * (startFactor + ((endFactor - startFactor) * Math.min(epoch, totalEpochs)) / totalEpochs)
}

/** Down to 0 as `(1 - epoch / totalEpochs)^power`, then 0. */
export function polynomialLR(options: { totalEpochs?: number; power?: number } = {}): Schedule {
  checkOptions('polynomialLR', options, ['totalEpochs', 'power'])
  const { totalEpochs = 5, power = 1 } = options
  positive('polynomialLR: totalEpochs', totalEpochs)
  notNegative('polynomialLR: power', power)
  return (base, epoch) => base * (1 - Math.min(epoch, totalEpochs) / totalEpochs) ** power
}

/** Half a cosine from the base rate to `minRate` in `period` epochs, and back (Loshchilov and Hutter 2017). */
export function cosineLR(options: { period: number; minRate?: number }): Schedule {
  checkOptions('cosineLR', options, ['period', 'minRate'])
  const { period, minRate = 0 } = { ...options }
  positive('cosineLR: period', period)
  notNegative('cosineLR: minRate', minRate)
  return (base, epoch) => cosine(base, minRate, epoch / period)
}

/** Half a cosine to `minRate`, begun anew after `period` epochs; each period is `multiplier` times the one before. */
export function cosineRestartsLR(options: {
  period: number
  multiplier?: number
  minRate?: number
}): Schedule {
  checkOptions('cosineRestartsLR', options, ['period', 'multiplier', 'minRate'])
  const { period, multiplier = 1, minRate = 0 } = { ...options }
  positive('cosineRestartsLR: period', period)
  notNegative('cosineRestartsLR: minRate', minRate)
  if (!(Number.isFinite(multiplier) && multiplier >= 1)) {
    throw new ArgumentError(
      `cosineRestartsLR: multiplier must be at least 1, received ${describe(multiplier)}`,
    )
  }
  return (base, epoch) => {
    let length = period
    let since = epoch
    while (since >= length) {
      since -= length
      length *= multiplier
    }
    return cosine(base, minRate, since / length)
  }
}

/** How {@link oneCycleLR} goes from one rate to the next: along half a cosine, or a line. */
export type Annealing = 'cos' | 'linear'

const annealings: { readonly [A in Annealing]: (from: number, to: number, phase: number) => number } = {
  cos: cosine,
  linear: (from, to, phase) => from + (to - from) * phase,
}

/**
 * One rise and one long fall (Smith and Topin 2018): from `maxRate / initialDivisor` up to `maxRate` over the first
 * `riseShare` of all steps, then down to the initial rate over `finalDivisor`. With `threePhase` the rate falls to the initial one in as
 * many steps as it rose, and then to the last; `riseShare` is at most 0.5. Each phase goes by `annealing`. The base rate is not used.
 *
 * The phases end with steps `riseShare * totalSteps - 1`, with `threePhase` `2 * riseShare * totalSteps - 2`, and `totalSteps - 1`, as in
 * PyTorch's OneCycleLR.
 */
export function oneCycleLR(options: {
  maxRate: number
  totalSteps: number
  riseShare?: number
  initialDivisor?: number
  finalDivisor?: number
  annealing?: Annealing
  threePhase?: boolean
}): Schedule {
  checkOptions('oneCycleLR', options, [
    'maxRate',
    'totalSteps',
    'riseShare',
    'initialDivisor',
    'finalDivisor',
    'annealing',
    'threePhase',
  ])
  const { maxRate, totalSteps, riseShare = 0.3, initialDivisor = 25, finalDivisor = 1e4 } = { ...options }
  const { annealing = 'cos', threePhase = false } = { ...options }
  notNegative('oneCycleLR: maxRate', maxRate)
  positive('oneCycleLR: initialDivisor', initialDivisor)
  positive('oneCycleLR: finalDivisor', finalDivisor)
  positive('oneCycleLR: totalSteps', totalSteps)
  if (!Object.hasOwn(annealings, annealing))
    throw unknownName('annealing', annealing, Object.keys(annealings))
  const most = threePhase ? 0.5 : 1
  if (!(riseShare >= 0 && riseShare <= most)) {
    throw new ArgumentError(
      `oneCycleLR: riseShare is ${describe(riseShare)}, expected a share of the steps from 0 to ${most}`,
    )
  }
  const anneal = annealings[annealing]
  const initial = maxRate / initialDivisor
  const last = totalSteps - 1
  const rise = { end: riseShare * totalSteps - 1, from: initial, to: maxRate }
  const fall = { end: last, from: threePhase ? initial : maxRate, to: initial / finalDivisor }
  const back = { end: 2 * riseShare * totalSteps - 2, from: maxRate, to: initial }
  const phases = threePhase ? [rise, back, fall] : [rise, fall]
  return (_base, step) => {
    if (step > last) {
      throw new ArgumentError(`oneCycleLR: step ${step} is beyond the ${totalSteps} steps of the cycle`)
    }
    const at = phases.findIndex(({ end }) => step <= end)
    const { from, to, end } = phases[at] as typeof rise
    const start = at === 0 ? 0 : (phases[at - 1] as typeof rise).end
    return anneal(from, to, end === start ? 1 : (step - start) / (end - start))
  }
}

/** 1, then 0.1 after epoch 80, 0.01 after 120, 0.001 after 160 and 0.0005 after 180: the usual one for residual networks. */
export function residualNetworkLR(): Schedule {
  return lambdaLR((epoch) =>
    epoch > 180 ? 5e-4 : epoch > 160 ? 1e-3 : epoch > 120 ? 1e-2 : epoch > 80 ? 0.1 : 1,
  )
}

function cosine(from: number, to: number, phase: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * phase))) / 2
}

function positive(what: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return
  throw new ArgumentError(`${what} must be a finite number above 0, received ${describe(value)}`)
}

function notNegative(what: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return
  throw new ArgumentError(`${what} must be a finite number of at least 0, received ${describe(value)}`)
}
