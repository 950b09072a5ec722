import { ArgumentError, DataError, NumericalError, ShapeError } from '../errors.js'
import { tidy } from '../memory.js'
import { type DeviceRequest, type NestedInput, Tensor, tensor } from '../tensor.js'

/** Options that every estimator takes. */
export interface EstimatorOptions {
  /** Where to compute. Default: where the data are. */
  device?: DeviceRequest
}

/**
 * A measure of how much one set of samples tells about another.
 *
 * A subclass needs `criterion` only. It then serves as an evaluator of training dynamics and as a loss of layers:
 *
 *     class Correlation extends Estimator {
 *       criterion(x: Tensor, y: Tensor) {
 *         return x.sub(x.mean()).mul(y.sub(y.mean())).mean()
 *       }
 *     }
 */
export abstract class Estimator<O extends object = object> {
  /** The options as given. */
  readonly params: Readonly<O & EstimatorOptions>

  constructor(params: O & EstimatorOptions = {} as O) {
    if (params === null || typeof params !== 'object') {
      throw new ArgumentError(`${new.target.name}: expected an object of options, received ${String(params)}`)
    }
    // Making a tensor there throws DeviceError when there is no such device.
    if (params.device !== undefined) tensor(0, { device: params.device }).dispose()
    this.params = Object.freeze({ ...params })
  }

  /** Name in reports and files. */
  get name(): string {
    return this.constructor.name
  }

  /** Smallest number of samples that the formula is defined for. */
  get minimumSamples(): number {
    return 1
  }

  /**
   * The measure of two sets of samples, as lazy and differentiable as its formula.
   *
   * @param x `[n, dx]`; @param y `[n, dy]`, the same draws
   * @returns scalar
   */
  abstract criterion(x: Tensor, y: Tensor): Tensor

  /**
   * The coordinates of one batch in the information plane.
   *
   * @param segment `[x, h1, ..., hL, y]`: input, outputs of L layers, target (class labels as one-hot rows), each `[n, ...]`
   * @returns L pairs `[criterion(h, x), criterion(h, y)]` of scalars, nothing computed yet
   */
  evaluateSegment(segment: readonly Tensor[]): Tensor[][] {
    const { x, hidden, y } = splitSegment(this.name, segment)
    return hidden.map((h) => [this.criterion(h, x), this.criterion(h, y)])
  }

  /**
   * The measure of plain data, in float64.
   *
   * @param x n samples as nested arrays, a typed array or a tensor; @param y the same draws
   * @throws NumericalError when the data do not give a finite value
   */
  async estimate(x: NestedInput | Tensor, y: NestedInput | Tensor): Promise<number> {
    using value = tidy(() => this.criterion(this.#rows('x', x), this.#rows('y', y)))
    const result = await value.item()
    if (!Number.isFinite(result)) {
      throw new NumericalError(
        `${this.name}: the estimate is ${result}; check the data for NaN, infinite or very large values`,
      )
    }
    return result
  }

  /** Throws unless both have the same number of samples, and enough of them. */
  protected checkCounts(x: Tensor, y: Tensor): void {
    const [n, m] = [x.shape[0], y.shape[0]]
    if (n === undefined || m === undefined || n !== m) {
      throw new ShapeError(
        `${this.name}: x and y must hold the same number of samples on axis 0, received [${x.shape}] and [${y.shape}]`,
      )
    }
    if (n < this.minimumSamples) {
      throw new DataError(
        `${this.name}: needs at least ${this.minimumSamples} samples, received ${n}; use larger batches, or drop the last one`,
      )
    }
  }

  #rows(what: string, data: NestedInput | Tensor): Tensor {
    const device = this.params.device
    const given = data instanceof Tensor ? data : this.#tensorOf(data, device)
    const isLabels = given.rank === 1 && given.dtype !== 'float32' && given.dtype !== 'float64'
    if (given.rank < 1)
      throw new ShapeError(`${this.name}: ${what} must hold samples [n, ...], received a number`)
    if (isLabels) return given
    return given.reshape([given.shape[0] as number, -1]).cast('float64')
  }

  #tensorOf(data: NestedInput, device: DeviceRequest | undefined): Tensor {
    const typed = ArrayBuffer.isView(data)
    return tensor(data, {
      ...(typed ? {} : { dtype: 'float64' }),
      ...(device === undefined ? {} : { device }),
    })
  }
}

/** The parts of a segment, each sample flattened to one row. */
export function splitSegment(
  name: string,
  segment: readonly Tensor[],
): { x: Tensor; hidden: Tensor[]; y: Tensor } {
  if (segment.length < 3) {
    throw new ArgumentError(
      `${name}: a segment is [input, layer outputs ..., target] with at least 3 entries, received ${segment.length}`,
    )
  }
  const rows = segment.map((part) =>
    part.rank > 2 ? part.flatten(1) : part.rank === 1 ? column(part) : part,
  )
  return { x: rows[0] as Tensor, hidden: rows.slice(1, -1), y: rows.at(-1) as Tensor }
}

/** A vector of numbers as one column; a vector of integer labels as it is. */
function column(part: Tensor): Tensor {
  return part.dtype === 'float32' || part.dtype === 'float64' ? part.expandDims(1) : part
}
