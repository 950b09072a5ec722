/** The steps of a task as compiled functions: the whole step of one batch as one program. */
import { ArgumentError, describe, StateError } from '../core/errors.js'
import { type Compiled, jit } from '../core/jit.js'
import { type Effects, type Observable, observed } from '../core/observer.js'
import { isPlainObject } from '../core/options.js'
import type { Variable } from '../core/variable.js'
import {
  type BatchMeasurement,
  classCounts,
  coordinates,
  doubtsOf,
  samplesNeeded,
} from '../dynamics/coordinates.js'
import type { Estimator, SegmentOptions } from '../estimators/estimator.js'
import { leavesOf } from '../nn/optim/leaves.js'
import { matching } from '../nn/paths.js'
import { concat, stack } from '../ops/index.js'
import { foldIn, key, splitKey } from '../ops/random.js'
import { Tensor } from '../ops/tensor.js'
import type { Feed } from './feed.js'
import type { Meter } from './meter.js'
import type { Outcome, StepContext, Task, TaskSegment } from './task.js'

/** Result of a step; the caller disposes of it. */
export type StepResult = BatchMeasurement & {
  /** float64 [N]: loss and logs of the batch, if requested. */
  logs?: Tensor
}

/** Releases the result of a step. */
export function release({ logs, dynamics, doubts, segment = [] }: StepResult): void {
  for (const result of [logs, dynamics, doubts, ...segment]) result?.dispose()
}

/** A compiled step: a function of the feed's arguments and, if the task uses it, the clock. */
export type CompiledStep = Compiled<[input: object, ...clock: Tensor[]], StepResult>

/** Further results of a training step. */
export interface StepOptions {
  readonly evaluators: readonly Estimator[]
  /** Return the dynamics of every batch. */
  readonly dynamics: boolean
  /** Return loss and logs of every batch. */
  readonly logs: boolean
  /** Return the segment of every batch. */
  readonly segment: boolean
  /** Called with the evaluators' smallest number of samples, for a step of batches with fewer. */
  readonly tooSmall?: (needed: number) => void
}

/** Common arguments of all steps of a run. */
export interface StepSetup<B> {
  readonly task: Task<B>
  readonly feed: Feed<B>
  readonly meter: Meter
  /** Random key of the training. */
  readonly rng: Variable
  /** Names of the scalars after step and epoch in the clock. */
  readonly scalars: readonly string[]
  /** Parameters that a step may leave unchanged: all, or the parameters at these paths and below. */
  readonly allowUnused: boolean | readonly string[]
  /** Whether a step without a loss is refused, because the losses are plotted. */
  readonly needsLoss: boolean
  /** Called with the Variables that a step assigns. */
  readonly onAssigned?: (assigned: ReadonlySet<Observable>) => void
}

/** The training step of a task, in one program per structure and shapes of batches. */
export function trainingStep<B>(setup: StepSetup<B>, options: StepOptions): CompiledStep {
  const { task, feed, meter } = setup
  return jit((input: object, ...[clock]: Tensor[]) => {
    const { result: outcome, effects } = observed(() =>
      checkOutcome(task.step(feed.decode(input), trainingContext(setup, clock, options.dynamics))),
    )
    if (setup.needsLoss && outcome.loss === undefined) {
      throw new StateError(
        'fit: showPlot draws losses, and the steps of this task return none; return { loss } from step, or leave showPlot out',
      )
    }
    checkReached(task, effects, setup.allowUnused)
    setup.onAssigned?.(effects.assigned)
    const values = meter.add(outcome, feed.sizeOf(input), options.logs)
    const result: StepResult = values.length > 0 ? { logs: logsOf(values) } : {}
    if (!options.dynamics) return result
    return { ...result, ...measurementOf(segmentOf(outcome, 'step'), options) }
  })
}

