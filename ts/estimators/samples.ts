import { isFloat } from '../core/dtype.js'
import { DataError, DTypeError, ShapeError } from '../core/errors.js'
import { idOf } from '../core/tensor.js'
import { squaredDistances, where } from '../ops/index.js'
import { eye, ones, type Tensor, zeros } from '../ops/tensor.js'

/** Samples as kernels compare them. Every entry is an `[n, n]` tensor. */
export interface Samples {
  /** Number of samples. */
  readonly count: number
  /** Numbers per sample; undefined for class labels, whose number of classes is not known here. */
  readonly width: number | undefined
  /** float32 or float64. */
  readonly dtype: Tensor['dtype']
  /** The samples `[n, d]`, or class labels `[n]`. */
  readonly rows: Tensor
  /** Squared Euclidean distances. */
  squaredDistances(): Tensor
  /** Sums of absolute differences. */
  absoluteDistances(): Tensor
  /** Inner products; with `centered`, of the samples minus their mean. */
  products(centered: boolean): Tensor
  /** 1 for equal samples, else 0. */
  equal(): Tensor
}

/**
 * Samples of a batch, each flattened to one row. A vector of integers holds class labels: they are compared as one-hot rows, never as
 * numbers.
 *
 * @param x `[n, ...]` of floats, or `[n]` of integers
 */
export function samplesOf(what: string, x: Tensor): Samples {
  idOf(what, x)
  if (x.rank < 1) throw new ShapeError(`${what}: expected samples [n, ...], received a scalar`)
  if (x.dtype === 'float32' || x.dtype === 'float64') {
    return new Rows(x.rank === 2 ? x : x.reshape([x.shape[0] as number, -1]))
  }
  if (x.rank === 1) return new Labels(x)
  throw new DTypeError(
    `${what}: expected samples of float32 or float64, or a vector of integer labels; received ${x.dtype} of shape [${x.shape}]; cast it`,
  )
}

/** Rows of real numbers `[n, d]`. */
class Rows implements Samples {
  readonly count: number
  readonly width: number
  readonly dtype: Tensor['dtype']
  readonly rows: Tensor

  constructor(rows: Tensor) {
    this.rows = rows
    this.count = rows.shape[0] as number
    this.width = rows.shape[1] as number
    this.dtype = rows.dtype
  }

  squaredDistances(): Tensor {
    return squaredDistances(this.rows)
  }

  /** In blocks of columns, so that at most about 4 million differences exist at a time. */
  absoluteDistances(): Tensor {
    const { count, width } = this
    const block = Math.max(1, Math.floor(4e6 / (count * count)))
    let total: Tensor | undefined
    for (let start = 0; start < width; start += block) {
      const columns = block >= width ? this.rows : this.rows.slice([0, start], [null, start + block])
      const part = columns.expandDims(1).sub(columns.expandDims(0)).abs().sum(2)
      total = total === undefined ? part : total.add(part)
    }
    return total as Tensor
  }

  products(centered: boolean): Tensor {
    const rows = centered ? this.rows.sub(this.rows.mean(0, { keepDims: true }).stopGradient()) : this.rows
    return rows.matmulT(rows, { transposeB: true })
  }

  equal(): Tensor {
    const ids = this.rows.uniqueRows()
    return ids.expandDims(1).equal(ids.expandDims(0)).cast(this.dtype)
  }
}

/** Class labels `[n]`, which represent one-hot rows. */
class Labels implements Samples {
  readonly count: number
  readonly width = undefined
  readonly dtype = 'float32'
  readonly rows: Tensor

  constructor(labels: Tensor) {
    this.rows = labels
    this.count = labels.shape[0] as number
  }

  squaredDistances(): Tensor {
    return this.equal().neg().add(1).mul(2)
  }

  absoluteDistances(): Tensor {
    return this.squaredDistances()
  }

  products(): Tensor {
    return this.equal()
  }

  equal(): Tensor {
    return this.rows.expandDims(1).equal(this.rows.expandDims(0)).cast(this.dtype)
  }
}

