/** Which class each output unit of a network stands for, where no layer was trained to say it. */
import { isFloat, type Shape } from '../core/dtype.js'
import { ArgumentError, DataError } from '../core/errors.js'
import { type BatchSource, iterateBatches } from '../data/loader.js'
import type { Tensor } from '../ops/tensor.js'

/** What is needed of a network. */
interface Unlabelled {
  apply(weights: Readonly<Record<string, Tensor>>, x: Tensor): Tensor
}

/**
 * How often each unit had the largest output, by the label of the sample.
 *
 * @param outputShape `[units]`
 * @returns `counts[unit][label]`, as many labels as units
 * @throws ArgumentError for outputs that are no row of units; DataError for targets that are no labels below their number
 */
export async function countUnits(
  model: Unlabelled,
  source: BatchSource,
  outputShape: Shape,
): Promise<number[][]> {
  const [units] = outputShape
  if (units === undefined || outputShape.length !== 1) {
    throw new ArgumentError(
      `matchUnits: outputs have shape [${outputShape}], expected one unit for each class; end with a Dense layer`,
    )
  }
  const counts = Array.from({ length: units }, () => new Array<number>(units).fill(0))
  const batches = iterateBatches(source)
  for (let next = await batches.next(); !next.done; next = await batches.next()) {
    const { x, y } = next.value
    if (isFloat(y.dtype) || y.rank !== 1) {
      throw new DataError(
        `matchUnits: targets are ${y.dtype} [${y.shape}], expected class labels [batch] of an integer dtype`,
      )
    }
    using output = model.apply({}, x)
    using largest = output.argMax(1)
    const [chosen, labels] = [await largest.data(), await y.data()]
    next.value[Symbol.dispose]?.()
    for (let i = 0; i < labels.length; i++) {
      const row = counts[Number(chosen[i])] as number[]
      const label = Number(labels[i])
      if (row[label] === undefined) {
        throw new DataError(
          `matchUnits: label ${label} with ${units} units; give the network as many output units as there are classes`,
        )
      }
      row[label]++
    }
  }
  return counts
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
  // Unit of each class, counted from 1; 0 stands for none.
  const unitOf = new Int32Array(n + 1)
  for (let unit = 1; unit <= n; unit++) augment(unit)
  const classes = new Int32Array(n)
  for (let column = 1; column <= n; column++) classes[(unitOf[column] as number) - 1] = column - 1
  return classes

  /** Finds the cheapest chain of reassignments that gives one more unit a class. */
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

  /** Moves the potentials so that another pair costs nothing. */
  function shift(isDone: Uint8Array, slack: Float64Array, step: number): void {
    for (let other = 0; other <= n; other++) {
      if (isDone[other] === 1) {
        rowPotential[unitOf[other] as number] = (rowPotential[unitOf[other] as number] as number) + step
        columnPotential[other] = (columnPotential[other] as number) - step
      } else slack[other] = (slack[other] as number) - step
    }
  }
}
