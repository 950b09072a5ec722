/**
 * One run with all that a checkpoint has to keep, as a program of its own: `node resumed-run.js FOLDER`. It goes on where a run into the
 * same folder was killed, and writes to stdout a line when it begins and, when it is done, what came of it.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as hg from '../ts/index.js'
import { points } from './toy-task.js'

/** A model whose training has random numbers, counters and state: dropout, batch statistics, moments, dynamics in memory and on disk. */
export function resumable(dir: string, raw = false): hg.IBSequential {
  const model = new hg.IBSequential({
    inputShape: [1, 2, 2],
    seed: 3,
    trackDynamics: true,
    saveDynamics: { dir, raw },
  })
  model
    .add(new hg.Conv2d(4, 2, { padding: 1, activation: 'relu' }))
    .add(new hg.BatchNorm2d())
    .add(new hg.Flatten())
    .add(new hg.Dropout(0.3))
    .add(new hg.Dense(3, { activation: 'softmax' }))
    .compile({ optimizer: 'adam', learningRate: 0.02, metrics: ['accuracy'] })
  return model
    .attachEvaluator(new hg.HSIC({ sigma: 2 }), { every: 2 })
    .attachEvaluator(new hg.HSIC({ sigma: 1 }), { evaluateOn: 'epoch', samples: 40, every: 2 })
}

/** The callbacks of the run: all that have a memory. */
export function remembering(folder: string): hg.Callback[] {
  return [
    new hg.EarlyStopping({ patience: 3, minDelta: 1e-3 }),
    new hg.LearningRate(new hg.ReduceLROnPlateau(0.02, { patience: 0, factor: 0.7, threshold: 0.05 })),
    new hg.CSVLogger(join(folder, 'log.csv')),
    new hg.Checkpoint(join(folder, 'checkpoints'), { everySteps: 2, best: 'validationLoss', keep: 2 }),
  ]
}

/** What followed the layers of a model. */
const watched = new WeakMap<hg.IBSequential, hg.StatisticsTracker>()

/** Trains, or resumes; returns the history. */
export function trainOn(
  model: hg.IBSequential,
  folder: string,
  callbacks: readonly hg.Callback[],
): Promise<hg.History> {
  const { x, y } = points(110)
  const options = { epochs: 8, batchSize: 16, verbose: false, validationSplit: 0.2, numClasses: 3 }
  const watch = hg.trackStatistics(model, new hg.ArrayDataset(x, y, { inputShape: [1, 2, 2] }), {
    every: { steps: 3 },
    measures: ['mean', 'effectiveRank'],
    own: { largest: (h) => h.max() },
  })
  watched.set(model, watch)
  return model.fit(x, y, {
    ...options,
    callbacks: [...callbacks, watch],
    resume: join(folder, 'checkpoints'),
  })
}

/** Everything that came of a run, as text: two runs of the same bits give the same. */
export async function outcomeOf(
  model: hg.IBSequential,
  history: hg.History,
  folder: string,
): Promise<string> {
  const hash = createHash('sha256')
  const { optimizer } = model
  const variables = { ...model.weights, ...model.stateVariables, rng: model.trainingState.record.rng }
  for (const variable of [...Object.values(variables), ...(optimizer?.stateVariables().values() ?? [])]) {
    hash.update(String(await variable.data()))
  }
  const stored = await hg.loadDynamics(join(folder, 'dynamics'))
  const { values, shape, steps, finished, completedEpochs, samples, labelEntropy } = stored
  hash.update(String(values))
  for (let epoch = 0; epoch < shape[0]; epoch++) {
    for (let batch = 0; batch < shape[1]; batch++) {
      const segment =
        model.saveDynamics?.raw && (await hg.loadSegment(join(folder, 'dynamics'), epoch, batch))
      if (segment) hash.update(String(segment.map(({ data }) => String(data))))
    }
  }
  const log = readFileSync(join(folder, 'log.csv'), 'utf8')
  const withoutSeconds = log.split('\n').map((line) => line.replace(/,[^,]*$/, ''))
  const { seconds: _, ...rest } = history
  hash.update(String(await model.batchDynamics.data()))
  return JSON.stringify([
    hash.digest('hex'),
    rest.loss,
    rest.validationLoss,
    rest.metrics,
    rest.epochs,
    model.dynamics().steps,
    watched.get(model)?.history(),
    [model.dynamics().samples, model.dynamics().labelEntropy],
    [shape, steps, finished, completedEpochs, samples, labelEntropy],
    optimizer?.learningRate,
    withoutSeconds.length,
    withoutSeconds.at(-2),
  ])
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const folder = process.argv[2] as string
  const model = resumable(join(folder, 'dynamics'))
  process.stdout.write('begun\n')
  const history = await trainOn(model, folder, remembering(folder))
  process.stdout.write(`\n${await outcomeOf(model, history, folder)}\n`)
}
