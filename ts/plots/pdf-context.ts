/** Drawing on a PDF page by the canvas calls of Vega's renderer. */
import { ArgumentError } from '../core/errors.js'
import { fontFiles, hasLettersOf } from './font.js'

/** A pdfkit document, as far as it is used. */
export interface PdfDocument {
  save(): this
  restore(): this
  transform(...matrix: number[]): this
  moveTo(x: number, y: number): this
  lineTo(x: number, y: number): this
  bezierCurveTo(...points: number[]): this
  closePath(): this
  fill(rule?: string): this
  stroke(): this
  clip(): this
  lineWidth(width: number): this
  lineCap(cap: string): this
  lineJoin(join: string): this
  miterLimit(limit: number): this
  dash(lengths: readonly number[], options: { phase: number }): this
  undash(): this
  fillColor(color: unknown, opacity: number): this
  strokeColor(color: unknown, opacity: number): this
  linearGradient(x1: number, y1: number, x2: number, y2: number): PdfGradient
  font(file: string): this
  fontSize(size: number): this
  widthOfString(text: string): number
  text(text: string, x: number, y: number, options: Readonly<Record<string, unknown>>): this
}

interface PdfGradient {
  stop(offset: number, color: readonly number[], opacity: number): unknown
}

/** [a, b, c, d, e, f]: x' = a x + c y + e, y' = b x + d y + f. */
type Matrix = readonly [number, number, number, number, number, number]

/** A segment of a path, in pixels of the page. */
type Segment = readonly ['move' | 'line' | 'curve' | 'close', ...number[]]

interface Paint {
  readonly color: readonly [number, number, number]
  readonly alpha: number
}

/** A gradient along a line, in pixels of the page. */
class LinearGradient {
  readonly stops: [offset: number, paint: Paint][] = []
  readonly ends: readonly [number, number, number, number]

  constructor(ends: readonly [number, number, number, number]) {
    this.ends = ends
  }

  addColorStop(offset: number, color: string): void {
    this.stops.push([offset, paintOf(color)])
  }
}

/** A quarter circle as a cubic curve: the distance of its inner points from its ends, in radii. */
const quarter = (4 / 3) * Math.tan(Math.PI / 8)

/**
 * A canvas context as far as Vega uses one. A canvas transforms points when they are added to a path, a PDF when the path is painted, so
 * paths are kept in pixels of the page and only text is drawn under a matrix.
 */
export class PdfContext {
  readonly #page: PdfDocument
  #matrix: Matrix = [1, 0, 0, 1, 0, 0]
  readonly #saved: Matrix[] = []
  #path: Segment[] = []
  /** End of the last segment of the path, before the matrix. */
  #at: readonly [number, number] = [0, 0]
  #dash: readonly number[] = []

  // The names are those of a canvas.
  fillStyle: string | LinearGradient = '#000'
  strokeStyle: string | LinearGradient = '#000'
  globalAlpha = 1
  lineWidth = 1
  lineCap = 'butt'
  lineJoin = 'miter'
  miterLimit = 10
  lineDashOffset = 0
  font = '10px sans-serif'
  textAlign = 'left'
  globalCompositeOperation = 'source-over'
  readonly pixelRatio = 1

  constructor(page: PdfDocument) {
    this.#page = page
  }

  save(): void {
    this.#saved.push(this.#matrix)
    this.#page.save()
  }

  restore(): void {
    this.#matrix = this.#saved.pop() ?? this.#matrix
    this.#page.restore()
  }

