import { readingHint } from '../dynamics/naming.js'
import { checkScale } from './check.js'
import type { Trajectories, Trajectory } from './dynamics.js'
import type { Point } from './labels.js'
import type { AxisPlace, AxisScale, ScaleKind } from './scale.js'
import { chooseScale } from './scale.js'
import type { Json, JsonObject } from './spec.js'
import { epochScheme, firstEpochColour, ink, lines, markerOf, singleEpochColour } from './theme.js'
import { epochFormat, epochTicks } from './ticks.js'

/** A plane with its two axes decided. */
export interface Plane {
  readonly trajectories: Trajectories
  readonly x: AxisScale
  readonly y: AxisScale
  /** Titles of the axes; null leaves one out, where a neighbor has it. */
  readonly xTitle: string | null
  readonly yTitle: string | null
  /** Whether a legend names the layers by their markers. */
  readonly layerLegend: boolean
}

/** Scales asked for by the caller; `auto` where not given. */
export interface MeasureScales {
  /** How the compression axis spreads, measure(H, X). */
  xScale?: ScaleKind | 'auto'
  /** How the generalization axis spreads, measure(H, Y). */
  yScale?: ScaleKind | 'auto'
}

/** The scale for all values of one measure, as the options ask. */
export function measureScale(
  trajectories: Trajectories,
  measure: 'x' | 'y',
  options: MeasureScales,
  place: AxisPlace,
  caller: string,
): AxisScale {
  const values = trajectories.layers.flatMap((layer) => layer[measure]).filter(Number.isFinite)
  const kind = (measure === 'x' ? options.xScale : options.yScale) ?? 'auto'
  const title = measure === 'x' ? trajectories.xTitle : trajectories.yTitle
  checkScale(caller, `${measure}Scale`, kind, title, values)
  return chooseScale(values, kind, place)
}

/** The two axes of a plane of that size. */
export function planeScales(
  trajectories: Trajectories,
  options: MeasureScales,
  size: { width: number; height: number },
  caller: string,
): [x: AxisScale, y: AxisScale] {
  return [
    measureScale(trajectories, 'x', options, { side: 'x', length: size.width }, caller),
    measureScale(trajectories, 'y', options, { side: 'y', length: size.height }, caller),
  ]
}

/** Area of an ordinary marker in square pixels; smaller where there are many. */
export function markerArea(epochs: number): number {
  if (epochs === 1) return 90
  return epochs <= 12 ? 75 : epochs <= 40 ? 55 : 42
}

/**
 * The epochs that carry a marker: all of up to 40, else about 24 evenly spaced, so that markers keep their shape.
 * The line runs through every epoch all the same.
 */
function markedEpochs(numbers: readonly number[]): Set<number> {
  const every = numbers.length <= 40 ? 1 : Math.ceil(numbers.length / 24)
  return new Set(numbers.filter((_, n) => n % every === 0 || n === numbers.length - 1))
}

/**
 * The Vega-Lite layers that draw trajectories in a plane: the course as a line colored by epoch, a marker at each
 * epoch in the layer's shape, hollow at the first epoch and ringed at the last.
 */
export function planeLayers(plane: Plane): JsonObject[] {
  const { trajectories } = plane
  const { numbers, layers } = trajectories
  const epochs = numbers.length
  const [begin, end] = [numbers[0] as number, numbers.at(-1) as number]
  const marked = markedEpochs(numbers)
  const area = markerArea(epochs)
  const positions = positionEncoding(plane)
  const shape = shapeEncoding(plane)
  const all = layers.flatMap((layer) => rowsOf(layer, numbers).filter(({ epoch }) => marked.has(epoch)))
  const at = (epoch: number) => all.filter((row) => row.epoch === epoch)
  const last: JsonObject = {
    data: { values: at(end) },
    mark: {
      type: 'point',
      filled: true,
      size: area * 1.7,
      opacity: 1,
      stroke: ink,
      strokeWidth: 1.5,
      tooltip: true,
    },
    encoding: {
      ...positions,
      shape,
      fill: epochs === 1 ? { value: singleEpochColour } : colourEncoding(trajectories),
      tooltip: tooltipOf(trajectories),
    },
  }
  if (epochs === 1) return [last]
  const course: JsonObject = {
    data: { values: layers.flatMap((layer) => stretchesOf(layer, numbers)) },
    mark: { type: 'rule', strokeWidth: epochs <= 40 ? 1.8 : 1.4, opacity: 0.8 },
    encoding: {
      ...positions,
      x2: { field: 'x2' },
      y2: { field: 'y2' },
      stroke: { ...colourEncoding(trajectories), field: 'midway', legend: null },
    },
  }
  const between: JsonObject = {
    data: { values: all.filter((row) => row.epoch !== begin && row.epoch !== end) },
    mark: { type: 'point', filled: true, size: area, opacity: 1, stroke: 'white', strokeWidth: 0.8 },
    encoding: { ...positions, shape, fill: colourEncoding(trajectories), tooltip: tooltipOf(trajectories) },
  }
  const first: JsonObject = {
    data: { values: at(begin) },
    mark: {
      type: 'point',
      filled: true,
      fill: 'white',
      size: area * 1.3,
      opacity: 1,
      stroke: firstEpochColour,
      strokeWidth: 2,
    },
    encoding: {
      ...positions,
      shape,
      tooltip: tooltipOf(trajectories),
    },
  }
  return [course, between, first, last]
}

