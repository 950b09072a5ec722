/** The deep variational information bottleneck (Alemi, Fischer, Dillon and Murphy 2017, arXiv 1612.00410) as formulas. */
import { literal } from '../core/create.js'
import { nll } from '../nn/losses/index.js'
import { concat, exp, logSoftmax, maximum, softplus, where } from '../ops/index.js'
import { eye, type Tensor, zeros } from '../ops/tensor.js'

/** Structure of the code's covariance. */
export type Covariance = 'diag' | 'full'

/** The code of a batch: a normal distribution for each sample. */
export interface Code {
  /** `[batch, hiddenDim]`. */
  readonly mean: Tensor
  /** 'diag': standard deviations `[batch, hiddenDim]`. 'full': lower triangular factors of the covariances, `[batch, hiddenDim, hiddenDim]`. */
  readonly scale: Tensor
  /** Divergence from the standard normal distribution, in nats, `[batch]`: the rate. */
  readonly kl: Tensor
}

/** The terms of a batch's loss. */
export interface VIBTerms extends Code {
  /** The draws of the code, `[samples, batch, hiddenDim]`. */
  readonly z: Tensor
  /** `-log q(y | z)` in nats, the mean over the draws, `[batch]`. */
  readonly crossEntropy: Tensor
  /** `mean(crossEntropy + tradeOff * kl)`, a scalar. */
  readonly loss: Tensor
  /** Probabilities of the classes, the mean over the draws, `[batch, classes]`. */
  readonly probabilities: Tensor
}

/** Number of the encoder's outputs for a sample. */
export function encodedWidth(hiddenDim: number, covariance: Covariance): number {
  return hiddenDim + (covariance === 'diag' ? hiddenDim : (hiddenDim * (hiddenDim + 1)) / 2)
}

/**
 * The code of an encoder's output: the means first, then raw scales, the lower triangle row by row for a full covariance. Standard deviations, and
 * diagonals of factors, are `softplus(raw + shift)`.
 *
 * @param encoded `[batch, encodedWidth]`
 */
export function codeOf(encoded: Tensor, hiddenDim: number, covariance: Covariance, shift: number): Code {
  const rows = encoded.shape[0] as number
  const mean = encoded.slice([0, 0], [rows, hiddenDim])
  const raw = encoded.slice([0, hiddenDim], [rows, encoded.shape[1] as number])
  if (covariance === 'diag') {
    const shifted = raw.add(shift)
    const scale = softplus(shifted)
    return { mean, scale, kl: divergence(mean, scale.square().sum(1), logOfSoftplus(shifted).sum(1)) }
  }
  const padded = concat([raw, zeros([rows, 1], { dtype: raw.dtype })], 1)
  const square = padded.take(triangle(hiddenDim, raw.shape[1] as number), 1)
  const lower = square.reshape([rows, hiddenDim, hiddenDim])
  const onDiagonal = eye(hiddenDim, hiddenDim, { dtype: 'bool' })
  const shifted = lower.add(shift)
  const scale = where(onDiagonal, softplus(shifted), lower)
  const logDiagonal = where(onDiagonal, logOfSoftplus(shifted), 0).sum([1, 2])
  return { mean, scale, kl: divergence(mean, scale.square().sum([1, 2]), logDiagonal) }
}

/** `KL(N(mean, L L') || N(0, I))` from the squared norm of L and the logarithm of its determinant. */
function divergence(mean: Tensor, squares: Tensor, logDeterminant: Tensor): Tensor {
  const size = mean.shape[1] as number
  return squares.add(mean.square().sum(1)).sub(size).mul(0.5).sub(logDeterminant)
}

/** Below this the logarithm of softplus is its argument, to the last digit of float32 and the tenth of float64. */
const lowest = -20

/** `log(softplus(a))`, also where the exponential of `a` underflows: `log(1 + e^a)` is `e^a - e^2a / 2` there. */
function logOfSoftplus(a: Tensor): Tensor {
  const safe = softplus(maximum(a, lowest)).log()
  return where(a.less(lowest), a.sub(exp(a).mul(0.5)), safe)
}

/** Indices of the entries of a square matrix in the rows of its lower triangle; entries above the diagonal have the index `end`. */
function triangle(size: number, end: number): Tensor {
  const places = Int32Array.from({ length: size * size }, (_, index) => {
    const [row, column] = [Math.floor(index / size), index % size]
    return column <= row ? (row * (row + 1)) / 2 + column : end
  })
  return literal(places)
}

/**
 * Draws of a code.
 *
 * @param noise `[samples, batch, hiddenDim]`, of a standard normal distribution
 */
export function drawsOf({ mean, scale }: Pick<Code, 'mean' | 'scale'>, noise: Tensor): Tensor {
  if (scale.rank === 2) return noise.mul(scale).add(mean)
  // [batch, hiddenDim, samples]
  const turned = scale.matmul(noise.permute([1, 2, 0]))
  return turned.permute([2, 0, 1]).add(mean)
}

/**
 * The terms of the loss.
 *
 * @param z draws of the code, `[samples, batch, hiddenDim]`; @param logits `[samples * batch, classes]`; @param y labels `[batch]`
 */
export function termsOf(code: Code, z: Tensor, logits: Tensor, y: Tensor, tradeOff: number): VIBTerms {
  const [samples, batch] = z.shape as [number, number]
  const logs = logSoftmax(logits, 1).reshape([samples, batch, logits.shape[1] as number])
  const crossEntropy = nll(logs.mean(0), y, { reduction: 'none' })
  const loss = crossEntropy.add(code.kl.mul(tradeOff)).mean()
  return { ...code, z, crossEntropy, loss, probabilities: exp(logs).mean(0) }
}
