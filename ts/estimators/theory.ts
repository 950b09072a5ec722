/** Bounds and checks of information theory for layers in the information plane. */
import {
  atLeast,
  between,
  type Check,
  type Checks,
  checkOptions,
  checkValue,
  finite,
  listOf,
  required,
  whole,
} from '../core/options.js'

/** Arguments of {@link informationBounds}. Information in nats. */
export interface BoundsInput {
  /** I(X; T), the complexity of a representation. */
  compression: number
  /** I(T; Y), its information about the target. */
  relevance: number
  /** Number of training samples. */
  n: number
  /** Number of classes. */
  classes: number
  /** H(Y). Default ln of the number of classes. */
  targetEntropy?: number
  /** Probability that the bound on the gap fails. Default 0.05. */
  delta?: number
  /** Weight of relevance in the Lagrangian. Default 1. */
  beta?: number
}

/** Result of {@link informationBounds}; information in nats. */
export interface InformationBounds {
  /** See {@link generalizationGapBound}. */
  readonly generalizationGap: number
  /** See {@link relevanceGap}. */
  readonly relevanceGap: number
  /** See {@link fanoBound}. */
  readonly errorAtLeast: number
  /** See {@link bottleneckLagrangian}. */
  readonly lagrangian: number
  /** Maximum relevance of a representation of this complexity: min(I(X; T), H(Y)), by the data-processing inequality. */
  readonly relevanceAtMost: number
}

const nats: Check<number> = { ...finite, expected: 'a finite number of nats' }
const entropyInNats: Check<number> = { ...atLeast(0), expected: 'a finite number of nats of at least 0' }
const failure = between(0, 1, 'both')

const checks: Checks<BoundsInput> = {
  compression: required(nats),
  relevance: required(nats),
  n: required(whole(1)),
  classes: required(whole(1)),
  targetEntropy: entropyInNats,
  delta: failure,
  beta: atLeast(0),
}

/** All bounds of one point of the information plane. */
export function informationBounds(input: BoundsInput): InformationBounds {
  const given = checkOptions('informationBounds', input, checks)
  const { compression, relevance, n, classes, delta = 0.05, beta = 1 } = given
  const { targetEntropy = Math.log(classes) } = given
  return {
    generalizationGap: generalizationGapBound(compression, n, delta),
    relevanceGap: relevanceGap(compression, n, classes),
    errorAtLeast: fanoBound(targetEntropy - relevance, classes),
    lagrangian: bottleneckLagrangian(compression, relevance, beta),
    relevanceAtMost: Math.min(compression, targetEntropy),
  }
}

/**
 * Input-compression bound on the generalization gap (Shwartz-Ziv, Painsky and Tishby 2019), for losses in [0, 1]:
 *
 *   gap <= sqrt((2^I(X; T) + ln(1 / delta)) / (2 n)),  I in bits
 *
 * It counts the cells of a typical partition of the inputs. I(X; T) of a deterministic network is the information of the estimator's bins
 * or noise; the bound then holds for the binned or noisy network.
 *
 * @param compression I(X; T) in nats; @param n training samples; @param delta probability of failure
 */
export function generalizationGapBound(compression: number, n: number, delta = 0.05): number {
  checkValue('generalizationGapBound: I(X; T)', compression, nats)
  checkValue('generalizationGapBound: n', n, whole(1))
  checkValue('generalizationGapBound: delta', delta, failure)
  // 2 to the number of bits is e to the number of nats.
  return Math.sqrt((Math.exp(compression) + Math.log(1 / delta)) / (2 * n))
}

/**
 * Order of the error of I(T; Y) on n samples (Shamir, Sabato and Tishby 2010; Tishby and Zaslavsky 2015, eq. 7): K |Y| / sqrt(n), with K =
 * e^I(X; T) typical values of T. A scale, without its constant.
 *
 * @param compression I(X; T) in nats; @param n samples; @param classes values of Y
 */
export function relevanceGap(compression: number, n: number, classes: number): number {
  checkValue('relevanceGap: I(X; T)', compression, nats)
  checkValue('relevanceGap: n', n, whole(1))
  checkValue('relevanceGap: classes', classes, whole(1))
  return (Math.exp(compression) * classes) / Math.sqrt(n)
}

/**
 * Fano's inequality: a lower bound on the error of any classifier of T, the smallest e with h(e) + e ln(classes - 1) >= H(Y | T), h the
 * binary entropy. 0 if H(Y | T) is 0 or less.
 *
 * @param conditionalEntropy H(Y | T) = H(Y) - I(T; Y) in nats, at most ln(classes)
 */
export function fanoBound(conditionalEntropy: number, classes: number): number {
  checkValue('fanoBound: classes', classes, whole(1))
  checkValue('fanoBound: H(Y | T)', conditionalEntropy, nats)
  if (conditionalEntropy <= 0 || classes === 1) return 0
  const limit = (classes - 1) / classes
  if (conditionalEntropy >= Math.log(classes)) return limit
  const most = (e: number) =>
    -e * Math.log(e) - (1 - e) * Math.log1p(-e) + e * Math.log(Math.max(1, classes - 1))
  let [low, high] = [0, limit]
  // Bisection: h(e) + e ln(classes - 1) rises up to e = 1 - 1 / classes.
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (most(middle) < conditionalEntropy) low = middle
    else high = middle
  }
  return high
}

/** The objective of the information bottleneck (Tishby, Pereira and Bialek 1999), to be minimized: I(X; T) - beta I(T; Y). */
export function bottleneckLagrangian(compression: number, relevance: number, beta: number): number {
  checkValue('bottleneckLagrangian: I(X; T)', compression, nats)
  checkValue('bottleneckLagrangian: I(T; Y)', relevance, nats)
  checkValue('bottleneckLagrangian: beta', beta, atLeast(0))
  return compression - beta * relevance
}

/** A violation of the data-processing inequality. */
export interface ProcessingViolation {
  /** Layer whose value exceeds an earlier value; layers count from 0. */
  readonly layer: number
  /** Size of the violation in nats. */
  readonly excess: number
}

const anyNumber: Check<number> = { expected: 'a number', accepts: (value) => typeof value === 'number' }

/**
 * Data-processing inequality: in a chain X -> T1 -> T2 -> ... no layer has more information, about X or about Y, than an earlier layer.
 *
 * Set `tolerance` to about the error of the estimates. Larger violations mean that the estimator measures different quantities in different
 * layers (bins or noise relative to different scales), or that the network has skip connections.
 *
 * @param values information of the layers, input side first, in nats; NaN is skipped
 * @returns the layers whose value exceeds the smallest earlier value by more than the tolerance
 */
export function checkDataProcessing(values: readonly number[], tolerance = 0): ProcessingViolation[] {
  checkValue('checkDataProcessing: values', values, listOf(anyNumber))
  checkValue('checkDataProcessing: tolerance', tolerance, atLeast(0))
  let least = Number.POSITIVE_INFINITY
  return values.flatMap((value, layer) => {
    if (Number.isNaN(value)) return []
    const excess = value - least
    least = Math.min(least, value)
    return excess > tolerance ? [{ layer, excess }] : []
  })
}
