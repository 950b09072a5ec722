import {
  atLeast,
  between,
  type Check,
  type Checks,
  checkOptions,
  checkValue,
  oneOf,
  required,
  whole,
} from '../../core/options.js'

/** Options of {@link ReduceLROnPlateau}. */
export interface PlateauOptions {
  /** Whether a smaller ('min') or a larger ('max') metric is better. Default 'min'. */
  mode?: 'min' | 'max'
  /** The rate is multiplied by it; in (0, 1). Default 0.1. */
  factor?: number
  /** Epochs without improvement before a reduction. Default 10. */
  patience?: number
  /** Smallest improvement, relative to the best metric's absolute value. Default 1e-4. */
  threshold?: number
  /** Epochs after a reduction that are not counted. Default 0. */
  cooldown?: number
  /** Lower bound of the reduced rate; a smaller rate is not changed. Default 0. */
  minRate?: number
}

const checks: Checks<PlateauOptions> = {
  mode: oneOf('min', 'max'),
  factor: between(0, 1, 'both'),
  patience: whole(0),
  threshold: atLeast(0),
  cooldown: whole(0),
  minRate: atLeast(0),
}

/** State of a {@link ReduceLROnPlateau}, as plain data. */
export interface PlateauState {
  readonly rate: number
  /** The best metric so far; infinite before the first metric. */
  readonly best: number
  /** Epochs without improvement. */
  readonly bad: number
  /** Epochs left that are not counted. */
  readonly cooling: number
}

const stateChecks: Checks<PlateauState> = {
  rate: required(atLeast(0)),
  best: required({ expected: 'a number', accepts: (value) => typeof value === 'number' }),
  bad: required(whole(0)),
  cooling: required(whole(0)),
}

/** NaN and infinite metrics are allowed. */
const metricCheck: Check<number> = {
  expected: 'a number, such as logs.loss of onEpochEnd',
  accepts: (value) => typeof value === 'number',
}

/**
 * Lowers the learning rate when a metric no longer improves. A metric m improves on the best one b if
 *
 *     m < b - |b| threshold   (mode 'min'),   m > b + |b| threshold   (mode 'max')
 *
 * which, unlike `b (1 - threshold)`, also holds for metrics below 0, such as log-likelihoods. NaN never improves; the first NaN makes a warning.
 */
export class ReduceLROnPlateau {
  readonly #options: Required<PlateauOptions>
  #rate: number
  #best: number
  #bad = 0
  #cooling = 0
  #warned = false

  /**
   * @param rate the initial learning rate
   * @throws UnknownNameError for an unknown option or mode; ArgumentError for values out of range
   */
  constructor(rate: number, options: PlateauOptions = {}) {
    const given = checkOptions('ReduceLROnPlateau', options, checks)
    const { mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4, cooldown = 0, minRate = 0 } = given
    checkValue('ReduceLROnPlateau: rate', rate, atLeast(0))
    this.#options = { mode, factor, patience, threshold, cooldown, minRate }
    this.#rate = rate
    this.#best = mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  }

  /** The learning rate for the next epoch. */
  get rate(): number {
    return this.#rate
  }

  /** Whether a smaller or a larger metric is better. */
  get mode(): 'min' | 'max' {
    return this.#options.mode
  }

  /** The state, for a file; setting it restores the state. */
  get state(): PlateauState {
    return { rate: this.#rate, best: this.#best, bad: this.#bad, cooling: this.#cooling }
  }

  set state(state: PlateauState) {
    const { rate, best, bad, cooling } = checkOptions('ReduceLROnPlateau: state', state, stateChecks)
    this.#rate = rate
    this.#best = best
    this.#bad = bad
    this.#cooling = cooling
  }

  /**
   * Takes the metric of an epoch and returns the rate of the next epoch.
   *
   * @throws ArgumentError for a value that is not a number
   */
  step(metric: number): number {
    checkValue('ReduceLROnPlateau: metric', metric, metricCheck)
    if (Number.isNaN(metric)) this.#warn()
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
      this.#rate = Math.min(this.#rate, Math.max(this.#rate * factor, minRate))
      this.#cooling = cooldown
      this.#bad = 0
    }
    return this.#rate
  }

  #improves(metric: number): boolean {
    const { mode, threshold } = this.#options
    const best = this.#best
    // The absolute value of an infinite best metric would make the difference NaN.
    const margin = Number.isFinite(best) ? Math.abs(best) * threshold : 0
    return mode === 'min' ? metric < best - margin : metric > best + margin
  }

  #warn(): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning('ReduceLROnPlateau: the metric is NaN, which counts as no improvement', {
      type: 'HyperglowWarning',
      code: 'HYPERGLOW_NAN_METRIC',
    })
  }
}
