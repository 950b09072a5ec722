/** Metrics of the golden files in our API; cases with batches go through the metric for batches. */

import type { Metric, MetricOf, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation } from './operation.js'

/** A metric by the parameters of a case. */
type Make = (p: Params) => Metric

const given = (options: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null))

const counting = (p: Params) => given({ classes: p.num_classes, threshold: p.threshold })

/** The names of the files for options of one of ours. */
const by =
  <O extends object>(
    metric: MetricOf<O>,
    options: (p: Params) => Record<string, unknown> = () => ({}),
  ): Make =>
  (p) =>
    metric.streaming(given(options(p)) as O)

const precisionOptions = (p: Params) => ({ ...counting(p), average: p.average, beta: p.beta })
const outputs = (p: Params) => ({
  average: { uniform_average: 'mean', raw_values: 'none', variance_weighted: 'weighted' }[
    p.multioutput as string
  ],
})
const average = (p: Params) => ({ average: p.average })

const metrics: Readonly<Record<string, Make>> = {
  binary_accuracy: by(hg.binaryAccuracy, (p) => ({ threshold: p.threshold })),
  categorical_accuracy: by(hg.accuracy),
  top_k_accuracy: by(hg.topKAccuracy, (p) => ({ k: p.k })),
  multilabel_exact_match: by(hg.exactMatch, (p) => ({ threshold: p.threshold })),
  multilabel_accuracy: by(hg.binaryAccuracy, (p) => ({ threshold: p.threshold })),
  multilabel_accuracy_per_label: by(hg.binaryAccuracy, (p) => ({ threshold: p.threshold, perLabel: true })),
  precision: by(hg.precision, precisionOptions),
  recall: by(hg.recall, precisionOptions),
  f1: by(hg.f1, precisionOptions),
  fbeta: by(hg.fBeta, precisionOptions),
  roc_auc: by(hg.rocAUC, average),
  average_precision: by(hg.averagePrecision, average),
  mae: () => hg.createMetric('mae'),
  mse: () => hg.createMetric('mse'),
  rmse: by(hg.rootMeanSquaredError),
  r2: by(hg.r2, outputs),
  explained_variance: by(hg.explainedVariance, outputs),
  perplexity: by(hg.perplexity, (p) => ({ ignoreIndex: p.ignore_index })),
  log_loss: by(hg.logLoss),
  brier: by(hg.brier),
  calibration_error: by(hg.calibrationError, (p) => ({ bins: p.bins, norm: p.norm })),
  confusion_matrix: by(hg.confusionMatrix, (p) => ({
    ...counting(p),
    normalize: p.normalize === 'pred' ? 'predicted' : p.normalize,
  })),
  cohen_kappa: by(hg.cohenKappa, (p) => ({ ...counting(p), weighting: p.weights })),
  matthews: by(hg.matthews, counting),
}

/** The batches of samples, in sequence. */
function parts(x: Tensor, sizes: readonly number[]): Tensor[] {
  let start = 0
  return sizes.map((size) => {
    start += size
    return x.slice([start - size], [start])
  })
}

export const metricOperation = (fn: string): Operation | undefined => {
  const make = metrics[fn]
  if (make === undefined) return undefined
  return ({ prediction, target }, { params }) => {
    const metric = make(params)
    const [p, y] = [prediction as Tensor, target as Tensor]
    if (params.batches === undefined) return { value: metric.of(p, y) }
    const sizes = params.batches as number[]
    const targets = parts(y, sizes)
    const state = parts(p, sizes).reduce(
      (before, part, index) => metric.update(before, part, targets[index] as Tensor),
      metric.init(p.shape.slice(1)),
    )
    return { value: metric.compute(state) }
  }
}