interface Row {
  readonly [key: string]: Json
  readonly layer: string
  readonly epoch: number
  readonly x: number
  readonly y: number
}

/** The points of a layer: where it has both measures. */
function rowsOf({ layer, x, y }: Trajectory, numbers: readonly number[]): Row[] {
  return numbers.flatMap((epoch, n) => {
    const row = { layer, epoch, x: x[n] as number, y: y[n] as number }
    return isPoint(row) ? [row] : []
  })
}

/** Whether both measures are there. */
export function isPoint({ x, y }: { readonly x: number; readonly y: number }): boolean {
  return !Number.isNaN(x) && !Number.isNaN(y)
}

/** The way from each epoch to the next, where both are there; `midway` is the epoch half-way, for the color; a field of its own, since
 * Vega-Lite joins the legends of one field and the markers' must stay a bar. */
function stretchesOf({ layer, x, y }: Trajectory, numbers: readonly number[]): JsonObject[] {
  return numbers.slice(1).flatMap((next, n) => {
    const [from, to] = [n, n + 1].map((i) => ({ x: x[i] as number, y: y[i] as number })) as [Point, Point]
    if (!isPoint(from) || !isPoint(to)) return []
    return { layer, midway: ((numbers[n] as number) + next) / 2, ...from, x2: to.x, y2: to.y }
  })
}

function positionEncoding(plane: Plane): JsonObject {
  return {
    x: {
      field: 'x',
      type: 'quantitative',
      scale: plane.x.scale,
      axis: { ...plane.x.axis, title: plane.xTitle },
    },
    y: {
      field: 'y',
      type: 'quantitative',
      scale: plane.y.scale,
      axis: { ...plane.y.axis, title: plane.yTitle },
    },
  }
}

function shapeEncoding({ trajectories, layerLegend }: Plane): JsonObject {
  return {
    field: 'layer',
    type: 'nominal',
    sort: null,
    scale: {
      domain: trajectories.layers.map(({ layer }) => layer),
      range: trajectories.layers.map(({ place }) => markerOf(place)),
    },
    legend: layerLegend
      ? {
          title: 'layer',
          symbolFillColor: '#7b8794',
          symbolStrokeColor: '#7b8794',
          symbolStrokeWidth: 0,
          symbolSize: 85,
        }
      : null,
  }
}

function colourEncoding({ numbers, rows }: Trajectories): JsonObject {
  const [begin, end] = [numbers[0] as number, numbers.at(-1) as number]
  return {
    field: 'epoch',
    type: 'quantitative',
    scale: { ...epochScheme, domain: [begin, end] },
    legend: {
      title: rows,
      type: 'gradient',
      gradientLength: 150,
      gradientThickness: 12,
      labelOffset: 6,
      values: epochTicks(numbers, 7),
      format: epochFormat(numbers),
    },
  }
}

function tooltipOf({ xTitle, yTitle, rows }: Trajectories): JsonObject[] {
  return [
    { field: 'layer', type: 'nominal', title: 'layer' },
    { field: 'epoch', type: 'quantitative', title: rows },
    { field: 'x', type: 'quantitative', title: xTitle, format: '.4~g' },
    { field: 'y', type: 'quantitative', title: yTitle, format: '.4~g' },
  ]
}

/** What stands under the title of a plane: who measured and how, which layers have no point, and how first and last are told. */
export function planeSubtitle(trajectories: Trajectories, width: number): string[] {
  const { evaluator, rows, numbers, layers } = trajectories
  const missing = layers.filter(({ x, y }) => !x.some((value, n) => isPoint({ x: value, y: y[n] as number })))
  const none = emptyMeasures(trajectories)
  const gap =
    none.length > 0
      ? `no point: ${none.join(' and ')} ${none.length > 1 ? 'have' : 'has'} no value`
      : missing.length > 0
        ? `no value: ${missing.map(({ layer }) => layer).join(', ')}`
        : ''
  const hint = missing.length === layers.length ? '' : readingHint(rows, numbers)
  return lines([evaluator, gap, hint], width)
}

/** Titles of the measures that have no value at all. */
export function emptyMeasures({ layers, xTitle, yTitle }: Trajectories): string[] {
  const isEmpty = (side: 'x' | 'y') => layers.every((layer) => layer[side].every(Number.isNaN))
  return [...(isEmpty('x') ? [xTitle] : []), ...(isEmpty('y') ? [yTitle] : [])]
}
