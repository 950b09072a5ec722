/** Evaluation of a statistic on many resamples or shuffles. */
import { literal } from '../core/create.js'
import { ArgumentError, DataError, describe, NumericalError, ShapeError } from '../core/errors.js'
import { jit } from '../core/jit.js'
import { evaluate, tidy } from '../core/memory.js'
import { type Check, isInstance, isList } from '../core/options.js'
import { Estimator } from '../estimators/estimator.js'
import { foldIn, key, permutation, uniform } from '../ops/random.js'
import { Tensor } from '../ops/tensor.js'

/** A statistic: an estimator of x and y, or a lazy function from tensors to a scalar (`(x) => x.mean()`). */
export type Statistic = Estimator | ((...samples: Tensor[]) => Tensor)

/** Row indices for each round, instead of random ones. */
export type Rounds = readonly ArrayLike<number>[]

/** The check of given rounds. */
export const roundsCheck: Check<Rounds> = {
  expected: 'an array of at least one array of row numbers',
  accepts: (value) =>
    isList(value) &&
    (value as unknown[]).length > 0 &&
    Array.from(value as unknown[]).every((rows) => isList(rows) || ArrayBuffer.isView(rows)),
}

/** Throws ArgumentError unless given a statistic. */
export function checkStatistic(name: string, statistic: unknown): void {
  if (typeof statistic === 'function' || isInstance(statistic, Estimator)) return
  throw new ArgumentError(
    `${name}: statistic is ${describe(statistic)}, expected an estimator such as new HSIC({ sigma: 1 }), or a function of tensors such as (x) => x.mean()`,
  )
}

/** Checks given rows: n whole numbers below n in each round, without repeats if they are an order. */
export function checkRounds(what: string, rounds: Rounds, n: number, isOrder: boolean): Int32Array[] {
  return Array.from(rounds, (given, round) => {
    if (given.length !== n) {
      throw new ShapeError(`${what}[${round}] holds ${given.length} row indices, expected ${n}`)
    }
    const rows = new Int32Array(n)
    const seen = new Uint8Array(n)
    for (let i = 0; i < n; i++) {
      const row: unknown = given[i]
      if (!Number.isInteger(row) || (row as number) < 0 || (row as number) >= n) {
        throw new DataError(
          `${what}[${round}] holds ${describe(row)} at ${i}, expected whole numbers from 0 to ${n - 1}`,
        )
      }
      rows[i] = row as number
      if (isOrder && seen[row as number] === 1) {
        throw new DataError(
          `${what}[${round}] holds ${row} twice, expected each number from 0 to ${n - 1} once`,
        )
      }
      seen[row as number] = 1
    }
    return rows
  })
}

/** Values of a statistic over many rounds. */
export interface Repeated {
  /** The value for the given rows. */
  of(rows: Int32Array): Promise<number>
  /** The value of round b, with random rows. */
  drawn(round: number): Promise<number>
  /** Disposes of the programs. */
  dispose(): void
}

/**
 * A statistic of samples with changing rows: compiled once if it is lazy, and run off the JavaScript thread.
 *
 * @param pick the samples of rows
 * @param draw the rows of a round, from its key
 */
export function repeated(
  name: string,
  statistic: Statistic,
  pick: (rows: Tensor) => Tensor[],
  draw: (from: Tensor) => Tensor,
  seed: number,
): Repeated {
  const rowsOf = (round: Tensor) => draw(foldIn(key(seed), round))
  const one = (value: number) => tidy(() => literal(Int32Array.of(value)).reshape([]))
  if (statistic instanceof Estimator && !statistic.isLazy) {
    const estimated = async (rows: Tensor) => {
      const [x, y] = tidy(() => pick(rows)) as [Tensor, Tensor]
      try {
        return await statistic.estimate(x, y)
      } finally {
        x.dispose()
        y.dispose()
      }
    }
    return {
      of: async (rows) => {
        using order = literal(rows)
        return estimated(order)
      },
      drawn: async (round) => {
        using order = tidy(() => rowsOf(one(round)))
        await evaluate(order)
        return estimated(order)
      },
      dispose: () => {},
    }
  }
  const value = (rows: Tensor) => scalar(name, statistic, pick(rows))
  const given = jit((rows: Tensor) => value(rows))
  const random = jit((round: Tensor) => value(rowsOf(round)))
  const read = async (pending: Promise<Tensor>) => {
    using result = await pending
    return result.item()
  }
  return {
    of: async (rows) => {
      using order = literal(rows)
      return read(given(order))
    },
    drawn: async (round) => {
      using number = one(round)
      return read(random(number))
    },
    dispose: () => {
      given.dispose()
      random.dispose()
    },
  }
}

function scalar(name: string, statistic: Statistic, samples: Tensor[]): Tensor {
  const made: unknown =
    statistic instanceof Estimator
      ? statistic.criterion(samples[0] as Tensor, samples[1] as Tensor)
      : statistic(...samples)
  if (!(made instanceof Tensor)) {
    throw new ArgumentError(`${name}: the statistic returned ${describe(made)}, expected a tensor, a scalar`)
  }
  if (made.size !== 1) {
    throw new ShapeError(`${name}: the statistic returned shape [${made.shape}], expected a scalar`)
  }
  return made.reshape([]).cast('float64')
}

/** Rows drawn with replacement, int32 `[n]`. */
export const withReplacement = (n: number) => (from: Tensor) =>
  uniform(from, [n], { dtype: 'float64' })
    .mul(n)
    .floor()
    .minimum(n - 1)
    .cast('int32')

/** Rows in random order, int32 `[n]`. */
export const inAnyOrder = (n: number) => (from: Tensor) => permutation(from, n)

/**
 * Values of all rounds.
 *
 * @throws NumericalError if a value is not finite; the reason of `signal` if it is aborted
 */
export async function valuesOf(
  name: string,
  count: number,
  round: (b: number) => Promise<number>,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const values = new Float64Array(count)
  for (let b = 0; b < count; b++) {
    signal?.throwIfAborted()
    values[b] = await round(b)
  }
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad < 0) return values
  throw new NumericalError(
    `${name}: the statistic is ${values[bad]} in round ${bad}, expected a finite number; ` +
      'a resample may hold too few different samples: use more samples, or a statistic that is defined for all',
  )
}
