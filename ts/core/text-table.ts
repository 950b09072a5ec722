/** Text as a terminal shows it: aligned columns, and lines that break between words. */

/** Options of {@link textTable}. */
export interface TextTableOptions {
  /** Columns that are set to the left; others are set to the right. Default: none. */
  left?: readonly number[]
  /** How many columns at the start tell what a row is: each block has them. Default 1. */
  keys?: number
  /** Characters in a line. Default: without end. */
  width?: number
}

/** Spaces between columns. */
const gap = 2

const lengthOf = (text: string) => [...text].length

/**
 * Rows under each other as aligned text. Where a table is wider than `width`, its columns stand in blocks below each other, each behind the columns that tell what a row
 * is. A column is never cut: where the first ones and another are wider than `width` by themselves, the block is as wide as that.
 *
 * @param rows the first one decides how many columns there are
 */
export function textTable(
  rows: readonly (readonly string[])[],
  { left = [], keys = 1, width = Number.POSITIVE_INFINITY }: TextTableOptions = {},
): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => lengthOf(row[i] ?? ''))))
  const cell = (row: readonly string[], i: number) => {
    const text = row[i] ?? ''
    const space = ' '.repeat((widths[i] as number) - lengthOf(text))
    return left.includes(i) ? text + space : space + text
  }
  const block = (shown: readonly number[]) =>
    rows
      .map((row) => shown.map((i) => cell(row, i)).join(' '.repeat(gap)))
      .map((line) => line.trimEnd())
      .join('\n')
  return blocksOf(widths, keys, width).map(block).join('\n\n')
}

/** The numbers of the columns of each block. */
function blocksOf(widths: readonly number[], keys: number, width: number): number[][] {
  const first = widths.slice(0, keys).map((_, i) => i)
  const taken = (shown: readonly number[]) =>
    shown.reduce((sum, i) => sum + (widths[i] as number) + gap, -gap)
  const blocks: number[][] = []
  for (let i = first.length; i < widths.length; i++) {
    const last = blocks.at(-1)
    if (last !== undefined && taken([...last, i]) <= width) last.push(i)
    else blocks.push([...first, i])
  }
  return blocks.length === 0 ? [first] : blocks
}

/**
 * Text in lines of at most `width` characters, broken between words. A word that is longer by itself, such as a path, keeps a line for itself, whole.
 *
 * @param text lines are broken each by itself; their indentation stays
 * @param indent spaces before what goes on from a line above
 */
export function wrapped(text: string, width: number, indent = 0): string {
  if (!Number.isFinite(width)) return text
  return text
    .split('\n')
    .map((line) => brokenLine(line, width, indent))
    .join('\n')
}

function brokenLine(line: string, width: number, indent: number): string {
  if (lengthOf(line) <= width) return line
  const own = /^ */.exec(line)?.[0] ?? ''
  const lines: string[] = []
  // Spaces within a line stay, so that columns of short texts keep their places.
  for (const part of line.trimStart().match(/\S+\s*/g) ?? []) {
    const last = lines.at(-1)
    if (last !== undefined && lengthOf((last + part).trimEnd()) <= width)
      lines[lines.length - 1] = last + part
    else lines.push((last === undefined ? own : own + ' '.repeat(indent)) + part)
  }
  return lines.map((one) => one.trimEnd()).join('\n')
}
