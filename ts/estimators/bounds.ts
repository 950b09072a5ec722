/**
 * Variational bounds on mutual information as functions of scores: F_ij = f(x_i, y_j) of a critic f, `[n, n]`. The diagonal holds
 * the n joint samples, the rest the n (n - 1) samples of the product of the margins. All are in nats, scalars, and differentiable.
 */
import { ShapeError } from '../core/errors.js'
import { tensorOrNumber } from '../core/operands.js'
import { checkValue } from '../core/options.js'
import { where } from '../ops/index.js'
import { indexAlong } from '../ops/movement.js'
import type { Tensor } from '../ops/tensor.js'
import { checkPositive, checkTensor } from './check.js'

/** Donsker and Varadhan 1983, the bound of MINE (Belghazi et al. 2018, eq. 10): mean f_ii - ln mean_{i != j} exp f_ij. */
export function donskerVaradhan(scores: Tensor): Tensor {
  checkScores('donskerVaradhan', scores)
  return joint(scores).sub(logMeanExpApart(scores))
}

/**
 * An objective with the bias-corrected gradient of MINE (Belghazi et al. 2018, eq. 12): the expectation of exp f under the product is
 * divided by its moving average instead of the mean of the batch. Its value is meaningless.
 *
 * @param logAverage ln of the moving average of mean exp f, a constant
 */
export function mineObjective(scores: Tensor, logAverage: Tensor | number): Tensor {
  checkScores('mineObjective', scores)
  checkValue('mineObjective: logAverage', logAverage, tensorOrNumber)
  return joint(scores).sub(meanApart(scores.sub(logAverage).exp()))
}

/** Nguyen, Wainwright and Jordan 2010: mean f_ii - mean_{i != j} exp(f_ij - 1). */
export function nguyenWainwrightJordan(scores: Tensor): Tensor {
  checkScores('nguyenWainwrightJordan', scores)
  return joint(scores).sub(meanApart(scores.sub(1).exp()))
}

/** InfoNCE (van den Oord, Li and Vinyals 2018): mean_i [f_ii - ln mean_j exp f_ij], the mean with j = i. At most ln n. */
export function infoNCE(scores: Tensor): Tensor {
  const n = checkScores('infoNCE', scores)
  return joint(scores).sub(scores.logSumExp(1).mean()).add(Math.log(n))
}

/**
 * Jensen-Shannon objective (Hjelm et al. 2019): mean -softplus(-f_ii) - mean_{i != j} softplus(f_ij). A training objective, not an estimate
 * of information.
 */
export function jensenShannon(scores: Tensor): Tensor {
  checkScores('jensenShannon', scores)
  return scores.diagonal().neg().softplus().mean().neg().sub(meanApart(scores.softplus()))
}

/**
 * SMILE (Song and Ermon 2020, eq. 11): the bound of Donsker and Varadhan with exp f clipped to [e^-tau, e^tau] in its second term. A small
 * tau has less variance and more bias. Not a bound.
 */
export function smile(scores: Tensor, tau: number): Tensor {
  checkScores('smile', scores)
  if (tau === Number.POSITIVE_INFINITY) return donskerVaradhan(scores)
  checkPositive('smile: tau', tau)
  return joint(scores).sub(logMeanExpApart(scores.clip(-tau, tau)))
}

/**
 * CLUB (Cheng et al. 2020, eq. 6): mean_i [ln q(y_i | x_i) - mean_j ln q(y_j | x_i)] for normal q with a diagonal covariance. An upper
 * bound if q is the true conditional.
 *
 * @param mean `[n, d]`, of q(. | x_i)
 * @param logVariance `[n, d]`
 * @param y `[n, d]`
 */
export function club(mean: Tensor, logVariance: Tensor, y: Tensor): Tensor {
  for (const [name, part] of Object.entries({ mean, logVariance, y })) checkTensor(`club: ${name}`, part)
  if ([logVariance, y].some(({ shape }) => String(shape) !== String(mean.shape)) || mean.rank !== 2) {
    throw new ShapeError(
      `club: mean, logVariance and y have shapes [${mean.shape}], [${logVariance.shape}] and [${y.shape}], expected one shape [n, d]`,
    )
  }
  const weight = logVariance.neg().exp()
  const own = y.sub(mean).square()
  // The mean over j of (y_j - m_i)^2 is the variance of y plus the squared distance of m_i from its mean.
  const center = y.mean(0, { keepDims: true })
  const others = y.sub(center).square().mean(0).add(center.sub(mean).square())
  return others.sub(own).mul(weight).sum(1).mean().div(2)
}

function checkScores(name: string, scores: Tensor): number {
  checkTensor(`${name}: scores`, scores)
  const [n, m] = scores.shape
  if (scores.rank === 2 && n === m && (n as number) >= 2) return n as number
  throw new ShapeError(
    `${name}: scores have shape [${scores.shape}], expected [n, n] with n of at least 2: f(x_i, y_j) of all pairs`,
  )
}

function joint(scores: Tensor): Tensor {
  checkScores('scores', scores)
  return scores.diagonal().mean()
}

function isDiagonal(scores: Tensor): Tensor {
  const { shape } = scores
  return indexAlong(shape, 0).equal(indexAlong(shape, 1))
}

function meanApart(values: Tensor): Tensor {
  const n = checkScores('scores', values)
  return where(isDiagonal(values), 0, values)
    .sum()
    .div(n * (n - 1))
}

/** ln mean_{i != j} exp f_ij. */
export function logMeanExpApart(scores: Tensor): Tensor {
  const n = checkScores('scores', scores)
  return where(isDiagonal(scores), Number.NEGATIVE_INFINITY, scores)
    .logSumExp()
    .sub(Math.log(n * (n - 1)))
}
