import { squaredDistances } from '../ops/index.js'
import type { Tensor } from '../tensor.js'
import { checkPositive, oneOf } from './check.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { classesOf } from './samples.js'

/** Which bound of Kolchinsky and Tracey. */
export type KDEBound = 'upper' | 'lower'

/** Options of {@link KDE}. */
export interface KDEOptions {
  /** Variance v of the noise that is added to every activation. Default 1e-3, that of Saxe et al. 2018. */
  variance?: number
  /** Default 'upper'. */
  bound?: KDEBound
}

/**
 * Bounds of Kolchinsky and Tracey 2017 (sec. 4; used by Saxe et al. 2018) on the information in noisy activations
 * T = h(X) + N(0, v), for X uniform on the samples:
 *
 *   I(T; X) <= -mean_i ln mean_j exp(-|h_i - h_j|^2 / (2 v))
 *
 * and from below the same with 4 v in place of v. I(T; Y) is that minus its mean inside the classes of y, the difference of two
 * bounds and itself none. Equal rows of y are one class, so that inputs which are all different give I(T; X).
 *
 * The noise is no part of the network: v is a choice of the model of what is measured, so report it. At most ln n. In nats, with v
 * in squared units of activation. Differentiable in x.
 */
export class KDE extends InformationEstimator<KDEOptions> {
  constructor(options: KDEOptions & InformationOptions = {}) {
    super(options, { variance: 1e-3, bound: 'upper' })
    checkPositive('KDE: variance', this.params.variance)
    oneOf('bound of KDE', this.params.bound, ['upper', 'lower'])
  }

  override get takes() {
    return { x: 'numbers', y: 'any' } as const
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    const similar = similarity(x, this.params)
    const classes = y.rank === 1 ? y : classesOf('y', y)
    const same = classes.expandDims(1).equal(classes.expandDims(0)).cast('float64')
    const inside = similar.mul(same).sum(1).div(same.sum(1))
    return inside.log().sub(similar.mean(1).log()).mean()
  }
}

/**
 * Bound on the differential entropy of T = h + N(0, v) in nats: the information bound plus d/2 (ln(2 pi v) + 1).
 *
 * @param x `[n, d]` activations; @returns scalar
 */
export function kdeEntropy(x: Tensor, options: KDEOptions = {}): Tensor {
  const { params } = new KDE(options)
  const d = x.shape[1] as number
  const noise = (d / 2) * (Math.log(2 * Math.PI * params.variance) + 1)
  return similarity(x, params).mean(1).log().mean().neg().add(noise)
}

/** exp(-|a - b|^2 / (2 v)), or with 4 v. On the diagonal it is 1, so that no sum of a row can vanish. */
function similarity(x: Tensor, { variance, bound }: Required<KDEOptions>): Tensor {
  const scale = bound === 'upper' ? 2 * variance : 8 * variance
  return squaredDistances(x).div(-scale).exp()
}
