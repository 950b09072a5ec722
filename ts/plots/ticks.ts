/** Kind of an axis. `symlog` is logarithmic away from zero and linear near it. */
export type ScaleKind = 'linear' | 'log' | 'symlog'

/** A tick of an axis; one with an empty label is a minor tick. */
export interface Tick {
  readonly value: number
  readonly label: string
}

/** Constraints on ticks. */
export interface TickRules {
  /** Width of the linear part of a symmetric-logarithmic axis. */
  readonly constant: number
  /** Whether the labels of these ticks do not overlap. */
  readonly fits: (labeled: readonly Tick[]) => boolean
}

/** Round values in [low, high] as ticks of an axis of that kind, with labels that fit. */
export function ticksOf(kind: ScaleKind, [low, high]: readonly [number, number], rules: TickRules): Tick[] {
  switch (kind) {
    case 'linear':
      return linearTicks(low, high, rules)
    case 'log':
      return logTicks(low, high, rules)
    case 'symlog':
      return symlogTicks(low, high, rules)
  }
}

/** Ticks at round steps, as many as fit, about seven at most and at least two. */
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
  // 0.00012 is shorter than its power of ten; with six or more decimals the power is shorter.
  const plain = exponent >= -5 && largest < 1e6
  const label = (value: number): string => {
    if (plain) return minus(value.toFixed(Math.max(0, -exponent)))
    return value === 0
      ? '0'
      : `${minus((value / 10 ** power).toFixed(power - exponent))}×${powerOfTen(power)}`
  }
  return values.map((value) => ({ value, label: label(value) }))
}

/** The smallest of 1, 2, 5, 10 ... times a power of ten that is at least `rough`. */
function roundStep(rough: number): number {
  const exponent = Math.floor(Math.log10(rough))
  const factor = [1, 2, 5].find((each) => each * 10 ** exponent >= rough * (1 - 1e-9)) ?? 10
  return Number(`${factor}e${exponent}`)
}

/** Powers of ten in [low, high]. */
function decades(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => Number(`1e${first + index}`))
}

/** Every power of ten as a tick, or as many as fit. */
function decadeTicks(powers: readonly number[], { fits }: TickRules): Tick[] {
  for (let every = 1; ; every++) {
    const ticks = powers
      .filter((_, index) => index % every === 0)
      .map((value) => ({ value, label: scientific(value) }))
    if (ticks.length <= 2 || fits(ticks)) return ticks
  }
}

/** Multiples of the powers of ten with labels, the densest first. */
const labeledFactors = [[1, 2, 5], [1, 3], [1]] as const

function logTicks(low: number, high: number, rules: TickRules): Tick[] {
  const span = Math.log10(high / low)
  if (span < 0.7) return linearTicks(low, high, rules)
  const powers = decades(low, high)
  // Over many decades the minor ticks would merge.
  if (span > 6) return decadeTicks(powers, rules)
  const values: number[] = []
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
    for (let factor = 1; factor <= 9; factor++) {
      const value = Number(`${factor}e${exponent}`)
      if (value >= low && value <= high) values.push(value)
    }
  }
  const choices = powers.length >= 3 ? [[1]] : labeledFactors
  let ticks: Tick[] = []
  for (const factors of choices) {
    const isMajor = (value: number) => {
      const factor = Number(value.toExponential().split('e')[0])
      return factors.some((each) => each === factor)
    }
    const major = values.filter(isMajor)
    // A single power of ten does not show the length of a decade.
    if (major.length < 2 && ticks.length > 0) break
    const plain = major.every((value) => value >= (factors.length > 1 ? 1e-4 : 1e-3) && value < 1e5)
    ticks = values.map((value) => ({
      value,
      label: !major.includes(value) ? '' : plain ? String(value) : scientific(value),
    }))
    if (rules.fits(ticks.filter((tick) => tick.label !== ''))) break
  }
  return ticks
}

function symlogTicks(low: number, high: number, rules: TickRules): Tick[] {
  const { constant, fits } = rules
  const positive = high > constant ? decades(constant, high) : []
  const negative = low < -constant ? decades(constant, -low) : []
  if (positive.length + negative.length === 0) return linearTicks(low, high, rules)
  for (let every = 1; ; every++) {
    // The powers next to zero are closest: leaving them out saves the others.
    for (let skipped = 0; skipped <= 2; skipped++) {
      const some = (powers: number[]) =>
        powers.slice(skipped).filter((_, index, { length }) => (length - 1 - index) % every === 0)
      const values = [
        ...some(negative)
          .map((value) => -value)
          .reverse(),
        0,
        ...some(positive),
      ]
      if (values.length < 2) break
      const plain = values.every((value) => value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5))
      const ticks = values.map((value) => ({
        value,
        label: plain ? minus(String(value)) : scientific(value),
      }))
      if (ticks.length === 2 || fits(ticks)) return ticks
    }
    if (every > positive.length + negative.length) return linearTicks(low, high, rules)
  }
}

const minus = (text: string): string => text.replace('-', '\u2212')

function powerOfTen(exponent: number): string {
  const raised = String(exponent).replace(/./g, (sign) =>
    sign === '-' ? '⁻' : ('⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(sign)] as string),
  )
  return `10${raised}`
}

/** A number as a mantissa and a power of ten, as in print: 2×10⁻⁴, 10⁻³. */
function scientific(value: number): string {
  if (value === 0) return '0'
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const power = powerOfTen(Number(exponent))
  if (mantissa === '1') return power
  return minus(mantissa === '-1' ? `-${power}` : `${mantissa}×${power}`)
}

/** About `most` epochs to label on an axis of ascending epochs: the first, the last, and round ones between. */
export function epochTicks(numbers: readonly number[], most: number): number[] {
  const [first, last] = [numbers[0] as number, numbers.at(-1) as number]
  const span = last - first
  if (span === 0) return [first]
  const isWhole = numbers.every(Number.isInteger)
  if (isWhole && span < most) return Array.from({ length: span + 1 }, (_, index) => first + index)
  const step = isWhole ? Math.max(1, roundStep(span / (most - 1))) : roundStep(span / (most - 1))
  const values = [first]
  for (let n = Math.floor(first / step) + 1; n * step < last - step / 3; n++) {
    const epoch = Number((n * step).toPrecision(12))
    if (epoch - first >= step / 3) values.push(epoch)
  }
  return [...values, last]
}

/** Multiples of the powers of ten that a logarithmic axis of epochs may label, the densest first. */
const epochFactors = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]] as const

/**
 * Epochs to label on a log(1 + epoch) axis: the first, the last, and round ones that do not overlap.
 *
 * @param fits whether the labels of these ascending epochs do not overlap
 */
export function logEpochTicks(
  numbers: readonly number[],
  fits: (epochs: readonly number[]) => boolean,
): number[] {
  const [first, last] = [numbers[0] as number, numbers.at(-1) as number]
  if (first === last) return [first]
  for (const factors of epochFactors) {
    const round = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].flatMap((exponent) =>
      factors.map((factor) => factor * 10 ** exponent),
    )
    const between = [0, ...round].filter(
      (epoch) => epoch > first && epoch < last && fits([first, epoch]) && fits([epoch, last]),
    )
    const all = [first, ...between, last]
    if (fits(all)) return all
  }
  return [first, last]
}

/** Format of epochs: whole numbers if they are whole. */
export function epochFormat(numbers: readonly number[]): string {
  return numbers.every(Number.isInteger) ? 'd' : '~g'
}
