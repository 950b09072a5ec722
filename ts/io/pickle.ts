/**
 * Plain data in Python's pickle format (protocols 2 to 5): dicts, lists, tuples, numbers, text, bytes, and the additions of a dialect. A
 * pickle is a program for a small machine that could call any Python function. Here it is parsed as data: nothing is executed, only the
 * opcodes of such data are accepted, and the few permitted functions make values in this file.
 */

import { DataError } from '../core/errors.js'
import { settled } from '../core/turns.js'

/** A value in a pickle. Texts of Python 2 are bytes; the keys of a dict are texts, in Latin-1 if they are bytes. */
export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickledObject
  | readonly Pickled[]
  | ReadonlyMap<string, Pickled>

/** An object made by a dialect. */
export abstract class PickledObject {
  /**
   * Sets the state from the pickle.
   *
   * @param fail makes the error for an invalid state
   */
  setState(_state: PickleValue, fail: Fail): void {
    throw fail('it gives a state to what has none')
  }

  /** Whether it is a complete value; false for a type, and for an object without its state. */
  get isValue(): boolean {
    return true
  }
}

/** A function or type that a pickle may name: arguments to value. */
export type PickleFunction = (args: readonly PickleValue[], fail: Fail) => PickleValue

/** Makes the error for an invalid pickle from a description. */
export type Fail = (why: string) => DataError

/** Permitted names of a kind of file, besides plain data. */
export interface PickleDialect {
  /** Functions and types, by module and name separated by a space. */
  readonly functions: Readonly<Record<string, PickleFunction>>
  /** The object of a persistent id; undefined if there are none. */
  readonly persistent?: (id: PickleValue, fail: Fail) => PickleValue
  /** Remedy for a pickle of other data. */
  readonly remedy: string
}

/** A function named by a pickle. */
export class NamedFunction {
  constructor(
    readonly name: string,
    readonly call: PickleFunction,
  ) {}
}

/** A value on the stack. */
export type PickleValue =
  | Exclude<Pickled, readonly Pickled[] | ReadonlyMap<string, Pickled>>
  | NamedFunction
  | PickleValue[]
  | Map<string, PickleValue>
type Value = PickleValue

/** The pickle machine: a stack, marks in it, and memoized values by index. */
class Machine {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #memo = new Map<number, Value>()
  readonly #marks: number[] = []
  #stack: Value[] = []
  #at = 0
  /** The value of the whole pickle, after its end. */
  result: Value | undefined

  constructor(
    bytes: Uint8Array,
    readonly what: string,
    readonly dialect: PickleDialect,
  ) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Executes the next opcode. */
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

