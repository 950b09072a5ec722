/** Chunks of PNG files (W3C PNG, third edition): the size on paper, and animations. */
import { crc32, deflateSync } from 'node:zlib'

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

function physical(dpi: number): Buffer {
  const perMeter = Math.round(dpi / 0.0254)
  const data = Buffer.alloc(9)
  data.writeUInt32BE(perMeter, 0)
  data.writeUInt32BE(perMeter, 4)
  data[8] = 1
  return chunk('pHYs', data)
}

/** The same image with its resolution, so that programs show it at its size on paper. */
export function withResolution(png: Uint8Array, dpi: number): Uint8Array {
  // The header is the first chunk, always of 13 bytes.
  const end = signature.length + 25
  return Buffer.concat([png.subarray(0, end), physical(dpi), png.subarray(end)])
}

/** An image of an animation. */
export interface Frame {
  /** RGBA, opaque, as large as the animation. */
  readonly pixels: Uint8Array
  /** Duration in milliseconds. */
  readonly delay: number
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/**
 * An animated PNG of RGB frames, which repeats. Each frame holds the difference to the frame before. The still image, for programs without
 * animation, is the last frame.
 */
export class AnimatedPng {
  readonly #width: number
  readonly #height: number
  readonly #frames: { box: Box; data: Buffer; delay: number }[] = []
  #before: Uint8Array | undefined

  constructor(width: number, height: number) {
    this.#width = width
    this.#height = height
  }

  add({ pixels, delay }: Frame): void {
    const all: Box = { x: 0, y: 0, width: this.#width, height: this.#height }
    const box = this.#before === undefined ? all : difference(this.#before, pixels, all)
    this.#frames.push({ box, data: compressed(pixels, this.#width, box), delay })
    this.#before = pixels
  }

  /** @param dpi pixels per inch, if they are to be stored */
  bytes(dpi?: number): Uint8Array {
    const header = Buffer.alloc(13)
    header.writeUInt32BE(this.#width, 0)
    header.writeUInt32BE(this.#height, 4)
    header.set([8, 2, 0, 0, 0], 8)
    const control = Buffer.alloc(8)
    control.writeUInt32BE(this.#frames.length, 0)
    let sequence = 0
    const still = this.#before as Uint8Array
    const all = { x: 0, y: 0, width: this.#width, height: this.#height }
    const frames = this.#frames.flatMap(({ box, data, delay }) => {
      const about = chunk('fcTL', frameControl(sequence++, box, delay))
      const numbered = Buffer.alloc(4 + data.length)
      numbered.writeUInt32BE(sequence++)
      data.copy(numbered, 4)
      return [about, chunk('fdAT', numbered)]
    })
    return Buffer.concat([
      signature,
      chunk('IHDR', header),
      ...(dpi === undefined ? [] : [physical(dpi)]),
      chunk('acTL', control),
      chunk('IDAT', compressed(still, this.#width, all)),
      ...frames,
      chunk('IEND', Buffer.alloc(0)),
    ])
  }
}

function frameControl(sequence: number, { x, y, width, height }: Box, delay: number): Buffer {
  const data = Buffer.alloc(26)
  for (const [i, value] of [sequence, width, height, x, y].entries()) data.writeUInt32BE(value, 4 * i)
  data.writeUInt16BE(Math.min(65_535, Math.round(delay)), 20)
  data.writeUInt16BE(1000, 22)
  // Nothing is disposed after the frame, and it replaces the pixels.
  return data
}

/** The smallest box that contains all differing pixels of two images; a single pixel if they are equal. */
function difference(a: Uint8Array, b: Uint8Array, { width, height }: Box): Box {
  const rowOf = (image: Uint8Array, y: number) =>
    Buffer.from(image.buffer, image.byteOffset + 4 * width * y, 4 * width)
  let [top, bottom, left, right] = [height, -1, width, -1]
  for (let y = 0; y < height; y++) {
    const [mine, theirs] = [rowOf(a, y), rowOf(b, y)]
    if (mine.equals(theirs)) continue
    top = Math.min(top, y)
    bottom = y
    let first = 0
    while (mine[first] === theirs[first]) first++
    let last = mine.length - 1
    while (mine[last] === theirs[last]) last--
    left = Math.min(left, first >> 2)
    right = Math.max(right, last >> 2)
  }
  if (bottom < 0) return { x: 0, y: 0, width: 1, height: 1 }
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 }
}

/** The RGB of a box, each row minus the row above it (filter type 2), deflated. */
function compressed(pixels: Uint8Array, width: number, box: Box): Buffer {
  const stride = 3 * box.width
  const rows = Buffer.alloc((stride + 1) * box.height)
  let above = new Uint8Array(stride)
  for (let y = 0; y < box.height; y++) {
    const row = new Uint8Array(stride)
    const from = 4 * ((box.y + y) * width + box.x)
    for (let x = 0; x < box.width; x++) {
      for (let part = 0; part < 3; part++) row[3 * x + part] = pixels[from + 4 * x + part] as number
    }
    const at = y * (stride + 1)
    rows[at] = 2
    for (let i = 0; i < stride; i++) rows[at + 1 + i] = ((row[i] as number) - (above[i] as number)) & 0xff
    above = row
  }
  return deflateSync(rows)
}
