/**
 * Random numbers from explicit keys (Philox4x32-10, Salmon et al. 2011): the same key gives the same numbers, on every device and for any
 * number of threads. Use each key once; derive more with {@link splitKey} or {@link foldIn}.
 */

import { arange, checkShape } from '../core/create.js'
import { type DType, dtypeCode, type Shape, withRoom } from '../core/dtype.js'
import { ArgumentError, describe } from '../core/errors.js'
import { native } from '../core/native.js'
import { floatDType, tensorOrNumber } from '../core/operands.js'
import { atLeast, type Checks, checkOptions, checkValue, finite } from '../core/options.js'
import { idOf, Tensor } from '../core/tensor.js'
import { atOnce, type Work } from '../core/turns.js'
import { add, cast, less, mul } from './elementwise.js'
import { reshape, slice } from './movement.js'
import type { TensorLike } from './operands.js'
import { argSort } from './sorting.js'

const own = Tensor.own
const kinds = { bits: 0, uniform: 1, normal: 2 } as const

/** The low and high 32 bits of a seed. */
function words(op: string, seed: number | bigint): [number, number] {
  const isInteger = typeof seed === 'bigint' || Number.isSafeInteger(seed)
  if (!isInteger || seed < 0 || BigInt(seed) >= 2n ** 64n) {
    throw new ArgumentError(
      `${op}: seed ${describe(seed)}, expected an integer from 0 to 2^53, or a bigint below 2^64`,
    )
  }
  const wide = BigInt(seed)
  return [Number(wide & 0xffffffffn), Number(wide >> 32n)]
}

function source(values: readonly number[]): Tensor {
  return own(native.source(Uint32Array.from(values), dtypeCode('uint32'), [values.length]))
}

/**
 * The key of a seed.
 *
 * @returns uint32 (2)
 */
export function key(seed: number | bigint): Tensor {
  return source(words('key', seed))
}

function bits(from: Tensor, shape: number[]): Tensor {
  return own(native.random(kinds.bits, idOf('random', from), dtypeCode('uint32'), shape))
}

/** `n` independent keys from one; do not use the original key again. */
export function splitKey(from: Tensor, n = 2): Tensor[] {
  const [count] = checkShape('splitKey', [n]) as [number]
  const all = bits(from, [count, 2])
  return Array.from({ length: count }, (_, i) => reshape(slice(all, [i], [i + 1]), [2]))
}

/**
 * A key from a key and an integer, such as the index of a step or a layer; different integers give independent keys.
 *
 * @param data 0 .. 2^53, or an integer scalar tensor (such as a step counter inside a compiled function)
 */
export function foldIn(from: Tensor, data: number | Tensor): Tensor {
  // Mixed first, so that neighboring seeds with neighboring integers do not give the same key.
  const mixed = slice(bits(from, [4]), [2])
  const offset =
    typeof data === 'number'
      ? source(words('foldIn', data))
      : mul(reshape(cast(data, 'uint32'), [1]), cast(less(arange(2), 1), 'uint32'))
  return bits(add(mixed, offset), [2])
}

/** The element types of random numbers. */
export type FloatDType = Extract<DType, 'float32' | 'float64'>

function draw(op: 'uniform' | 'normal', from: Tensor, shape: Shape, dtype: FloatDType): Tensor {
  return own(native.random(kinds[op], idOf(op, from), dtypeCode(dtype), checkShape(op, shape)))
}

/** Options of {@link uniform}. */
export interface UniformOptions {
  /** Smallest value; default 0. */
  low?: TensorLike
  /** Exclusive upper bound (up to rounding); default 1. */
  high?: TensorLike
  /** Element type; default float32. */
  dtype?: FloatDType
}

const uniformChecks: Checks<UniformOptions> = { low: tensorOrNumber, high: tensorOrNumber, dtype: floatDType }

/** Numbers uniform on [low, high); differentiable in the bounds. */
export function uniform(from: Tensor, shape: Shape, options: UniformOptions = {}): Tensor {
  const { low = 0, high = 1, dtype = 'float32' } = checkOptions('uniform', options, uniformChecks)
  if (typeof low === 'number') checkValue('uniform: low', low, finite)
  if (typeof high === 'number') checkValue('uniform: high', high, finite)
  if (typeof low === 'number' && typeof high === 'number' && low > high) {
    throw new ArgumentError(`uniform: low ${low} is above high ${high}; give the smaller bound as low`)
  }
  const unit = draw('uniform', from, shape, dtype)
  if (low === 0 && high === 1) return unit
  const width = typeof low === 'number' && typeof high === 'number' ? high - low : add(high, mul(low, -1))
  const scaled = mul(unit, width)
  return low === 0 ? scaled : add(scaled, low)
}

