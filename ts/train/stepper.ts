/** The training steps of a run: the program of a batch, and its arguments. */

import { ArgumentError } from '../core/errors.js'
import { rehearse } from '../core/jit.js'
import type { Observable } from '../core/observer.js'
import type { Attachment } from '../dynamics/attachment.js'
import type { Estimator } from '../estimators/estimator.js'
import type { Tensor } from '../ops/tensor.js'
import type { Feed } from './feed.js'
import type { Meter } from './meter.js'
import { type CompiledStep, layersOf, type StepResult, type StepSetup, trainingStep } from './program.js'
import type { Task } from './task.js'
import type { TrainingRecord } from './training-record.js'

/** A scalar of the context of steps: a number, or a number for each step. */
export type ScalarSource = number | ((progress: { readonly step: number; readonly epoch: number }) => number)

/** Arguments of a {@link Stepper}. */
export interface StepperOptions<B> {
  readonly task: Task<B>
  readonly feed: Feed<B>
  readonly meter: Meter
  readonly record: TrainingRecord
  readonly scalars: Readonly<Record<string, ScalarSource>>
  readonly allowUnused: boolean | readonly string[]
  /** Evaluators on batches; undefined without tracking. */
  readonly attachments: readonly Attachment[] | undefined
  /** Return the segment of every batch. */
  readonly raw: boolean
  /** Return loss and logs of every batch. */
  readonly logs: boolean
  /** Whether the losses of the run are plotted. */
  readonly needsLoss: boolean
  /** Called with the evaluators' smallest number of samples, for a batch with fewer. */
  tooSmall(needed: number): void
}

/** Starts steps. */
export class Stepper<B> {
  readonly #options: StepperOptions<B>
  readonly #setup: StepSetup<B>
  /** Compiled steps by their evaluators. */
  readonly #compiled = new Map<string, CompiledStep>()
  readonly #assigned = new Set<Observable>()
  readonly #sources: readonly (readonly [name: string, source: ScalarSource])[]

  constructor(options: StepperOptions<B>) {
    const { task, feed, meter, record, scalars, allowUnused, needsLoss } = options
    this.#options = options
    this.#sources = Object.entries(scalars)
    this.#setup = {
      task,
      feed,
      meter,
      rng: record.rng,
      scalars: Object.keys(scalars),
      allowUnused,
      needsLoss,
      onAssigned: (assigned) => {
        for (const variable of assigned) this.#assigned.add(variable)
      },
    }
  }

  /** Variables that steps assigned. */
  get assigned(): ReadonlySet<Observable> {
    return this.#assigned
  }

  /** Starts the step of a batch. @param due numbers of the evaluators that are evaluated on it */
  start(due: readonly number[], input: object): Promise<StepResult> {
    const { task, record } = this.#options
    const step = this.#stepFor(due)
    if (task.usesClock === false) {
      record.steps++
      return step(input)
    }
    const clock = this.#clock()
    record.steps++
    return step(input, clock)
  }

  /** The plan of a step as text; nothing runs. @param due as {@link start} has it */
  explain(due: readonly number[], input: object): string {
    const step = this.#stepFor(due)
    return this.#options.task.usesClock === false ? step.explain(input) : step.explain(input, this.#clock())
  }

  /** Names of the layers in the segment of a batch. */
  layers(input: object): string[] {
    const { task, feed } = this.#options
    const names = (given: object, clock?: Tensor) => layersOf(this.#setup, feed.decode(given), clock)
    if (task.usesClock === false) return rehearse<[object], string[]>(names, input)
    return rehearse<[object, Tensor], string[]>(names, input, this.#clock())
  }

  /** Step, epoch and scalars of the next step. */
  #clock(): Float64Array {
    const { steps: step, epochs: epoch } = this.#options.record
    const values = this.#sources.map(([name, source]) => {
      const value = typeof source === 'function' ? source({ step, epoch }) : source
      if (Number.isFinite(value)) return value
      throw new ArgumentError(
        `fit: the scalar '${name}' is ${value} in step ${step}, expected a finite number`,
      )
    })
    return Float64Array.of(step, epoch, ...values)
  }

  /** The step that evaluates these evaluators, by their numbers. */
  #stepFor(due: readonly number[]): CompiledStep {
    const key = due.join()
    const known = this.#compiled.get(key)
    if (known !== undefined) return known
    const { attachments, logs, raw, tooSmall } = this.#options
    const step = trainingStep(this.#setup, {
      evaluators: due.map((index) => attachments?.[index]?.evaluator as Estimator),
      dynamics: attachments !== undefined && (due.length > 0 || attachments.length === 0),
      logs,
      segment: raw,
      tooSmall,
    })
    this.#compiled.set(key, step)
    return step
  }

  /** Releases the programs. */
  dispose(): void {
    for (const step of this.#compiled.values()) step.dispose()
  }
}