/** Names of the layers in a training step's segment; part of a rehearsal. */
export function layersOf<B>(setup: StepSetup<B>, batch: B, clock: Tensor | undefined): string[] {
  const outcome = checkOutcome(setup.task.step(batch, trainingContext(setup, clock, true)))
  return segmentOf(outcome, 'step').layers.map(([name]) => name)
}

/** The step of validation: loss and logs in evaluation mode, added to the meter. */
export function evaluationStep<B>(
  task: Task<B>,
  feed: Feed<B>,
  meter: Meter,
  seed: number,
): Compiled<[input: object], StepResult> {
  return jit((input: object) => {
    const outcome = evaluated(task, feed.decode(input), false, seed)
    meter.add(outcome, feed.sizeOf(input), false)
    return {}
  })
}

/** A task's outcome of a batch in evaluation mode; part of a step. */
export function evaluated<B>(task: Task<B>, batch: B, tracking: boolean, seed: number): Outcome {
  if (task.evaluate === undefined) {
    throw new StateError(
      `fit: the task ${nameOf(task)} has no evaluate(batch, ctx), which validation and evaluators after epochs need; give it one`,
    )
  }
  return checkOutcome(task.evaluate(batch, evaluationContext(tracking, seed)))
}

/** The list x, h1 .. hL, y of a segment. */
export function partsOf({ input, layers, target }: TaskSegment): Tensor[] {
  return [input, ...layers.map(([, output]) => output), target]
}

/** The evaluators' reading of a segment. */
export function segmentOptions({ kind }: TaskSegment): SegmentOptions {
  return kind === undefined ? {} : { target: kind }
}

/**
 * The segment of an outcome.
 *
 * @throws StateError for an outcome without a segment; ArgumentError for a value that is not a segment
 */
export function segmentOf({ segment }: Outcome, who: string): TaskSegment {
  if (segment === undefined) {
    throw new StateError(
      `fit: ${who} returned no segment for the evaluators; return { segment: { input, layers: [['name', output]], target } } if ctx.tracking is true`,
    )
  }
  const { input, layers, target } = segment
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && typeof pair[0] === 'string' && pair[1] instanceof Tensor
  if (input instanceof Tensor && target instanceof Tensor && Array.isArray(layers) && layers.every(isPair)) {
    const parts: [string, Tensor][] = layers.map(([name, output]) => [name, output.stopGradient()])
    return { ...segment, layers: parts }
  }
  throw new ArgumentError(
    `fit: ${who} gave ${describe(segment)} as segment, expected { input, layers: [['name', output]], target } of tensors`,
  )
}

function measurementOf(segment: TaskSegment, options: StepOptions): BatchMeasurement {
  const parts = partsOf(segment)
  const kind = segmentOptions(segment)
  const needed = samplesNeeded(options.evaluators, parts, kind)
  if ((segment.input.shape[0] as number) < needed) {
    options.tooSmall?.(needed)
    return {}
  }
  const values = coordinates(options.evaluators, parts, kind)
  const classes = classCounts(parts, kind)
  // One array, so that a step reads once; counts of a batch are exact in float32.
  const dynamics = classes === undefined ? values : concat([values.flatten(), classes.cast('float32')])
  const result: BatchMeasurement = { dynamics }
  const doubts = doubtsOf(options.evaluators, parts)
  if (doubts !== undefined) result.doubts = doubts
  if (options.segment) result.segment = parts
  return result
}

function logsOf(values: readonly Tensor[]): Tensor {
  return stack(values.map((value) => value.cast('float64')))
}

function checkOutcome(outcome: Outcome): Outcome {
  if (isPlainObject(outcome)) return outcome
  throw new ArgumentError(
    `fit: a step gave ${describe(outcome)}, expected an object such as { loss, logs: { accuracy } }`,
  )
}

/** The name of a task's class, for messages. */
export function nameOf(task: object): string {
  const { name } = task.constructor ?? {}
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : 'given'
}

/**
 * Refuses a step that leaves parameters unchanged, and permissions for parameters that do not exist.
 *
 * @throws StateError naming them; UnknownNameError for a permission without a parameter
 */