/** Options of {@link normal}. */
export interface NormalOptions {
  /** Default 0. */
  mean?: TensorLike
  /** Standard deviation; default 1. */
  std?: TensorLike
  /** Element type; default float32. */
  dtype?: FloatDType
}

const normalChecks: Checks<NormalOptions> = { mean: tensorOrNumber, std: tensorOrNumber, dtype: floatDType }

/** Numbers from a normal distribution; differentiable in mean and std. */
export function normal(from: Tensor, shape: Shape, options: NormalOptions = {}): Tensor {
  const { mean = 0, std = 1, dtype = 'float32' } = checkOptions('normal', options, normalChecks)
  if (typeof mean === 'number') checkValue('normal: mean', mean, finite)
  if (typeof std === 'number') checkValue('normal: std', std, atLeast(0))
  const standard = draw('normal', from, shape, dtype)
  const scaled = std === 1 ? standard : mul(standard, std)
  return mean === 0 ? scaled : add(scaled, mean)
}

/** True with probability `p` (default 1/2), as bool. A tensor of probabilities broadcasts. */
export function bernoulli(from: Tensor, shape: Shape, p: TensorLike = 0.5): Tensor {
  checkValue('bernoulli: p', p, tensorOrNumber)
  if (typeof p === 'number' && !(p >= 0 && p <= 1)) {
    throw new ArgumentError(`bernoulli: p is ${p}, expected a probability from 0 to 1`)
  }
  const dtype = typeof p !== 'number' && p.dtype === 'float64' ? 'float64' : 'float32'
  return less(draw('uniform', from, shape, dtype), p)
}

/** The numbers 0 .. n - 1 in random order, int32 (n). */
export function permutation(from: Tensor, n: number): Tensor {
  // 53 bits per element: ties, which would keep their order, practically never occur.
  return argSort(draw('uniform', from, [n], 'float64'))
}

const chunk = 1024

/** Number of swaps in one turn of the event loop: a few milliseconds. */
const swapsPerTurn = 1 << 17

/**
 * A seeded generator in JavaScript, for shuffles and other choices that never become tensors. It draws from the same Philox stream as the
 * tensors' keys.
 */
export class HostRandom {
  readonly #seed: readonly [number, number]
  #block: Uint32Array = new Uint32Array(0)
  #at = 0
  #drawn = 0

  constructor(seed: number | bigint) {
    this.#seed = words('HostRandom', seed)
  }

  /** The next 32 random bits. */
  #word(): number {
    if (this.#at === this.#block.length) {
      this.#block = native.randomBits(this.#seed[0], this.#seed[1], this.#drawn, chunk)
      this.#drawn += chunk
      this.#at = 0
    }
    return this.#block[this.#at++] as number
  }

  /** A number uniform on [0, 1), of 53 random bits. */
  next(): number {
    const high = this.#word() >>> 5
    const low = this.#word() >>> 6
    return (high * 2 ** 26 + low) * 2 ** -53
  }

  /** An integer uniform on 0 .. n - 1. */
  int(n: number): number {
    if (!Number.isSafeInteger(n) || n < 1 || n > 2 ** 32) {
      throw new ArgumentError(`HostRandom.int: n is ${describe(n)}, expected an integer from 1 to 2^32`)
    }
    return this.#below(n >>> 0)
  }

  /** An integer uniform on 0 .. n - 1, n of 32 bits: 0 means 2^32. */
  #below(n: number): number {
    if (n === 0) return this.#word()
    // The incomplete last run of remainders is rejected, so that the distribution is uniform.
    const last = 0xffffffff - ((-n >>> 0) % n)
    for (;;) {
      const word = this.#word()
      if (word <= last) return (word >>> 0) % n
    }
  }

  /** The numbers 0 .. n - 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    return atOnce(this.permuting(n))
  }

  /** {@link HostRandom.permutation} as work that may take several turns; draw nothing else until it is done. @internal */
  *permuting(n: number): Work<Int32Array> {
    const [length] = checkShape('HostRandom.permutation', [n]) as [number]
    const order = withRoom(4 * length, () => new Int32Array(length))
    for (let i = 0; i < length; i++) order[i] = i
    for (let i = length - 1; i > 0; i--) {
      const j = this.#below(i + 1)
      const swapped = order[i] as number
      order[i] = order[j] as number
      order[j] = swapped
      if (i % swapsPerTurn === 0) yield
    }
    return order
  }
}
