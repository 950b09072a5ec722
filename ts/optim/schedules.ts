/** Learning rates that change from epoch to epoch. */
import { ArgumentError } from '../errors.js'

/** The learning rate of an epoch (0 is the first one), from the optimizer's own rate. */
export type Schedule = (baseRate: number, epoch: number) => number

/** Times `factor(epoch)`. */
export function lambdaLR(factor: (epoch: number) => number): Schedule {
  return (base, epoch) => base * factor(epoch)
}

/** Times `gamma` every `stepSize` epochs. */
export function stepLR({ stepSize, gamma = 0.1 }: { stepSize: number; gamma?: number }): Schedule {
  positive('stepLR: stepSize', stepSize)
  return (base, epoch) => base * gamma ** Math.floor(epoch / stepSize)
}

/** Times `gamma` at each milestone; a milestone given twice counts twice. */
export function multiStepLR({
  milestones,
  gamma = 0.1,
}: {
  milestones: readonly number[]
  gamma?: number
}): Schedule {
  return (base, epoch) => base * gamma ** milestones.filter((milestone) => milestone <= epoch).length
}

/** Times `gamma` every epoch. */
export function exponentialLR({ gamma }: { gamma: number }): Schedule {
  return (base, epoch) => base * gamma ** epoch
}

/** Linear from `startFactor` to `endFactor` of the base rate over `totalEpochs`, then constant. */
export function linearLR({
  startFactor = 1 / 3,
  endFactor = 1,
  totalEpochs = 5,
}: {
  startFactor?: number
  endFactor?: number
  totalEpochs?: number
}): Schedule {
  positive('linearLR: totalEpochs', totalEpochs)
  return (base, epoch) =>
    base * (startFactor + ((endFactor - startFactor) * Math.min(epoch, totalEpochs)) / totalEpochs)
}

/** Down to 0 as `(1 - epoch / totalEpochs)^power`, then 0. */
export function polynomialLR({
  totalEpochs = 5,
  power = 1,
}: {
  totalEpochs?: number
  power?: number
}): Schedule {
  positive('polynomialLR: totalEpochs', totalEpochs)
  return (base, epoch) => base * (1 - Math.min(epoch, totalEpochs) / totalEpochs) ** power
}

/** Half a cosine from the base rate to `minRate` in `period` epochs, and back (Loshchilov and Hutter 2017). */
export function cosineLR({ period, minRate = 0 }: { period: number; minRate?: number }): Schedule {
  positive('cosineLR: period', period)
  return (base, epoch) => cosine(base, minRate, epoch / period)
}

/** Half a cosine to `minRate`, begun anew after `period` epochs; each period is `multiplier` times the one before. */
export function cosineRestartsLR({
  period,
  multiplier = 1,
  minRate = 0,
}: {
  period: number
  multiplier?: number
  minRate?: number
}): Schedule {
  positive('cosineRestartsLR: period', period)
  if (!(multiplier >= 1)) {
    throw new ArgumentError(`cosineRestartsLR: multiplier must be at least 1, received ${multiplier}`)
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

/**
 * One rise and one long fall (Smith and Topin 2018): from `maxRate / initialDivisor` up to `maxRate` over the first
 * `riseShare` of all steps, then down to the initial rate over `finalDivisor`, both along half a cosine. The base rate is not used.
 */
export function oneCycleLR({
  maxRate,
  totalSteps,
  riseShare = 0.3,
  initialDivisor = 25,
  finalDivisor = 1e4,
}: {
  maxRate: number
  totalSteps: number
  riseShare?: number
  initialDivisor?: number
  finalDivisor?: number
}): Schedule {
  positive('oneCycleLR: totalSteps', totalSteps)
  const initial = maxRate / initialDivisor
  const peak = riseShare * totalSteps - 1
  const last = totalSteps - 1
  return (_base, step) => {
    if (step > last) {
      throw new ArgumentError(`oneCycleLR: step ${step} is beyond the ${totalSteps} steps of the cycle`)
    }
    if (step <= peak) return cosine(initial, maxRate, peak === 0 ? 1 : step / peak)
    return cosine(maxRate, initial / finalDivisor, (step - peak) / (last - peak))
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
  if (!Number.isFinite(value) || value <= 0)
    throw new ArgumentError(`${what} must be above 0, received ${value}`)
}