  readonly fail: Fail = (why) =>
    new DataError(
      `${this.what} is not a pickle of plain data: ${why}; it is never executed. ${this.dialect.remedy}`,
    )

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at)
      throw this.fail(`it ends at byte ${this.#bytes.length}, truncated`)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  byte(): number {
    return this.take(1)[0] as number
  }

  /** An unsigned number of 2, 4 or 8 bytes. */
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

  /** The values above the last mark; removes them and the mark. */
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
    if (value === undefined) throw this.fail(`it takes value ${place}, which was never stored`)
    this.push(value)
  }

  append(values: readonly Value[]): void {
    const list = this.top()
    if (!Array.isArray(list)) throw this.fail('it appends to a value that is not a list')
    for (const value of values) list.push(value)
  }

  setItems(values: readonly Value[]): void {
    const dict = this.top()
    if (!(dict instanceof Map) || values.length % 2 !== 0)
      throw this.fail('it sets items of a value that is not a dict')
    for (let i = 0; i < values.length; i += 2) {
      const given = values[i]
      const key = Number.isInteger(given) ? String(given) : textOf(given)
      if (key === undefined) throw this.fail('a key of a dict is neither a text nor a whole number')
      dict.set(key, values[i + 1] as Value)
    }
  }

  tuple(length: number): void {
    this.push(Array.from({ length }, () => this.pop()).reverse())
  }

  global(name: string): void {
    const { functions } = this.dialect
    if (!Object.hasOwn(functions, name))
      throw this.fail(`it names ${JSON.stringify(name.slice(0, 100).replace(' ', '.'))}`)
    this.push(new NamedFunction(name, functions[name] as PickleFunction))
  }

  /** A global from module and name on the stack. */
  stackGlobal(): void {
    const [name, module] = [textOf(this.pop()), textOf(this.pop())]
    if (name === undefined || module === undefined) throw this.fail('a name of a function is not text')
    this.global(`${module} ${name}`)
  }

  reduce(): void {
    const args = this.pop()
    const called = this.pop()
    if (!(called instanceof NamedFunction) || !Array.isArray(args))
      throw this.fail('it calls a value that is not a function')
    this.push(called.call(args, this.fail))
  }

  persistent(): void {
    const id = this.pop()
    if (this.dialect.persistent === undefined) throw this.fail('it refers to data outside of it')
    this.push(this.dialect.persistent(id, this.fail))
  }

  /** Sets the state of an object. */
  build(): void {
    const state = this.pop()
    const built = this.top()
    // The attributes of a dict subclass are not data.
    if (built instanceof Map) return
    if (!(built instanceof PickledObject)) throw this.fail('it gives a state to what has none')
    built.setState(state, this.fail)
  }

  /** A whole number of any length, without loss. */
  long(length: number): void {
    const bytes = this.take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number)
    const signed = length === 0 ? 0n : BigInt.asIntN(8 * length, value)
    const number = Number(signed)
    this.push(Number.isSafeInteger(number) ? number : signed)
  }

  stop(): void {
    this.result = this.pop()
    if (this.#stack.length > 0) throw this.fail('values are left over at its end')
  }
}

const latin1 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
const utf8 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')

/** Text, or bytes as text. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? latin1(value) : undefined
}

/** The action of each opcode. Bytes of the file are not copied. */
const opcodes: ReadonlyMap<number, (machine: Machine) => void> = new Map(
  Object.entries<(m: Machine) => void>({
    '\x80': (m) => {
      const protocol = m.byte()
      if (protocol < 2 || protocol > 5)
        throw m.fail(`protocol ${protocol} is not supported, protocols 2 to 5 are`)
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
    '\x8a': (m) => m.long(m.byte()),
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
    Q: (m) => m.persistent(),
  }).map(([code, run]) => [code.charCodeAt(0), run]),
)

/** Opcodes that make objects of any class, by name. */
const refused: ReadonlyMap<number, string> = new Map([
  [0x69, 'INST'],
  [0x6f, 'OBJ'],
  [0x81, 'NEWOBJ'],
  [0x92, 'NEWOBJ_EX'],
  [0x50, 'PERSID'],
  [0x82, 'EXT1'],
  [0x83, 'EXT2'],
  [0x84, 'EXT4'],
])

/**
 * The value in a pickle. Its bytes are shared, not copied.
 *
 * @param what name of the pickle in messages
 * @throws DataError unless it is a pickle of plain data: for another function, damage, or a reference to itself
 */
export async function readPickle(what: string, bytes: Uint8Array, dialect: PickleDialect): Promise<Pickled> {
  const machine = new Machine(bytes, what, dialect)
  for (let steps = 1; machine.result === undefined; steps++) {
    machine.step()
    if (steps % 1024 === 0) await settled()
  }
  return plainOf(machine)(machine.result)
}

/** Converts values to plain ones; shared values are converted once. */
function plainOf(machine: Machine): (value: Value) => Pickled {
  const done = new Map<Value, Pickled>()
  const around = new Set<Value>()
  return function plain(value: Value): Pickled {
    if (value instanceof NamedFunction || (value instanceof PickledObject && !value.isValue)) {
      throw machine.fail('it holds a function or a type instead of a value')
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
