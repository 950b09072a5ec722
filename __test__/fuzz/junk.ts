/** Values that no argument expects, and some that are right in another place. */
import { key, ones, Sequential, tensor, Variable, zeros } from '../../ts/index.js'

/** Errors of the fuzzer's own getters, functions and proxies: they may pass through unchanged. */
export class OwnError extends Error {}

const throwOwn = (): never => {
  throw new OwnError('thrown by the caller')
}

const throwing = { get: throwOwn, enumerable: true, configurable: true }

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function cyclic(): unknown[] {
  const list: unknown[] = []
  list.push(list)
  return list
}

function deep(): unknown {
  let list: unknown = 1
  for (let i = 0; i < 20_000; i++) list = [list]
  return list
}

function detached(): Float32Array {
  const array = new Float32Array(4)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}

function disposed<T extends { dispose(): void }>(held: T): T {
  held.dispose()
  return held
}

class Own {
  size = 1
}

/** Junk values with names for the report. Numbers are small or absurd, never just large: large ones would only take long. */
export const junk: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  0: () => 0,
  '-0': () => -0,
  1: () => 1,
  '-1': () => -1,
  2: () => 2,
  7: () => 7,
  0.5: () => 0.5,
  1e-320: () => 1e-320,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-Infinity': () => Number.NEGATIVE_INFINITY,
  '2^41': () => 2 ** 41,
  '-2^41': () => -(2 ** 41),
  '2^53': () => 2 ** 53,
  1e300: () => 1e300,
  '0n': () => 0n,
  '-3n': () => -3n,
  '2n^70': () => 2n ** 70n,
  'an empty text': () => '',
  abc: () => 'abc',
  relu: () => 'relu',
  same: () => 'same',
  sum: () => 'sum',
  constructor: () => 'constructor',
  'the name __proto__': () => '__proto__',
  'a NUL': () => 'a\0b',
  'a long text': () => 'x'.repeat(5000),
  'a symbol': () => Symbol('junk'),
  'a String object': () => new String('relu'),
  'a Number object': () => new Number(1),
  '[]': () => [],
  '[null]': () => [null],
  '[undefined]': () => [undefined],
  '[1]': () => [1],
  '[0, 1]': () => [0, 1],
  '[1, 2, 3]': () => [1, 2, 3],
  '[-1]': () => [-1],
  '[2^41]': () => [2 ** 41],
  '[symbol]': () => [Symbol('junk')],
  '[1n]': () => [1n],
  '[[1]]': () => [[1]],
  '[[1, 2], [3]]': () => [[1, 2], [3]],
  '["a"]': () => ['a'],
  '[{}]': () => [{}],
  'a sparse array': () => new Array(2),
  'an array of throwing entries': () => Object.defineProperty([1, 2], 1, throwing),
  'a cyclic array': cyclic,
  'a deep array': deep,
  'a frozen array': () => Object.freeze([1]),
  '{}': () => ({}),
  'an object without prototype': () => Object.create(null),
  'an unknown option': () => ({ unheardOf: 1 }),
  'length 3': () => ({ length: 3 }),
  'length -1': () => ({ length: -1 }),
  'length 2^41': () => ({ length: 2 ** 41 }),
  'a shape': () => ({ shape: [2] }),
  'data of null': () => ({ data: null, shape: null, dtype: null }),
  'x and y of null': () => ({ x: null, y: null }),
  'a frozen object': () => Object.freeze({}),
  'a throwing getter': () => Object.defineProperty({}, 'name', throwing),
  'a throwing toString': () => ({ toString: throwOwn, valueOf: throwOwn, [Symbol.toPrimitive]: throwOwn }),
  'a throwing then': () => Object.defineProperty({}, 'then', throwing),
  'an iterator without next': () => ({ [Symbol.iterator]: () => ({}) }),
  'an async iterator without next': () => ({ [Symbol.asyncIterator]: () => null }),
  'an iterable of null': () => new Set([null]),
  'a Map': () => new Map([['a', 1]]),
  'a Set': () => new Set([1]),
  'a Date': () => new Date(0),
  'an invalid Date': () => new Date(Number.NaN),
  'a RegExp': () => /a/,
  'an Error': () => new Error('junk'),
  'a promise': () => Promise.resolve(1),
  'an instance': () => new Own(),
  'a class': () => Own,
  'a function': () => () => undefined,
  'a function of null': () => () => null,
  'a throwing function': () => throwOwn,
  'an async function': () => async () => 1,
  'a throwing async function': () => async () => throwOwn(),
  'a generator': () => (function* () {})(),
  'a proxy': () => new Proxy({}, {}),
  'a proxy that throws': () => new Proxy({}, { get: throwOwn, ownKeys: throwOwn, getPrototypeOf: throwOwn }),
  'a revoked proxy': () => revoked({}),
  'a revoked proxy of an array': () => revoked([]),
  'a revoked proxy of a function': () => revoked(() => 1),
  'an empty Float32Array': () => new Float32Array(0),
  'a Float32Array': () => Float32Array.of(1, 2, 3),
  'a Float32Array of NaN': () => Float32Array.of(Number.NaN),
  'a Float64Array': () => Float64Array.of(1, 2),
  'an Int32Array': () => Int32Array.of(0, 1, 0),
  'a BigInt64Array': () => BigInt64Array.of(1n),
  'a BigUint64Array': () => BigUint64Array.of(2n ** 63n),
  'an Int8Array': () => Int8Array.of(-1),
  'a Uint8Array': () => Uint8Array.of(1, 0),
  'a Uint8ClampedArray': () => Uint8ClampedArray.of(255),
  'a detached array': detached,
  'a shared array': () => new Float32Array(new SharedArrayBuffer(8)),
  'a DataView': () => new DataView(new ArrayBuffer(4)),
  'an ArrayBuffer': () => new ArrayBuffer(4),
  'a Buffer': () => Buffer.from('abc'),
  'a scalar tensor': () => tensor(1),
  'a vector': () => tensor([1, 2, 3]),
  'a tensor of NaN': () => tensor([[Number.NaN]]),
  'an empty tensor': () => zeros([0]),
  'an int32 tensor': () => tensor([0, 1], { dtype: 'int32' }),
  'a bool tensor': () => tensor([true, false]),
  'an int64 tensor': () => tensor([1n, 2n]),
  'a float64 tensor': () => tensor(Float64Array.of(1, 2)),
  'a wide tensor': () => ones([2, 1, 3, 1, 2]),
  'a huge lazy tensor': () => zeros([2 ** 40]),
  'a disposed tensor': () => disposed(ones([2])),
  'a key': () => key(3),
  'a Variable': () => new Variable(ones([2])),
  'a disposed Variable': () => disposed(new Variable(ones([2]))),
  'a model without layers': () => new Sequential({ inputShape: [3] }),
  'an AbortSignal': () => new AbortController().signal,
  'an aborted AbortSignal': () => AbortSignal.abort(new OwnError('aborted by the caller')),
  globalThis: () => globalThis,
  Math: () => Math,
}
