/** Measurement of activations of any network: each layer against input and target, by run and epoch. */

import { adjustPValues } from '../analysis/multiple-testing.js'
import { ArgumentError, DataError } from '../core/errors.js'
import {
  signal as anySignal,
  between,
  type Checks,
  callable,
  checkOptions,
  checkValue,
  either,
  isList,
  listOf,
  text,
  whole,
} from '../core/options.js'
import { checkedActivations } from '../data/activations/check.js'
import type { Activations } from '../data/activations/types.js'
import { checkEstimator, type Estimator } from '../estimators/estimator.js'
import { baseOfUnit } from '../estimators/unit.js'
import { matching } from '../nn/paths.js'
import { DumpReader, portionsOf } from './dump-portions.js'
import { DumpSamples } from './dump-samples.js'
import { headingOf } from './heading.js'
import {
  doubtNotes,
  MeasuredRun,
  type Measurement,
  measurePortion,
  type Uncertainties,
} from './measured-run.js'
import { RunSet } from './run-set.js'

/** Progress of a measurement. */
export interface MeasureProgress {
  /** Number of measured chunks, of `total`: a chunk is an epoch, or some layers of one if they are large. */
  readonly done: number
  readonly total: number
  readonly run: string
  readonly epoch: number
}

/** Options of {@link measure}. */
export interface MeasureOptions {
  /** Unit of information: 'nats', 'bits', 'bans' or 'base b'. Default: the unit of each estimator. */
  units?: string
  /** Layers to measure: names, or patterns such as 'conv*'. Default all. */
  layers?: string | readonly string[]
  /** Epochs to measure; runs without one of them have NaN there. Default all. */
  epochs?: readonly number[]
  /** Maximum number of samples; from more, a random subset, the same for all layers, epochs and runs. Default all. */
  samples?: number
  /**
   * Rounds for a standard error and an interval of each value, over samples: halves of them drawn without replacement (see
   * {@link Measurement.interval}). Default 0, none; 50 to 200 are usual.
   */
  bootstrap?: number
  /** Nominal coverage of the intervals. Default 0.95. */
  level?: number
  /** Shuffles for a p-value of each value. Default 0, none. */
  permutations?: number
  /** Seed of selected samples, halves and shuffles. Default 0. */
  seed?: number
  signal?: AbortSignal
  onProgress?: (progress: MeasureProgress) => void
}

const rounds = whole(0, 1e6)
const checks: Checks<MeasureOptions> = {
  units: text,
  layers: either(text, listOf(text)),
  epochs: listOf(whole(0)),
  samples: whole(2),
  bootstrap: {
    expected: '0, or a whole number from 2 to 1000000',
    accepts: (value) => value !== 1 && rounds.accepts(value),
  },
  level: between(0, 1, 'both'),
  permutations: whole(0, 1e7),
  seed: whole(0),
  signal: anySignal,
  onProgress: callable<(progress: MeasureProgress) => void>(),
}

/** Result of {@link measure}. */
export interface Measured {
  /** The values of all runs, for tables, figures and comparisons. */
  readonly runs: RunSet
  /** Each value with interval and p-value; empty without `bootstrap` and `permutations`. */
  readonly measurements: readonly Measurement[]
  /** Notes on the dump and on missing measurements, besides `runs.notes()`. */
  readonly notes: readonly string[]
}

/**
 * Measures each layer of each run, epoch by epoch, against the input, I(H; X), and the target, I(H; Y), or the quantities of other
 * estimators.
 *
 *     const dump = await readActivations('dump')
 *     const { runs, notes } = await measure(dump, [new Binned({ bins: 30 }), new KDE()], { units: 'bits' })
 *     console.log(runs.toText())
 *
 * Values are those of `estimate`, in float64. Without input samples, each sample counts as a different input for estimators that only
 * compare inputs for equality (Binned, KDE); others give NaN for (H, X). Layers with NaN or infinite values give NaN. Arrays shared by
 * epochs are read and computed once; at most two chunks of about 256 MiB are in memory.
 *
 * @throws ArgumentError, UnknownNameError for unknown estimators, layers and epochs; IOError, DataError for arrays that cannot be read; the
 *   reason of `signal` if it is aborted
 */
