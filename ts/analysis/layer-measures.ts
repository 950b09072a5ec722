/** Statistics of a layer by name, for recording during training. */
import { DataError, NumericalError } from '../core/errors.js'
import { checkValue, listOf, oneOf } from '../core/options.js'
import type { SampleData } from '../estimators/data.js'
import { levinaBickel, twoNN } from './dimension.js'
import { layerStatistics, sparsity } from './layer-statistics.js'
import { rowsFrom } from './read.js'
import { spectrum } from './spectrum.js'

/** The statistics, the function of each, and its source. */
const measures = {
  mean: { from: 'layerStatistics', source: 'mean over all entries' },
  variance: { from: 'layerStatistics', source: 'variance over all entries, over their number' },
  meanNorm: { from: 'layerStatistics', source: 'mean Euclidean length of a sample' },
  zeroShare: { from: 'layerStatistics', source: 'share of entries that are 0' },
  deadShare: { from: 'layerStatistics', source: 'share of units that give 0 on every sample' },
  constantShare: { from: 'layerStatistics', source: 'share of units that give one value on every sample' },
  saturatedShare: { from: 'layerStatistics', source: 'share of entries beyond 0.99 in absolute value' },
  sparseness: { from: 'sparsity', source: 'mean over samples of the measure of Hoyer 2004' },
  effectiveRank: { from: 'spectrum', source: 'Roy and Vetterli 2007, of the centered activations' },
  participationRatio: { from: 'spectrum', source: 'Gao et al. 2017, of the centered activations' },
  stableRank: { from: 'spectrum', source: 'Rudelson and Vershynin 2007, of the centered activations' },
  numericalRank: {
    from: 'spectrum',
    source: 'singular values of the centered activations above max(n, d) 2^-52 of the largest',
  },
  twoNN: {
    from: 'twoNN',
    source: "intrinsic dimension, Facco, d'Errico, Rodriguez and Laio 2017, by the line",
  },
  levinaBickel: {
    from: 'levinaBickel',
    source: 'intrinsic dimension, Levina and Bickel 2004, mean over k from 10 to 20',
  },
} as const

/** Name of a statistic of a layer. */
export type LayerMeasure = keyof typeof measures

/** All names of {@link LayerMeasure}. */
export const layerMeasureNames = Object.keys(measures) as readonly LayerMeasure[]

/** Definition and source of each statistic, by name. */
export const layerMeasureSources: Readonly<Record<LayerMeasure, string>> = Object.freeze(
  Object.fromEntries(Object.entries(measures).map(([name, { source }]) => [name, source])) as Record<
    LayerMeasure,
    string
  >,
)

const names = listOf(oneOf(...layerMeasureNames))

type Group = (typeof measures)[LayerMeasure]['from']

const groups: Readonly<Record<Group, (x: SampleData) => Promise<Readonly<Record<string, unknown>>>>> = {
  layerStatistics: async (x) => ({ ...(await layerStatistics(x)) }),
  sparsity: async (x) => ({ sparseness: (await sparsity(x)).hoyerSamplesMean }),
  spectrum: async (x) => ({ ...(await spectrum(x)) }),
  twoNN: async (x) => ({ twoNN: (await twoNN(x)).linear }),
  levinaBickel: async (x) => ({ levinaBickel: (await levinaBickel(x)).meanOverRange }),
}

/**
 * Statistics of a layer's activations, by name; see {@link layerMeasureSources}. NaN if a statistic does not exist for the samples, such as
 * the dimension of repeated samples.
 *
 *     await layerMeasures(h, ['deadShare', 'effectiveRank', 'twoNN']) // { deadShare: 0.1, effectiveRank: 12.3, twoNN: 6.1 }
 *
 * @param x `[n, units]`
 * @param wanted default all
 * @param unanswered called with the reason for each missing statistic
 * @throws ArgumentError for an unknown name; DTypeError for class labels; DataError for values that are not finite
 */
export async function layerMeasures<Name extends LayerMeasure = LayerMeasure>(
  x: SampleData,
  wanted: readonly Name[] = layerMeasureNames as readonly Name[],
  unanswered: (name: Name, reason: Error) => void = () => {},
): Promise<Record<Name, number>> {
  checkValue('layerMeasures: wanted', wanted, names)
  const rows = await rowsFrom('layerMeasures: x', x)
  const found = new Map<Group, Readonly<Record<string, unknown>>>()
  const entries: [Name, number][] = []
  for (const name of wanted) {
    const group = measures[name].from
    try {
      const all = found.get(group) ?? (await groups[group](rows))
      found.set(group, all)
      entries.push([name, all[name] as number])
    } catch (error) {
      // Too few or repeated samples affect only this statistic.
      if (!(error instanceof DataError || error instanceof NumericalError)) throw error
      unanswered(name, error)
      entries.push([name, Number.NaN])
    }
  }
  return Object.fromEntries(entries) as Record<Name, number>
}
