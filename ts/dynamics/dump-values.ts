/** Values of estimators for the layers of an epoch of a dump. */

import { evaluate, tidy } from '../core/memory.js'
import type { Estimator } from '../estimators/estimator.js'
import { KDE } from '../estimators/kde.js'
import { concat, isFinite as finite } from '../ops/index.js'
import { type Tensor, tensor } from '../ops/tensor.js'
import type { EndTensors } from './dump-samples.js'

/** A layer of an epoch, in memory. */
export interface LayerTensor {
  readonly name: string
  /** float64 `[n, d]`. */
  readonly h: Tensor
}

/** Findings about a layer before it is measured. */
export interface LayerFindings {
  /** Number of NaN and infinite values. */
  readonly notFinite: number
  /** By evaluator: how far its values may mislead, see {@link Estimator.doubt}; NaN for an evaluator without doubt. */
  readonly doubts: readonly number[]
}

/** Whether an estimator only compares samples of its second argument for equality. */
export function readsSymbols(estimator: Estimator): boolean {
  return estimator.takes.y === 'classes' || estimator instanceof KDE
}

/** Inspects layers, all in one plan. @param others what they are compared with */
export async function findingsOf(
  layers: readonly LayerTensor[],
  estimators: readonly Estimator[],
  others: readonly Tensor[],
): Promise<LayerFindings[]> {
  const width = 1 + estimators.length
  using found = tidy(() =>
    concat(
      layers.flatMap(({ h }) => {
        const sound = finite(h)
        const parts = estimators.map(
          (estimator) =>
            estimator.doubt(h, others)?.cast('float64') ?? tensor(Number.NaN, { dtype: 'float64' }),
        )
        return [sound.logicalNot().cast('float64').sum(), ...parts].map((one) => one.reshape([1]))
      }),
    ),
  )
  const flat = (await found.data()) as Float64Array
  return layers.map((_, l) => {
    const [notFinite = 0, ...doubts] = flat.subarray(l * width, (l + 1) * width)
    return { notFinite, doubts }
  })
}

/** A pair of measures of a layer, of (H, X) and of (H, Y); NaN for no value. */
export type Pair = readonly [x: number, y: number]

/**
 * Values of an estimator for layers: one plan for lazy estimators, in which shared intermediates are computed once.
 *
 * @param unanswered called with the reason for each pair without an answer
 */
export async function pairsOf(
  estimator: Estimator,
  layers: readonly Tensor[],
  ends: Pick<EndTensors, 'x' | 'symbols' | 'y' | 'target'>,
  unanswered: (reason: Error) => void,
): Promise<Pair[]> {
  const [first] = layers
  if (first === undefined) return []
  const { y, target } = ends
  // Without inputs every sample counts as a different input, if the estimator only compares inputs for equality.
  const isAlone = ends.x === undefined && readsSymbols(estimator)
  const own = isAlone ? ownSymbols(first.shape[0] as number) : undefined
  const x = readsSymbols(estimator) ? (ends.symbols ?? own) : ends.x
  const input = x ?? (y as Tensor)
  const segment = [input, ...layers, y ?? input]
  try {
    const pairs = await estimator.measureSegment(
      segment,
      target?.kind === 'classes' || y === undefined ? {} : { target: 'numbers' },
      unanswered,
    )
    return pairs.map(([a, b]) => [
      x === undefined ? Number.NaN : (a as number),
      y === undefined ? Number.NaN : (b as number),
    ])
  } finally {
    own?.dispose()
  }
}

function ownSymbols(n: number): Tensor {
  return tensor(Int32Array.from({ length: n }, (_, i) => i))
}

/** Rows of tensors, computed. */
export async function rowsAt(
  tensors: readonly (Tensor | undefined)[],
  rows: Int32Array,
): Promise<(Tensor | undefined)[]> {
  using places = tensor(rows)
  const taken = tidy(() => tensors.map((one) => one?.take(places)))
  await evaluate(taken.filter((one) => one !== undefined))
  return taken
}