/** 0 on the diagonal, 1 elsewhere. */
export function offDiagonal(n: number, dtype: Tensor['dtype']): Tensor {
  return eye(n, n, { dtype }).neg().add(1)
}

/** Whether a tensor holds class labels: one integer per sample. */
export function isLabels(x: Tensor): boolean {
  return x.rank === 1 && !isFloat(x.dtype)
}

/** Samples as float64 rows `[n, d]`. */
export function numbersOf(what: string, x: Tensor): Tensor {
  idOf(what, x)
  if (x.rank < 1) throw new ShapeError(`${what}: expected samples [n, ...], received a scalar`)
  const n = x.shape[0] as number
  const rows = x.rank === 2 ? x : x.reshape([n, x.size / n])
  return rows.dtype === 'float64' ? rows : rows.cast('float64')
}

/**
 * A number for the class of each sample, int32 `[n]`: 0, 1, 2 ... by first appearance. Classes are equal labels, or equal rows
 * (one-hot rows, or any other symbols).
 */
export function classesOf(what: string, x: Tensor): Tensor {
  if (x.rank < 1) throw new ShapeError(`${what}: expected samples [n, ...], received a scalar`)
  const n = x.shape[0] as number
  return x.reshape([n, x.size / n]).uniqueRows()
}

/**
 * Count of each class: float64 `[n]`, entry c for class c of {@link classesOf}, 0 for unused numbers.
 */
export function classCounts(classes: Tensor): Tensor {
  const n = classes.shape[0] as number
  return zeros([n], { dtype: 'float64' }).indexAdd(0, classes, ones([n], { dtype: 'float64' }))
}

/** Number of the n samples that may deviate from the kind of the data. */
export function toleratedOf(n: number): number {
  return Math.max(0.02 * n, 2)
}

/** Whether `singles` of n samples alone in their class mean that there are no classes: hardly a value occurs twice. */
export function areNumbers(singles: number, n: number): boolean {
  const limit = toleratedOf(n)
  return singles > limit && n - singles <= limit
}

/**
 * Throws DataError for classes that hardly have two samples: they are numbers, or an index of each sample.
 *
 * @param classes int32 `[n]`, of {@link classesOf}
 */
export async function checkClasses(name: string, classes: Tensor): Promise<void> {
  const n = classes.shape[0] as number
  const counts = (await classCounts(classes).data()) as Float64Array
  const singles = counts.reduce((sum, count) => sum + Number(count === 1), 0)
  if (!areNumbers(singles, n)) return
  throw new DataError(
    `${name}: ${singles} of ${n} samples have a class of their own, so y holds numbers, not classes; ` +
      'give class labels (Int32Array) or one-hot rows, or use an estimator for numbers such as KSG or mutualInformation()',
  )
}

/**
 * Throws DataError for an integer vector in which hardly a value occurs twice: these are numbers, read as class labels because of the type
 * of their array.
 *
 * @param argument 'x' or 'y'
 * @param labels `[n]`
 */
export async function checkLabels(name: string, argument: 'x' | 'y', labels: Tensor): Promise<void> {
  const n = labels.shape[0] as number
  const counts = (await classCounts(classesOf(name, labels)).data()) as Float64Array
  const singles = counts.reduce((sum, count) => sum + Number(count === 1), 0)
  if (!areNumbers(singles, n)) return
  throw new DataError(
    `${name}: ${argument} holds numbers in an integer array: ${singles} of ${n} samples have a class of their own, and integers mean class labels (Int32Array); ` +
      `give Float64Array.from(${argument}) for numbers`,
  )
}

/** `value`, but NaN if {@link checkClasses} would throw. */
export function unlessNumbers(value: Tensor, classes: Tensor): Tensor {
  const n = classes.shape[0] as number
  const limit = toleratedOf(n)
  const singles = classCounts(classes).equal(1).cast('float64').sum()
  const isNumbers = singles.greater(limit).logicalAnd(singles.greaterEqual(n - limit))
  return where(isNumbers, Number.NaN, value)
}