export async function measure(
  activations: Activations,
  estimators: Estimator | readonly Estimator[],
  options: MeasureOptions = {},
): Promise<Measured> {
  const given = checkOptions('measure', options, checks)
  if (given.level !== undefined && (given.bootstrap ?? 0) === 0) {
    throw new ArgumentError(
      `measure: level: given ${given.level} without bootstrap, which makes the intervals; give bootstrap: 100, or leave it out`,
    )
  }
  const dumped = checkedActivations('measure', activations)
  const list = checkedEstimators(estimators)
  const layers = chosenLayers(dumped, given.layers)
  const epochs = chosenEpochs(dumped, given.epochs)
  const { signal, onProgress, samples, seed = 0 } = given
  signal?.throwIfAborted()
  const dump = new DumpSamples(samples, seed)
  const measured = dumped.runs.map((run) => new MeasuredRun(run, layers, list, epochs))
  const portions = portionsOf(dumped.runs, layers, epochs, samples)
  if (portions.length === 0)
    throw new DataError(`${dumped.source}: no run has any of these layers and epochs`)
  const reader = new DumpReader(dump, portions)
  const asked: Uncertainties = {
    rounds: given.bootstrap ?? 0,
    level: given.level ?? 0.95,
    permutations: given.permutations ?? 0,
    seed,
    signal,
  }
  try {
    for (const [done, portion] of portions.entries()) {
      signal?.throwIfAborted()
      using tensors = await reader.next()
      const run = measured[portion.run] as MeasuredRun
      await measurePortion(
        run,
        portion.epoch,
        tensors.layers,
        await dump.ends(run.source, portion.epoch),
        list,
        asked,
      )
      onProgress?.({ done: done + 1, total: portions.length, run: run.source.name, epoch: portion.epoch })
    }
  } finally {
    await reader.close()
    dump.dispose()
  }
  return finished(dumped, measured, list, given.units, asked)
}

function finished(
  activations: Activations,
  measured: readonly MeasuredRun[],
  estimators: readonly Estimator[],
  units: string | undefined,
  { rounds, permutations }: Uncertainties,
): Measured {
  const layers = measured[0]?.layers ?? []
  const heading = headingOf(estimators, layers)
  const set = RunSet.of(measured.map((run) => ({ name: run.source.name, dynamics: run.dynamics(heading) })))
  const runs = units === undefined ? set : set.in(units)
  const wanted = rounds > 0 || permutations > 0
  const measurements = wanted
    ? measured.flatMap((run) => adjusted(inUnits(run.measurements(heading), units)))
    : []
  return {
    runs,
    measurements,
    notes: [
      ...activations.notes,
      ...new Set(measured.flatMap(({ notes }) => notes)),
      ...doubtNotes(measured, estimators),
    ],
  }
}

function inUnits(measurements: readonly Measurement[], units: string | undefined): Measurement[] {
  return measurements.map((one) => {
    const [from, to] = [baseOfUnit(one.units), units === undefined ? undefined : baseOfUnit(units)]
    if (from === undefined || to === undefined || units === undefined) return one
    const factor = Math.log(from) / Math.log(to)
    const { value, standardError, interval } = one
    return {
      ...one,
      units,
      value: value * factor,
      standardError: standardError === null ? null : standardError * factor,
      interval: interval === null ? null : [interval[0] * factor, interval[1] * factor],
    }
  })
}

/** Adjusts p-values over the layers of the same estimator, epoch and side. */
function adjusted(measurements: readonly Measurement[]): Measurement[] {
  const families = new Map<string, Measurement[]>()
  for (const one of measurements) {
    if (one.pValue === null) continue
    const key = JSON.stringify([one.estimator, one.epoch, one.side])
    families.set(key, [...(families.get(key) ?? []), one])
  }
  const found = new Map<Measurement, number>()
  for (const family of families.values()) {
    const { adjusted } = adjustPValues(family.map(({ pValue }) => pValue as number))
    for (const [i, one] of family.entries()) found.set(one, adjusted[i] as number)
  }
  return measurements.map((one) => ({ ...one, adjustedPValue: found.get(one) ?? null }))
}

function checkedEstimators(given: Estimator | readonly Estimator[]): readonly Estimator[] {
  const list = isList(given) ? Array.from(given as readonly Estimator[]) : [given as Estimator]
  if (list.length === 0)
    throw new ArgumentError('measure: given no estimator, expected at least one such as new Binned()')
  for (const [i, one] of list.entries())
    checkEstimator(list.length === 1 ? 'measure' : `measure: estimator ${i}`, one)
  return list
}

/** The selected layers of all runs, in order. */
function chosenLayers({ runs }: Activations, patterns: string | readonly string[] | undefined): string[] {
  const all = [...new Set(runs.flatMap(({ layers }) => layers))]
  if (patterns === undefined) return all
  const list = typeof patterns === 'string' ? [patterns] : patterns
  checkValue('measure: layers', list.length, {
    expected: 'at least one name or pattern',
    accepts: (length) => length !== 0,
  })
  const chosen = new Set(list.flatMap((pattern) => matching('measure', pattern, all, 'layer')))
  return all.filter((layer) => chosen.has(layer))
}

function chosenEpochs({ runs }: Activations, wanted: readonly number[] | undefined): ReadonlySet<number> {
  const all = new Set(runs.flatMap(({ epochs }) => epochs))
  if (wanted === undefined) return all
  const missing = wanted.find((epoch) => !all.has(epoch))
  if (missing === undefined && wanted.length > 0) return new Set(wanted)
  const there = [...all].sort((a, b) => a - b)
  const shown = `${there.slice(0, 20).join(', ')}${there.length > 20 ? ', ...' : ''}`
  throw new ArgumentError(`measure: epochs: given ${missing ?? 'none'}, expected some of ${shown}`)
}
