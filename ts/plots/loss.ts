import { ArgumentError, DataError, describe, NumericalError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, isList, oneOf } from '../core/options.js'
import { Chart } from './chart.js'
import { chartChecks, checkScale, domainCheck, scaleKind } from './check.js'
import { type KeyEntry, keyView, stylesBy } from './key.js'
import { orNull } from './plane.js'
import type { EpochAxis, EpochScaleKind } from './scale.js'
import { type AxisScale, chooseScale, epochScale } from './scale.js'
import type { ChartOptions, JsonObject } from './spec.js'
import { frame, titled } from './theme.js'
import { markedPoints } from './thinning.js'
import type { ScaleKind } from './ticks.js'

/** Mean losses of a training run, one value per epoch. */
export interface LossHistory {
  readonly loss: readonly number[]
  /** Of the validation data; as long as `loss`. */
  readonly validationLoss?: readonly number[] | undefined
  /** Numbers of the epochs, as long as `loss`. Default: counted from 1. */
  readonly epochs?: readonly number[] | undefined
}

/** Options of {@link lossPlot}. */
export interface LossPlotOptions extends ChartOptions {
  /** Scale of the loss axis; default `linear`. */
  yScale?: ScaleKind
  /** Range of the loss axis; default from the losses. */
  yDomain?: readonly [number, number]
  /** Scale of the epochs: `linear` (default) or log(1 + epoch) (`log`). */
  epochScale?: EpochScaleKind
}

const checks: Checks<LossPlotOptions> = {
  ...chartChecks,
  yScale: scaleKind,
  yDomain: domainCheck,
  epochScale: oneOf('linear', 'log'),
}

const styles = {
  training: { color: '#d62728', dash: [], marker: 'circle' },
  validation: { color: '#1f77b4', dash: [6, 3], marker: 'square' },
} as const

/**
 * Loss against the number of the epoch: training in red, validation, if there is any, in blue and dashed.
 *
 * @param options default size 480 x 300 pixels, title "Epoch vs Loss"
 * @throws DataError if no epoch was trained
 * @throws ShapeError if the two losses differ in length
 * @throws NumericalError if a loss is not finite
 */
export function lossPlot(history: LossHistory, options: LossPlotOptions = {}): Chart {
  const given = checkOptions('lossPlot', options, checks)
  const { loss, validationLoss, epochs = loss.map((_, n) => n + 1) } = checkHistory(history)
  const curves: Curve[] = [{ curve: 'training', values: loss }]
  if (validationLoss !== undefined) curves.push({ curve: 'validation', values: validationLoss })
  return curvesPlot(curves, epochs, {
    ...given,
    quantity: 'loss',
    heading: 'Epoch vs Loss',
    caller: 'lossPlot',
  })
}

/** One curve of a training run; NaN for no value. */
export interface Curve {
  readonly curve: keyof typeof styles
  readonly values: readonly number[]
}

/** Contents of {@link curvesPlot}. */
export interface CurvesOptions extends LossPlotOptions {
  /** Name of the values, on the y axis. */
  readonly quantity: string
  readonly heading: string
  readonly caller: string
}

