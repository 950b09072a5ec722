/** Summary of activations, before any measurement. */

import { signal as anySignal, type Checks, checkOptions, whole } from '../core/options.js'
import { checkedActivations } from '../data/activations/check.js'
import type { ActivationRun, Activations } from '../data/activations/types.js'
import { type LazyArray, rowsOf } from '../io/lazy-array.js'
import { type Scan, Scanner } from './scan.js'
import { type Target, targetOf } from './target.js'

/** Options of {@link inspect}. */
export interface InspectOptions {
  /** Maximum number of values of each array to scan, from its first row on. Default 2^24. */
  values?: number
  signal?: AbortSignal
}

const checks: Checks<InspectOptions> = { values: whole(1), signal: anySignal }

/** One layer over all runs and epochs. */
export interface LayerInspection {
  readonly name: string
  /** Lengths of the axes of a sample; null if runs or epochs differ. */
  readonly shape: readonly number[] | null
  /** Stored element types. */
  readonly dtypes: readonly string[]
  /** Number of arrays, one for each epoch of each run. */
  readonly arrays: number
  /** Number of values of all arrays; `scan.values` of them were scanned. */
  readonly size: number
  readonly scan: Scan
}

/** The targets of all runs. */
export interface TargetInspection {
  readonly kind: 'classes' | 'numbers'
  /** Number of classes; null for numbers. */
  readonly classes: number | null
  /** Entropy of the classes in nats, H(Y); null for numbers. */
  readonly entropy: number | null
  /** How the values decided the kind, as text; null if the type decides it. */
  readonly note: string | null
}

/** Result of {@link inspect}: plain data. */
export interface Inspection {
  readonly source: string
  readonly runs: readonly {
    readonly name: string
    readonly epochs: readonly number[]
    readonly epochsKnown: boolean
    readonly layers: readonly string[]
    readonly hasX: boolean
    readonly hasY: boolean
  }[]
  /** Numbers of samples: one, unless runs or epochs differ. */
  readonly samples: readonly number[]
  /** ln n of the smallest number of samples, in nats: the maximum of an estimate that counts samples. */
  readonly logSamples: number
  /** Lengths of the axes of an input sample; null if there are no inputs. */
  readonly x: { readonly shape: readonly number[]; readonly dtype: string } | null
  /** The targets of the first run that has some, null if none has. */
  readonly y: TargetInspection | null
  readonly layers: readonly LayerInspection[]
  readonly notes: readonly string[]
}

/**
 * Inspects activations: runs, epochs and layers, shapes and types, ranges, values that are not finite, zeros, saturated values, classes and
 * their entropy. One pass through every array, in blocks of 16 MiB.
 *
 * @throws ArgumentError unless given activations; IOError, DataError for an array that cannot be read; the reason of `signal` if it is
 *   aborted
 */
export async function inspect(activations: Activations, options: InspectOptions = {}): Promise<Inspection> {
  const { values = 2 ** 24, signal } = checkOptions('inspect', options, checks)
  const { source, runs, notes } = checkedActivations('inspect', activations)
  const names = [...new Set(runs.flatMap(({ layers }) => layers))]
  const layers: LayerInspection[] = []
  for (const name of names) layers.push(await layerOf(runs, name, values, signal))
  const counts = new Set(runs.flatMap((run) => run.epochs.map((epoch) => samplesOf(run, epoch))))
  const samples = [...counts].filter((count) => count !== undefined).sort((a, b) => a - b)
  const [x] = endsOf(runs, 'x')
  const [y] = endsOf(runs, 'y')
  const target = y && (await targetOf(`${source}: y`, await y.read()))
  const odd = layers.filter(({ scan }) => scan.notFinite > 0)
  return {
    source,
    runs: runs.map((run) => ({
      name: run.name,
      epochs: run.epochs,
      epochsKnown: run.epochsKnown,
      layers: run.layers,
      hasX: run.epochs.every((epoch) => run.x(epoch) !== undefined),
      hasY: run.epochs.every((epoch) => run.y(epoch) !== undefined),
    })),
    samples,
    logSamples: Math.log(samples[0] ?? Number.NaN),
    x: x === undefined ? null : { shape: x.shape.slice(1), dtype: x.dtype },
    y: target === undefined ? null : inspected(target),
    layers,
    notes: [
      ...notes,
      ...odd.map(({ name, scan }) => `layer '${name}' has ${scan.notFinite} values that are NaN or infinite`),
    ],
  }
}

const inspected = ({ kind, classes, entropy, note }: Target): TargetInspection => ({
  kind,
  classes,
  entropy,
  note: note ?? null,
})

function endsOf(runs: readonly ActivationRun[], end: 'x' | 'y'): LazyArray[] {
  const all = runs.flatMap((run) => run.epochs.map((epoch) => run[end](epoch)))
  return all.filter((array) => array !== undefined)
}

/** Number of samples of an epoch, from its first layer. */
function samplesOf(run: ActivationRun, epoch: number): number | undefined {
  const layer = run.layers.map((name) => run.layer(epoch, name)).find((array) => array !== undefined)
  return layer && rowsOf(layer)
}

async function layerOf(
  runs: readonly ActivationRun[],
  name: string,
  most: number,
  signal: AbortSignal | undefined,
): Promise<LayerInspection> {
  const having = runs.filter(({ layers }) => layers.includes(name))
  const arrays = having.flatMap((run) => run.epochs.map((epoch) => run.layer(epoch, name)))
  const there = arrays.filter((array) => array !== undefined)
  const scanner = new Scanner()
  for (const array of there) {
    signal?.throwIfAborted()
    const width = array.shape.slice(1).reduce((product, length) => product * length, 1)
    await scanner.add(array, Math.max(1, Math.floor(most / Math.max(1, width))))
  }
  const shapes = new Set(there.map(({ shape }) => JSON.stringify(shape.slice(1))))
  return {
    name,
    shape: shapes.size === 1 ? ((there[0] as LazyArray).shape.slice(1) as readonly number[]) : null,
    dtypes: [...new Set(there.map(({ dtype }) => dtype))],
    arrays: there.length,
    size: there.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0),
    scan: scanner.result,
  }
}
