/** Schedules of the evaluators of a model. */

import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag, whole } from '../core/options.js'
import type { ArrayInput } from '../data/array-dataset.js'
import type { Estimator } from '../estimators/estimator.js'
import { type Every, everyCheck } from './schedule.js'

/** Fixed samples on which the layers of a model are measured. */
export interface Probe {
  /** `[n, ...inputShape]`. */
  x: ArrayInput
  /** n labels, or `[n, ...]` targets. */
  y: ArrayInput
}

/**
 * Schedule of an evaluator.
 *
 * @typeParam P type of a probe: `{ x, y }` for a model, a batch of the task's steps for a task
 */
export interface AttachOptions<P = Probe> {
  /**
   * - 'batch' (default): in the training step, on the activations of the batch, before the update.
   * - 'epoch': after each epoch, in evaluation mode, on the first `samples` training samples of that epoch.
   * - `{ probe: { x, y } }`: after each epoch, in evaluation mode, on these samples.
   */
  evaluateOn?: 'batch' | 'epoch' | { probe: P }
  /**
   * How often: a number of batches or epochs, a list of epochs, 'log', or `{ steps }`; see {@link Every}. Default 1: on every batch, or
   * after every epoch.
   */
  every?: Every
  /**
   * Also evaluate before the first step, as epoch 0, a separate row of the dynamics. Not for evaluators on batches: their first batch comes
   * before all updates. Default false.
   */
  initial?: boolean
  /** 'epoch': number of samples. Default 2048. */
  samples?: number
}

const checks: Checks<AttachOptions<unknown>> = {
  evaluateOn: elsewhere(),
  every: everyCheck,
  initial: flag,
  samples: whole(1),
}

/** An evaluator with its schedule. */
export interface Attachment<P = unknown> {
  readonly evaluator: Estimator
  readonly on: 'batch' | 'epoch' | 'probe'
  readonly probe: P | undefined
  readonly every: Every
  /** Whether it is also evaluated before the first step. */
  readonly initial: boolean
  readonly samples: number
}

/**
 * Checks the options of `attachEvaluator` and fills in the defaults.
 *
 * @param isProbe the check of a probe; default an object with x and y
 * @throws ArgumentError for impossible options, and for an estimator without a lazy value on batches
 */
export function attachment<P>(
  evaluator: Estimator,
  options: AttachOptions<P>,
  isProbe: (probe: unknown) => boolean = hasBoth,
): Attachment<P> {
  const given = checkOptions<AttachOptions<unknown>>('attachEvaluator', options, checks)
  const { evaluateOn = 'batch', every = 1, initial = false, samples = 2048 } = given
  if (given.samples !== undefined && evaluateOn !== 'epoch') {
    throw new ArgumentError(
      `attachEvaluator: samples: given ${samples}, which is for { evaluateOn: 'epoch' }; batches and probes have their own number of samples`,
    )
  }
  const common = { evaluator, every, initial, samples }
  if (evaluateOn === 'epoch') return { ...common, on: 'epoch', probe: undefined }
  if (evaluateOn === 'batch') {
    if (initial) {
      throw new ArgumentError(
        "attachEvaluator: on batches the first value is that of the first batch before its update; use initial: true with { evaluateOn: 'epoch' } or a probe",
      )
    }
    if (evaluator.isLazy) return { ...common, on: 'batch', probe: undefined }
    throw new ArgumentError(
      `attachEvaluator: ${evaluator.name} cannot be part of a training step; attach it with { evaluateOn: 'epoch' } or { evaluateOn: { probe: { x, y } } }`,
    )
  }
  const probe = (evaluateOn as { probe?: P } | null)?.probe
  if (!isProbe(probe)) {
    throw new ArgumentError(
      `attachEvaluator: evaluateOn is ${describe(evaluateOn)}, expected 'batch', 'epoch' or { probe: { x, y } }`,
    )
  }
  return { ...common, on: 'probe', probe }
}

function hasBoth(probe: unknown): boolean {
  const { x, y } = (probe ?? {}) as Partial<Probe>
  return x !== undefined && y !== undefined
}

/** Warns once per evaluator that it has no value for some layers. */
export class ValueAdvice {
  readonly #warned = new Set<Estimator>()

  /**
   * @param where the samples, for the message
   * @param reason the reason, if known
   */
  warn(evaluator: Estimator, where: string, reason?: string): void {
    if (this.#warned.has(evaluator)) return
    this.#warned.add(evaluator)
    process.emitWarning(
      `${evaluator.name} has no value for some layers (${where}), where NaN is recorded: ${
        reason ??
        'an estimator of classes has none for numbers, one by nearest neighbors none for repeated samples; use another, or call its estimate() on the samples to see the reason'
      }`,
      { type: 'HyperglowWarning', code: 'HYPERGLOW_NO_VALUE' },
    )
  }
}

/** Warns once per evaluator that there are too few samples for a reliable value. */
export class SampleAdvice {
  readonly #warned = new Set<Estimator>()

  check(evaluator: Estimator, samples: number, what: string): void {
    const { name, advisedSamples } = evaluator
    if (samples >= advisedSamples || this.#warned.has(evaluator)) return
    this.#warned.add(evaluator)
    process.emitWarning(
      `${name} is unreliable with ${samples} samples (${what}); give it ${advisedSamples} or more: larger batches, { evaluateOn: 'epoch' } or { evaluateOn: { probe } }`,
      { type: 'HyperglowWarning', code: 'HYPERGLOW_FEW_SAMPLES' },
    )
  }
}

/**
 * Warns once per evaluator that its values may mislead, see {@link Estimator.doubt}.
 *
 * @param doubts of each layer, NaN for an evaluator without doubt
 * @param layers their names
 */
export function adviseOnDoubts(
  evaluator: Estimator,
  doubts: ArrayLike<number>,
  layers: readonly string[],
): void {
  for (const [layer, name] of layers.entries()) {
    const doubt = doubts[layer] ?? Number.NaN
    if (Number.isNaN(doubt)) continue
    // Rounding can exceed 1.
    const advice = evaluator.adviceOnDoubt(Math.min(1, doubt), `layer ${name}`)
    if (advice !== undefined) evaluator.advise(advice)
  }
}
