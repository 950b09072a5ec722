import { ArgumentError } from '../errors.js'

/** Options of {@link ReduceLROnPlateau}. */
export interface PlateauOptions {
  /** Whether a smaller ('min') or a larger ('max') metric is better. Default 'min'. */
  mode?: 'min' | 'max'
  /** The rate is multiplied by it; below 1. Default 0.1. */
  factor?: number
  /** Epochs without improvement that are tolerated. Default 10. */
  patience?: number
  /** Relative change that counts as an improvement. Default 1e-4. */
  threshold?: number
  /** Epochs to wait after a reduction before counting again. Default 0. */
  cooldown?: number
  /** The rate never falls below it. Default 0. */
  minRate?: number
}

/** Lowers the learning rate when a metric no longer improves. */
export class ReduceLROnPlateau {
  readonly #options: Required<PlateauOptions>
  #rate: number
  #best: number
  #bad = 0
  #cooling = 0

  /** @param rate the learning rate to begin with */
  constructor(rate: number, options: PlateauOptions = {}) {
    this.#options = {
      mode: 'min',
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      cooldown: 0,
      minRate: 0,
      ...options,
    }
    if (!(this.#options.factor > 0 && this.#options.factor < 1)) {
      throw new ArgumentError(
        `ReduceLROnPlateau: factor must be between 0 and 1, received ${this.#options.factor}`,
      )
    }
    this.#rate = rate
    this.#best = this.#options.mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  }

  /** The learning rate for the next epoch. */
  get rate(): number {
    return this.#rate
  }

  /** Takes the metric of an epoch and gives the rate of the next. */
  step(metric: number): number {
    const { factor, patience, cooldown, minRate } = this.#options
    if (this.#improves(metric)) {
      this.#best = metric
      this.#bad = 0
    } else {
      this.#bad++
    }
    if (this.#cooling > 0) {
      this.#cooling--
      this.#bad = 0
    }
    if (this.#bad > patience) {
      this.#rate = Math.max(this.#rate * factor, minRate)
      this.#cooling = cooldown
      this.#bad = 0
    }
    return this.#rate
  }

  #improves(metric: number): boolean {
    const { mode, threshold } = this.#options
    return mode === 'min' ? metric < this.#best * (1 - threshold) : metric > this.#best * (1 + threshold)
  }
}