  transform(a: number, b: number, c: number, d: number, e: number, f: number): void {
    const [A, B, C, D, E, F] = this.#matrix
    this.#matrix = [
      A * a + C * b,
      B * a + D * b,
      A * c + C * d,
      B * c + D * d,
      A * e + C * f + E,
      B * e + D * f + F,
    ]
  }

  translate(x: number, y: number): void {
    this.transform(1, 0, 0, 1, x, y)
  }

  scale(x: number, y: number): void {
    this.transform(x, 0, 0, y, 0, 0)
  }

  rotate(angle: number): void {
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
    this.transform(cos, sin, -sin, cos, 0, 0)
  }

  beginPath(): void {
    this.#path = []
  }

  moveTo(x: number, y: number): void {
    this.#add('move', x, y)
  }

  lineTo(x: number, y: number): void {
    this.#add(this.#path.length === 0 ? 'move' : 'line', x, y)
  }

  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void {
    if (this.#path.length === 0) this.moveTo(x1, y1)
    this.#add('curve', x1, y1, x2, y2, x, y)
  }

  quadraticCurveTo(x1: number, y1: number, x: number, y: number): void {
    if (this.#path.length === 0) this.moveTo(x1, y1)
    const [x0, y0] = this.#at
    const toward = (from: number, to: number) => from + (2 / 3) * (to - from)
    this.#add('curve', toward(x0, x1), toward(y0, y1), toward(x, x1), toward(y, y1), x, y)
  }

  closePath(): void {
    this.#path.push(['close'])
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.moveTo(x, y)
    this.lineTo(x + width, y)
    this.lineTo(x + width, y + height)
    this.lineTo(x, y + height)
    this.closePath()
  }

  arc(x: number, y: number, radius: number, from: number, to: number, isCounter = false): void {
    const turn = 2 * Math.PI
    let sweep = to - from
    if (Math.abs(sweep) >= turn) sweep = isCounter ? -turn : turn
    else if (isCounter && sweep > 0) sweep -= turn
    else if (!isCounter && sweep < 0) sweep += turn
    const parts = Math.max(1, Math.ceil(Math.abs(sweep) / (Math.PI / 2) - 1e-9))
    const step = sweep / parts
    const reach = parts === 0 ? 0 : (4 / 3) * Math.tan(step / 4)
    const on = (angle: number): [number, number] => [
      x + radius * Math.cos(angle),
      y + radius * Math.sin(angle),
    ]
    const start = on(from)
    if (this.#path.length === 0) this.moveTo(...start)
    else this.lineTo(...start)
    for (let i = 0; i < parts; i++) {
      const [a, b] = [from + i * step, from + (i + 1) * step]
      const [[ax, ay], [bx, by]] = [on(a), on(b)]
      const k = radius * (Math.abs(step) === Math.PI / 2 ? Math.sign(step) * quarter : reach)
      this.bezierCurveTo(
        ax - k * Math.sin(a),
        ay + k * Math.cos(a),
        bx + k * Math.sin(b),
        by - k * Math.cos(b),
        bx,
        by,
      )
    }
  }

  clip(): void {
    this.#draw()
    this.#page.clip()
  }

  fill(): void {
    if (this.#path.length === 0) return
    this.#useFill()
    this.#draw()
    this.#page.fill()
  }

  stroke(): void {
    if (this.#path.length === 0) return
    this.#useStroke()
    this.#draw()
    this.#page.stroke()
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.beginPath()
    this.rect(x, y, width, height)
    this.fill()
    this.beginPath()
  }

  /** A new page is empty. */
  clearRect(): void {}

  setLineDash(lengths: readonly number[]): void {
    this.#dash = lengths
  }

  createLinearGradient(x1: number, y1: number, x2: number, y2: number): LinearGradient {
    return new LinearGradient([...this.#moved(x1, y1), ...this.#moved(x2, y2)])
  }

  createRadialGradient(): never {
    throw unable('radial gradients')
  }

  createPattern(): never {
    throw unable('gradients that are not along an axis')
  }

  measureText(text: string): { width: number } {
    this.#useFont()
    return { width: this.#page.widthOfString(text) }
  }

  fillText(text: string, x: number, y: number): void {
    this.#useFill()
    this.#write(text, x, y, {})
  }

  strokeText(text: string, x: number, y: number): void {
    this.#useStroke()
    this.#write(text, x, y, { stroke: true, fill: false })
  }

  /** Only pointers need hit tests, and a page has none. */
  isPointInPath(): boolean {
    return false
  }

  #moved(x: number, y: number): [number, number] {
    const [a, b, c, d, e, f] = this.#matrix
    return [a * x + c * y + e, b * x + d * y + f]
  }

  #add(kind: Segment[0], ...points: number[]): void {
    const moved: number[] = []
    for (let i = 0; i < points.length; i += 2)
      moved.push(...this.#moved(points[i] as number, points[i + 1] as number))
    this.#path.push([kind, ...moved])
    this.#at = points.slice(-2) as [number, number]
  }

  #draw(): void {
    for (const [kind, ...points] of this.#path) {
      if (kind === 'move') this.#page.moveTo(...(points as [number, number]))
      else if (kind === 'line') this.#page.lineTo(...(points as [number, number]))
      else if (kind === 'curve') this.#page.bezierCurveTo(...points)
      else this.#page.closePath()
    }
  }

  #use(style: string | LinearGradient): [color: unknown, alpha: number] {
    if (typeof style === 'string') {
      const { color, alpha } = paintOf(style)
      return [color, alpha * this.globalAlpha]
    }
    const gradient = this.#page.linearGradient(...style.ends)
    for (const [offset, { color, alpha }] of style.stops) gradient.stop(offset, color, alpha)
    return [gradient, this.globalAlpha]
  }

  #useFill(): void {
    this.#page.fillColor(...this.#use(this.fillStyle))
  }

  #useStroke(): void {
    const [a, b, c, d] = this.#matrix
    const size = Math.sqrt(Math.abs(a * d - b * c))
    const page = this.#page.strokeColor(...this.#use(this.strokeStyle))
    page
      .lineWidth(this.lineWidth * size)
      .lineCap(this.lineCap)
      .lineJoin(this.lineJoin)
      .miterLimit(this.miterLimit)
    const isWhole =
      this.#dash.length === 0 || this.#dash.every((length, i) => (i % 2 === 1 ? length === 0 : true))
    if (isWhole) page.undash()
    else
      page.dash(
        this.#dash.map((length) => length * size),
        { phase: this.lineDashOffset * size },
      )
  }

  #useFont(): void {
    const size = Number(/(\d+(?:\.\d+)?)px/.exec(this.font)?.[1] ?? 10)
    const isBold = /\b(bold|[6-9]00)\b/.test(this.font)
    this.#page.font((isBold ? fontFiles[1] : fontFiles[0]) as string).fontSize(size)
  }

  #write(text: string, x: number, y: number, how: Readonly<Record<string, unknown>>): void {
    if (!hasLettersOf(text)) {
      throw new ArgumentError(
        `chart: the font of a PDF does not have all characters of "${text}"; rename it, or save the chart as .svg or .png, which use the system's fonts`,
      )
    }
    this.#useFont()
    const width = this.#page.widthOfString(text)
    const left =
      this.textAlign === 'center' ? x - width / 2 : ['right', 'end'].includes(this.textAlign) ? x - width : x
    this.#page.save().transform(...this.#matrix)
    this.#page.text(text, left, y, { lineBreak: false, baseline: 'alphabetic', ...how })
    this.#page.restore()
  }
}

