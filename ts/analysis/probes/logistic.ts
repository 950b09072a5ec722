/** Linear classifier of a layer's activations. */
import { literal } from '../../core/create.js'
import { DataError, DTypeError, NumericalError } from '../../core/errors.js'
import { valueAndGrad } from '../../core/gradients.js'
import { jit } from '../../core/jit.js'
import { above, type Checks, checkOptions, isPlainObject, whole } from '../../core/options.js'
import { type SampleData, samplesFrom } from '../../estimators/data.js'
import { isLabels } from '../../estimators/samples.js'
import { logSoftmax } from '../../ops/activations.js'
import { concat, softplus } from '../../ops/index.js'
import type { Tensor } from '../../ops/tensor.js'
import { entriesOf, inRows, rowsFrom, sameCount } from '../read.js'
import { minimize } from './minimize.js'

/** Held-out samples of a probe. */
export interface ProbeTest {
  readonly x: SampleData
  readonly y: SampleData
}

/** Options of {@link logisticProbe}. */
export interface LogisticProbeOptions {
  /** Weight of the cross-entropies relative to the squared weights: scikit-learn's C. Default 1. */
  strength?: number
  /** Held-out samples. */
  test?: ProbeTest
  /** Maximum number of iterations. Default 1000. */
  iterations?: number
}

/** The check of samples for a test. */
export const testCheck = {
  expected: 'an object { x, y } of samples',
  accepts: (value: unknown) => isPlainObject(value) && 'x' in value && 'y' in value,
}

const checks: Checks<LogisticProbeOptions> = {
  strength: above(0),
  test: testCheck,
  iterations: whole(1, 1e6),
}

/** Performance of a probe on some samples; nats. */
export interface ProbeScore {
  readonly accuracy: number
  /** Mean over samples. */
  readonly crossEntropy: number
  /** H(Y) of these samples. */
  readonly targetEntropy: number
  /** targetEntropy - crossEntropy: on held-out samples, a lower bound on I(T; Y), in expectation. */
  readonly informationBound: number
}

/** Result of {@link logisticProbe}. */
export interface LogisticProbe {
  /** `[classes, d]`; for two classes one row, for the larger label. */
  readonly weights: readonly (readonly number[])[]
  /** One for each row of weights; for several classes they sum to 0, since a common constant has no effect. */
  readonly intercept: readonly number[]
  /** The labels of the classes, ascending. */
  readonly classes: readonly number[]
  /** strength * sum of cross-entropies + |weights|^2 / 2 at the minimum. */
  readonly objective: number
  readonly train: ProbeScore
  readonly test?: ProbeScore
}

/**
 * Logistic regression of labels on a layer (Alain and Bengio 2016), in float64, to its unique minimum: strength * **sum** of
 * cross-entropies + half the squared norm of the weights, intercepts not penalized; binomial for two classes, multinomial for more
 * (scikit-learn's `LogisticRegression`).
 *
 * @param x `[n, d]`
 * @param y class labels
 * @throws DTypeError for labels that are not integers; DataError for a single class, and for a test class that is not in y; NumericalError
 *   if the optimization does not converge
 */
export async function logisticProbe(
  x: SampleData,
  y: SampleData,
  options: LogisticProbeOptions = {},
): Promise<LogisticProbe> {
  const name = 'logisticProbe'
  const { strength = 1, test, iterations = 1000 } = checkOptions(name, options, checks)
  const rows = await rowsFrom(`${name}: x`, x)
  const labels = await labelsFrom(`${name}: y`, y, rows)
  const classes = [...new Set(labels)].sort((a, b) => a - b)
  if (classes.length < 2) throw new DataError(`${name}: y holds one class, expected at least 2`)
  const held = test === undefined ? undefined : await heldFrom(name, test, rows)
  const numbersOf = (given: readonly number[]) => codesOf(name, given, classes)
  const own = numbersOf(labels)
  const other = held && numbersOf(held.labels)
  const model = new Softmax(rows.shape[1] as number, classes.length)
  const found = await trained(model, rows, own, strength, iterations)
  const parameters = literal(found.point)
  try {
    return {
      ...(await model.describe(parameters)),
      classes,
      objective: found.value,
      train: await score(model, parameters, rows, own, classes.length),
      ...(held !== undefined &&
        other !== undefined && { test: await score(model, parameters, held.rows, other, classes.length) }),
    }
  } finally {
    parameters.dispose()
  }
}

/** The samples of a test, with as many columns as the training samples. */
async function heldFrom(name: string, test: ProbeTest, train: Tensor) {
  const rows = await rowsFrom(`${name}: test.x`, test.x)
  checkWidth(name, train, rows)
  return { rows, labels: await labelsFrom(`${name}: test.y`, test.y, rows) }
}

