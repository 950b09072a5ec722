/** Samples that the layers of a network are looked at with. */
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
import type { Network } from './network.js'

/** Samples in memory, natively: any rows of them can be taken again and again. */
export class HeldSamples {
  readonly count: number
  /** Inputs as the network sees them. */
  readonly x: LazyArray
  readonly y: LazyArray | undefined
  readonly #source: Pick<ArraySource, 'x' | 'scale' | 'offset'>
  readonly #targets: Tensor | undefined
  readonly #indices: Int32Array | undefined
  readonly #dtype: Network['dtype']
  readonly #isOwner: boolean

  private constructor(
    { dtype }: Network,
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
   * Samples of arrays, or those of a dataset that holds them, in the order in which they lie.
   *
   * @throws ShapeError for inputs that are not of the network; ArgumentError for targets beside a dataset
   */
  static async of(
    model: Network,
    data: ArrayInput | ArrayDataset,
    y: ArrayInput | undefined,
  ): Promise<HeldSamples> {
    if (data instanceof ArrayDataset) {
      if (y !== undefined) {
        throw new ArgumentError(
          'activations: y was given beside a dataset, which has targets of its own; leave y out',
        )
      }
      if (String(data.inputShape) !== String(model.inputShape)) {
        throw new ShapeError(
          `activations: inputs have shape [${data.inputShape}], expected that of the model, [${model.inputShape}] (both without the batch axis)`,
        )
      }
      return new HeldSamples(model, data.source, data.source.y, data.indices)
    }
    const x = await inTurns(readingInputs(data, model.dtype, model.inputShape))
    try {
      const targets = y === undefined ? undefined : await targetsFrom(model, y, x.shape[0] as number)
      return new HeldSamples(model, { x, scale: 1, offset: 0 }, targets, undefined)
    } catch (error) {
      x.dispose()
      throw error
    }
  }

  /** Inputs of rows in order, in the dtype of the network, at most `size` at a time; they are the caller's. */
  *batches([from, to]: RowRange, size: number): Generator<Tensor> {
    for (let start = from; start < to; start += size) yield this.#inputs([start, Math.min(to, start + size)])
  }

  #inputs(rows: RowRange): Tensor {
    return tidy(() => scaled(this.#rowsOf(this.#source.x, rows), this.#source, this.#dtype))
  }

  #rowsOf(all: Tensor, [from, to]: RowRange): Tensor {
    return this.#indices === undefined ? all.slice([from], [to]) : all.take(this.#indices.subarray(from, to))
  }

  /** Releases what was made of arrays; a dataset stays its owner's. */
  dispose(): void {
    if (!this.#isOwner) return
    this.#source.x.dispose()
    this.#targets?.dispose()
  }
}

/** Targets, read as `fit` of a compiled model would. */
async function targetsFrom(model: Network, given: ArrayInput, count: number): Promise<Tensor> {
  const { compiled } = stateOf(model)
  const options =
    compiled === undefined ? {} : new TargetRule(compiled, outlineOf(model).outputShape).datasetOptions(given)
  return (await inTurns(readingTargets(given, count, model.dtype, options))).y
}

/** Rows of a tensor as an array that is read when it is asked for. @param take rows; the tensor is disposed of when it is read */
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
