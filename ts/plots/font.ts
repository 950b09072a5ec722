import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InternalError } from '../core/errors.js'
import { packageRoot } from '../core/package-root.js'

/**
 * The font of every chart. Inter (SIL Open Font License) ships with the package, so a chart has the same sans-serif text on every machine;
 * without it an SVG falls back to the names after it.
 */
export const fontFamily = 'Inter, Helvetica Neue, Helvetica, Arial, sans-serif'

/** Files of the shipped font, with its license beside them. */
export const fontFiles: readonly string[] = [
  join(packageRoot, 'assets', 'fonts', 'Inter-Regular.ttf'),
  join(packageRoot, 'assets', 'fonts', 'Inter-SemiBold.ttf'),
]

/** Widths of the glyphs of one TrueType file, in units of the font size. */
interface Face {
  /** Width of a code point, or undefined if the font has no glyph for it. */
  advance(codePoint: number): number | undefined
}

const faces = new Map<string, Face>()

function faceOf(weight: unknown): Face {
  const bold = weight === 'bold' || Number(weight) >= 600
  const file = (bold ? fontFiles[1] : fontFiles[0]) as string
  let face = faces.get(file)
  if (face === undefined) {
    face = readFace(file)
    faces.set(file, face)
  }
  return face
}

/**
 * Width of one line of text in the shipped font, in pixels.
 *
 * @param size font size in pixels
 * @param weight CSS weight; 600 and more uses the semi-bold font
 */
export function textWidth(text: string, size: number, weight: unknown = 'normal'): number {
  const face = faceOf(weight)
  let width = 0
  for (const letter of text) width += face.advance(letter.codePointAt(0) as number) ?? 1
  return width * size
}

/** Whether the shipped font has a glyph for every character of `text`; white space needs none. */
export function hasLettersOf(text: string): boolean {
  const face = faceOf('normal')
  for (const letter of text) {
    if (!/\s/.test(letter) && face.advance(letter.codePointAt(0) as number) === undefined) return false
  }
  return true
}

/** Reads the `head`, `hhea`, `hmtx` and `cmap` tables (OpenType 1.9) of a TrueType file. */
function readFace(file: string): Face {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    throw new InternalError(`plots: the font ${file} cannot be read; reinstall hyperglow`, { cause })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tables = new Map<string, number>()
  for (let i = 0; i < view.getUint16(4); i++) {
    const record = 12 + 16 * i
    tables.set(bytes.toString('latin1', record, record + 4), view.getUint32(record + 8))
  }
  const table = (tag: string): number => {
    const offset = tables.get(tag)
    if (offset === undefined) throw new InternalError(`plots: the font ${file} has no ${tag} table`)
    return offset
  }
  const unitsPerEm = view.getUint16(table('head') + 18)
  const widths = view.getUint16(table('hhea') + 34)
  const hmtx = table('hmtx')
  const glyphOf = readCharacterMap(view, table('cmap'))
  return {
    advance(codePoint) {
      const glyph = glyphOf(codePoint)
      if (glyph === 0) return undefined
      // Glyphs beyond the last width share it.
      return view.getUint16(hmtx + 4 * Math.min(glyph, widths - 1)) / unitsPerEm
    },
  }
}

/** The map from code points to glyph indices; 0 means no glyph. */
function readCharacterMap(view: DataView, cmap: number): (codePoint: number) => number {
  for (let i = 0; i < view.getUint16(cmap + 2); i++) {
    const subtable = cmap + view.getUint32(cmap + 8 + 8 * i)
    if (view.getUint16(subtable) === 4) return (codePoint) => glyphOfFormat4(view, subtable, codePoint)
  }
  throw new InternalError('plots: the shipped font has no character map of format 4')
}

function glyphOfFormat4(view: DataView, subtable: number, codePoint: number): number {
  if (codePoint > 0xffff) return 0
  const doubled = view.getUint16(subtable + 6)
  const ends = subtable + 14
  const starts = ends + doubled + 2
  const deltas = starts + doubled
  const ranges = deltas + doubled
  for (let at = 0; at < doubled; at += 2) {
    if (codePoint > view.getUint16(ends + at)) continue
    const start = view.getUint16(starts + at)
    if (codePoint < start) return 0
    const delta = view.getUint16(deltas + at)
    const range = view.getUint16(ranges + at)
    if (range === 0) return (codePoint + delta) & 0xffff
    const glyph = view.getUint16(ranges + at + range + 2 * (codePoint - start))
    return glyph === 0 ? 0 : (glyph + delta) & 0xffff
  }
  return 0
}
