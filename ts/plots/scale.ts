import { textWidth } from './font.js'
import type { JsonObject } from './spec.js'
import type { Tick } from './ticks.js'
import { epochFormat, epochTicks, ticksOf } from './ticks.js'

/** How an axis spreads its values. `symlog` is logarithmic away from zero and linear about it. */
export type ScaleKind = 'linear' | 'log' | 'symlog'

/**
 * One axis, decided here and not by the renderer, because labels can only be placed clear of the data where the
 * position of each value is known.
 */
export interface AxisScale {
  readonly kind: ScaleKind
  readonly domain: readonly [number, number]
  readonly ticks: readonly Tick[]
  /** Where a value lies, from 0 (start of the axis) to 1. */
  position(value: number): number
  /** The value at a position; inverse of `position`. */
  valueAt(position: number): number
  /** The Vega-Lite `scale`. */
  readonly scale: JsonObject
  /** The tick part of the Vega-Lite `axis`. */
  readonly axis: JsonObject
}

/** Largest over smallest value from which on an axis is logarithmic: below it, all trajectories stay legible side by side. */
const logarithmicFrom = 20

/** Empty space at both ends, as a part of the axis. */
const margin = 0.07

/** Where an axis lies and how long it is in pixels: its labels must fit beside each other. */
export interface AxisPlace {
  readonly side: 'x' | 'y'
  readonly length: number
}

/**
 * The scale that shows all of `values`. Chosen by itself where `kind` is `auto`: logarithmic for positive values that
 * differ by a factor of 20 or more, symmetric-logarithmic where zeros or negative values are among such, else linear.
 * A linear axis starts at zero when the values come near it.
 *
 * @param values finite; without any the axis runs from 0 to 1
 */
export function chooseScale(
  values: readonly number[],
  kind: ScaleKind | 'auto',
  place: AxisPlace,
): AxisScale {
  if (values.length === 0) return chooseScale([0, 1], 'linear', place)
  const chosen = kind === 'auto' ? chooseKind(values) : kind
  const constant = chosen === 'symlog' ? linearWidth(values) : 1
  const { forward, backward } = transforms(chosen, constant)
  const [low, high] = paddedDomain(values, chosen, forward, backward)
  const from = forward(low)
  const ticks = ticksOf(chosen, [low, high], {
    constant,
    fits: (labelled) => {
      const at = (value: number) => ((forward(value) - from) / (forward(high) - from)) * place.length
      return labelled.every(({ value, label }, index) => {
        const next = labelled[index + 1]
        if (next === undefined) return true
        const needed = place.side === 'x' ? (textWidth(label, 11) + textWidth(next.label, 11)) / 2 + 14 : 26
        return at(next.value) - at(value) >= needed
      })
    },
  })
  let to = forward(high)
  const top = forward(ticks.findLast((tick) => tick.label !== '')?.value ?? low)
  // Half a label of room above the top tick of an upright axis keeps the headings of neighboring panels level.
  if (place.side === 'y' && place.length > 16) to = Math.max(to, from + (top - from) / (1 - 8 / place.length))
  const domain: [number, number] = [low, to === forward(high) ? high : tidy(backward(to), high - low)]
  to = forward(domain[1])
  return {
    kind: chosen,
    domain,
    ticks,
    position: (value) => (forward(value) - from) / (to - from),
    valueAt: (position) => tidy(backward(from + position * (to - from)), domain[1] - domain[0]),
    scale: {
      type: chosen,
      domain: [...domain],
      nice: false,
      ...(chosen === 'linear' ? { zero: false } : {}),
      ...(chosen === 'symlog' ? { constant } : {}),
    },
    axis: axisOf(ticks),
  }
}

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return [low, high]
}

function chooseKind(values: readonly number[]): ScaleKind {
  const sizes = values.map(Math.abs).filter((size) => size > 0)
  const [low, high] = extent(sizes)
  if (sizes.length === 0 || high / low < logarithmicFrom) return 'linear'
  if (values.every((value) => value > 0)) return 'log'
  // A few values about zero beside equally large ones need no logarithm: the middle one decides.
  const middle = sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)] as number
  return high / middle < logarithmicFrom ? 'linear' : 'symlog'
}

