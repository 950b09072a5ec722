/** Means and metrics of an epoch, accumulated on the device. */
import type { Device } from '../core/devices.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { tidy } from '../core/transforms.js'
import { Variable } from '../core/variable.js'
import type { Metric } from '../nn/metrics/index.js'
import { concat, stack, where } from '../ops/index.js'
import { full, type Shape, Tensor, zeros } from '../ops/tensor.js'
import type { Judged, Outcome, Reading } from './task.js'

/** Values of an epoch by kind. */
export interface Means {
  /** Undefined for a task without a loss. */
  readonly loss: number | undefined
  /** Logs, then metrics, by name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** State of a meter, for a resumed run. */
export interface MeterSnapshot {
  /** Values of the steps; undefined if the sum of weights is 0. */
  readonly means: Means | undefined
  /** Values of the meter's Variables by name. */
  readonly values: Readonly<Record<string, Tensor>>
}

/** Numbers that steps report. */
interface Columns {
  readonly hasLoss: boolean
  /** Names of the logs, then of the metrics. */
  readonly names: readonly string[]
  /** Whether loss and logs are sums. */
  readonly sums: readonly boolean[]
}

/** A metric and its state, in Variables. */
interface Measured {
  readonly metric: Metric
  readonly output: Shape
  readonly state: Readonly<Record<string, Variable>>
}

/**
 * Loss, logs and metrics of an epoch in Variables that steps add to: values then do not depend on how the data were divided into batches. The
 * first step defines the numbers, and makes the Variables.
 */
export class Meter {
  /** Device of the steps. */
  readonly #device: Device
  /** float64 [2, N]: weighted sums of loss and logs, and the sums of weights. */
  #totals: Variable | undefined
  #metrics: readonly Measured[] = []
  #columns: Columns | undefined
  #restored: MeterSnapshot | undefined

  constructor(device: Device) {
    this.#device = device
  }

  /** Adds a batch of `size` samples and returns the batch's own values, loss first; part of a step. */
  add(outcome: Outcome, size: number, wantsValues: boolean): Tensor[] {
    const { columns, readings } = readingsOf(outcome)
    const { judged = [] } = outcome
    const totals = this.#prepare(columns, judged)
    const all = full([], size, { dtype: 'float64' })
    const weights = readings.map(({ weight }) => weight ?? all)
    const sums = readings.map(({ value, weight, isSum }) => {
      const exact = value.cast('float64')
      if (isSum === true) return exact
      // A batch of weight 0 was divided by 1: with label smoothing its sum is not 0.
      return exact.mul(weight === undefined ? all : where(weight.greater(0), weight, 1))
    })
    if (readings.length > 0) {
      totals.assign(totals.value.add(stack([...sums, ...weights]).reshape([2, readings.length])))
    }
    for (const [index, { metric, prediction, target, weights: own }] of judged.entries()) {
      const { state } = this.#metrics[index] as Measured
      assignAll(state, metric.update(valuesOf(state), prediction, target, own))
    }
    if (!wantsValues) return []
    const alone = judged.map(({ metric, prediction, target, weights: own }) =>
      metric.of(prediction, target, own),
    )
    return [...readings.map(({ value }) => value), ...alone]
  }

  #prepare(columns: Columns, judged: readonly Judged[]): Variable {
    const known = this.#columns
    if (known !== undefined && this.#totals !== undefined) {
      checkSame(known, columns)
      return this.#totals
    }
    this.#columns = columns
    const restored = this.#restored?.values ?? {}
    const variable = (name: string, initial: Tensor) => {
      return new Variable(restored[name] ?? initial, { name, trainable: false, device: this.#device })
    }
    this.#totals = variable(totalsName, zeros([2, columns.sums.length], { dtype: 'float64' }))
    this.#metrics = judged.map(({ metric, prediction }) => {
      const output = prediction.shape.slice(1)
      const parts = Object.entries(startOf(metric, output))
      const state = parts.map(([part, start]) => [part, variable(`${metric.name}.${part}`, start)] as const)
      return { metric, output, state: Object.fromEntries(state) }
    })
    this.#forget()
    return this.#totals
  }

