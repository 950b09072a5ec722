import { oneOf } from '../options.js'
import type { Tensor } from '../tensor.js'
import { type CountCorrection, symbolInformation } from './counts.js'
import { InformationEstimator, type InformationOptions } from './information.js'

/** Options of {@link DiscreteMI}. */
export interface DiscreteOptions {
  /** Default 'weighted'. */
  correction?: CountCorrection
}

/**
 * Mutual information of two discrete variables from their contingency table, plug-in (`none`) or with a correction of its bias:
 * `millerMadow` (Miller 1955), `weighted` (the same as far as it exceeds the noise) or `shrinkage` (James-Stein; Hausser and Strimmer 2009).
 *
 * Equal labels, or equal rows, are one symbol. The plug-in estimate lies too high, by about (r - 1)(c - 1) / (2 n) for r and c
 * symbols. 0 where one of the two is constant. `none` and `weighted` give at most the entropy of either in the samples; the published corrections estimate
 * that of the distribution, which is a little more, and give at most their own estimate of it. A measurement: it has no gradient.
 */
export class DiscreteMI extends InformationEstimator<DiscreteOptions> {
  constructor(options: DiscreteOptions & InformationOptions = {}) {
    super(
      options,
      { correction: 'weighted' },
      { correction: oneOf('none', 'millerMadow', 'weighted', 'shrinkage') },
    )
  }

  override get takes() {
    return { x: 'classes', y: 'classes' } as const
  }

  /** The published corrections are held to the entropies with the same correction, which they never exceed. */
  protected override get isLimited(): boolean {
    const { correction } = this.params
    return correction === 'none' || correction === 'weighted'
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    return symbolInformation(x, y, this.params.correction)
  }
}
