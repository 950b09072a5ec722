/** Text for a terminal: aligned columns, and lines broken between words. */

/** Options of {@link textTable}. */
export interface TextTableOptions {
  /** Columns aligned left; others are aligned right. Default: none. */
  left?: readonly number[]
  /** Number of leading columns that identify a row: each block has them. Default 1. */
  keys?: number
  /** Maximum characters in a line. Default: unlimited. */
  width?: number
}

/** Spaces between columns. */
const gap = 2

const lengthOf = (text: string) => [...text].length

/**
 * Rows as aligned text. If a table is wider than `width`, its columns are split into blocks below each other, each with the leading columns
 * that identify a row. A column is never cut: if the leading columns and another are wider than `width`, the block is as wide as they are.
 *
 * @param rows the first one determines the number of columns
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

/** The indices of the columns of each block. */
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
 * Text in lines of at most `width` characters, broken between words. A longer word, such as a path, has a whole line.
 *
 * @param text lines are broken separately; their indentation is kept
 * @param indent spaces before continued lines
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
  // Spaces within a line are kept, so that columns of short texts stay aligned.
  for (const part of line.trimStart().match(/\S+\s*/g) ?? []) {
    const last = lines.at(-1)
    if (last !== undefined && lengthOf((last + part).trimEnd()) <= width)
      lines[lines.length - 1] = last + part
    else lines.push((last === undefined ? own : own + ' '.repeat(indent)) + part)
  }
  return lines.map((one) => one.trimEnd()).join('\n')
}
