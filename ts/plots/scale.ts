import { textWidth } from './font.js'
import type { JsonObject } from './spec.js'

/** How an axis spreads its values. `symlog` is logarithmic away from zero and linear about it. */
export type ScaleKind = 'linear' | 'log' | 'symlog'

/** A mark on an axis; one with an empty label is a minor one. */
interface Tick {
  readonly value: number
  readonly label: string
}

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
 * @param values finite, at least one
 */
export function chooseScale(
  values: readonly number[],
  kind: ScaleKind | 'auto',
  place: AxisPlace,
): AxisScale {
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
  // Half a label of room above the top tick of an upright axis keeps the headings of neighbouring panels level.
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
  const [start, end] = [backward(from - space), backward(to + space)]
  const padded: [number, number] = [tidy(start, end - start), tidy(end, end - start)]
  if (kind === 'linear' && low >= 0 && low <= 0.25 * high) padded[0] = 0
  return padded
}

interface TickRules {
  /** Width of the linear part of a symmetric-logarithmic axis. */
  readonly constant: number
  /** Whether the labels of these ticks stand clear of each other. */
  readonly fits: (labelled: readonly Tick[]) => boolean
}

function ticksOf(kind: ScaleKind, [low, high]: readonly [number, number], rules: TickRules): Tick[] {
  switch (kind) {
    case 'linear':
      return linearTicks(low, high, rules)
    case 'log':
      return logTicks(low, high, rules)
    case 'symlog':
      return symlogTicks(low, high, rules)
  }
}

/** Ticks at round steps, as many as have room, about seven at most and two at least. */
function linearTicks(low: number, high: number, { fits }: TickRules): Tick[] {
  let ticks: Tick[] = []
  for (let labels = 7; labels >= 1; labels--) {
    const fewer = roundTicks(low, high, (high - low) / labels)
    if (ticks.length > 0 && fewer.length < 2) break
    ticks = fewer
    if (fits(ticks)) break
  }
  return ticks
}

function roundTicks(low: number, high: number, rough: number): Tick[] {
  const step = roundStep(rough)
  const values: number[] = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
    values.push(Number((i * step).toPrecision(12)))
  }
  const exponent = Math.floor(Math.log10(step) + 1e-9)
  const largest = Math.max(0, ...values.map(Math.abs))
  const power = largest === 0 ? 0 : Math.floor(Math.log10(largest) + 1e-9)
  // 0.00012 is shorter than its power of ten; from six decimals on it is not.
  const plain = exponent >= -5 && largest < 1e6
  const label = (value: number): string => {
    if (plain) return minus(value.toFixed(Math.max(0, -exponent)))
    return value === 0
      ? '0'
      : `${minus((value / 10 ** power).toFixed(power - exponent))}×${powerOfTen(power)}`
  }
  return values.map((value) => ({ value, label: label(value) }))
}

/** The smallest of 1, 2, 5, 10 ... times a power of ten that is not below `rough`. */
function roundStep(rough: number): number {
  const exponent = Math.floor(Math.log10(rough))
  const factor = [1, 2, 5].find((each) => each * 10 ** exponent >= rough * (1 - 1e-9)) ?? 10
  return Number(`${factor}e${exponent}`)
}

/** Powers of ten in [low, high], thinned to ten at most. */
function decades(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  const every = Math.max(1, Math.ceil((last - first + 1) / 10))
  const values: number[] = []
  for (let exponent = first; exponent <= last; exponent += every) values.push(Number(`1e${exponent}`))
  return values
}

/** Which multiples of the powers of ten carry labels, the densest first. */
const labelledFactors = [[1, 2, 5], [1, 3], [1]] as const

function logTicks(low: number, high: number, rules: TickRules): Tick[] {
  const span = Math.log10(high / low)
  if (span < 0.7) return linearTicks(low, high, rules)
  const powers = decades(low, high)
  const values: number[] = []
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
    for (let factor = 1; factor <= 9; factor++) {
      const value = Number(`${factor}e${exponent}`)
      if (value >= low && value <= high) values.push(value)
    }
  }
  const choices = powers.length >= 3 ? [[1]] : labelledFactors
  let ticks: Tick[] = []
  for (const factors of choices) {
    const isMajor = (value: number) => {
      const factor = Number(value.toExponential().split('e')[0])
      return factors.some((each) => each === factor) && (factor > 1 || powers.includes(value))
    }
    const major = values.filter(isMajor)
    // A lone power of ten does not tell how long a decade is.
    if (major.length < 2 && ticks.length > 0) break
    const plain = major.every((value) => value >= (factors.length > 1 ? 1e-4 : 1e-3) && value < 1e5)
    // Over many decades the marks between them would be a smear.
    ticks = (span > 6 ? major : values).map((value) => ({
      value,
      label: !major.includes(value) ? '' : plain ? String(value) : scientific(value),
    }))
    if (rules.fits(ticks.filter((tick) => tick.label !== ''))) break
  }
  return ticks
}

function symlogTicks(low: number, high: number, { constant, fits }: TickRules): Tick[] {
  const positive = high > constant ? decades(constant, high) : []
  const negative = low < -constant ? decades(constant, -low) : []
  for (let every = 1; ; every++) {
    // Counted from the outermost, which says how far the axis reaches.
    const some = (powers: number[]) => powers.filter((_, index) => (powers.length - 1 - index) % every === 0)
    const values = [
      ...some(negative)
        .reverse()
        .map((value) => -value),
      0,
      ...some(positive),
    ]
    const plain = values.every((value) => value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5))
    const ticks = values.map((value) => ({ value, label: plain ? minus(String(value)) : scientific(value) }))
    if (ticks.length <= 3 || fits(ticks)) return ticks
  }
}

const minus = (text: string): string => text.replace('-', '\u2212')

function powerOfTen(exponent: number): string {
  const raised = String(exponent).replace(/./g, (sign) =>
    sign === '-' ? '⁻' : ('⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(sign)] as string),
  )
  return `10${raised}`
}

/** A number as a mantissa and a power of ten, as print has it: 2×10⁻⁴, 10⁻³. */
function scientific(value: number): string {
  if (value === 0) return '0'
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const power = powerOfTen(Number(exponent))
  if (mantissa === '1') return power
  return minus(mantissa === '-1' ? `-${power}` : `${mantissa}×${power}`)
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

/** The scale and axis of the epochs 1 .. N. */
export function epochScale(epochs: number): { scale: JsonObject; axis: JsonObject } {
  const space = Math.max(0.4, (epochs - 1) * 0.03)
  const values = epochTicks(epochs, 8)
  return {
    scale: { type: 'linear', domain: [1 - space, epochs + space], nice: false, zero: false },
    axis: { values, format: 'd', labelOverlap: false },
  }
}

/** At most about `most` whole epochs to label: the first, the last, and round ones between. */
export function epochTicks(epochs: number, most: number): number[] {
  if (epochs <= most) return Array.from({ length: epochs }, (_, index) => index + 1)
  const step = roundStep(epochs / (most - 1))
  const values = [1]
  for (let epoch = step; epoch < epochs - step / 3; epoch += step) if (epoch > 1) values.push(epoch)
  return [...values, epochs]
}