async function labelsFrom(what: string, data: SampleData, rows: Tensor): Promise<readonly number[]> {
  const given = await samplesFrom(what, data)
  sameCount(what, rows, given)
  if (isLabels(given)) return Array.from((await given.data()) as Int32Array, Number)
  throw new DTypeError(`${what} holds numbers of shape [${given.shape}], expected class labels (Int32Array)`)
}

/** @throws DataError unless both have as many columns */
export function checkWidth(name: string, train: Tensor, test: Tensor): void {
  if (train.shape[1] === test.shape[1]) return
  throw new DataError(
    `${name}: test.x has ${test.shape[1]} columns and x has ${train.shape[1]}, expected as many`,
  )
}

/** Class indices, 0 .. K - 1. */
function codesOf(name: string, labels: readonly number[], classes: readonly number[]): Int32Array {
  const numbers = new Map(classes.map((label, i) => [label, i]))
  return Int32Array.from(labels, (label) => {
    const number = numbers.get(label)
    if (number !== undefined) return number
    throw new DataError(`${name}: test.y holds the class ${label}, which y does not; train on all classes`)
  })
}

/** Linear scores of classes; the parameters are weights `[r, d]`, then intercepts `[r]`, in one row. */
class Softmax {
  readonly width: number
  readonly classes: number
  /** Number of rows of weights. */
  readonly rows: number

  constructor(width: number, classes: number) {
    this.width = width
    this.classes = classes
    this.rows = classes === 2 ? 1 : classes
  }

  get size(): number {
    return this.rows * (this.width + 1)
  }

  weights(parameters: Tensor): Tensor {
    return parameters.slice([0], [this.rows * this.width]).reshape([this.rows, this.width])
  }

  /** Log-probabilities `[n, classes]`. */
  logs(parameters: Tensor, x: Tensor): Tensor {
    const intercept = parameters.slice([this.rows * this.width])
    const scores = x.matmulT(this.weights(parameters), { transposeB: true }).add(intercept)
    if (this.classes > 2) return logSoftmax(scores, 1)
    return concat([softplus(scores).neg(), softplus(scores.neg()).neg()], 1)
  }

  async describe(parameters: Tensor): Promise<{ weights: number[][]; intercept: number[] }> {
    const all = Array.from((await parameters.data()) as Float64Array)
    const cut = this.rows * this.width
    return { weights: inRows(all.slice(0, cut), this.width), intercept: all.slice(cut) }
  }
}

async function trained(model: Softmax, x: Tensor, labels: Int32Array, strength: number, iterations: number) {
  using targets = literal(labels).oneHot(model.classes, 'float64')
  const objective = (parameters: Tensor) => {
    const fits = model.logs(parameters, x).mul(targets).sum().mul(-strength)
    return fits.add(model.weights(parameters).square().sum().div(2))
  }
  const slope = jit((parameters: Tensor) => {
    const { value, grads } = valueAndGrad(objective, parameters)
    return concat([value.reshape([1]), grads])
  })
  try {
    const at = async (point: Float64Array) => {
      using given = literal(point)
      using both = await slope(given)
      const all = (await both.data()) as Float64Array
      return { value: all[0] as number, gradient: all.slice(1) }
    }
    const tolerance = 1e-9 * Math.max(1, strength * labels.length)
    const found = await minimize(at, new Float64Array(model.size), tolerance, iterations)
    // Rounding may stop the search slightly before the minimum; the error of the weights is then as small as the gradient.
    if (found.gradient.every((value) => Math.abs(value) <= 1e4 * tolerance)) return found
    throw new NumericalError(
      `logisticProbe: no minimum after ${found.iterations} steps; standardize the columns of x, give more iterations, or a smaller strength`,
    )
  } finally {
    slope.dispose()
  }
}

async function score(
  model: Softmax,
  parameters: Tensor,
  x: Tensor,
  labels: Int32Array,
  classes: number,
): Promise<ProbeScore> {
  using codes = literal(labels)
  const { accuracy, loss } = await entriesOf(() => {
    const logs = model.logs(parameters, x)
    return {
      accuracy: logs.argMax(1).cast('int32').equal(codes).cast('float64').mean(),
      loss: logs.mul(codes.oneHot(classes, 'float64')).sum().div(-labels.length),
    }
  })
  const counts = new Array<number>(classes).fill(0)
  for (const label of labels) counts[label] = (counts[label] as number) + 1
  const targetEntropy = counts.reduce((sum, count) => {
    const p = count / labels.length
    return p === 0 ? sum : sum - p * Math.log(p)
  }, 0)
  const crossEntropy = loss[0] as number
  return {
    accuracy: accuracy[0] as number,
    crossEntropy,
    targetEntropy,
    informationBound: targetEntropy - crossEntropy,
  }
}
