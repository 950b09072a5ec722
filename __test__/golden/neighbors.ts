/** Estimators by nearest neighbors of the golden files in our API. */
import type { DistanceMetric, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation } from './operation.js'

const metric = (p: Params): DistanceMetric => (p.metric === 'euclidean' ? 'euclidean' : 'maximum')

/** An estimator of the case's parameters on its x and y, or its labels. The data are used as given: nothing is scaled. */
const information =
  (make: (p: Params) => hg.Estimator): Operation =>
  (inputs, { params }) => {
    const x = inputs.x as Tensor
    const y = inputs.labels?.cast('int32') ?? (inputs.y as Tensor)
    return { value: make(params).criterion(x, y) }
  }

export const neighborOperations: Readonly<Record<string, Operation>> = {
  kl_entropy: (inputs, { params: p }) => ({
    value: new hg.KLEntropy({ k: p.k, metric: metric(p) }).criterion(inputs.x as Tensor),
  }),
  mi_3kl: information((p) => new hg.KNN({ k: p.k, metric: metric(p), standardize: false })),
  ksg: information((p) => new hg.KSG({ k: p.k, variant: p.variant, standardize: false })),
  mixed_ksg: information((p) => new hg.MixedKSG({ k: p.k })),
  ross_mi: information((p) => new hg.Ross({ k: p.k, standardize: false })),
}
