/** Whether a smaller or a larger value of a metric is better. */
import type { MetricName } from './named.js'

/** `'min'` if a smaller value is better, `'max'` if a larger value is better. */
export type Direction = 'min' | 'max'

const directions: { readonly [N in MetricName | 'fBeta' | 'rootMeanSquaredError']: Direction } = {
  accuracy: 'max',
  acc: 'max',
  averagePrecision: 'max',
  binaryAccuracy: 'max',
  brier: 'min',
  calibrationError: 'min',
  cohenKappa: 'max',
  exactMatch: 'max',
  explainedVariance: 'max',
  f1: 'max',
  fBeta: 'max',
  logLoss: 'min',
  mae: 'min',
  matthews: 'max',
  mse: 'min',
  perplexity: 'min',
  precision: 'max',
  r2: 'max',
  recall: 'max',
  rmse: 'min',
  rocAUC: 'max',
  rootMeanSquaredError: 'min',
  topKAccuracy: 'max',
}

/** The direction of a metric by its name in reports; undefined for a metric of your own, of which nothing is known. */
export function directionOf(name: string): Direction | undefined {
  return Object.hasOwn(directions, name) ? directions[name as MetricName] : undefined
}