function checkReached(task: Task<never>, effects: Effects, allowed: boolean | readonly string[]): void {
  if (allowed === true) return
  const { assigned, reached, unreached } = effects
  if (allowed !== false) {
    const paths = [task.parameters, task.state ?? {}].flatMap((tree) =>
      leavesOf<Variable>(tree).map(({ path }) => path),
    )
    for (const start of allowed) matching('allowUnused', start, paths)
  }
  const isAllowed = (path: string) =>
    allowed !== false && allowed.some((start) => path === start || path.startsWith(`${start}.`))
  const trained = leavesOf<Variable>(task.parameters).filter(
    ({ path, value }) => value.trainable && !isAllowed(path),
  )
  const isCut = (value: Variable) => unreached.has(value) && !reached.has(value)
  const cut = trained.filter(({ value }) => isCut(value))
  const idle = cut.length > 0 ? cut : trained.filter(({ value }) => !assigned.has(value))
  if (idle.length === 0) return
  const reason =
    cut.length > 0
      ? `no gradient reaches ${named(idle)}, so the loss would train without changing ${idle.length > 1 ? 'them' : 'it'}; look for stopGradient, integer dtypes and layers that are not run`
      : `no step changes ${named(idle)}; give ${idle.length > 1 ? 'them' : 'it'} to an optimizer`
  throw new StateError(`fit: ${reason}, or say that it is meant: allowUnused: true, or a list of paths`)
}

function named(parameters: readonly { path: string }[]): string {
  const paths = parameters.map(({ path }) => `'${path}'`)
  const shown = paths.slice(0, 8).join(', ')
  return paths.length > 8 ? `${shown} and ${paths.length - 8} more` : shown
}

/** The context of a training step. */
function trainingContext<B>(
  { task, rng, scalars }: StepSetup<B>,
  clock: Tensor | undefined,
  tracking: boolean,
): StepContext {
  let own: Tensor | undefined
  const entry = (index: number) => {
    if (clock !== undefined) return clock.slice([index], [index + 1]).reshape([])
    throw new StateError(
      `fit: the task ${nameOf(task)} has usesClock: false, but its step reads step, epoch or scalars; leave usesClock out`,
    )
  }
  return {
    // Drawn at the first request: a task without random numbers does not advance the random stream.
    get key() {
      if (own === undefined) {
        const [use, next] = splitKey(rng.value) as [Tensor, Tensor]
        rng.assign(next)
        own = use
      }
      return own
    },
    get step() {
      return entry(0).cast('int32')
    },
    get epoch() {
      return entry(1).cast('int32')
    },
    get scalars() {
      return namedScalars(scalars, (index) => entry(2 + index).cast('float32'))
    },
    training: true,
    tracking,
  }
}

/** Scalars by name, which refuse names that were not given to `fit`. */
function namedScalars(names: readonly string[], at: (index: number) => Tensor): Record<string, Tensor> {
  const values = Object.fromEntries(names.map((name, index) => [name, at(index)]))
  return new Proxy(values, {
    get(own, name) {
      if (typeof name === 'symbol' || Object.hasOwn(own, name)) return Reflect.get(own, name)
      throw new ArgumentError(
        `fit: the step reads ctx.scalars.${name}, which fit was not given; add it to the option scalars, such as { ${name}: 0.1 }`,
      )
    },
  })
}

/** The context of a step in evaluation mode. */
function evaluationContext(tracking: boolean, seed: number): StepContext {
  const refuse = (name: string) =>
    new StateError(
      `fit: evaluate reads ctx.${name}, which is there in training only; keep in state what evaluation needs`,
    )
  return {
    get key() {
      return foldIn(key(seed), 2)
    },
    get step(): never {
      throw refuse('step')
    },
    get epoch(): never {
      throw refuse('epoch')
    },
    get scalars(): never {
      throw refuse('scalars')
    },
    training: false,
    tracking,
  }
}
