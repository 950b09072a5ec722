import { flag } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { type GaussianOptions, gaussianInformation, samplesForColumns } from './gaussian.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { normalScores } from './ranks.js'

/**
 * Gaussian-copula mutual information (GCMI; Ince, Giordano, Kayser, Rousselet, Gross and Schyns 2017): every column becomes the
 * normal scores of its ranks, then the information of normal vectors minus its bias.
 *
 * Exact up to sampling error for normal data after any increasing map of each coordinate. It does not detect dependence that is not
 * monotone, so in general it is biased downward. O(n log n + n d^2). `biasCorrection` defaults to true. A measurement: no gradient passes
 * through ranks. Class labels: {@link DiscriminantMI}.
 */
export class GaussianCopulaMI extends InformationEstimator<GaussianOptions> {
  constructor(options: GaussianOptions & InformationOptions = {}) {
    super(options, { biasCorrection: true }, { biasCorrection: flag })
  }

  override get hasGradient(): boolean {
    return false
  }

  protected override forClasses(): InformationEstimator {
    const { base, clip } = this.params
    return new DiscriminantMI({ base, clip })
  }

  override samplesFor(x: number | undefined, y: number | undefined): number {
    return Math.max(super.samplesFor(x, y), samplesForColumns(x, y))
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    return gaussianInformation(this.name, normalScores(x), normalScores(y), this.params.biasCorrection)
  }
}
