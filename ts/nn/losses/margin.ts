/** Losses with a margin between right and wrong scores. */
import { ShapeError } from '../../core/errors.js'
import { above, atLeast, type Checks, checkOptions, finite, flag } from '../../core/options.js'
import { norm, where } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { checkLabelShape, checkScores, isClassOf, isKnownLabel } from './class-labels.js'
import { checkSameShape, type LossOptions, lossChecks, reduce } from './reduction.js'

/** Options of {@link hinge} and {@link squaredHinge}. */
export interface HingeOptions extends LossOptions {
  /** Smallest `target pred` without loss. Default 1. */
  margin?: number
}

/** The checks of {@link HingeOptions}. */
export const hingeChecks: Checks<HingeOptions> = { ...lossChecks, margin: finite }

/**
 * Hinge loss, `max(0, margin - target pred)`; mean over all entries by default.
 *
 * @param target same shape, -1 or 1; the loss of other entries is NaN
 */
export function hinge(pred: Tensor, target: Tensor, options: HingeOptions = {}): Tensor {
  const { margin = 1, reduction } = checkOptions('hinge', options, hingeChecks)
  return reduce(shortfall('hinge', pred, target, margin), reduction)
}

/** The square of {@link hinge}, entry by entry. */
export function squaredHinge(pred: Tensor, target: Tensor, options: HingeOptions = {}): Tensor {
  const { margin = 1, reduction } = checkOptions('squaredHinge', options, hingeChecks)
  return reduce(shortfall('squaredHinge', pred, target, margin).square(), reduction)
}

function shortfall(name: string, pred: Tensor, target: Tensor, margin: number): Tensor {
  checkSameShape(name, pred, target)
  const side = target.dtype === pred.dtype ? target : target.cast(pred.dtype)
  return where(side.abs().equal(1), side.mul(pred).neg().add(margin).relu(), Number.NaN)
}

/** Options of {@link multiMargin}. */
export interface MultiMarginOptions extends LossOptions {
  /** Smallest difference between the label's score and another score without loss. Default 1. */
  margin?: number
  /** 2 squares each term. Default 1. */
  p?: 1 | 2
}

/** The checks of {@link MultiMarginOptions}. */
export const multiMarginChecks: Checks<MultiMarginOptions> = {
  ...lossChecks,
  margin: finite,
  p: {
    expected: '1 or 2',
    accepts: (value) => value === 1 || value === 2,
  },
}

/**
 * Hinge loss of many classes (Crammer and Singer 2001, summed over the classes): `sum max(0, margin - pred[label] + pred[c])^p / classes`, over
 * the classes c other than the label.
 *
 * @param pred scores `[batch, classes, ...]`; @param target class indices `[batch, ...]`; for an index outside the classes the result is NaN
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function multiMargin(pred: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
  const { margin = 1, p = 1, reduction } = checkOptions('multiMargin', options, multiMarginChecks)
  checkScores('multiMargin', pred, target)
  const labels = checkLabelShape('multiMargin', pred, target)
  const isClass = isClassOf(labels, pred)
  const own = where(isClass, pred, 0).sum(1, { keepDims: true })
  const gaps = where(isClass, 0, pred.sub(own).add(margin).relu())
  const loss = (p === 1 ? gaps : gaps.square()).sum(1).div(pred.shape[1] as number)
  return reduce(where(isKnownLabel(labels, pred), loss, Number.NaN), reduction)
}

/** Options of {@link tripletMargin}. */
export interface TripletMarginOptions extends LossOptions {
  /** Smallest difference of the two distances without loss. Default 1. */
  margin?: number
  /** Order of the distance, at least 1. Default 2. */
  p?: number
  /** Take the negative's distance from the positive if that distance is smaller (Balntas et al. 2016). Default false. */
  swap?: boolean
  /** Added to every difference, which keeps the slope of a distance of 0 finite. Default 1e-6. */
  eps?: number
}

const tripletChecks: Checks<TripletMarginOptions> = {
  ...lossChecks,
  margin: finite,
  p: atLeast(1),
  swap: flag,
  eps: above(0),
}

/**
 * Triplet loss (Schroff et al. 2015): `max(0, margin + d(anchor, positive) - d(anchor, negative))`, d the distance over the last axis.
 *
 * @param anchor `[batch, ..., features]`; @param positive, negative of the same shape
 * @returns scalar; with reduction 'none', `[batch, ...]`
 */
export function tripletMargin(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginOptions = {},
): Tensor {
  const given = checkOptions('tripletMargin', options, tripletChecks)
  const { margin = 1, p = 2, swap = false, eps = 1e-6, reduction } = given
  checkSameShape('tripletMargin', anchor, positive)
  checkSameShape('tripletMargin', anchor, negative)
  if (anchor.rank === 0) throw new ShapeError('tripletMargin: expected [batch, ..., features], received []')
  const distance = (a: Tensor, b: Tensor) => norm(a.sub(b).add(eps), { ord: p, axes: -1 })
  const near = distance(anchor, positive)
  const far = distance(anchor, negative)
  const apart = swap ? far.minimum(distance(positive, negative)) : far
  return reduce(near.sub(apart).add(margin).relu(), reduction)
}