/** Curves of a training run against the number of the epoch. */
export function curvesPlot(
  curves: readonly Curve[],
  epochs: readonly number[],
  options: CurvesOptions,
): Chart {
  const { width = 480, height = 300, yScale = 'linear', yDomain, quantity, heading, caller } = options
  const values = curves.flatMap((curve) => curve.values).filter((value) => !Number.isNaN(value))
  checkScale(caller, 'yScale', yScale, `the ${quantity}`, yDomain ?? values)
  const y = chooseScale(values, yScale, {
    side: 'y',
    length: height,
    ...(yDomain === undefined ? {} : { domain: yDomain }),
  })
  const across = epochScale(epochs, options.epochScale ?? 'linear', width)
  const entries = curves.map(({ curve }): KeyEntry => ({ name: curve, ...styles[curve] }))
  const size = { width, height }
  const rows = curves.flatMap(({ curve, values }, index) => {
    const path = values.map((value, n) =>
      Number.isNaN(value)
        ? undefined
        : { x: across.position(epochs[n] as number) * width, y: (1 - y.position(value)) * height },
    )
    const marked = new Set(markedPoints(path, markerGap, markerGap * (index === 0 ? 1 : 0.5)))
    return values.map(
      (value, n): JsonObject => ({
        curve,
        epoch: epochs[n] as number,
        [quantity]: orNull(value),
        ...(marked.has(n) ? { marked: true } : {}),
      }),
    )
  })
  return new Chart({
    ...frame(),
    ...titled(options, heading),
    data: { values: rows },
    hconcat: [
      { ...size, layer: curveLayers(epochs.length, entries, { y, across, quantity }) },
      keyView(entries, height, 'curve'),
    ],
    spacing: 20,
    resolve: { scale: { color: 'independent', shape: 'independent', strokeDash: 'independent' } },
  })
}

/** Distance along a curve between markers, in pixels. */
const markerGap = 44

function curveLayers(
  count: number,
  entries: readonly KeyEntry[],
  { y, across, quantity }: { readonly y: AxisScale; readonly across: EpochAxis; readonly quantity: string },
): JsonObject[] {
  const { color, dash, shape } = stylesBy('curve', entries)
  // Vega would read a dot in a name as a nested field.
  const field = quantity.replaceAll('.', '\\.')
  const position: JsonObject = {
    x: {
      field: 'epoch',
      type: 'quantitative',
      scale: across.scale,
      axis: { ...across.axis, title: 'epoch' },
    },
    y: { field, type: 'quantitative', scale: y.scale, axis: { ...y.axis, title: quantity } },
  }
  const tooltip = [
    { field: 'curve', type: 'nominal' },
    { field: 'epoch', type: 'quantitative' },
    { field, type: 'quantitative', title: quantity, format: '.4~g' },
  ]
  const point = (mark: JsonObject): JsonObject => ({
    mark: { type: 'point', filled: true, ...mark },
    encoding: { ...position, color, shape, tooltip },
  })
  const markers = { ...point({ size: 46, opacity: 1 }), transform: [{ filter: 'datum.marked' }] }
  if (count === 1) return [markers]
  const line: JsonObject = {
    mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round' },
    encoding: { ...position, color, strokeDash: dash },
  }
  return [line, point({ size: 60, opacity: 0 }), markers]
}

function checkHistory(history: LossHistory): LossHistory {
  const { loss, validationLoss, epochs } = history ?? {}
  if (!isList(loss) || loss === undefined) {
    throw new ArgumentError(
      `lossPlot: given ${describe(history)}, expected { loss: number[], validationLoss? }`,
    )
  }
  if (loss.length === 0) throw new DataError('lossPlot: the history has no epoch; train at least one')
  if (validationLoss === undefined) checkFinite('loss', loss)
  else {
    if (!isList(validationLoss) || validationLoss.length !== loss.length) {
      throw new ShapeError(
        `lossPlot: validationLoss: given ${describe(validationLoss)}, expected an array of ${loss.length}, as loss is`,
      )
    }
    checkFinite('loss', loss)
    checkFinite('validationLoss', validationLoss)
  }
  if (epochs !== undefined) checkEpochs(epochs, loss.length)
  return { loss, validationLoss, epochs }
}

function checkEpochs(epochs: readonly unknown[], count: number): void {
  if (isList(epochs) && epochs.length === count && epochs.every(Number.isFinite)) return
  throw new ShapeError(
    `lossPlot: epochs: given ${describe(epochs)}, expected ${count} numbers, one for each loss`,
  )
}

function checkFinite(name: string, values: readonly unknown[]): void {
  const n = values.findIndex((value) => !Number.isFinite(value))
  if (n >= 0) {
    throw new NumericalError(
      `lossPlot: ${name} of epoch ${n + 1} is ${describe(values[n])}, expected a finite number`,
    )
  }
}
