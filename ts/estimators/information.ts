import { DTypeError } from '../core/errors.js'
import { tidy } from '../core/memory.js'
import { type Checks, checkOptions, flag } from '../core/options.js'
import type { Tensor } from '../ops/tensor.js'
import { device, logarithmBase } from './check.js'
import type { Findings } from './details.js'
import { Estimator, type EstimatorOptions } from './estimator.js'
import { entropyOfSamples, judge, noteEntropies, noteExtrapolation, rankCapacity } from './limits.js'
import { classesOf, isLabels, numbersOf } from './samples.js'
import { unitOfBase } from './unit.js'

/** Options that every estimator of information takes. */
export interface InformationOptions extends EstimatorOptions {
  /** Base of the logarithm: Math.E for nats (default), 2 for bits. */
  base?: number
  /** Replace estimates below 0 by 0. Default false: an unbiased estimate of zero information is as often below 0 as above. */
  clip?: boolean
}

const commonChecks: Checks<InformationOptions> = { base: logarithmBase, clip: flag, device }

/**
 * An estimator of mutual information. A subclass returns `nats` of checked float64 samples; the base class converts units.
 *
 * The subclass passes its defaults and the checks of its options to the constructor:
 *
 *     export class Binned extends InformationEstimator<BinnedOptions> {
 *       constructor(options: BinnedOptions & InformationOptions = {}) {
 *         super(options, { bins: 30, range: 'tanh' }, { bins: whole(1), range: oneOf('tanh', 'data') })
 *       }
 *       protected nats(x: Tensor, y: Tensor): Tensor { ... }
 *     }
 */
export abstract class InformationEstimator<O extends object = object> extends Estimator<
  Required<O> & Required<Pick<InformationOptions, 'base' | 'clip'>>
> {
  constructor(options: O & InformationOptions, defaults: Required<O>, checks: Checks<O>) {
    const given = checkOptions<object>(new.target.name, options, { ...checks, ...commonChecks })
    super({ ...defaults, base: Math.E, clip: false, ...given })
  }

  override get unit(): string {
    return unitOfBase(this.params.base)
  }

  override get minimumSamples(): number {
    return 2
  }

  override get takes(): Estimator['takes'] {
    return { x: 'numbers', y: 'numbers' }
  }

  protected override get base(): number {
    return this.params.base
  }

  /**
   * Whether the estimate is capped at the entropy of either argument in the samples, equal rows being one symbol: H(Y) of class labels, ln
   * n of n different rows. True for estimators that count samples: they cannot show more, but noise or a correction may exceed the cap.
   * Default false: closed forms extrapolate by their assumptions, and a cap would end the gradient of a loss.
   */
  protected get isLimited(): boolean {
    return false
  }

  /**
   * Whether `nats` never exceeds the limit of {@link isLimited}, so a lazy value needs no cap by the entropies of the rows. Default false.
   */
  protected get isWithinLimit(): boolean {
    return false
  }

  /**
   * The estimate in nats; float64 scalar. The caller applies {@link isLimited}.
   *
   * @param x `[n, dx]` float64, or int32 `[n]` if the estimator takes classes and the argument holds classes (equal numbers, equal class)
   * @param y likewise
   */
  protected abstract nats(x: Tensor, y: Tensor): Tensor

  /**
   * The estimator for class labels in y (or x), for an estimator of numbers. By default there is none, and labels are refused.
   */
  protected forClasses(): InformationEstimator | undefined {
    return undefined
  }

  criterion(x: Tensor, y: Tensor): Tensor {
    this.checkCounts(x, y)
    const { takes } = this
    if (isLabels(y) && takes.y === 'numbers') return this.#classes('y').criterion(x, y)
    if (isLabels(x) && takes.x === 'numbers') return this.#classes('x').criterion(y, x)
    const [a, b] = [this.#argument('x', x), this.#argument('y', y)]
    const nats = this.nats(a, b)
    const isCapped = this.isLimited && !this.isWithinLimit
    const value = this.inUnits(
      isCapped ? nats.minimum(entropyOfSamples(a)).minimum(entropyOfSamples(b)) : nats,
    )
    return x.dtype === 'float32' && y.dtype !== 'float64' ? value.cast('float32') : value
  }

  /** Smallest number of samples for arguments of these widths; a width is undefined for class labels. */
  override samplesFor(x: number | undefined, y: number | undefined): number {
    const { takes } = this
    const delegates = (x === undefined && takes.x === 'numbers') || (y === undefined && takes.y === 'numbers')
    const other = delegates ? this.forClasses() : undefined
    return other === undefined ? super.samplesFor(x, y) : other.samplesFor(x ?? y, undefined)
  }

  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    const { takes } = this
    if (isLabels(y) && takes.y === 'numbers') return this.#handedOver(this.#classes('y'), x, y, findings)
    if (isLabels(x) && takes.x === 'numbers') return this.#handedOver(this.#classes('x'), y, x, findings)
    const [a, b] = [this.#argument('x', x), this.#argument('y', y)]
    if (this.isLimited) await noteEntropies(a, b, findings)
    using nats = tidy(() => this.nats(a, b))
    const rows = this.isLimited ? [] : ([a, b] as const)
    return this.finished(await nats.item(), findings, ...rows)
  }

  #handedOver(to: InformationEstimator, x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    findings.method = to.name
    return to.value(x, y, findings)
  }

  /**
   * An estimate in nats, capped at the noted limit, in the chosen unit, clipped at 0 if requested.
   *
   * @param x the rows of a closed form, whose value may exceed their resolution
   * @param y likewise
   */
  protected finished(nats: number, findings: Findings, x?: Tensor, y?: Tensor): number {
    judge(this.name, nats, findings)
    if (x?.rank === 2 && y?.rank === 2) {
      const [n, dx, dy] = [...x.shape, y.shape[1]] as [number, number, number]
      noteExtrapolation(this.name, nats, rankCapacity(n, dx, dy), findings)
    }
    const { base, clip } = this.params
    const value = Math.min(nats, findings.limit) / Math.log(base)
    return clip ? Math.max(0, value) : value
  }

  /** Throws DTypeError if x holds labels and must hold numbers. */
  protected checkNumbers(x: Tensor): void {
    if (isLabels(x)) this.#classes('x')
  }

  /** Nats in the chosen unit, clipped at 0 if requested. */
  protected inUnits(nats: Tensor): Tensor {
    const { base, clip } = this.params
    const scaled = base === Math.E ? nats : nats.div(Math.log(base))
    return clip ? scaled.maximum(0) : scaled
  }

  #classes(what: 'x' | 'y'): InformationEstimator {
    const estimator = this.forClasses()
    if (estimator !== undefined) return estimator
    const isSwapped = what === 'x' && this.takes.y === 'classes'
    throw new DTypeError(
      `${this.name}: ${what} is an integer vector, so it holds class labels, which have no distances; ` +
        (isSwapped ? 'give the numbers as x and the classes as y, or ' : '') +
        'use mutualInformation() or an estimator for classes, or cast to float64 if they are numbers',
    )
  }

  #argument(what: 'x' | 'y', data: Tensor): Tensor {
    const name = `${this.name}: ${what}`
    const kind = this.takes[what]
    if (kind === 'classes' || (kind === 'any' && isLabels(data))) return classesOf(name, data)
    return this.numbers(name, data)
  }

  /** Numbers in the form that `nats` takes: float64 rows `[n, d]`, unless a subclass needs more axes. */
  protected numbers(what: string, data: Tensor): Tensor {
    return numbersOf(what, data)
  }
}
