import { textWidth } from './font.js'
import type { JsonObject } from './spec.js'
import { epochFormat, epochTicks, logEpochTicks, type ScaleKind, type Tick, ticksOf } from './ticks.js'

/**
 * One axis, computed here and not by the renderer: labels can only be placed clear of the data if the position of each value is known.
 */
export interface AxisScale {
  readonly kind: ScaleKind
  readonly domain: readonly [number, number]
  readonly ticks: readonly Tick[]
  /** Position of a value, from 0 (start of the axis) to 1. */
  position(value: number): number
  /** The value at a position; inverse of `position`. */
  valueAt(position: number): number
  /** The Vega-Lite `scale`. */
  readonly scale: JsonObject
  /** The tick part of the Vega-Lite `axis`. */
  readonly axis: JsonObject
}

/** Empty space at both ends, as a fraction of the axis. */
const margin = 0.07

/** Smallest span of an axis as a fraction of the largest value: a change below a tenth is not a trend. */
const leastShare = 0.1

/** Smallest ratio of the ends of a logarithmic axis. */
const leastFactor = 1.5

/** Side and length of an axis in pixels: its labels must fit beside each other. */
export interface AxisPlace {
  readonly side: 'x' | 'y'
  readonly length: number
  /** Smallest span of a linear axis, besides a tenth of the largest value. */
  readonly span?: number
  /** The range, instead of the range of the values. */
  readonly domain?: readonly [number, number]
}

/**
 * The scale that shows all of `values`. A linear axis starts at zero if the values come near it, and spans at least a tenth of the largest
 * value, so that noise looks small; a logarithmic axis spans at least a factor of 1.5.
 *
 * @param values finite; without any the axis is from 0 to 1
 */
