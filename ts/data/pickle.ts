/**
 * Plain data in Python's pickle format (protocols 2 to 5): dicts, lists, tuples, numbers, text, bytes, and NumPy arrays of bytes. A pickle is a
 * program for a small machine that could call any function of Python. Here it is looked at as data: nothing is executed, the opcodes are
 * those that such data have, and the few functions that may be named stand for values that are made right here.
 */

import { sizeOf } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { settled } from '../core/turns.js'

/** Bytes with a shape, as NumPy has them. */
export class PickledArray {
  constructor(
    readonly shape: readonly number[],
    readonly data: Uint8Array,
    /** Whether the first axis runs fastest. */
    readonly fortranOrder: boolean,
  ) {}
}

/** A value in a pickle. Texts of Python 2 are bytes; the keys of a dict are texts, in Latin-1 where they are bytes. */
export type Pickled =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickledArray
  | readonly Pickled[]
  | ReadonlyMap<string, Pickled>

/** A function that a pickle names. */
interface Named {
  readonly global: string
}

/** An array of NumPy before its state is known. */
class PendingArray {
  array: PickledArray | undefined
}

/** An element type of NumPy. */
class ElementType {
  constructor(readonly name: string) {}
}

/** What may lie on the stack. */
type Value =
  | Exclude<Pickled, readonly Pickled[] | ReadonlyMap<string, Pickled>>
  | Named
  | PendingArray
  | ElementType
  | Value[]
  | Map<string, Value>

/** Functions that may be named, and the short names they have here. */
const globals: Readonly<Record<string, string>> = {
  'numpy.core.multiarray _reconstruct': 'array',
  'numpy._core.multiarray _reconstruct': 'array',
  'numpy.core.numeric _frombuffer': 'buffer',
  'numpy._core.numeric _frombuffer': 'buffer',
  'numpy ndarray': 'type',
  'numpy dtype': 'dtype',
  '_codecs encode': 'encode',
}

/** The machine that a pickle runs on: a stack, marks in it, and values that were put aside by number. */
class Machine {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #memo = new Map<number, Value>()
  readonly #marks: number[] = []
  #stack: Value[] = []
  #at = 0
  /** The value of the whole pickle, once it has ended. */
  result: Value | undefined

  constructor(
    bytes: Uint8Array,
    readonly what: string,
  ) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Does the next instruction. */
  step(): void {
    const start = this.#at
    const code = this.byte()
    const run = opcodes.get(code)
    if (run !== undefined) {
      run(this)
      return
    }
    const name = refused.get(code) ?? `0x${code.toString(16).padStart(2, '0')}`
    throw this.fail(`the opcode ${name} at byte ${start} is not one of plain data`)
  }

  fail(why: string): DataError {
    return new DataError(
      `${this.what} is not a pickle of plain data: ${why}; it is never executed. Fetch the file again, or save the data as .npy files`,
    )
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at)
      throw this.fail(`it ends at byte ${this.#bytes.length}, truncated`)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  byte(): number {
    return this.take(1)[0] as number
  }

  /** A number of 2, 4 or 8 bytes, without sign. */
  count(width: 2 | 4 | 8): number {
    const at = this.#at
    this.take(width)
    if (width === 2) return this.#view.getUint16(at, true)
    if (width === 4) return this.#view.getUint32(at, true)
    return this.#view.getUint32(at, true) + 2 ** 32 * this.#view.getUint32(at + 4, true)
  }

  integer(): number {
    const at = this.#at
    this.take(4)
    return this.#view.getInt32(at, true)
  }

  float(): number {
    const at = this.#at
    this.take(8)
    return this.#view.getFloat64(at)
  }