  /** Begins an epoch. */
  reset(): void {
    this.#forget()
    this.#totals?.assign(0)
    tidy(() => {
      for (const { metric, output, state } of this.#metrics) assignAll(state, metric.init(output))
    })
  }

  /** The Variables by name. */
  get variables(): ReadonlyMap<string, Variable> {
    const states = this.#metrics.flatMap(({ metric, state }) =>
      Object.entries(state).map(([part, variable]) => [`${metric.name}.${part}`, variable] as const),
    )
    return new Map([...(this.#totals === undefined ? [] : [[totalsName, this.#totals] as const]), ...states])
  }

  /** The meter's state; the caller owns the tensors. Waits for the running steps. */
  async snapshot(): Promise<MeterSnapshot> {
    const { variables } = this
    if (variables.size === 0 && this.#restored !== undefined) {
      const { means, values } = this.#restored
      const copies = Object.entries(values).map(([name, value]) => [name, value.add(0)] as const)
      return { means, values: Object.fromEntries(copies) }
    }
    const values = [...variables].map(([name, variable]) => [name, variable.value] as const)
    return { means: await this.means(), values: Object.fromEntries(values) }
  }

  /** Restores a snapshot; the meter then owns its tensors. */
  restore(snapshot: MeterSnapshot | undefined): void {
    this.#forget()
    this.#restored = snapshot
  }

  #forget(): void {
    for (const value of Object.values(this.#restored?.values ?? {})) value.dispose()
    this.#restored = undefined
  }

  /** Values of one batch by kind. */
  named(values: readonly number[]): Means {
    return meansOf(values, this.#columns ?? { hasLoss: false, names: [] })
  }

  /** Values of all steps so far; undefined if the sum of weights is 0. Waits for the running steps. */
  async means(): Promise<Means | undefined> {
    const [totals, columns] = [this.#totals, this.#columns]
    if (totals === undefined || columns === undefined) {
      return this.#restored === undefined ? { loss: undefined, metrics: {} } : this.#restored.means
    }
    using all = tidy(() => {
      const metrics = this.#metrics.map(({ metric, state }) =>
        metric.compute(valuesOf(state)).cast('float64'),
      )
      return concat([totals.value.reshape([-1]), ...metrics.map((value) => value.reshape([1]))])
    })
    const found = [...((await all.data()) as Float64Array)]
    const width = columns.sums.length
    if (columns.hasLoss && found[width] === 0) return undefined
    const means = columns.sums.map((isSum, index) => {
      const [sum, weight] = [found[index] as number, found[width + index] as number]
      return isSum ? sum : sum / weight
    })
    return meansOf([...means, ...found.slice(2 * width)], columns)
  }

  dispose(): void {
    this.#forget()
    for (const variable of this.variables.values()) variable.dispose()
  }
}

const totalsName = 'totals'

/** The state before the first sample; throws ShapeError for a metric whose value is not a scalar. */
function startOf(metric: Metric, output: Shape): Readonly<Record<string, Tensor>> {
  const initial = metric.init(output)
  const value = metric.compute(initial)
  if (value.rank === 0) return initial
  throw new ShapeError(
    `metric '${metric.name}' has values of shape [${value.shape}], expected a scalar; choose an average that gives one number`,
  )
}

function valuesOf(state: Readonly<Record<string, Variable>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(state).map(([part, variable]) => [part, variable.value]))
}

function assignAll(
  state: Readonly<Record<string, Variable>>,
  values: Readonly<Record<string, Tensor>>,
): void {
  for (const [part, variable] of Object.entries(state)) variable.assign(values[part] as Tensor)
}

function checkSame(known: Columns, columns: Columns): void {
  if (known.hasLoss === columns.hasLoss && String(known.names) === String(columns.names)) return
  const show = ({ hasLoss, names }: Columns) => [...(hasLoss ? ['loss'] : []), ...names].join(', ') || 'none'
  throw new ArgumentError(
    `fit: a step reports ${show(columns)}, and one before reported ${show(known)}; give the same names in every step`,
  )
}

/** Values by kind, from a list with the loss first. */
function meansOf(values: readonly number[], { hasLoss, names }: Pick<Columns, 'hasLoss' | 'names'>): Means {
  const rest = hasLoss ? values.slice(1) : values
  return {
    loss: hasLoss ? values[0] : undefined,
    metrics: Object.fromEntries(names.map((name, index) => [name, rest[index] ?? Number.NaN])),
  }
}

/** Loss and logs of a batch as a list, loss first. */
function readingsOf({ loss, logs = {}, judged = [] }: Outcome): { columns: Columns; readings: Reading[] } {
  const own = loss === undefined ? [] : [readingOf('loss', loss)]
  const readings = [...own, ...Object.keys(logs).map((name) => readingOf(name, logs[name]))]
  const names = [...Object.keys(logs), ...judged.map(({ metric }) => metric.name)]
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new ArgumentError(
      `fit: a step reports '${twice}' twice; give each log and metric a name of its own`,
    )
  }
  const sums = readings.map(({ isSum }) => isSum === true)
  return { columns: { hasLoss: loss !== undefined, names, sums }, readings }
}

function readingOf(name: string, given: Tensor | Reading | undefined): Reading {
  const reading = given instanceof Tensor ? { value: given } : given
  if (!(reading?.value instanceof Tensor)) {
    throw new ArgumentError(`fit: a step gave ${describe(given)} as '${name}', expected a scalar tensor`)
  }
  if (reading.value.rank === 0) return reading
  throw new ShapeError(
    `fit: a step gave '${name}' of shape [${reading.value.shape}], expected a scalar: the mean over the batch`,
  )
}
