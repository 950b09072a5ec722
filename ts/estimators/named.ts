import { unknownName } from '../core/errors.js'
import { Binned } from './binned.js'
import { CKA } from './cka.js'
import { CLUB } from './club.js'
import { DiscreteMI } from './discrete.js'
import { DistanceCorrelation } from './distance-correlation.js'
import { EDGE } from './edge.js'
import type { Estimator } from './estimator.js'
import { GaussianMI } from './gaussian.js'
import { GaussianCopulaMI } from './gaussian-copula.js'
import { HSIC } from './hsic.js'
import { InfoNCE } from './info-nce.js'
import { KDE } from './kde.js'
import { KNN } from './knn-mi.js'
import { KSG } from './ksg.js'
import { DiscriminantMI } from './linear-discriminant.js'
import { MINE } from './mine.js'
import { MixedKSG } from './mixed-ksg.js'
import { MutualInformation } from './mutual-information.js'
import { NWJ } from './nwj.js'
import { RenyiMI } from './renyi.js'
import { ResidualMI } from './residual.js'
import { Ross } from './ross.js'
import { SMILE } from './smile.js'
import { StudentCopulaMI } from './student-copula.js'

/** Every estimator by its name. To add an estimator, add a row. */
const ESTIMATORS = {
  auto: MutualInformation,
  binned: Binned,
  cka: CKA,
  club: CLUB,
  discrete: DiscreteMI,
  discriminant: DiscriminantMI,
  distanceCorrelation: DistanceCorrelation,
  edge: EDGE,
  gaussian: GaussianMI,
  gaussianCopula: GaussianCopulaMI,
  hsic: HSIC,
  infoNCE: InfoNCE,
  kde: KDE,
  knn: KNN,
  ksg: KSG,
  mine: MINE,
  mixedKSG: MixedKSG,
  nwj: NWJ,
  renyi: RenyiMI,
  residual: ResidualMI,
  ross: Ross,
  smile: SMILE,
  studentCopula: StudentCopulaMI,
} as const satisfies Record<string, new (options?: never) => Estimator>

/** Names of the estimators. */
export type EstimatorName = keyof typeof ESTIMATORS

/** The options of a named estimator. */
export type OptionsOf<N extends EstimatorName> = NonNullable<ConstructorParameters<(typeof ESTIMATORS)[N]>[0]>

/** The names that {@link createEstimator} accepts. */
export const estimatorNames = Object.keys(ESTIMATORS) as readonly EstimatorName[]

/**
 * The estimator with that name.
 *
 *     createEstimator('ksg', { k: 5 })
 *
 * @throws UnknownNameError for another name or option; ArgumentError for an option out of range
 */
export function createEstimator<N extends EstimatorName>(name: N, options?: OptionsOf<N>): Estimator {
  if (typeof name !== 'string' || !Object.hasOwn(ESTIMATORS, name)) {
    throw unknownName('estimator', name, estimatorNames)
  }
  const Named = ESTIMATORS[name] as new (options?: OptionsOf<N>) => Estimator
  return new Named(options)
}
