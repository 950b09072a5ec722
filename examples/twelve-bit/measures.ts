/** Measures of the layers' activations, in bits, and their trajectories during training. */
import {
  arange,
  Binned,
  EDGE,
  type Estimator,
  KDE,
  KSG,
  MixedKSG,
  stack,
  type Tensor,
  tensor,
  tidy,
} from '../../ts/index.js'
import { bits, patterns, type TwelveBits } from './data.js'
import type { Activation } from './networks.js'

/** I(T; X) and I(T; Y) in bits. */
export type Pair = readonly [number, number]

/** [epoch][seed][layer] of one measure, and the epochs. */
export interface Course {
  readonly epochs: number[]
  readonly values: Pair[][][]
}

/** 30 bins for tanh, whose range is known; bins of fixed width for relu, for which bins of [-1, 1] would show a spurious compression. */
export const binned = (activation: Activation): Estimator =>
  activation === 'tanh' ? new Binned({ bins: 30, base: 2 }) : new Binned({ binSize: 0.07, base: 2 })

export const kde: Estimator = new KDE({ variance: 1e-3, bound: 'upper', base: 2 })

/** Measures taken only at the end of training. */
export const final: Readonly<Record<string, Estimator>> = {
  KSG: new KSG({ base: 2, jitter: 1e-10 }),
  'mixed KSG': new MixedKSG({ base: 2 }),
  EDGE: new EDGE({ base: 2, correction: 'none', copula: false }),
}

/** Targets of the measures: every pattern is a different symbol, so I(T; X) = H(T) for binned activations. */
export interface Targets {
  readonly symbols: Tensor
  readonly rows: Tensor
  readonly labels: Tensor
}

export function targetsOf(data: TwelveBits): Targets {
  return {
    symbols: arange(patterns, { dtype: 'int32' }),
    rows: tensor(data.x, { shape: [patterns, bits] }),
    labels: tensor(data.labels),
  }
}

/** The measure of every layer of every network: [seed][layer]. */
export async function measure(
  estimator: Estimator,
  networks: readonly (readonly Tensor[])[],
  targets: Targets,
): Promise<Pair[][]> {
  const x = estimator.takes.y === 'any' ? targets.symbols : targets.rows
  const pairOf = async (h: Tensor): Promise<Pair> => {
    // Layer by layer: a bound over all pairs of patterns takes hundreds of megabytes during its computation.
    using values = tidy(() =>
      stack([x, targets.labels].map((y) => estimator.criterion(h, y).cast('float64'))),
    )
    const [ofX, ofY] = await values.data()
    return [Number(ofX), Number(ofY)]
  }
  const result: Pair[][] = []
  for (const layers of networks) {
    const pairs: Pair[] = []
    for (const h of layers) pairs.push(await pairOf(h))
    result.push(pairs)
  }
  return result
}

/** The trajectory of one layer of one network: I(T; X) by epoch. */
export function courseOf({ values }: Course, seed: number, layer: number, side: 0 | 1 = 0): number[] {
  return values.map((epoch) => epoch[seed]?.[layer]?.[side] as number)
}

/** Difference between the maximum of a trajectory and its end. */
export function fall(course: readonly number[]): number {
  return Math.max(...course) - (course.at(-1) as number)
}

/** Networks with a hidden layer whose output is the same for every pattern: [seed] -> names of the layers. */
export async function deadLayers(
  networks: readonly (readonly Tensor[])[],
  names: readonly string[],
): Promise<string[][]> {
  return Promise.all(
    networks.map(async (layers) => {
      const spreads = await stack(layers.slice(0, -1).map((h) => h.max(0).sub(h.min(0)).max())).data()
      return names.filter((_, layer) => Number(spreads[layer]) === 0 && layer < spreads.length)
    }),
  )
}
