/** Which estimators are judged on which kind of data, with their defaults unless the name says otherwise. */
import {
  DiscreteMI,
  DiscriminantMI,
  EDGE,
  type Estimator,
  GaussianCopulaMI,
  GaussianMI,
  KNN,
  KSG,
  MixedKSG,
  MutualInformation,
  Ross,
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

/** EDGE cuts space to cells, of which high dimensions have too many. */
const edgeColumns = 10

export function contestants({ kind, dx, dy }: Truth): Contestants {
  const all = Object.entries(byKind[kind])
  return Object.fromEntries(all.filter(([name]) => name !== 'EDGE' || dx + dy <= edgeColumns))
}
