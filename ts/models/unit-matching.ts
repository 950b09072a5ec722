/** Assignment of classes to the output units of a network that was trained without a readout. */
import type { Shape } from '../core/dtype.js'
import { ArgumentError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import type { BatchSource } from '../data/loader.js'
import type { FloatDType } from '../nn/initializers.js'
import { stack } from '../ops/index.js'
import type { Device, Tensor } from '../ops/tensor.js'
import { feedOf } from '../train/feed.js'
import { TargetRule } from '../train/targets.js'

/** The part of a network that is used. */
interface Unlabeled {
  readonly device: Device
  readonly inputShape: Shape
  readonly dtype: FloatDType
  apply(weights: Readonly<Record<string, Tensor>>, x: Tensor): Tensor
}

/**
 * How often each unit had the largest output, by the label of the sample.
 *
 * @param outputShape `[units]`
 * @returns `counts[unit][label]`, as many labels as units
 * @throws ArgumentError for outputs that are not a row of units; DataError and ShapeError for invalid inputs, and for labels beyond the number of units
 */
export async function countUnits(
  model: Unlabeled,
  source: BatchSource,
  outputShape: Shape,
): Promise<number[][]> {
  const [units] = outputShape
  if (units === undefined || outputShape.length !== 1) {
    throw new ArgumentError(
      `matchUnits: outputs have shape [${outputShape}], expected one unit for each class; end with a Dense layer`,
    )
  }
  const { inputShape, dtype, device } = model
  const targets = new TargetRule({ lossName: 'crossEntropy', ignoreIndex: undefined }, outputShape)
  const feed = feedOf(source, { inputShape, dtype, device, targets })
  await feed.prepare()
  const counts = Array.from({ length: units }, () => new Array<number>(units).fill(0))
  for await (const { input } of feed.epoch(0)) {
    using pairs = tidy(() => {
      const { x, y } = feed.decode(input)
      const labels = y.rank === 1 ? y : y.argMax(1)
      return stack([model.apply({}, x).argMax(1).cast('int32'), labels.cast('int32')])
    })
    const found = await pairs.data()
    const size = found.length / 2
    for (let i = 0; i < size; i++) count(counts, Number(found[i]), Number(found[size + i]))
  }
  return counts
}

function count(counts: readonly number[][], unit: number, label: number): void {
  const row = counts[unit] as number[]
  row[label] = (row[label] as number) + 1
}

/**
 * The permutation of greatest total count: the assignment problem by the Hungarian method with potentials (Kuhn 1955, in the form of Jonker and
 * Volgenant 1987), O(n^3).
 *
 * @param counts square, `[unit][class]`
 * @returns the class of each unit
 */
export function classesOfUnits(counts: readonly (readonly number[])[]): Int32Array {
  const n = counts.length
  const rowPotential = new Float64Array(n + 1)
  const columnPotential = new Float64Array(n + 1)
  // Unit of each class, counted from 1; 0 is none.
  const unitOf = new Int32Array(n + 1)
  for (let unit = 1; unit <= n; unit++) augment(unit)
  const classes = new Int32Array(n)
  for (let column = 1; column <= n; column++) classes[(unitOf[column] as number) - 1] = column - 1
  return classes

  /** Finds the cheapest chain of reassignments that assigns a class to one more unit. */
  function augment(unit: number): void {
    const slack = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY)
    const before = new Int32Array(n + 1)
    const isDone = new Uint8Array(n + 1)
    unitOf[0] = unit
    let column = 0
    do {
      isDone[column] = 1
      const row = unitOf[column] as number
      let nearest = 0
      let step = Number.POSITIVE_INFINITY
      for (let other = 1; other <= n; other++) {
        if (isDone[other] === 1) continue
        const cost = -((counts[row - 1] as readonly number[])[other - 1] as number)
        const reduced = cost - (rowPotential[row] as number) - (columnPotential[other] as number)
        if (reduced < (slack[other] as number)) {
          slack[other] = reduced
          before[other] = column
        }
        if ((slack[other] as number) < step) {
          step = slack[other] as number
          nearest = other
        }
      }
      shift(isDone, slack, step)
      column = nearest
    } while (unitOf[column] !== 0)
    while (column !== 0) {
      const previous = before[column] as number
      unitOf[column] = unitOf[previous] as number
      column = previous
    }
  }

  /** Changes the potentials so that one more pair has reduced cost 0. */
  function shift(isDone: Uint8Array, slack: Float64Array, step: number): void {
    for (let other = 0; other <= n; other++) {
      if (isDone[other] === 1) {
        rowPotential[unitOf[other] as number] = (rowPotential[unitOf[other] as number] as number) + step
        columnPotential[other] = (columnPotential[other] as number) - step
      } else slack[other] = (slack[other] as number) - step
    }
  }
}
