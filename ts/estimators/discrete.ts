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
 * Mutual information of two discrete variables from their contingency table, plug-in (`none`) or with a correction of its bias:
 * `millerMadow` (Miller 1955), `weighted` (the same as far as it exceeds the noise) or `shrinkage` (James-Stein; Hausser and Strimmer 2009).
 *
 * Equal labels, or equal rows, are one symbol. The plug-in estimate lies too high, by about (r - 1)(c - 1) / (2 n) for r and c
 * symbols. 0 where one of the two is constant. `none` and `weighted` give at most the entropy of either in the samples; the published corrections estimate
 * that of the distribution, which is a little more, and give at most their own estimate of it. No correction serves tables of few samples for their values, (r - 1)(c - 1) > n / 5:
 * `estimate` warns (`HYPERGLOW_FEW_SAMPLES`). A measurement: it has no gradient.
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

  /** Warns, once, of tables with more cells than the samples can fill. */
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
        `DiscreteMI: ${n} samples are too few for a table of ${r} x ${c} values, (r - 1)(c - 1) of which should be at most n / ${samplesOfCell}: much of the estimate is chance; ` +
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
