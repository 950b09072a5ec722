/** Notes on the values of runs. */
import { checkDataProcessing } from '../estimators/theory.js'
import { baseOfUnit } from '../estimators/unit.js'
import { measureNames } from './naming.js'
import type { RunValues } from './run-values.js'

/** Violation of theory in nats that is too small for a note. */
const tolerance = 0.05
/** Relative distance to ln n within which a value is saturated. */
const closeness = 0.01

/** Means over the runs of one measure in one epoch, by layer, in nats. */
interface Row {
  readonly epoch: number
  readonly x: readonly number[]
  readonly y: readonly number[]
}

/** An evaluator of information and its values. */
interface Measured {
  readonly name: string
  readonly x: string
  readonly y: string
  readonly rows: readonly Row[]
  readonly layers: readonly string[]
  readonly samples: number | null
  /** Epoch or row. */
  readonly kind: string
  /** Nats as a text in the unit of the values. */
  amount(nats: number): string
}

/** The notes on the values of a set. */
export function runNotes(set: RunValues): string[] {
  const single = set.names.length === 1 ? ['one run: means are its values, without a standard error'] : []
  const notes = set.evaluators.flatMap((name, e) => {
    const unit = set.units[e] as string | null
    const base = unit === null ? undefined : baseOfUnit(unit)
    const scale = base === undefined ? 1 : Math.log(base)
    const rows = set.epochs.map((epoch) => {
      const pairs = set.layers.map((_, l) => set.spread(e, l, epoch))
      return {
        epoch,
        x: pairs.map(({ ixt }) => ixt.mean * scale),
        y: pairs.map(({ ity }) => ity.mean * scale),
      }
    })
    const { x, y } = measureNames({ evaluator: name, unit })
    const kind = set.rowKind
    const amount = (nats: number) => `${Number((nats / scale).toPrecision(4))} ${unit}`
    const measured: Measured = {
      name,
      x,
      y,
      rows,
      kind,
      amount,
      layers: set.layers,
      samples: set.samples[e] ?? null,
    }
    const missing = missingNotes(measured)
    if (base === undefined) return missing
    return [
      ...missing,
      ...saturationNotes(measured),
      ...orderNotes(measured),
      ...ceilingNotes(measured, set.labelEntropy),
    ]
  })
  return [...single, ...notes]
}

/** Maximum number of layers that a note names. */
const maxNamedLayers = 12

/** The first names of a list of layers and the number of the others. */
function listed(layers: readonly string[], separator: string): string {
  if (layers.length <= maxNamedLayers) return layers.join(separator)
  return `${layers.slice(0, maxNamedLayers).join(separator)}${separator}and ${layers.length - maxNamedLayers} more layers`
}

/** Layers without any value. */
function missingNotes({ name, x, y, rows, layers }: Measured): string[] {
  const without = (side: 'x' | 'y', title: string) => {
    const found = layers.filter((_, l) => rows.every((row) => Number.isNaN(row[side][l])))
    return found.length === 0 ? [] : [`${name}: ${title} has no value for ${listed(found, ', ')}`]
  }
  return [...without('x', x), ...without('y', y)]
}

/** Layers whose information about the input is at the maximum of the samples. */
function saturationNotes({ name, x, rows, layers, samples, kind, amount }: Measured): string[] {
  if (samples === null || samples < 2) return []
  const most = Math.log(samples)
  const isAt = (value: number | undefined) => Math.abs((value as number) - most) <= closeness * most
  const found = layers.flatMap((layer, l) => {
    const measured = rows.filter((row) => !Number.isNaN(row.x[l]))
    const count = measured.filter((row) => isAt(row.x[l])).length
    return count === 0 ? [] : [`${layer} in ${count} of ${measured.length} ${kind}s`]
  })
  if (found.length === 0) return []
  return [
    `${name}: ${x} is saturated at ln n = ${amount(most)} (n = ${samples}), so it reflects the number of samples and not the layer: ${listed(found, '; ')}`,
  ]
}

/** Layers with more information than an earlier layer, or with more about the target than about the input. */
function orderNotes({ name, x, y, rows, layers, kind, amount }: Measured): string[] {
  const rising = (side: 'x' | 'y', title: string) => {
    const found = rows.flatMap(({ epoch, ...row }) =>
      checkDataProcessing(row[side], tolerance).map((one) => ({ ...one, epoch })),
    )
    const worst = mostOf(found)
    if (worst === undefined) return []
    const epochs = new Set(found.map(({ epoch }) => epoch)).size
    return [
      `${name}: data-processing order broken: ${title} rises at ${layers[worst.layer]} by ${amount(worst.excess)} in ${kind} ${worst.epoch}, the most of ${epochs} of ${rows.length} ${kind}s where it rises by more than ${amount(tolerance)}`,
    ]
  }
  const above = mostOf(
    rows.flatMap(({ epoch, x, y }) =>
      layers.map((_, layer) => ({ layer, epoch, excess: (y[layer] as number) - (x[layer] as number) })),
    ),
  )
  const relevance =
    above !== undefined && above.excess > tolerance
      ? [
          `${name}: ${y} exceeds ${x} by up to ${amount(above.excess)} (${layers[above.layer]}, ${kind} ${above.epoch}), which is impossible for a layer between X and Y`,
        ]
      : []
  return [...rising('x', x), ...rising('y', y), ...relevance]
}

/** Layers with more information about the target than H(Y). */
function ceilingNotes(
  { name, y, rows, layers, kind, amount }: Measured,
  labelEntropy: number | null,
): string[] {
  if (labelEntropy === null) return []
  const worst = mostOf(
    rows.flatMap(({ epoch, y }) => y.map((value, layer) => ({ layer, epoch, excess: value - labelEntropy }))),
  )
  if (worst === undefined || !(worst.excess > tolerance)) return []
  return [
    `${name}: ${y} exceeds H(Y) = ${amount(labelEntropy)} by up to ${amount(worst.excess)} (${layers[worst.layer]}, ${kind} ${worst.epoch})`,
  ]
}

function mostOf<T extends { readonly excess: number }>(found: readonly T[]): T | undefined {
  return found
    .filter(({ excess }) => !Number.isNaN(excess))
    .reduce<T | undefined>(
      (most, one) => (most === undefined || one.excess > most.excess ? one : most),
      undefined,
    )
}