/** The error for content that a PDF cannot hold. */
export function unable(what: string): ArgumentError {
  return new ArgumentError(`chart: a PDF cannot hold ${what} of the specification; save it as .svg or .png`)
}

const names: Readonly<Record<string, string>> = {
  white: '#ffffff',
  black: '#000000',
  gray: '#808080',
  grey: '#808080',
  red: '#ff0000',
  green: '#008000',
  blue: '#0000ff',
  steelblue: '#4682b4',
}

/** A CSS color: #rgb, #rrggbb, #rrggbbaa, rgb(), rgba(), and the most common names. */
function paintOf(color: string): Paint {
  const text = names[color.toLowerCase()] ?? color.toLowerCase()
  if (text === 'transparent') return { color: [0, 0, 0], alpha: 0 }
  const hex = /^#([0-9a-f]{3,8})$/.exec(text)?.[1]
  if (hex !== undefined && hex.length !== 5 && hex.length !== 7) {
    const digits = hex.length <= 4 ? hex.replace(/./g, '$&$&') : hex
    const [r = 0, g = 0, b = 0, a = 255] = (digits.match(/../g) ?? []).map((pair) =>
      Number.parseInt(pair, 16),
    )
    return { color: [r, g, b], alpha: a / 255 }
  }
  const parts = /^rgba?\(([^)]*)\)$/
    .exec(text)?.[1]
    ?.split(/[\s,/]+/)
    .map(Number)
  if (parts !== undefined && parts.length >= 3 && parts.every(Number.isFinite)) {
    const [r = 0, g = 0, b = 0, a = 1] = parts
    return { color: [r, g, b], alpha: a }
  }
  throw new ArgumentError(`chart: a PDF cannot hold the color "${color}"; write it as #rrggbb`)
}
