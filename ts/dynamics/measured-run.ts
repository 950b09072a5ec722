/** The values of one run of a dump, collected during measurement. */

import type { Interval } from '../analysis/bootstrap.js'
import type { ActivationRun } from '../data/activations/types.js'
import type { Estimator } from '../estimators/estimator.js'
import type { EndTensors } from './dump-samples.js'
import { halvesOf, type PairOf, pValuesOf, type Uncertainty } from './dump-uncertainty.js'
import {
  findingsOf,
  type LayerFindings,
  type LayerTensor,
  type Pair,
  pairsOf,
  readsSymbols,
} from './dump-values.js'
import type { DynamicsHeading } from './heading.js'
import type { DynamicsLike } from './source.js'

/** Requested uncertainties. */
export interface Uncertainties {
  /** Halves of the samples for standard errors; 0 for none. */
  readonly rounds: number
  readonly level: number
  /** Shuffles for p-values; 0 for none. */
  readonly permutations: number
  readonly seed: number
  readonly signal: AbortSignal | undefined
}

/** One value with its sampling error. */
export interface Measurement {
  readonly run: string
  readonly estimator: string
  readonly layer: string
  readonly epoch: number
  /** 'x' of (H, X), 'y' of (H, Y). */
  readonly side: 'x' | 'y'
  readonly units: string
  readonly value: number
  /** By the delete-d jackknife over halves of the samples (Shao and Wu 1989); null if it was not requested or has no answer. */
  readonly standardError: number | null
  /** value -+ z standardError, z the quantile of the normal distribution. Does not include bias, which is independent of the spread. */
  readonly interval: Interval | null
  /** Of a permutation test; null if it was not requested, or if every shuffle gives the same value. */
  readonly pValue: number | null
  /** Adjusted over the layers of the same run, estimator, epoch and side (Benjamini and Hochberg 1995). */
  readonly adjustedPValue: number | null
}

/** A value with its sampling error, by position. */
interface Cell {
  readonly values: Pair
  readonly uncertainty: PairOf<Uncertainty> | undefined
  readonly pValues: PairOf<number> | undefined
}

/** How far an evaluator's values of a layer may mislead. */
interface Doubt {
  readonly evaluator: number
  readonly layer: string
  readonly amount: number
  readonly run: string
  readonly epoch: number
}

/** The measurements of one run. */
export class MeasuredRun {
  readonly #cells = new Map<string, Cell>()
  readonly #notes = new Set<string>()
  /** By evaluator and layer: the largest doubt. */
  readonly doubts = new Map<string, Doubt>()
  readonly #epochs: readonly number[]
  readonly #estimators: readonly Estimator[]
  #samples: number | null = null
  #entropy: number | null = null

  constructor(
    readonly source: ActivationRun,
    readonly layers: readonly string[],
    estimators: readonly Estimator[],
    epochs: ReadonlySet<number>,
  ) {
    this.#estimators = estimators
    this.#epochs = source.epochs.filter((epoch) => epochs.has(epoch))
  }

