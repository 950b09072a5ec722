import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import { type Checks, checkOptions, isInstance, oneOf, text } from '../../core/options.js'
import type { Optimizer } from '../../nn/optim/optimizer.js'
import { type PlateauState, ReduceLROnPlateau } from '../../nn/optim/plateau.js'
import type { Schedule } from '../../nn/optim/schedules.js'
import type { EpochLogs } from '../results.js'
import { type Callback, type CallbackState, checkContext, type FitContext } from './callback.js'
import { type Monitored, monitored, monitoredDirection, readMonitored, remembered } from './monitor.js'

/** Options of {@link LearningRate}. */
export interface LearningRateOptions {
  /** Whether the schedule's argument is the epoch or the step, counted from the beginning of the fit. Default 'epoch'. */
  per?: 'epoch' | 'step'
  /** The number of a plateau. Default 'validationLoss'. */
  monitor?: Monitored
  /** Name of the optimizer, for a task with several. Default: all optimizers. */
  optimizer?: string
}

const checks: Checks<LearningRateOptions> = {
  per: oneOf('epoch', 'step'),
  monitor: monitored,
  optimizer: text,
}

interface Data {
  readonly steps: number
  readonly plateau: PlateauState | null
}

/**
 * Sets the learning rate by a schedule, or lowers it on a plateau. The compiled step stays the same.
 *
 *     callbacks: [new LearningRate(cosineLR({ period: 50 }))]
 *     callbacks: [new LearningRate(oneCycleLR({ maxRate: 0.1, totalSteps: 1000 }), { per: 'step' })]
 *     callbacks: [new LearningRate(new ReduceLROnPlateau(0.01, { patience: 3 }))]
 *
 * A schedule's base rate is the optimizer's rate at its construction.
 *
 * @throws ArgumentError for a value that is neither a schedule nor a plateau, and for a plateau whose mode contradicts what it monitors
 */
export class LearningRate implements Callback {
  readonly #rule: Schedule | ReduceLROnPlateau
  readonly #per: 'epoch' | 'step'
  readonly #monitor: Monitored
  readonly #optimizer: string | undefined
  /** Steps of this fit so far. */
  #steps = 0

  constructor(rule: Schedule | ReduceLROnPlateau, options: LearningRateOptions = {}) {
    const {
      per = 'epoch',
      monitor = 'validationLoss',
      optimizer,
    } = checkOptions('LearningRate', options, checks)
    if (typeof rule !== 'function' && !isInstance(rule, ReduceLROnPlateau)) {
      throw new ArgumentError(
        `LearningRate: given ${describe(rule)}, expected a schedule such as cosineLR({ period: 50 }), or a ReduceLROnPlateau`,
      )
    }
    if (typeof rule !== 'function') checkDirection(rule, monitor)
    this.#rule = rule
    this.#per = per
    this.#monitor = monitor
    this.#optimizer = optimizer
  }

  onTrainBegin(_info: unknown, context: FitContext): void {
    this.#steps = 0
    const rule = this.#rule
    const chosen = this.#chosen(context)
    if (typeof rule !== 'function') for (const optimizer of chosen) optimizer.learningRate = rule.rate
  }

  onEpochBegin(epoch: number, context: FitContext): void {
    if (this.#per === 'epoch') this.#set(epoch, context)
  }

  onBatchBegin(_batch: number, context: FitContext): void {
    if (this.#per === 'step') this.#set(this.#steps++, context)
  }

  onEpochEnd(_epoch: number, logs: EpochLogs, context: FitContext): void {
    const rule = this.#rule
    if (typeof rule === 'function') return
    const rate = rule.step(readMonitored('LearningRate', this.#monitor, logs))
    for (const optimizer of this.#chosen(context)) optimizer.learningRate = rate
  }

  save(): CallbackState {
    const rule = this.#rule
    const data: Data = { steps: this.#steps, plateau: typeof rule === 'function' ? null : rule.state }
    return { data }
  }

  load(state: CallbackState): void {
    const { steps = 0, plateau = null } = remembered<Data>('LearningRate', state)
    this.#steps = steps
    if (plateau !== null && typeof this.#rule !== 'function') this.#rule.state = plateau
  }

  #set(index: number, context: FitContext): void {
    const rule = this.#rule
    if (typeof rule !== 'function') return
    for (const optimizer of this.#chosen(context)) {
      optimizer.learningRate = rule(optimizer.options.learningRate, index)
    }
  }

  #chosen(context: FitContext): Optimizer[] {
    const { optimizers } = checkContext('LearningRate', context)
    const name = this.#optimizer
    const names = Object.keys(optimizers)
    if (names.length === 0) {
      throw new ArgumentError(
        'LearningRate: the task has no optimizers, so there is no rate to set; name them in its optimizers',
      )
    }
    if (name === undefined) return Object.values(optimizers)
    const chosen = Object.hasOwn(optimizers, name) ? optimizers[name] : undefined
    if (chosen === undefined) throw unknownName('optimizer of the task', name, names)
    return [chosen]
  }
}

/** Throws for a plateau that would take better values of a metric for worse values. */
function checkDirection({ mode }: ReduceLROnPlateau, monitor: Monitored): void {
  if (typeof monitor === 'function') return
  const direction = monitoredDirection(monitor) ?? mode
  if (direction === mode) return
  const better = direction === 'max' ? 'larger' : 'smaller'
  throw new ArgumentError(
    `LearningRate: the plateau has mode '${mode}', and a ${better} '${monitor}' is better; make it with mode: '${direction}', or monitor a function of the logs`,
  )
}
