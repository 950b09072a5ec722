import { fontFamily, textWidth } from './font.js'
import type { ChartOptions, JsonObject } from './spec.js'

/** Dark gray of text and axes. */
export const ink = '#1f2933'
/** Gray of subtitles and leader lines. */
export const faint = '#5f6b7a'

/**
 * Markers of layers, most distinguishable first. Names are Vega's; others are outlines within the square from -1 to 1.
 */
const markers = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'triangle-down',
  'cross',
  'M0,-1L0.235,-0.324L0.951,-0.309L0.38,0.124L0.588,0.809L0,0.4L-0.588,0.809L-0.38,0.124L-0.951,-0.309L-0.235,-0.324Z',
  'triangle-right',
  'M0.5,-0.866L1,0L0.5,0.866L-0.5,0.866L-1,0L-0.5,-0.866Z',
  'triangle-left',
  'M-0.45,-0.8L0,-0.35L0.45,-0.8L0.8,-0.45L0.35,0L0.8,0.45L0.45,0.8L0,0.35L-0.45,0.8L-0.8,0.45L-0.35,0L-0.8,-0.45Z',
  'M0,-0.9L0.856,-0.278L0.529,0.728L-0.529,0.728L-0.856,-0.278Z',
] as const

/** Marker of the layer with index `place`. After twelve layers markers repeat; the labels identify them. */
export function markerOf(place: number): string {
  return markers[place % markers.length] as string
}

/** Colors of layers, distinguishable for color-blind readers and in print (after Okabe and Ito 2008). */
const layerColors = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#6b4c9a',
  '#8c510a',
  '#444f5a',
] as const

/** Dashes of layers: line and gap in pixels; the first is solid. */
const dashes: readonly (readonly number[])[] = [[], [7, 3], [2, 2.5], [9, 3, 2, 3], [5, 2, 2, 2, 2, 2]]

/** Points of viridis (van der Walt and Smith 2015), dark to light, distinguishable in grayscale and for color-blind readers. */
const viridis = [
  [0x44, 0x01, 0x54],
  [0x48, 0x28, 0x78],
  [0x3e, 0x4a, 0x89],
  [0x31, 0x68, 0x8e],
  [0x26, 0x82, 0x8e],
  [0x1f, 0x9e, 0x89],
  [0x35, 0xb7, 0x79],
  [0x6d, 0xcd, 0x59],
  [0xb4, 0xde, 0x2c],
] as const

/** A color of viridis, 0 dark to 1 light, without its palest end. */
function viridisAt(share: number): string {
  const at = share * (viridis.length - 1)
  const low = Math.min(viridis.length - 2, Math.floor(at))
  const [from, to] = [viridis[low], viridis[low + 1]] as [readonly number[], readonly number[]]
  return `#${from
    .map((part, i) => Math.round(part + (at - low) * ((to[i] as number) - part)))
    .map((part) => part.toString(16).padStart(2, '0'))
    .join('')}`
}

/** Appearance of a layer in charts whose lines are layers. */
export interface LayerStyle {
  readonly color: string
  readonly dash: readonly number[]
  readonly marker: string
}

/**
 * The appearance of the layer with index `place` among `count` recorded ones, also if others are left out. Up to nine layers have separate
 * colors; more go from dark at the input to light at the output. Dash and marker identify them without color.
 */
export function styleOf(place: number, count: number): LayerStyle {
  return {
    color:
      count <= layerColors.length
        ? (layerColors[place % layerColors.length] as string)
        : viridisAt(place / (count - 1)),
    dash: dashes[place % dashes.length] as readonly number[],
    marker: markerOf(place),
  }
}

/** Number of layers with separate markers. */
export const ownMarkers = markers.length

/** Colors of the epochs, early to late: viridis without its palest end, which fades on white paper. */
export const epochScheme: JsonObject = { scheme: { name: 'viridis', extent: [0, 0.93] } }

/** Color of the first epoch: the start of the scheme. */
export const firstEpochColor = '#440154'

/** Color of a run of a single epoch: the middle of the scheme. */
export const singleEpochColor = '#27808e'

/** Shared members of all charts: schema, background, font and lines; legends keep `margin` pixels from the plotting area. */
export function frame(margin = 0): JsonObject {
  return {
    ...shared,
    config: { ...shared.config, legend: { ...shared.config.legend, offset: 22 + Math.round(margin) } },
  }
}

const shared = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 14,
  config: {
    font: fontFamily,
    view: { stroke: null },
    axis: {
      domainColor: ink,
      tickColor: ink,
      tickSize: 5,
      labelColor: ink,
      labelFontSize: 11,
      labelPadding: 4,
      titleColor: ink,
      titleFontSize: 13,
      titleFontWeight: 'normal',
      titlePadding: 10,
      grid: true,
      gridColor: '#e3e7ec',
    },
    legend: {
      labelColor: ink,
      labelFontSize: 11,
      labelLimit: 240,
      titleColor: ink,
      titleFontSize: 12,
      titleFontWeight: 600,
      titlePadding: 6,
      rowPadding: 4,
      offset: 22,
      layout: { right: { direction: 'vertical', margin: 20 } },
    },
    title: {
      color: ink,
      fontSize: 15,
      fontWeight: 600,
      subtitleColor: faint,
      subtitleFontSize: 12,
      subtitlePadding: 5,
      anchor: 'start',
      frame: 'group',
      offset: 14,
    },
  },
} as const satisfies JsonObject

/** The `title` member of a specification: heading and subtitle, or none if the heading is null. */
export function titled(options: ChartOptions, heading: string, subtitle: readonly string[] = []): JsonObject {
  if (options.title === null) return {}
  const text = options.title ?? heading
  return { title: subtitle.length === 0 ? { text } : { text, subtitle: [...subtitle] } }
}

/** The `title` member of a view among several: smaller than the title of the figure. */
export function viewTitle(text: string, subtitle: readonly string[]): JsonObject {
  return { text, subtitle: [...subtitle], fontSize: 13, offset: 8 }
}

/** Text in lines of at most `width` pixels, broken at commas and spaces. */
export function lines(parts: readonly string[], width: number, size = 12): string[] {
  return parts
    .filter((part) => part !== '')
    .flatMap((part) => {
      const broken: string[] = []
      for (const word of part.split(' ')) {
        const line = broken.at(-1)
        const longer = `${line} ${word}`
        if (line === undefined || textWidth(longer, size) > width) broken.push(word)
        else broken[broken.length - 1] = longer
      }
      return broken
    })
}
