/** Samples for which the activations of a network are computed. */
import { ArgumentError, ShapeError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import { inTurns } from '../core/turns.js'
import {
  ArrayDataset,
  type ArrayInput,
  type ArraySource,
  readingInputs,
  scaled,
} from '../data/array-dataset.js'
import { readingTargets } from '../data/targets.js'
import type { ArrayData } from '../io/element-types.js'
import { checkRows, type LazyArray, type RowRange } from '../io/lazy-array.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { outlineOf } from '../train/outline.js'
import { stateOf } from '../train/state.js'
import { TargetRule } from '../train/targets.js'
import type { Composition } from './composition.js'

/** Samples in memory. Any rows can be read repeatedly. */
export class StoredSamples {
  readonly count: number
  /** Inputs in the form that the network receives. */
  readonly x: LazyArray
  readonly y: LazyArray | undefined
  readonly #source: Pick<ArraySource, 'x' | 'scale' | 'offset'>
  readonly #targets: Tensor | undefined
  readonly #indices: Int32Array | undefined
  readonly #dtype: Composition['dtype']
  readonly #isOwner: boolean

  private constructor(
    { dtype }: Composition,
    source: Pick<ArraySource, 'x' | 'scale' | 'offset'>,
    targets: Tensor | undefined,
    indices: Int32Array | undefined,
  ) {
    this.#dtype = dtype
    this.#source = source
    this.#targets = targets
    this.#indices = indices
    this.#isOwner = indices === undefined
    this.count = indices?.length ?? (source.x.shape[0] as number)
    const shape = ({ shape }: Tensor) => [this.count, ...shape.slice(1)]
    this.x = lazyTensor('x', dtype, shape(source.x), (rows) => this.#inputs(rows))
    this.y = targets && lazyTensor('y', targets.dtype, shape(targets), (rows) => this.#rowsOf(targets, rows))
  }

  /**
   * Samples from arrays, or those of a dataset in memory, in stored order.
   *
   * @throws ShapeError for inputs that do not fit the network; ArgumentError for targets together with a dataset
   */
  static async of(
    model: Composition,
    data: ArrayInput | ArrayDataset,
    y: ArrayInput | undefined,
  ): Promise<StoredSamples> {
    if (data instanceof ArrayDataset) {
      if (y !== undefined) {
        throw new ArgumentError(
          'activations: y was given together with a dataset, which has its own targets; leave y out',
        )
      }
      if (String(data.inputShape) !== String(model.inputShape)) {
        throw new ShapeError(
          `activations: inputs have shape [${data.inputShape}], expected that of the model, [${model.inputShape}] (both without the batch axis)`,
        )
      }
      return new StoredSamples(model, data.source, data.source.y, data.indices)
    }
    const x = await inTurns(readingInputs(data, model.dtype, model.inputShape))
    try {
      const targets = y === undefined ? undefined : await targetsFrom(model, y, x.shape[0] as number)
      return new StoredSamples(model, { x, scale: 1, offset: 0 }, targets, undefined)
    } catch (error) {
      x.dispose()
      throw error
    }
  }

  /** Yields the inputs of rows in order, at most `size` at a time, in the dtype of the network. The caller disposes of them. */
  *batches([from, to]: RowRange, size: number): Generator<Tensor> {
    for (let start = from; start < to; start += size) yield this.#inputs([start, Math.min(to, start + size)])
  }

  #inputs(rows: RowRange): Tensor {
    return tidy(() => scaled(this.#rowsOf(this.#source.x, rows), this.#source, this.#dtype))
  }

  #rowsOf(all: Tensor, [from, to]: RowRange): Tensor {
    return this.#indices === undefined ? all.slice([from], [to]) : all.take(this.#indices.subarray(from, to))
  }

  /** Releases the tensors made from arrays. A dataset belongs to its owner and is kept. */
  dispose(): void {
    if (!this.#isOwner) return
    this.#source.x.dispose()
    this.#targets?.dispose()
  }
}

/** Targets, converted as `fit` of a compiled model converts them. */
async function targetsFrom(model: Composition, given: ArrayInput, count: number): Promise<Tensor> {
  const { compiled } = stateOf(model)
  const options =
    compiled === undefined ? {} : new TargetRule(compiled, outlineOf(model).outputShape).datasetOptions(given)
  return (await inTurns(readingTargets(given, count, model.dtype, options))).y
}

/** Rows of a tensor as a lazily read array. @param take returns rows; the tensor is disposed of after it is read */
function lazyTensor(
  what: string,
  dtype: Tensor['dtype'],
  shape: Shape,
  take: (rows: RowRange) => Tensor,
): LazyArray {
  return {
    dtype,
    shape,
    async read(rows): Promise<ArrayData> {
      const [from, to] = checkRows(what, shape, rows)
      using part = take([from, to])
      return { dtype, shape: [to - from, ...shape.slice(1)], data: await part.data() }
    },
  }
}
