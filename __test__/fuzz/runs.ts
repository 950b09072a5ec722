/** Calls of sets of runs. */
import * as hg from '../../ts/index.js'
import { classifier, points } from '../toy-task.js'
import { type Call, constructorCall, functionCalls, methodCalls } from './call.js'

const exports = hg as unknown as Readonly<Record<string, unknown>>

/** Two layers by two evaluators in two epochs. */
const run = (shift: number) => ({
  layers: ['a', 'b'],
  evaluators: ['HSIC', 'KDE'],
  units: ['none', 'nats'],
  evaluatorSettings: [{ sigma: 5 }, { noiseVariance: 0.1 }],
  samples: [64, null],
  labelEntropy: 0.6,
  epochs: [1, 2],
  values: [1, 2].map((n) => [
    [
      [0.1 * n + shift, 0.2 * n],
      [0.3 * n, 0.1 + shift],
    ],
    [
      [2 * n + shift, n],
      [n - shift, 0.5],
    ],
  ]),
})
const named = (shift: number) =>
  [1, 2, 3].map((seed) => ({ name: `seed ${seed}`, dynamics: run(shift * seed) }))
const table = () => ({ evaluator: 'KDE', layer: ['a', 1], epochs: [1, 2] })

const build = (seed: number) =>
  classifier({ seed, trackDynamics: true }).attachEvaluator(new hg.HSIC({ sigma: 1 }))
const ofSeeds = { seeds: [1, 2], saveTo: 'runs', onProgress() {}, signal: new AbortController().signal }

let folders = 0

/** Makes the folder that is read. */
export const prepareRuns = () => hg.RunSet.of(named(0.1)).save('some-runs')

const followed = () => {
  const model = classifier({ seed: 1 })
  const options = { measures: ['mean'], layers: '**', every: [0, 1], initial: true, batchSize: 5, own: {} }
  return [model, points(6).x, options] as const
}

/** One moment that was followed. */
const moment = { data: { layers: ['dense_1'], samples: 6, moments: [{ epoch: 0, step: 0, values: [0.5] }] } }

const tracker = () => {
  const made = new hg.StatisticsTracker(...(followed() as unknown as Parameters<typeof hg.trackStatistics>))
  made.load(moment)
  return made
}

export const runCalls: readonly Call[] = [
  constructorCall('StatisticsTracker', hg.StatisticsTracker, followed),
  ...methodCalls('StatisticsTracker', tracker, {
    onTrainBegin: () => [{ epochs: 2, batches: 3 }, { epoch: 0 }],
    onEpochEnd: () => [0],
    history: () => [],
    save: () => [],
    load: () => [moment],
    of: () => ['mean', 'dense_1'],
  }),
  ...functionCalls(exports, {
    trackStatistics: followed,
    readRuns: () => ['some-runs'],
    runs: [
      () => [
        {
          ...ofSeeds,
          saveTo: `runs-${folders++}`,
          build,
          data: points(12),
          fit: { epochs: 1, verbose: false, saveDynamics: undefined },
          onRun() {},
        },
      ],
      () => [{ ...ofSeeds, saveTo: `runs-${folders++}`, train: ({ seed }: hg.RunToTrain) => run(seed) }],
    ],
  }),
  {
    name: 'RunSet.of',
    args: () => [named(0.1)],
    run: ([runs]) => hg.RunSet.of(runs as hg.NamedRun[]).results(),
  },
  ...methodCalls('RunSet', () => hg.RunSet.of(named(0.1)), {
    spread: () => ['KDE', 'b', 2],
    mean: () => [],
    runs: () => [],
    in: () => ['bits'],
    results: () => [],
    notes: () => [],
    toJSON: () => [],
    toCsv: () => [],
    toText: () => [{ ...table(), width: 60 }],
    toLatex: () => [table()],
    save: () => ['saved-runs'],
    compare: () => [
      hg.RunSet.of(named(0.2)),
      {
        evaluator: 1,
        epochs: 'all',
        pair: 'name',
        level: 0.9,
        alpha: 0.1,
        resamples: 20,
        flips: 20,
        seed: 1,
      },
    ],
  }),
]
