/** Estimators by kind of data, with their defaults unless the name says otherwise. */
import {
  CLUB,
  DiscreteMI,
  DiscriminantMI,
  EDGE,
  type Estimator,
  GaussianCopulaMI,
  GaussianMI,
  InfoNCE,
  KNN,
  KSG,
  MINE,
  MixedKSG,
  MutualInformation,
  NWJ,
  Ross,
  SMILE,
  StudentCopulaMI,
} from '../../ts/index.js'
import type { Kind, Truth } from './cases.js'

export type Contestants = Readonly<Record<string, Estimator>>

const edge = new EDGE()
const auto = new MutualInformation()

const byKind: Readonly<Record<Kind, Contestants>> = {
  cc: {
    auto,
    KSG: new KSG(),
    'KSG 2': new KSG({ variant: 2 }),
    'KSG copula': new KSG({ copula: true }),
    KNN: new KNN(),
    'mixed KSG': new MixedKSG(),
    Gaussian: new GaussianMI(),
    GCMI: new GaussianCopulaMI(),
    't copula': new StudentCopulaMI(),
    EDGE: edge,
  },
  cd: { auto, Ross: new Ross(), LDA: new DiscriminantMI(), EDGE: edge },
  dd: {
    auto,
    'plug-in': new DiscreteMI({ correction: 'none' }),
    'Miller-Madow': new DiscreteMI({ correction: 'millerMadow' }),
    shrinkage: new DiscreteMI({ correction: 'shrinkage' }),
  },
  mixed: { auto, 'mixed KSG': new MixedKSG(), 'KSG jittered': new KSG({ jitter: 1e-10 }), EDGE: edge },
}

/** Estimators that train a network for every estimate, on continuous data: seconds per case; others take milliseconds. */
const trained: Contestants = {
  MINE: new MINE(),
  NWJ: new NWJ(),
  InfoNCE: new InfoNCE(),
  SMILE: new SMILE(),
  CLUB: new CLUB(),
}

/** Whether an estimator trains a network. */
export const isTrained = (name: string): boolean => Object.hasOwn(trained, name)

/** EDGE divides space into cells, and high dimensions have too many. */
const edgeColumns = 10

/** The estimators for a case; `withTrained` includes those that train a network. */
export function contestants({ kind, dx, dy }: Truth, withTrained: boolean): Contestants {
  const all = Object.entries({ ...byKind[kind], ...(withTrained && kind === 'cc' ? trained : {}) })
  return Object.fromEntries(all.filter(([name]) => name !== 'EDGE' || dx + dy <= edgeColumns))
}