export function chooseScale(values: readonly number[], kind: ScaleKind, place: AxisPlace): AxisScale {
  if (values.length === 0) return chooseScale([0, 1], 'linear', place)
  const constant = kind === 'symlog' ? linearWidth(values) : 1
  const { forward, backward } = transforms(kind, constant)
  const [low, high] = place.domain ?? paddedDomain(values, kind, { forward, backward }, place.span ?? 0)
  const from = forward(low)
  const ticks = ticksOf(kind, [low, high], {
    constant,
    fits: (labeled) => {
      const at = (value: number) => ((forward(value) - from) / (forward(high) - from)) * place.length
      return labeled.every(({ value, label }, index) => {
        const next = labeled[index + 1]
        if (next === undefined) return true
        const needed = place.side === 'x' ? (textWidth(label, 11) + textWidth(next.label, 11)) / 2 + 14 : 26
        return at(next.value) - at(value) >= needed
      })
    },
  })
  let to = forward(high)
  const top = forward(ticks.findLast((tick) => tick.label !== '')?.value ?? low)
  // Half a label of space above the top tick of a y axis aligns the headings of neighboring panels.
  if (place.side === 'y' && place.length > 16 && place.domain === undefined)
    to = Math.max(to, from + (top - from) / (1 - 8 / place.length))
  const domain: [number, number] = [low, to === forward(high) ? high : tidy(backward(to), high - low)]
  to = forward(domain[1])
  return {
    kind,
    domain,
    ticks,
    position: (value) => (forward(value) - from) / (to - from),
    valueAt: (position) => tidy(backward(from + position * (to - from)), domain[1] - domain[0]),
    scale: {
      type: kind,
      domain: [...domain],
      nice: false,
      ...(kind === 'linear' ? { zero: false } : {}),
      ...(kind === 'symlog' ? { constant } : {}),
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

/** Width of the linear part of a symmetric-logarithmic axis: the smallest magnitude that is visible beside the largest. */
function linearWidth(values: readonly number[]): number {
  const sizes = values.map(Math.abs).filter((size) => size > 0)
  if (sizes.length === 0) return 1
  const [low, high] = extent(sizes)
  return 10 ** Math.floor(Math.log10(Math.max(low, high * 1e-4)))
}

/** A value on an axis of that width without invisible digits. */
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
  { forward, backward }: Transforms,
  span: number,
): [number, number] {
  const [low, high] = extent(values)
  const [from, to] = [forward(low), forward(high)]
  const largest = Math.max(Math.abs(low), Math.abs(high))
  const least = leastSpan(kind, largest, span, forward)
  const space = Math.max((to - from) * margin, (least - (to - from)) / 2)
  // There is no power of ten below the smallest number, and none above the largest.
  const lowest = kind === 'log' ? Number.MIN_VALUE : -Number.MAX_VALUE
  const start = Math.max(lowest, backward(from - space))
  const end = Math.min(Number.MAX_VALUE, backward(to + space))
  const padded: [number, number] = [tidy(start, end - start), tidy(end, end - start)]
  // The axis of values that are never negative is not negative either.
  if (kind === 'linear' && low >= 0 && (low <= 0.25 * high || padded[0] < 0)) padded[0] = 0
  return padded
}

/** Smallest length of an axis after its transform. */
function leastSpan(kind: ScaleKind, largest: number, span: number, forward: Transforms['forward']): number {
  switch (kind) {
    case 'linear':
      return Math.max(span, leastShare * largest) || 1
    case 'log':
      return Math.log10(leastFactor)
    case 'symlog':
      return Math.max(leastShare * Math.abs(forward(largest)), 1e-6) || 1
  }
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

/** Scale of the epochs: linear, or log(1 + epoch), in which the first epochs have as much space as all later ones. */
export type EpochScaleKind = 'linear' | 'log'

/** Scale of log(1 + epoch): it contains epoch 0. */
export const epochLogScale: JsonObject = { type: 'symlog', constant: 1 }

const spread = (epoch: number) => Math.sign(epoch) * Math.log1p(Math.abs(epoch))

/** Position of an epoch between the first and the last, from 0 to 1, on a scale of log(1 + epoch). */
function logShare(epoch: number, [first, last]: readonly [number, number]): number {
  return (spread(epoch) - spread(first)) / (spread(last) - spread(first))
}

/** Epochs to label on a log(1 + epoch) axis of that length in pixels, at least `gap` pixels apart. */
export function epochLogTicks(numbers: readonly number[], length: number, gap: number): number[] {
  const ends = [numbers[0] as number, numbers.at(-1) as number] as const
  return logEpochTicks(numbers, (epochs) =>
    epochs.every(
      (epoch, i) =>
        i === 0 || (logShare(epoch, ends) - logShare(epochs[i - 1] as number, ends)) * length >= gap,
    ),
  )
}

/** An axis of epochs. */
export interface EpochAxis {
  readonly scale: JsonObject
  readonly axis: JsonObject
  /** Position of an epoch, from 0 (start of the axis) to 1. */
  position(epoch: number): number
}

/** The axis of epochs with these numbers, ascending, of that length in pixels. */
export function epochScale(numbers: readonly number[], kind: EpochScaleKind, length: number): EpochAxis {
  const [first, last] = [numbers[0] as number, numbers.at(-1) as number]
  const format = epochFormat(numbers)
  if (kind === 'log') {
    const space = (spread(last) - spread(first)) * 0.03 || 0.2
    const end = (value: number) => Math.sign(value) * Math.expm1(Math.abs(value))
    const domain: [number, number] = [end(spread(first) - space), end(spread(last) + space)]
    return {
      scale: { ...epochLogScale, domain, nice: false, zero: false },
      axis: { values: epochLogTicks(numbers, length, 26), format, labelOverlap: false },
      position: (epoch) => logShare(epoch, domain),
    }
  }
  const space = (last - first) * 0.03 || 0.4
  const least = numbers.every(Number.isInteger) ? 0.4 : 0
  const around = Math.max(least, space)
  const [low, high] = [first - around, last + around]
  return {
    scale: { type: 'linear', domain: [low, high], nice: false, zero: false },
    axis: { values: epochTicks(numbers, 8), format, labelOverlap: false },
    position: (epoch) => (epoch - low) / (high - low),
  }
}
