import { checkScale } from './check.js'
import type { Trajectories, Trajectory } from './dynamics.js'
import type { AxisPlace, AxisScale, ScaleKind } from './scale.js'
import { chooseScale } from './scale.js'
import type { Json, JsonObject } from './spec.js'
import { epochScheme, firstEpochColour, ink, markerOf, singleEpochColour } from './theme.js'
import { epochTicks } from './ticks.js'

/** A plane with its two axes decided. */
export interface Plane {
  readonly trajectories: Trajectories
  readonly x: AxisScale
  readonly y: AxisScale
  /** Titles of the axes; null leaves one out, where a neighbour has it. */
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
  const values = trajectories.layers.flatMap((layer) => layer[measure])
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
 * Epochs (from 0) that carry a marker: all of up to 40, else about 24 evenly spaced, so that markers keep their shape.
 * The line runs through every epoch all the same.
 */
function markedEpochs(epochs: number): Set<number> {
  const every = epochs <= 40 ? 1 : Math.ceil(epochs / 24)
  return new Set(
    Array.from({ length: epochs }, (_, n) => n).filter((n) => n % every === 0 || n === epochs - 1),
  )
}

/**
 * The Vega-Lite layers that draw trajectories in a plane: the course as a line coloured by epoch, a marker at each
 * epoch in the layer's shape, hollow at the first epoch and ringed at the last.
 */
export function planeLayers(plane: Plane): JsonObject[] {
  const { trajectories } = plane
  const { epochs, layers } = trajectories
  const marked = markedEpochs(epochs)
  const area = markerArea(epochs)
  const positions = positionEncoding(plane)
  const shape = shapeEncoding(plane)
  const all = layers.flatMap((layer) => rowsOf(layer).filter((_, n) => marked.has(n)))
  const at = (epoch: number) => all.filter((row) => row.epoch === epoch)
  const last: JsonObject = {
    data: { values: at(epochs) },
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
      fill: epochs === 1 ? { value: singleEpochColour } : colourEncoding(epochs),
      tooltip: tooltipOf(trajectories),
    },
  }
  if (epochs === 1) return [last]
  const course: JsonObject = {
    data: { values: layers.flatMap(stretchesOf) },
    mark: { type: 'rule', strokeWidth: epochs <= 40 ? 1.8 : 1.4, opacity: 0.8 },
    encoding: {
      ...positions,
      x2: { field: 'x2' },
      y2: { field: 'y2' },
      stroke: { ...colourEncoding(epochs), field: 'midway', legend: null },
    },
  }
  const between: JsonObject = {
    data: { values: all.filter((row) => row.epoch !== 1 && row.epoch !== epochs) },
    mark: { type: 'point', filled: true, size: area, opacity: 1, stroke: 'white', strokeWidth: 0.8 },
    encoding: { ...positions, shape, fill: colourEncoding(epochs), tooltip: tooltipOf(trajectories) },
  }
  const first: JsonObject = {
    data: { values: at(1) },
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

/** How the first and the last epoch are told, in words; empty where there is one epoch. */
export function readingHint(epochs: number): string {
  return epochs === 1 ? '' : `hollow marker: epoch 1, ringed marker: epoch ${epochs}`
}

interface Row {
  readonly [key: string]: Json
  readonly layer: string
  readonly epoch: number
  readonly x: number
  readonly y: number
}

function rowsOf({ layer, x, y }: Trajectory): Row[] {
  return x.map((value, n) => ({ layer, epoch: n + 1, x: value, y: y[n] as number }))
}

/** The way from each epoch to the next; `midway` is the epoch half-way, for the colour; a field of its own, since Vega-Lite joins the
 * legends of one field and the markers' must stay a bar. */
function stretchesOf({ layer, x, y }: Trajectory): JsonObject[] {
  return x.slice(1).map((x2, n) => ({
    layer,
    midway: n + 1.5,
    x: x[n] as number,
    y: y[n] as number,
    x2,
    y2: y[n + 1] as number,
  }))
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

function colourEncoding(epochs: number): JsonObject {
  return {
    field: 'epoch',
    type: 'quantitative',
    scale: { ...epochScheme, domain: [1, epochs] },
    legend: {
      title: 'epoch',
      type: 'gradient',
      gradientLength: 150,
      gradientThickness: 12,
      labelOffset: 6,
      values: epochTicks(epochs, 7),
      format: 'd',
    },
  }
}

function tooltipOf({ xTitle, yTitle }: Trajectories): JsonObject[] {
  return [
    { field: 'layer', type: 'nominal', title: 'layer' },
    { field: 'epoch', type: 'quantitative', title: 'epoch' },
    { field: 'x', type: 'quantitative', title: xTitle, format: '.4~g' },
    { field: 'y', type: 'quantitative', title: yTitle, format: '.4~g' },
  ]
}
