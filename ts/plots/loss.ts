import { ArgumentError, DataError, describe, NumericalError, ShapeError } from '../core/errors.js'
import { type Checks, checkOptions, isList } from '../core/options.js'
import { Chart } from './chart.js'
import { chartChecks, checkScale, scaleKind } from './check.js'
import type { ScaleKind } from './scale.js'
import { chooseScale, epochScale } from './scale.js'
import type { ChartOptions, JsonObject } from './spec.js'
import { frame, titled } from './theme.js'

/** Mean losses of a training run, one value an epoch. */
export interface LossHistory {
  readonly loss: readonly number[]
  /** Of the validation data; as long as `loss`. */
  readonly validationLoss?: readonly number[] | undefined
  /** Numbers of the epochs, as long as `loss`. Default: counted from 1. */
  readonly epochs?: readonly number[] | undefined
}

/** Options of {@link lossPlot}. */
export interface LossPlotOptions extends ChartOptions {
  /** How the loss axis spreads; default `linear`. `auto` chooses as the information plane does. */
  yScale?: ScaleKind | 'auto'
}

const checks: Checks<LossPlotOptions> = { ...chartChecks, yScale: scaleKind }

const colours = { training: '#d62728', validation: '#1f77b4' } as const

/**
 * Loss against the number of the epoch: training in red, validation, where there is one, in blue.
 *
 * @param options default size 480 x 300 pixels, title "Epoch vs Loss"
 * @throws DataError where no epoch was trained
 * @throws ShapeError where the two losses differ in length
 * @throws NumericalError where a loss is not finite
 */
export function lossPlot(history: LossHistory, options: LossPlotOptions = {}): Chart {
  const given = checkOptions('lossPlot', options, checks)
  const { width = 480, height = 300, yScale = 'linear' } = given
  const { loss, validationLoss, epochs = loss.map((_, n) => n + 1) } = checkHistory(history)
  const curves: { curve: keyof typeof colours; values: readonly number[] }[] = [
    { curve: 'training', values: loss },
  ]
  if (validationLoss !== undefined) curves.push({ curve: 'validation', values: validationLoss })
  const values = curves.flatMap((curve) => curve.values)
  checkScale('lossPlot', 'yScale', yScale, 'the loss', values)
  const y = chooseScale(values, yScale, { side: 'y', length: height })
  const { scale, axis } = epochScale([...epochs])
  const names = curves.map(({ curve }) => curve)
  const encoding: JsonObject = {
    x: { field: 'epoch', type: 'quantitative', scale, axis: { ...axis, title: 'epoch' } },
    y: { field: 'loss', type: 'quantitative', scale: y.scale, axis: { ...y.axis, title: 'loss' } },
    color: {
      field: 'curve',
      type: 'nominal',
      sort: null,
      scale: { domain: names, range: names.map((name) => colours[name]) },
      legend: { title: null, symbolType: 'circle', symbolSize: 70 },
    },
  }
  const points: JsonObject = {
    mark: { type: 'point', filled: true, size: loss.length <= 40 ? 50 : 16, opacity: 1 },
    encoding: {
      tooltip: [
        { field: 'curve', type: 'nominal' },
        { field: 'epoch', type: 'quantitative' },
        { field: 'loss', type: 'quantitative', format: '.4~g' },
      ],
    },
  }
  const line: JsonObject = { mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round' } }
  return new Chart({
    ...frame,
    ...titled(given, 'Epoch vs Loss'),
    width,
    height,
    data: {
      values: curves.flatMap(({ curve, values }) =>
        values.map((loss, n) => ({ curve, epoch: epochs[n] as number, loss })),
      ),
    },
    encoding,
    layer: loss.length > 1 ? [line, points] : [points],
  })
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