/** Width of the linear part of a symmetric-logarithmic axis: the smallest size that matters beside the largest. */
function linearWidth(values: readonly number[]): number {
  const sizes = values.map(Math.abs).filter((size) => size > 0)
  if (sizes.length === 0) return 1
  const [low, high] = extent(sizes)
  return 10 ** Math.floor(Math.log10(Math.max(low, high * 1e-4)))
}

/** A value on an axis of that width without the digits that no eye can see. */
function tidy(value: number, width: number): number {
  const leading = Math.abs(value) > width ? Math.ceil(Math.log10(Math.abs(value) / width)) : 0
  return Number(value.toPrecision(Math.min(17, 6 + leading)))
}

interface Transforms {
  forward: (value: number) => number
  backward: (value: number) => number
}

function transforms(kind: ScaleKind, constant: number): Transforms {
  switch (kind) {
    case 'linear':
      return { forward: (value) => value, backward: (value) => value }
    case 'log':
      return { forward: Math.log10, backward: (value) => 10 ** value }
    case 'symlog':
      return {
        forward: (value) => Math.sign(value) * Math.log1p(Math.abs(value / constant)),
        backward: (value) => Math.sign(value) * Math.expm1(Math.abs(value)) * constant,
      }
  }
}

function paddedDomain(
  values: readonly number[],
  kind: ScaleKind,
  forward: Transforms['forward'],
  backward: Transforms['backward'],
): [number, number] {
  const [low, high] = extent(values)
  const [from, to] = [forward(low), forward(high)]
  let space = (to - from) * margin
  // A single value, or values equal up to the rounding of float32, get an axis of a sensible width about them.
  const largest = kind === 'log' ? 1 : Math.max(Math.abs(from), Math.abs(to))
  if (to - from <= 1e-6 * largest) space = kind === 'log' ? 0.3 : 0.25 * largest || 0.5
  // There is no power of ten below the smallest number, and none above the largest.
  const least = kind === 'log' ? Number.MIN_VALUE : -Number.MAX_VALUE
  const start = Math.max(least, backward(from - space))
  const end = Math.min(Number.MAX_VALUE, backward(to + space))
  const padded: [number, number] = [tidy(start, end - start), tidy(end, end - start)]
  if (kind === 'linear' && low >= 0 && low <= 0.25 * high) padded[0] = 0
  return padded
}

function axisOf(ticks: readonly Tick[]): JsonObject {
  const values = ticks.map((tick) => tick.value)
  const major = ticks.filter((tick) => tick.label !== '').map((tick) => tick.value)
  const isMajor = `indexof(${JSON.stringify(major)}, datum.value) >= 0`
  return {
    values,
    labelExpr: `${JSON.stringify(ticks.map((tick) => tick.label))}[indexof(${JSON.stringify(values)}, datum.value)]`,
    labelOverlap: false,
    labelFlush: false,
    ...(major.length === ticks.length
      ? {}
      : {
          tickSize: { condition: { test: isMajor, value: 5 }, value: 2.5 },
          gridOpacity: { condition: { test: isMajor, value: 1 }, value: 0.45 },
        }),
  }
}

/** The scale and axis of epochs with these numbers, rising. */
export function epochScale(numbers: readonly number[]): { scale: JsonObject; axis: JsonObject } {
  const [first, last] = [numbers[0] as number, numbers.at(-1) as number]
  const space = (last - first) * 0.03 || 0.4
  const least = numbers.every(Number.isInteger) ? 0.4 : 0
  const around = Math.max(least, space)
  return {
    scale: { type: 'linear', domain: [first - around, last + around], nice: false, zero: false },
    axis: { values: epochTicks(numbers, 8), format: epochFormat(numbers), labelOverlap: false },
  }
}
