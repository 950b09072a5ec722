import { ArgumentError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, oneOf, whole } from '../core/options.js'
import type { Context } from '../nn/context.js'
import type { Weights } from '../nn/module.js'
import { concat } from '../ops/index.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { checkInputs } from './arguments.js'
import { checkLayers } from './chain.js'
import { type NameOptions, nameChecks } from './checks.js'
import { Layer } from './layer.js'

/** Parallel layers on the same input. The first layer's weights are `0.kernel` and so on. */
export abstract class Branches extends Layer {
  /** In order. */
  readonly branches: readonly Layer[]

  constructor(kind: string, what: string, branches: readonly Layer[], { name }: NameOptions) {
    super({ kind, name })
    this.branches = checkLayers(what, branches)
    for (const [index, branch] of this.branches.entries()) this.child(String(index), branch)
  }

  /** The output shape of `join`. */
  protected abstract joinedShape(shapes: readonly Shape[]): Shape

  /** Combines the outputs of all branches. */
  protected abstract join(outputs: readonly Tensor[]): Tensor

  build(inputShape: Shape): Shape {
    return this.joinedShape(this.branches.map((branch) => branch.declare(inputShape)))
  }

  apply(weights: Weights, x: Tensor, ctx: Context): Tensor {
    checkInputs(this.name, weights, x)
    return this.join(this.branches.map((branch) => this.runChild(branch, weights, x, ctx)))
  }
}

/** Combination of the outputs of {@link Parallel}. */
export type Merge = 'sum' | 'mean' | 'product' | 'max'

/** Options of {@link Parallel}. */
export interface ParallelOptions extends NameOptions {
  /** Default 'sum'. */
  merge?: Merge
}

/** The names of {@link Merge}. */
const merges = oneOf('sum', 'mean', 'product', 'max')

const parallelChecks: Checks<ParallelOptions> = { ...nameChecks, merge: merges }

/** Combines tensors of the same shape entry by entry. */
export function merged(outputs: readonly Tensor[], merge: Merge): Tensor {
  const with_ = { sum: 'add', mean: 'add', product: 'mul', max: 'maximum' } as const
  const all = outputs.reduce((a, b) => a[with_[merge]](b))
  return merge === 'mean' ? all.div(outputs.length) : all
}

/**
 * Parallel layers on the same input, whose outputs are added (or multiplied, ...) entry by entry: `[batch, ...shape]` to the layers' common
 * output shape.
 *
 *     new Parallel([new Dense(8, { activation: 'tanh' }), new Dense(8, { activation: 'sigmoid' })], { merge: 'product' })
 */
export class Parallel extends Branches {
  readonly merge: Merge

  constructor(branches: readonly Layer[], options: ParallelOptions = {}) {
    const given = checkOptions('Parallel', options, parallelChecks)
    super('parallel', 'Parallel', branches, given)
    this.merge = given.merge ?? 'sum'
  }

  protected joinedShape(shapes: readonly Shape[]): Shape {
    const [first] = shapes as [Shape]
    const other = shapes.find((shape) => String(shape) !== String(first))
    if (other === undefined) return first
    throw new ShapeError(
      `${this.name}: branches give [${first}] and [${other}], expected one shape; use Concatenate, or end them with layers of one size`,
    )
  }

  protected join(outputs: readonly Tensor[]): Tensor {
    return merged(outputs, this.merge)
  }

  protected override settings() {
    return [this.branches, { merge: this.merge, ...this.naming() }]
  }
}

/** Options of {@link Concatenate}. */
export interface ConcatenateOptions extends NameOptions {
  /** Axis of a sample, from 0, without the batch axis. Default 0: the features, or the channels. */
  axis?: number
}

const concatenateChecks: Checks<ConcatenateOptions> = { ...nameChecks, axis: whole(0) }

/**
 * Parallel layers on the same input, whose outputs are concatenated along an axis.
 *
 *     new Concatenate([new Conv2d(8, 1), new Conv2d(8, 3, { padding: 1 })]) // [c, h, w] to [16, h, w]
 */
export class Concatenate extends Branches {
  /** Axis of a sample. */
  readonly axis: number

  constructor(branches: readonly Layer[], options: ConcatenateOptions = {}) {
    const given = checkOptions('Concatenate', options, concatenateChecks)
    super('concatenate', 'Concatenate', branches, given)
    this.axis = given.axis ?? 0
  }

  protected joinedShape(shapes: readonly Shape[]): Shape {
    const [first] = shapes as [Shape]
    if (this.axis >= first.length) {
      throw new ArgumentError(
        `${this.name}: axis ${this.axis} of outputs [${first}], expected one below ${first.length}`,
      )
    }
    const without = (shape: Shape) => String(shape.toSpliced(this.axis, 1))
    const other = shapes.find((shape) => shape.length !== first.length || without(shape) !== without(first))
    if (other !== undefined) {
      throw new ShapeError(
        `${this.name}: branches give [${first}] and [${other}], which may differ on axis ${this.axis} only`,
      )
    }
    const total = shapes.reduce((sum, shape) => sum + (shape[this.axis] as number), 0)
    return first.with(this.axis, total)
  }

  protected join(outputs: readonly Tensor[]): Tensor {
    return concat([...outputs], this.axis + 1)
  }

  protected override settings() {
    return [this.branches, { axis: this.axis, ...this.naming() }]
  }
}
