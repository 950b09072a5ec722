import type { ExecutionContext } from 'ava'
import { concat, type NestedArray, type Shape, type Tensor, tensor, valueAndGrad } from '../ts/index.js'

/** Numbers between `low` and `high` that look random and are the same every time. */
export function numbers(count: number, low = -1, high = 1, salt = 1): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    const unit = ((i + 1) * 0.6180339887498949 + salt * 0.7548776662466927) % 1
    return low + (high - low) * unit
  })
}

/** A float64 tensor of {@link numbers}. */
export function sample(shape: Shape, low = -1, high = 1, salt = 1): Tensor {
  const count = shape.reduce((a, b) => a * b, 1)
  return tensor(numbers(count, low, high, salt), { shape })
}

/** Checks that two nests of numbers have the same form and close values. NaN equals NaN. */
export function close(t: ExecutionContext, got: NestedArray, expected: NestedArray, tolerance = 1e-9): void {
  const mismatch = firstMismatch(got, expected, tolerance, '')
  if (mismatch) t.fail(`${mismatch}\n  got ${JSON.stringify(got)}\n  expected ${JSON.stringify(expected)}`)
  else t.pass()
}

function firstMismatch(
  got: NestedArray,
  expected: NestedArray,
  tolerance: number,
  path: string,
): string | undefined {
  if (typeof got === 'number' && typeof expected === 'number') {
    const same = Object.is(got, expected) || got === expected
    if (same || Math.abs(got - expected) <= tolerance * (1 + Math.abs(expected))) return undefined
    return `at ${path || 'the root'}: ${got}, expected ${expected}`
  }
  if (!Array.isArray(got) || !Array.isArray(expected) || got.length !== expected.length) {
    return `at ${path || 'the root'}: another form`
  }
  for (const [i, item] of got.entries()) {
    const found = firstMismatch(item, expected[i] as NestedArray, tolerance, `${path}[${i}]`)
    if (found) return found
  }
  return undefined
}

/** Checks a tensor's values. */
export async function equals(
  t: ExecutionContext,
  got: Tensor,
  expected: NestedArray,
  tolerance?: number,
): Promise<void> {
  close(t, await got.array(), expected, tolerance)
}

type Op = (...xs: Tensor[]) => Tensor

/** The sum of an op's results times fixed weights: a scalar whose gradient sees every element. */
function weighted(op: Op): Op {
  return (...xs) => {
    const y = op(...xs)
    return y.mul(sample(y.shape, 0.5, 1.5, 3)).sum()
  }
}

/** The gradient of {@link weighted} by all arguments, flat. */
function gradientOf(op: Op): Op {
  return (...xs) => {
    const { grads } = valueAndGrad((at) => weighted(op)(...at), xs)
    return concat(grads.map((g) => g.flatten()))
  }
}

/** Options of {@link checkGradient}. */
export interface GradientOptions {
  /** Distance of the finite differences; default 1e-5. */
  step?: number
  /** Largest difference allowed, relative to 1 + |derivative|; default 1e-7. */
  tolerance?: number
  /** Also checks the derivatives of the gradient; default true. */
  second?: boolean
}

/** Compares the gradient of an op of float64 tensors (and the gradient's own) with central differences. */
export function checkGradient(
  t: ExecutionContext,
  op: Op,
  xs: readonly Tensor[],
  options: GradientOptions = {},
): void {
  const { step = 1e-5, tolerance = 1e-7, second = true } = options
  compare(t, op, xs, step, tolerance, 'gradient')
  if (second) compare(t, gradientOf(op), xs, step, tolerance * 10, 'second derivative')
}

function compare(
  t: ExecutionContext,
  op: Op,
  xs: readonly Tensor[],
  step: number,
  tolerance: number,
  what: string,
): void {
  const loss = weighted(op)
  const exact = gradientOf(op)(...xs).dataSync() as Float64Array
  const at = xs.map((x) => x.dataSync() as Float64Array)
  const shapes = xs.map((x) => x.shape)
  const valueAt = (which: number, element: number, change: number): number => {
    const moved = at.map((values, i) => {
      const copy = values.slice()
      if (i === which) copy[element] = (copy[element] as number) + change
      return tensor(copy, { shape: shapes[i] as Shape })
    })
    return loss(...moved).itemSync()
  }
  const numeric = at.flatMap((values, which) =>
    [...values].map((_, element) => {
      return (valueAt(which, element, step) - valueAt(which, element, -step)) / (2 * step)
    }),
  )
  close(t, [...exact], numeric, tolerance)
  if (exact.length !== numeric.length) t.fail(`${what}: ${exact.length} elements for ${numeric.length}`)
}
