/** Labels in the margin: a column right of the plotting area, in the order of their points, with leader lines to them. */
import type { Point } from './labels.js'

/** A text for the margin. */
export interface MarginRequest {
  readonly text: string
  /** The labeled point, in pixels from the top left of the plotting area. */
  readonly anchor: Point
}

/** A text in the margin. */
export interface MarginLabel<R extends MarginRequest = MarginRequest> {
  readonly requests: readonly R[]
  readonly text: string
  /** Middle of the line of text, in pixels from the top. */
  readonly y: number
}

/**
 * Places texts in a column, each as near as possible to the height of its point, at least `gap` pixels apart, from 0 to `height`. If there
 * are more than fit, neighbors share a line.
 *
 * @param taken a line that something else occupies, such as the label of a bound
 */
export function placeInMargin<R extends MarginRequest>(
  requests: readonly R[],
  height: number,
  gap: number,
  taken?: number,
): MarginLabel<R>[] {
  const sorted = requests.toSorted((a, b) => a.anchor.y - b.anchor.y || a.anchor.x - b.anchor.x)
  const room = Math.max(1, Math.floor(height / gap) + (taken === undefined ? 1 : 0))
  const each = Math.ceil(sorted.length / room)
  const lines: R[][] = []
  for (let i = 0; i < sorted.length; i += each) lines.push(sorted.slice(i, i + each))
  const wanted = lines.map((line) => line.reduce((sum, { anchor }) => sum + anchor.y, 0) / line.length)
  const heights = apart(wanted, height, gap, taken)
  return lines.map((line, i) => ({
    requests: line,
    text: line.map(({ text }) => text).join(', '),
    y: heights[i] as number,
  }))
}

/**
 * Numbers nearest to the wanted ones (ascending) that are `gap` apart and within 0 to `height`; `taken` is one of them and does not move.
 */
function apart(wanted: readonly number[], height: number, gap: number, taken: number | undefined): number[] {
  if (taken !== undefined) {
    // Numbers above the taken line stay above it, as far as they fit.
    const above = Math.min(wanted.filter((y) => y <= taken).length, Math.max(0, Math.floor(taken / gap)))
    const below = wanted.length - above
    const fitting = Math.max(above, wanted.length - Math.max(0, Math.floor((height - taken) / gap)))
    const split = below > 0 ? Math.min(fitting, wanted.length) : above
    return [
      ...within(wanted.slice(0, split), 0, Math.max(0, taken - gap), gap),
      ...within(wanted.slice(split), taken + gap, Math.max(height, taken + gap), gap),
    ]
  }
  return within(wanted, 0, height, gap)
}

/** The same between two ends: blocks of touching neighbors move together, to the mean of their wanted positions. */
function within(wanted: readonly number[], low: number, high: number, gap: number): number[] {
  const blocks: { sum: number; count: number }[] = []
  const topOf = ({ sum, count }: { sum: number; count: number }) => {
    const top = sum / count
    return Math.min(Math.max(top, low), Math.max(low, high - (count - 1) * gap))
  }
  for (const y of wanted) {
    blocks.push({ sum: y, count: 1 })
    for (;;) {
      const [before, last] = [blocks.at(-2), blocks.at(-1)]
      if (before === undefined || last === undefined) break
      if (topOf(before) + before.count * gap <= topOf(last) + 1e-9) break
      blocks.splice(-2, 2, {
        sum: before.sum + last.sum - last.count * before.count * gap,
        count: before.count + last.count,
      })
    }
  }
  return blocks.flatMap((block) => Array.from({ length: block.count }, (_, i) => topOf(block) + i * gap))
}
