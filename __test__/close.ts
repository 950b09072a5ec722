import type { ExecutionContext } from 'ava'
import { type Tensor, tensor } from '../ts/ops/tensor.js'

/** Fails unless every entry is within `tolerance` of the wanted one, relative to the wanted size or to 1. */
export function close(
  t: ExecutionContext,
  got: Tensor | ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance = 1e-9,
): void {
  const values = 'dataSync' in got ? (got.dataSync() as ArrayLike<number>) : got
  t.is(values.length, want.length, 'number of entries')
  for (let i = 0; i < want.length; i++) {
    const [g, w] = [Number(values[i]), want[i] as number]
    t.true(Math.abs(g - w) <= tolerance * Math.max(1, Math.abs(w)), `entry ${i}: got ${g}, want ${w}`)
  }
}

/** Central differences of a scalar function of a float64 tensor. */
export function numericalGradient(f: (x: Tensor) => Tensor, x: Tensor, h = 1e-5): Float64Array {
  const values = Float64Array.from(x.dataSync() as ArrayLike<number>)
  const at = (i: number, shift: number) => {
    const moved = values.slice()
    moved[i] = (moved[i] as number) + shift
    return f(tensor(moved, { shape: x.shape })).itemSync()
  }
  return values.map((_, i) => (at(i, h) - at(i, -h)) / (2 * h))
}

/** Numbers between -1 and 1 that look random and are the same everywhere. */
export function numbers(count: number, seed = 1): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => ((i * 48271 + seed * 7919) % 65536) / 32768 - 1)
}

/** Such numbers as a float64 tensor. */
export function sample(shape: readonly number[], seed = 1): Tensor {
  return tensor(
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    { shape },
  )
}
