/** When the evaluators of a model are evaluated. */

import { ArgumentError, describe } from '../core/errors.js'
import { type Checks, checkOptions, elsewhere, flag, whole } from '../core/options.js'
import type { ArrayInput } from '../data/array-dataset.js'
import type { Estimator } from '../estimators/estimator.js'
import { type Every, everyCheck } from './schedule.js'

/** Samples that the layers of a model are looked at with, always the same. */
export interface Probe {
  /** `[n, ...inputShape]`. */
  x: ArrayInput
  /** n labels, or `[n, ...]` targets. */
  y: ArrayInput
}

/**
 * When an evaluator is evaluated.
 *
 * @typeParam P samples to look at the layers with: of a model `{ x, y }`, of a task a batch as its steps take it
 */
export interface AttachOptions<P = Probe> {
  /**
   * - 'batch' (default): in the training step, on the activations of the batch, before the update.
   * - 'epoch': after each epoch, in evaluation mode, on the first `samples` training samples of that epoch.
   * - `{ probe: { x, y } }`: after each epoch, in evaluation mode, on these samples.
   */
  evaluateOn?: 'batch' | 'epoch' | { probe: P }
  /**
   * How often: a number of batches or epochs, a list of epochs, 'log', or `{ steps }`; see {@link Every}. Default 1: on every batch, or after every epoch.
   */
  every?: Every
  /** Evaluate before the first step too, as epoch 0, which is a row of its own in the dynamics. Not on batches, of which the first comes before all updates. Default false. */
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
  /** Whether it is evaluated before the first step too. */
  readonly initial: boolean
  readonly samples: number
}

/**
 * Resolves the options of `attachEvaluator`.
 *
 * @param isProbe what may be a probe; default what has x and y
 * @throws ArgumentError for options that cannot work, and for an estimator without a lazy value on batches
 */
export function attachment<P>(
  evaluator: Estimator,
  options: AttachOptions<P>,
  isProbe: (probe: unknown) => boolean = hasBoth,
): Attachment<P> {
  const given = checkOptions<AttachOptions<unknown>>('attachEvaluator', options, checks)
  const { evaluateOn = 'batch', every = 1, initial = false, samples = 2048 } = given
  const common = { evaluator, every, initial, samples }
  if (evaluateOn === 'epoch') return { ...common, on: 'epoch', probe: undefined }
  if (evaluateOn === 'batch') {
    if (initial) {
      throw new ArgumentError(
        "attachEvaluator: on batches the first value is that of the first batch before its update; initial: true goes with { evaluateOn: 'epoch' } or a probe",
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

/** Warns once an evaluator that it has no value for some layers. */
export class ValueAdvice {
  readonly #warned = new Set<Estimator>()

  /** @param where which samples; @param reason why, where that is known */
  warn(evaluator: Estimator, where: string, reason?: string): void {
    if (this.#warned.has(evaluator)) return
    this.#warned.add(evaluator)
    process.emitWarning(
      `${evaluator.name} has no value for some layers (${where}), where NaN is recorded: ${
        reason ??
        'an estimator of classes has none for numbers, one by nearest neighbors none for repeated samples; use another, or call its estimate() on the samples to learn why'
      }`,
      { type: 'HyperglowWarning', code: 'HYPERGLOW_NO_VALUE' },
    )
  }
}

/** Warns once an evaluator that samples are too few for its value to mean much. */
export class SampleAdvice {
  readonly #warned = new Set<Estimator>()

  check(evaluator: Estimator, samples: number, what: string): void {
    const { name, advisedSamples } = evaluator
    if (samples >= advisedSamples || this.#warned.has(evaluator)) return
    this.#warned.add(evaluator)
    process.emitWarning(
      `${name} says little about ${samples} samples (${what}); give it ${advisedSamples} or more: larger batches, { evaluateOn: 'epoch' } or { evaluateOn: { probe } }`,
      { type: 'HyperglowWarning', code: 'HYPERGLOW_FEW_SAMPLES' },
    )
  }
}

/** Warns once an evaluator of activations that lie outside of what it tells apart. */
export class RangeAdvice {
  readonly #warned = new Set<Estimator>()

  /** @param parts of each layer, NaN where the evaluator has no such range; @param layers their names */
  check(evaluator: Estimator, parts: ArrayLike<number>, layers: readonly string[]): void {
    if (this.#warned.has(evaluator)) return
    for (const [layer, name] of layers.entries()) {
      const part = parts[layer] ?? Number.NaN
      if (Number.isNaN(part)) continue
      const advice = evaluator.adviceOnOutside(part, `layer ${name}`)
      if (advice === undefined) continue
      this.#warned.add(evaluator)
      process.emitWarning(advice, { type: 'HyperglowWarning', code: 'HYPERGLOW_OUT_OF_RANGE' })
      return
    }
  }
}