  /** Text up to the end of the line. */
  line(): string {
    const end = this.#bytes.indexOf(10, this.#at)
    if (end < 0) throw this.fail('a name has no end')
    const text = latin1(this.take(end - this.#at))
    this.take(1)
    return text
  }

  push(value: Value): void {
    this.#stack.push(value)
  }

  pop(): Value {
    const floor = this.#marks.at(-1) ?? 0
    if (this.#stack.length <= floor) throw this.fail('it takes a value from an empty stack')
    return this.#stack.pop() as Value
  }

  top(): Value {
    const value = this.pop()
    this.push(value)
    return value
  }

  mark(): void {
    this.#marks.push(this.#stack.length)
  }

  /** The values above the last mark, which goes. */
  popMark(): Value[] {
    const from = this.#marks.pop()
    if (from === undefined) throw this.fail('it takes values down to a mark that is not there')
    const values = this.#stack.slice(from)
    this.#stack.length = from
    return values
  }

  put(place: number): void {
    this.#memo.set(place, this.top())
  }

  memoize(): void {
    this.put(this.#memo.size)
  }

  get(place: number): void {
    const value = this.#memo.get(place)
    if (value === undefined) throw this.fail(`it takes value ${place}, which was never put aside`)
    this.push(value)
  }

  append(values: readonly Value[]): void {
    const list = this.top()
    if (!Array.isArray(list)) throw this.fail('it appends to what is no list')
    for (const value of values) list.push(value)
  }

  setItems(values: readonly Value[]): void {
    const dict = this.top()
    if (!(dict instanceof Map) || values.length % 2 !== 0) throw this.fail('it sets items of what is no dict')
    for (let i = 0; i < values.length; i += 2) {
      const key = textOf(values[i])
      if (key === undefined) throw this.fail('a key of a dict is no text')
      dict.set(key, values[i + 1] as Value)
    }
  }

  tuple(length: number): void {
    this.push(Array.from({ length }, () => this.pop()).reverse())
  }

  global(name: string): void {
    if (!Object.hasOwn(globals, name))
      throw this.fail(`it names ${JSON.stringify(name.slice(0, 100).replace(' ', '.'))}`)
    this.push({ global: globals[name] as string })
  }

  /** A global from module and name on the stack. */
  stackGlobal(): void {
    const [name, module] = [textOf(this.pop()), textOf(this.pop())]
    if (name === undefined || module === undefined) throw this.fail('a name of a function is no text')
    this.global(`${module} ${name}`)
  }

  reduce(): void {
    const args = this.pop()
    const called = this.pop()
    if (!isNamed(called) || !Array.isArray(args)) throw this.fail('it calls what is no function')
    this.push(this.resultOf(called.global, args))
  }

  /** What a named function of these arguments would give. */
  resultOf(name: string, args: readonly Value[]): Value {
    const [first, second, third, fourth] = args
    if (name === 'array') return new PendingArray()
    if (name === 'buffer') return this.arrayOf(third, second, fourth === 'F', first)
    const text = textOf(first)
    if (name === 'dtype' && text !== undefined) return new ElementType(text)
    if (name === 'encode' && typeof first === 'string' && /^latin-?1$/.test(textOf(second) ?? '')) {
      return new Uint8Array(Buffer.from(first, 'latin1'))
    }
    throw this.fail(`it calls ${name} with other arguments than plain data have`)
  }

  /** Gives an object its state. */
  build(): void {
    const state = this.pop()
    const built = this.top()
    // The order of bytes, which bytes have not.
    if (built instanceof ElementType) return
    if (!(built instanceof PendingArray) || !Array.isArray(state))
      throw this.fail('it gives a state to what has none')
    const [, shape, type, fortran, data] = state
    built.array = this.arrayOf(shape, type, fortran === true, data)
  }

  arrayOf(shape: unknown, type: unknown, fortranOrder: boolean, data: unknown): PickledArray {
    if (!(type instanceof ElementType) || !/^\|?u1$/.test(type.name)) {
      const name = type instanceof ElementType ? type.name : 'unknown'
      throw this.fail(
        `it holds an array of element type ${JSON.stringify(name)}, and only bytes (u1) are read`,
      )
    }
    const isShape =
      Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length >= 0)
    const size = isShape ? sizeOf(shape as number[]) : -1
    if (!(data instanceof Uint8Array) || data.length !== size)
      throw this.fail('an array has other bytes than its shape')
    return new PickledArray(shape as number[], data, fortranOrder)
  }

  stop(): void {
    this.result = this.pop()
    if (this.#stack.length > 0) throw this.fail('values are left over at its end')
  }
}

const isNamed = (value: Value): value is Named =>
  typeof value === 'object' && value !== null && 'global' in value

const latin1 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
const utf8 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')

/** Text, or bytes as text. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? latin1(value) : undefined
}

/** What each opcode does. Bytes of the file are not copied. */
const opcodes: ReadonlyMap<number, (machine: Machine) => void> = new Map(
  Object.entries<(m: Machine) => void>({
    '\x80': (m) => {
      const protocol = m.byte()
      if (protocol < 2 || protocol > 5)
        throw m.fail(`protocol ${protocol} is not read, those from 2 to 5 are`)
    },
    '\x95': (m) => void m.count(8),
    '.': (m) => m.stop(),
    '(': (m) => m.mark(),
    N: (m) => m.push(null),
    '\x88': (m) => m.push(true),
    '\x89': (m) => m.push(false),
    J: (m) => m.push(m.integer()),
    K: (m) => m.push(m.byte()),
    M: (m) => m.push(m.count(2)),
    G: (m) => m.push(m.float()),
    // Texts of Python 2, and bytes.
    U: (m) => m.push(m.take(m.byte())),
    T: (m) => m.push(m.take(m.count(4))),
    C: (m) => m.push(m.take(m.byte())),
    B: (m) => m.push(m.take(m.count(4))),
    '\x8e': (m) => m.push(m.take(m.count(8))),
    '\x96': (m) => m.push(m.take(m.count(8))),
    '\x8c': (m) => m.push(utf8(m.take(m.byte()))),
    X: (m) => m.push(utf8(m.take(m.count(4)))),
    '\x8d': (m) => m.push(utf8(m.take(m.count(8)))),
    ']': (m) => m.push([]),
    a: (m) => m.append([m.pop()]),
    e: (m) => m.append(m.popMark()),
    ')': (m) => m.push([]),
    t: (m) => m.push(m.popMark()),
    '\x85': (m) => m.tuple(1),
    '\x86': (m) => m.tuple(2),
    '\x87': (m) => m.tuple(3),
    '}': (m) => m.push(new Map()),
    s: (m) => m.setItems([m.pop(), m.pop()].reverse()),
    u: (m) => m.setItems(m.popMark()),
    q: (m) => m.put(m.byte()),
    r: (m) => m.put(m.count(4)),
    '\x94': (m) => m.memoize(),
    h: (m) => m.get(m.byte()),
    j: (m) => m.get(m.count(4)),
    c: (m) => {
      const module = m.line()
      m.global(`${module} ${m.line()}`)
    },
    '\x93': (m) => m.stackGlobal(),
    R: (m) => m.reduce(),
    b: (m) => m.build(),
  }).map(([code, run]) => [code.charCodeAt(0), run]),
)

/** Opcodes that make objects of any class, by name. */
const refused: ReadonlyMap<number, string> = new Map([
  [0x69, 'INST'],
  [0x6f, 'OBJ'],
  [0x81, 'NEWOBJ'],
  [0x92, 'NEWOBJ_EX'],
  [0x50, 'PERSID'],
  [0x51, 'BINPERSID'],
  [0x82, 'EXT1'],
  [0x83, 'EXT2'],
  [0x84, 'EXT4'],
])

/**
 * The value in a pickle. Its bytes are shared, not copied.
 *
 * @param what what to call it in messages
 * @throws DataError for what is no pickle of plain data: one that names any other function, is damaged, or refers to itself
 */
export async function readPickle(what: string, bytes: Uint8Array): Promise<Pickled> {
  const machine = new Machine(bytes, what)
  for (let steps = 1; machine.result === undefined; steps++) {
    machine.step()
    if (steps % 1024 === 0) await settled()
  }
  return plainOf(machine)(machine.result)
}

/** Gives values with their arrays in place of what they were built from; what several others hold, once. */
function plainOf(machine: Machine): (value: Value) => Pickled {
  const done = new Map<Value, Pickled>()
  const around = new Set<Value>()
  return function plain(value: Value): Pickled {
    if (value instanceof PendingArray && value.array !== undefined) return value.array
    if (value instanceof ElementType || value instanceof PendingArray || isNamed(value)) {
      throw machine.fail('it holds a function or a type in place of a value')
    }
    if (!Array.isArray(value) && !(value instanceof Map)) return value
    const known = done.get(value)
    if (known !== undefined) return known
    if (around.has(value) || around.size > 100) {
      throw machine.fail('it refers to itself, or is nested deeper than 100 levels')
    }
    around.add(value)
    const made = Array.isArray(value)
      ? value.map(plain)
      : new Map([...value].map(([key, part]) => [key, plain(part)]))
    around.delete(value)
    done.set(value, made)
    return made
  }
}
