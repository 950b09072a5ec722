/** The training of any task. */

import type { Device } from '../core/devices.js'
import { ArgumentError, describe, StateError } from '../core/errors.js'
import {
  type Check,
  type Checks,
  checkOptions,
  elsewhere,
  isList,
  isPlainObject,
  whole,
} from '../core/options.js'
import type { Tree } from '../core/tree.js'
import { type Attachment, type AttachOptions, attachment } from '../dynamics/attachment.js'
import type { ModelDynamics } from '../dynamics/record.js'
import { resolveSave } from '../dynamics/save.js'
import { checkEstimator, type Estimator } from '../estimators/estimator.js'
import { checkCallbacks } from './callbacks/callback.js'
import { checkTask } from './check-task.js'
import { checkDevices, EpochMeasurement, type ProbeFeed } from './epoch-measurement.js'
import { type Feed, feedsOf, prepareFeeds } from './feed.js'
import { heldBy } from './held.js'
import type { History } from './results.js'
import { type TrainOptions, trainChecks } from './run-options.js'
import type { ScalarSource } from './stepper.js'
import type { Task } from './task.js'
import { Run } from './training-loop.js'
import { TrainingRecord } from './training-record.js'
import { type TreeSource, treeFeedOf } from './tree-feed.js'

/** An evaluator of a task, and its schedule. */
export interface TaskEvaluator<B = Tree> extends AttachOptions<B> {
  evaluator: Estimator
}

/** Options of {@link fit}. */
export interface FitTaskOptions<B = Tree> extends TrainOptions {
  /** Validation data, evaluated after every epoch by the task's `evaluate`. Empty data mean no validation. */
  validation?: TreeSource<B>
  /**
   * Numbers for the context of steps, by name: coefficients, rates, temperatures. A function returns one for each step. They are inputs of the
   * compiled step, so another number needs no new trace. Default none.
   */
  scalars?: Readonly<Record<string, ScalarSource>>
  /** Evaluators of the layers in the task's segments. Default none. */
  evaluators?: readonly (Estimator | TaskEvaluator<B>)[]
  /** Seed of random keys for a task without `record`. Default 0. */
  seed?: number
}

/** Result of a fit. */
export interface FitResult {
  readonly history: History
  /** Values of the evaluators; undefined without evaluators. */
  readonly dynamics: ModelDynamics | undefined
}

const scalarRecord: Check<Readonly<Record<string, ScalarSource>>> = {
  expected: 'finite numbers, or functions of { step, epoch }, by name',
  accepts: (value) =>
    isPlainObject(value) &&
    Object.values(value).every((source) => typeof source === 'function' || Number.isFinite(source)),
}

const checks: Checks<FitTaskOptions<unknown>> = {
  ...trainChecks,
  validation: elsewhere(),
  scalars: scalarRecord,
  evaluators: elsewhere(),
  seed: whole(0),
}

/** Tasks in training. */
const busy = new WeakSet<object>()

/**
 * Trains a task: calls the task's step with each batch of the data, `epochs` times. It handles batches, means, progress, callbacks, dynamics,
 * checkpoints and aborts.
 *
 *     const { history } = await fit(new Gan(), data, { epochs: 100, callbacks: [new Checkpoint('runs/gan')], resume: 'runs/gan' })
 *
 * @param data a {@link TreeDataset}, an `ArrayDataset`, or any iterable of batches that can be iterated in every epoch; a batch is tensors nested
 *   in records and arrays, and its number of samples is the number of rows of its first tensor
 * @throws ArgumentError, DataError, StateError (rejects) before anything is changed, for a task, data and options that cannot work;
 *   NumericalError as soon as the mean loss (without one, a log) is seen to be NaN or infinite; the reason of the signal; the error of a callback
 */
export async function fit<B>(
  task: Task<B>,
  data: TreeSource<B>,
  options: FitTaskOptions<B> = {},
): Promise<FitResult> {
  checkTask('fit', task)
  const given = checkOptions<FitTaskOptions<B>>('fit', options, checks as Checks<FitTaskOptions<B>>)
  checkCallbacks(given.callbacks ?? [])
  given.signal?.throwIfAborted()
  if (busy.has(task)) {
    throw new StateError('fit: the task is in the middle of fit; wait for its promise first')
  }
  const { device } = heldBy(task, task.record)
  busy.add(task)
  const record = task.record ?? new TrainingRecord({ seed: given.seed ?? 0, device })
  try {
    const run = await prepareRun(task, data, given, record)
    try {
      const history = await run.all()
      return { history, dynamics: record.dynamics }
    } finally {
      await run.close()
    }
  } finally {
    busy.delete(task)
    if (task.record === undefined) record.dispose()
  }
}

async function prepareRun<B>(
  task: Task<B>,
  data: TreeSource<B>,
  given: FitTaskOptions<B>,
  record: TrainingRecord,
): Promise<Run<B>> {
  const { validation: _, scalars = {}, evaluators, saveDynamics, seed: __, ...options } = given
  const { signal } = options
  const attachments = attachmentsOf(evaluators ?? [])
  if (saveDynamics !== undefined && attachments.length === 0) {
    throw new ArgumentError('fit: saveDynamics needs evaluators, since there would be nothing to save')
  }
  const { device } = heldBy(task, task.record)
  checkDevices(attachments, device)
  const feeds = feedsOf(data, given.validation, (source) => treeFeedOf<B>(source, device))
  const { feed, validation } = feeds
  if (validation !== undefined && task.evaluate === undefined) {
    throw new StateError(
      'fit: validation data were given, and the task has no evaluate(batch, ctx); give it one',
    )
  }
  await prepareFeeds(feeds, signal)
  const probeOf = (one: Attachment) => probeFeed<B>(feed, one, device)
  return Run.prepare({
    task,
    feed,
    validation,
    record,
    options,
    scalars,
    tracks: attachments.length > 0,
    attachments,
    save: saveDynamics === undefined ? undefined : resolveSave(saveDynamics),
    notes: {},
    layers: undefined,
    measurement: await EpochMeasurement.prepare(task, attachments, probeOf, record.seed),
    occupation: undefined,
  })
}

async function probeFeed<B>(
  training: Feed<B>,
  { probe, samples }: Attachment,
  device: Device,
): Promise<ProbeFeed<B>> {
  if (probe === undefined) return { feed: training, samples, dispose() {} }
  const feed = treeFeedOf([probe as B], device)
  await feed.prepare()
  return { feed, samples: undefined, dispose() {} }
}

/** The evaluators of a task with their schedules. */
function attachmentsOf<B>(given: readonly (Estimator | TaskEvaluator<B>)[]): Attachment<B>[] {
  if (!isList(given)) {
    throw new ArgumentError(
      `fit: evaluators is ${describe(given)}, expected a list such as [new HSIC()] or [{ evaluator: new KSG(), evaluateOn: 'epoch' }]`,
    )
  }
  return Array.from(given, (one) => {
    const isBare = !isPlainObject(one)
    const { evaluator, ...when } = (isBare ? { evaluator: one } : one) as TaskEvaluator<B>
    checkEstimator('fit: evaluators', evaluator)
    return attachment<B>(evaluator, when, (probe) => probe !== undefined)
  })
}
