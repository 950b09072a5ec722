import { tidy } from '../core/memory.js'
import { oneOf } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { areCounted, type CountCorrection, samplesOfCell, symbolInformation } from './counts.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { classesOf } from './samples.js'

/** Options of {@link DiscreteMI}. */
export interface DiscreteOptions {
  /** Default 'weighted'. */
  correction?: CountCorrection
}

/**
 * Mutual information of two discrete variables from their contingency table, plug-in (`none`) or with a bias correction: `millerMadow`
 * (Miller 1955), `weighted` (the same as far as it exceeds the noise) or `shrinkage` (James-Stein; Hausser and Strimmer 2009).
 *
 * Equal labels, or equal rows, are one symbol. The plug-in estimate is biased upward by about (r - 1)(c - 1) / (2 n) for r and c symbols. 0
 * if one of the two is constant. `none` and `weighted` are at most the entropy of either argument in the samples. The published corrections
 * estimate the entropy of the distribution, which is slightly larger, and are at most their own estimate of it. No correction works for
 * tables with few samples per value, (r - 1)(c - 1) > n / 5: `estimate` warns (`HYPERGLOW_FEW_SAMPLES`). A measurement: it has no gradient.
 */
export class DiscreteMI extends InformationEstimator<DiscreteOptions> {
  constructor(options: DiscreteOptions & InformationOptions = {}) {
    super(
      options,
      { correction: 'weighted' },
      { correction: oneOf('none', 'millerMadow', 'weighted', 'shrinkage') },
    )
  }

  override get hasGradient(): boolean {
    return false
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get takes() {
    return { x: 'classes', y: 'classes' } as const
  }

  /** The published corrections are capped at the entropies with the same correction, which they never exceed. */
  protected override get isLimited(): boolean {
    const { correction } = this.params
    return correction === 'none' || correction === 'weighted'
  }

  /** Warns, once, of tables with too many cells for the samples. */
  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    const n = x.shape[0] as number
    const symbols = async (what: string, data: Tensor) => {
      using last = tidy(() => classesOf(`${this.name}: ${what}`, data).max())
      return (await last.item()) + 1
    }
    const [r, c] = [await symbols('x', x), await symbols('y', y)]
    if (!areCounted(r, c, n)) {
      findings.warn(
        `DiscreteMI: ${n} samples are too few for a table of ${r} x ${c} values, for which (r - 1)(c - 1) should be at most n / ${samplesOfCell}: much of the estimate is chance; ` +
          'use mutualInformation(), which adjusts for it, more samples or fewer values',
        'HYPERGLOW_FEW_SAMPLES',
      )
    }
    return super.value(x, y, findings)
  }

  protected nats(x: Tensor, y: Tensor): Tensor {
    return symbolInformation(x, y, this.params.correction)
  }
}
