import { sizeOf } from '../core/dtype.js'
import { ArgumentError, describeList, ShapeError } from '../core/errors.js'
import { checkOptions, isList } from '../core/options.js'
import type { Weights } from '../nn/module.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/**
 * The same numbers in another shape, row-major: `[batch, ...]` to `[batch, ...shape]`. One extent may be -1, the extent that keeps the size.
 *
 *     new Reshape([1, 28, 28])
 */
export class Reshape extends Layer {
  readonly #shape: Shape

  constructor(shape: Shape, options: NameOptions = {}) {
    const { name } = checkOptions('Reshape', options, nameChecks)
    super({ kind: 'reshape', name })
    const isExtent = (extent: number) => Number.isSafeInteger(extent) && (extent >= 1 || extent === -1)
    if (!isList(shape) || !Array.from(shape).every(isExtent) || shape.filter((n) => n === -1).length > 1) {
      throw new ArgumentError(
        `Reshape: given ${isList(shape) ? describeList(shape) : typeof shape}, expected extents without the batch axis, of which one may be -1`,
      )
    }
    this.#shape = [...shape]
  }

  build(inputShape: Shape): Shape {
    const size = sizeOf(inputShape)
    const known = Math.abs(sizeOf(this.#shape))
    const shape = this.#shape.map((extent) => (extent === -1 ? size / known : extent))
    if (sizeOf(shape) === size && shape.every(Number.isInteger)) return shape
    throw new ShapeError(`${this.name}: ${size} numbers [${inputShape}] have no shape [${this.#shape}]`)
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x.reshape([x.shape[0] as number, ...this.#shape])
  }

  protected override settings() {
    return [this.#shape, this.naming()]
  }
}

/**
 * The axes of a sample in another order; the batch axis stays first.
 *
 *     new Permute([1, 2, 0]) // [channels, height, width] to [height, width, channels]
 */
export class Permute extends Layer {
  readonly #order: readonly number[]

  /** @param order order of the axes of a sample, from 0, without the batch axis */
  constructor(order: readonly number[], options: NameOptions = {}) {
    const { name } = checkOptions('Permute', options, nameChecks)
    super({ kind: 'permute', name })
    const isOrder =
      isList(order) &&
      Array.from(order).every(Number.isSafeInteger) &&
      [...order].sort((a, b) => a - b).every((axis, index) => axis === index)
    if (!isOrder) {
      throw new ArgumentError(
        `Permute: given ${isList(order) ? describeList(order) : typeof order}, expected each axis of a sample once, from 0, such as [1, 0]`,
      )
    }
    this.#order = [...order]
  }

  build(inputShape: Shape): Shape {
    if (inputShape.length === this.#order.length) return this.#order.map((axis) => inputShape[axis] as number)
    throw new ShapeError(
      `${this.name}: expected an input of ${this.#order.length} axes, received [${inputShape}]; the batch axis does not count`,
    )
  }

  apply(weights: Weights, x: Tensor): Tensor {
    checkInputs(this.name, weights, x)
    return x.permute([0, ...this.#order.map((axis) => axis + 1)])
  }

  protected override settings() {
    return [this.#order, this.naming()]
  }
}