  get notes(): string[] {
    return [...this.#notes]
  }

  note(text: string): void {
    this.#notes.add(text)
  }

  noteEnds({ x, y, target }: EndTensors, n: number): void {
    const { name } = this.source
    this.#samples = Math.max(this.#samples ?? 0, n)
    this.#entropy ??= target?.entropy ?? null
    if (target?.note !== undefined) this.note(`y: ${target.note}`)
    if (y === undefined) this.note(`run '${name}' has no labels: the measures of (H, Y) are NaN`)
    if (x !== undefined) return
    const [symbols, others] = [true, false].map((kind) =>
      this.#estimators.filter((one) => readsSymbols(one) === kind).map((one) => one.name),
    ) as [string[], string[]]
    if (symbols.length > 0) {
      this.note(
        `run '${name}' has no input samples: for ${symbols.join(', ')} each sample counts as a different input`,
      )
    }
    if (others.length > 0) {
      this.note(`run '${name}' has no input samples: the measures of (H, X) by ${others.join(', ')} are NaN`)
    }
  }

  noteFindings(epoch: number, layer: string, { notFinite, doubts }: LayerFindings): void {
    if (notFinite > 0) {
      this.note(
        `layer '${layer}' of run '${this.source.name}' has ${notFinite} values that are NaN or infinite in epoch ${epoch}: its measures are NaN`,
      )
    }
    for (const [evaluator, amount] of doubts.entries()) {
      const key = `${evaluator}/${layer}`
      if (!(amount > (this.doubts.get(key)?.amount ?? 0))) continue
      this.doubts.set(key, { evaluator, layer, amount: Math.min(1, amount), run: this.source.name, epoch })
    }
  }

  set(epoch: number, evaluator: number, layer: string, cell: Cell): void {
    this.#cells.set(keyOf(epoch, evaluator, layer), cell)
  }

  /** The values as dynamics, NaN for missing measurements. */
  dynamics(heading: DynamicsHeading): DynamicsLike {
    return {
      ...heading,
      epochs: this.source.epochsKnown ? this.#epochs : null,
      samples: heading.evaluators.map(() => this.#samples),
      labelEntropy: this.#entropy,
      values: this.#epochs.map((epoch) =>
        heading.evaluators.map((_, e) =>
          this.layers.map((layer) => [
            ...(this.#cells.get(keyOf(epoch, e, layer))?.values ?? [Number.NaN, Number.NaN]),
          ]),
        ),
      ),
    }
  }

  /** Each value with its interval and p-value, not yet adjusted. */
  measurements({ evaluators, units }: DynamicsHeading): Measurement[] {
    return evaluators.flatMap((estimator, e) =>
      this.#epochs.flatMap((epoch) =>
        this.layers.flatMap((layer) => {
          const cell = this.#cells.get(keyOf(epoch, e, layer))
          if (cell === undefined) return []
          return (['x', 'y'] as const).flatMap((side, at) => {
            const value = cell.values[at] as number
            if (Number.isNaN(value)) return []
            const { standardError = Number.NaN, interval } = cell.uncertainty?.[at] ?? {}
            const pValue = cell.pValues?.[at] ?? Number.NaN
            const isSpread = Number.isFinite(standardError)
            return {
              run: this.source.name,
              estimator,
              layer,
              epoch,
              side,
              units: units[e] ?? 'none',
              value,
              standardError: isSpread ? standardError : null,
              interval: isSpread ? (interval ?? null) : null,
              pValue: Number.isNaN(pValue) ? null : pValue,
              adjustedPValue: null,
            }
          })
        }),
      ),
    )
  }
}

/** Notes on values that may mislead: one per evaluator, on the layer with the largest doubt. */
export function doubtNotes(runs: readonly MeasuredRun[], estimators: readonly Estimator[]): string[] {
  const all = runs.flatMap(({ doubts }) => [...doubts.values()]).sort((a, b) => b.amount - a.amount)
  return estimators.flatMap((estimator, e) => {
    const own = all.filter(({ evaluator }) => evaluator === e)
    const [most] = own
    if (most === undefined) return []
    const what = `layer '${most.layer}' of run '${most.run}' in epoch ${most.epoch}`
    const advice = estimator.adviceOnDoubt(most.amount, what)
    if (advice === undefined) return []
    const others = new Map<string, number>()
    for (const { layer, amount } of own) {
      if (
        layer !== most.layer &&
        !others.has(layer) &&
        estimator.adviceOnDoubt(amount, layer) !== undefined
      ) {
        others.set(layer, amount)
      }
    }
    const shown = [...others].map(([layer, amount]) => `'${layer}' ${Math.round(100 * amount)} %`)
    return shown.length === 0 ? advice.text : `${advice.text}; also in other layers: ${shown.join(', ')}`
  })
}

const keyOf = (epoch: number, evaluator: number, layer: string) => `${epoch}/${evaluator}/${layer}`

/** Measures layers of an epoch. */
export async function measurePortion(
  run: MeasuredRun,
  epoch: number,
  layers: readonly LayerTensor[],
  ends: EndTensors,
  estimators: readonly Estimator[],
  asked: Uncertainties,
): Promise<void> {
  run.noteEnds(ends, layers[0]?.h.shape[0] as number)
  const others = [ends.x, ends.y].filter((end) => end !== undefined)
  const findings = await findingsOf(layers, estimators, others)
  for (const [l, { name }] of layers.entries()) run.noteFindings(epoch, name, findings[l] as LayerFindings)
  const sound = layers.filter((_, l) => findings[l]?.notFinite === 0)
  const tensors = sound.map(({ h }) => h)
  if (sound.length === 0 || (ends.x === undefined && ends.y === undefined && !estimators.some(readsSymbols)))
    return
  for (const [e, estimator] of estimators.entries()) {
    asked.signal?.throwIfAborted()
    const pairs = await pairsOf(estimator, tensors, ends, (reason) =>
      run.note(
        `${estimator.name} has no answer in epoch ${epoch} of run '${run.source.name}': ${reason.message}`,
      ),
    )
    const values = pairs.map((pair) => pair.map(finiteOrNaN) as unknown as Pair)
    const halves = asked.rounds < 2 ? undefined : await halvesOf(estimator, tensors, ends, values, asked)
    const pValues =
      asked.permutations < 1 ? undefined : await pValuesOf(estimator, tensors, ends, values, asked)
    for (const [l, { name }] of sound.entries()) {
      run.set(epoch, e, name, { values: values[l] as Pair, uncertainty: halves?.[l], pValues: pValues?.[l] })
    }
  }
}

const finiteOrNaN = (value: number) => (Number.isFinite(value) ? value : Number.NaN)
