/** Columns that grow line by line, in blocks of memory, so nothing is copied until their length is known. */

import { withRoom } from '../core/dtype.js'
import { DataError, describe } from '../core/errors.js'
import { nextTurn } from '../core/turns.js'
import type { ArrayData } from './element-types.js'

/** Numbers in a block: a few milliseconds of work. */
const blockLength = 1 << 18
/** Maximum number of classes in a text column: with more, each line has a name rather than a class. */
const mostClasses = 1 << 16

type Floats = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>
type FloatDType = 'float32' | 'float64'

const floats = (dtype: FloatDType, length: number): Floats =>
  withRoom((dtype === 'float32' ? 4 : 8) * length, () =>
    dtype === 'float32' ? new Float32Array(length) : new Float64Array(length),
  )

/** Rows of equal length; NaN represents the mean of its column. */
export class NumberRows {
  /** Rows so far. */
  count = 0
  readonly #width: number
  readonly #dtype: FloatDType
  readonly #blocks: Floats[] = []
  #at = blockLength
  /** Sum and count of the values of each column, and the positions of NaN. */
  readonly #sums: Float64Array
  readonly #counts: Float64Array
  readonly #holes: number[] = []

  constructor(width: number, dtype: FloatDType) {
    this.#width = width
    this.#dtype = dtype
    this.#sums = new Float64Array(width)
    this.#counts = new Float64Array(width)
  }

  push(row: Float64Array): void {
    for (let i = 0; i < this.#width; i++) {
      const value = row[i] as number
      if (this.#at === blockLength) {
        this.#blocks.push(floats(this.#dtype, blockLength))
        this.#at = 0
      }
      ;(this.#blocks.at(-1) as Floats)[this.#at++] = value
      if (Number.isNaN(value)) this.#holes.push(this.count * this.#width + i)
      else {
        this.#sums[i] = (this.#sums[i] as number) + value
        this.#counts[i] = (this.#counts[i] as number) + 1
      }
    }
    this.count++
  }

  /**
   * All rows; releases their blocks.
   *
   * @param refuse throws the error for a column without a value
   */
  async finish(refuse: (column: number) => never): Promise<ArrayData> {
    const data = await joined(this.#blocks, floats(this.#dtype, this.count * this.#width))
    for (const [done, place] of this.#holes.entries()) {
      const column = place % this.#width
      if (this.#counts[column] === 0) refuse(column)
      data[place] = (this.#sums[column] as number) / (this.#counts[column] as number)
      if (done % blockLength === blockLength - 1) await nextTurn()
    }
    return { dtype: this.#dtype, shape: [this.count, this.#width], data }
  }
}

/**
 * The values of blocks in one array; the last block may be partly filled. Releases the blocks.
 *
 * @param change applied to each value
 */
async function joined<T extends Floats | Int32Array>(
  blocks: Floats[],
  into: T,
  change?: (value: number) => number,
): Promise<T> {
  let at = 0
  for (let block = blocks.shift(); block !== undefined; block = blocks.shift()) {
    const part = block.subarray(0, Math.min(block.length, into.length - at))
    if (change !== undefined) for (let i = 0; i < part.length; i++) part[i] = change(part[i] as number)
    into.set(part, at)
    at += part.length
    await nextTurn()
  }
  return into
}

/** Targets and the names of their classes. */
export interface Targets {
  /** `[n]`: int32 classes, or numbers. */
  readonly y: ArrayData
  /** Undefined for numbers, and for whole-number classes. */
  readonly classNames: readonly string[] | undefined
}

/** A column of targets: numbers, or texts of classes. Unless the caller says which, the first line decides. */
export class TargetColumn {
  /** File and column, for messages. */
  readonly #where: string
  readonly #labels: boolean | undefined
  readonly #dtype: FloatDType
  /** Indices of texts by first appearance; undefined for numbers. */
  #texts: Map<string, number> | undefined
  /** Whether all numbers so far could be classes. */
  #areWhole = true
  readonly #blocks: Float64Array<ArrayBuffer>[] = []
  #count = 0

  constructor(where: string, labels: boolean | undefined, dtype: FloatDType) {
    this.#where = where
    this.#labels = labels
    this.#dtype = dtype
    if (labels === true) this.#texts = new Map()
  }

  push(field: string, line: number): void {
    const value = decimal(field)
    if (this.#count === 0 && this.#labels === undefined && value === undefined) this.#texts = new Map()
    if (this.#texts !== undefined) {
      if (this.#labels === undefined && value !== undefined) throw this.#mixed(line, field, 'texts')
      this.#append(this.#placeOf(this.#texts, field, line))
      return
    }
    if (value === undefined) throw this.#mixed(line, field, 'numbers')
    if (!Number.isFinite(this.#dtype === 'float32' ? Math.fround(value) : value)) {
      throw new DataError(`${this.#where}, line ${line}: ${field} is beyond ${this.#dtype}; correct it`)
    }
    this.#areWhole &&= isClass(value)
    this.#append(value)
  }

  #append(value: number): void {
    const at = this.#count++ % blockLength
    if (at === 0) this.#blocks.push(floats('float64', blockLength) as Float64Array<ArrayBuffer>)
    const block = this.#blocks.at(-1) as Float64Array
    block[at] = value
  }

  #placeOf(texts: Map<string, number>, field: string, line: number): number {
    const known = texts.get(field)
    if (known !== undefined) return known
    if (texts.size === mostClasses) {
      throw new DataError(
        `${this.#where}, line ${line}: more than ${mostClasses} different texts, which are names rather than classes; give another target`,
      )
    }
    texts.set(field, texts.size)
    return texts.size - 1
  }

  #mixed(line: number, field: string, others: 'texts' | 'numbers'): DataError {
    const remedy =
      this.#labels === false
        ? 'correct it, or give labels: true for classes'
        : 'correct it, or give labels: true if all are classes'
    return new DataError(`${this.#where}, line ${line}: ${describe(field)} among ${others}; ${remedy}`)
  }

  async finish(): Promise<Targets> {
    const count = this.#count
    const labels = async (change?: (value: number) => number): Promise<ArrayData> => {
      const into = withRoom(4 * count, () => new Int32Array(count))
      return { dtype: 'int32', shape: [count], data: await joined(this.#blocks, into, change) }
    }
    if (this.#texts !== undefined) {
      const names = [...this.#texts.keys()]
      const values = names.map(decimal)
      if (values.every((value) => value !== undefined && isClass(value))) {
        return { y: await labels((place) => values[place] as number), classNames: undefined }
      }
      const classNames = [...names].sort()
      const places = new Map(classNames.map((name, place) => [name, place]))
      const labelOf = names.map((name) => places.get(name) as number)
      return { y: await labels((place) => labelOf[place] as number), classNames }
    }
    if (this.#labels !== false && this.#areWhole) return { y: await labels(), classNames: undefined }
    const data = await joined(this.#blocks, floats(this.#dtype, count))
    return { y: { dtype: this.#dtype, shape: [count], data }, classNames: undefined }
  }
}

const isClass = (value: number) => Number.isInteger(value) && value >= 0 && value < 2 ** 31

/** The decimal number in a text; undefined for other texts, also for other number formats of JavaScript. */
export function decimal(field: string): number | undefined {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(field) ? Number(field) : undefined
}
