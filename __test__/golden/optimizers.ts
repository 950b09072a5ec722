/** Optimizers, gradient clipping and learning-rate schedules of the golden files in our API. */

import type { AnyOptimizerOptions, Optimizer, Schedule, Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation, Outputs } from './operation.js'

/** Our names of torch's options; other names are the same in both. */
const OPTION_NAMES: Readonly<Record<string, string>> = {
  lr: 'learningRate',
  weight_decay: 'weightDecay',
  lr_decay: 'lrDecay',
  initial_accumulator_value: 'initialAccumulator',
}

function optionsOf(kwargs: Params): AnyOptimizerOptions {
  return Object.fromEntries(
    Object.entries(kwargs).map(([name, value]) => [OPTION_NAMES[name] ?? name, value]),
  )
}

type OptimizerClass = new (
  options: AnyOptimizerOptions,
  groups?: readonly hg.ParameterGroup<AnyOptimizerOptions>[],
) => Optimizer

const OPTIMIZERS: Readonly<Record<string, OptimizerClass>> = {
  sgd: hg.SGD,
  adam: hg.Adam,
  adamw: hg.AdamW,
  rmsprop: hg.RMSprop,
  adadelta: hg.Adadelta,
  adagrad: hg.Adagrad,
}

interface Group {
  readonly params: readonly number[]
  readonly [option: string]: unknown
}

function makeOptimizer(p: Params): Optimizer {
  const Class = OPTIMIZERS[String(p.optimizer)]
  if (Class === undefined) throw new Error(`no optimizer ${p.optimizer}`)
  const groups = ((p.groups ?? []) as Group[]).map(({ params, ...options }) => ({
    params: params.map((index) => `p${index}`),
    ...optionsOf(options),
  }))
  return new Class(optionsOf(p.kwargs), groups)
}

/** Parameters after each step, by the pure update. */
const optimizer: Operation = (inputs, { params: p }) => {
  const names = Array.from({ length: p.num_params }, (_, index) => `p${index}`)
  const update = makeOptimizer(p)
  const outputs: Outputs = {}
  let params = Object.fromEntries(names.map((name) => [name, inputs[name] as Tensor]))
  let state = update.init(params)
  for (let step = 0; step < p.num_steps; step++) {
    const grads = Object.fromEntries(
      names.map((name, index) => [name, inputs[`g${step}_${index}`] as Tensor]),
    )
    const result = update.update(grads, state, params)
    const { delta } = result
    params = Object.fromEntries(
      names.map((name) => [name, (params[name] as Tensor).add(delta[name] as Tensor)]),
    )
    state = result.state
    for (const name of names) outputs[`${name}_after${step + 1}`] = params[name] as Tensor
  }
  return outputs
}

const clipGrad: Operation = (inputs, { params: p }) => {
  const grads = Array.from({ length: p.num_params }, (_, index) => inputs[`g${index}`] as Tensor)
  const named = (clipped: Tensor[]) =>
    Object.fromEntries(clipped.map((grad, index) => [`clipped${index}`, grad]))
  if (p.kind === 'value') return named(hg.clipByValue(grads, p.max))
  const normType = p.norm_type === 'inf' ? Number.POSITIVE_INFINITY : p.norm_type
  const { clipped, norm } = hg.clipByNorm(grads, p.max, { normType })
  return { ...named(clipped), total_norm: norm }
}

const SCHEDULES: Readonly<Record<string, (k: Params) => Schedule>> = {
  StepLR: (k) => hg.stepLR({ stepSize: k.step_size, gamma: k.gamma }),
  MultiStepLR: (k) => hg.multiStepLR({ milestones: k.milestones, gamma: k.gamma }),
  ExponentialLR: (k) => hg.exponentialLR({ gamma: k.gamma }),
  CosineAnnealingLR: (k) => hg.cosineLR({ period: k.T_max, minRate: k.eta_min }),
  LinearLR: (k) =>
    hg.linearLR({ startFactor: k.start_factor, endFactor: k.end_factor, totalEpochs: k.total_iters }),
  CosineAnnealingWarmRestarts: (k) =>
    hg.cosineRestartsLR({ period: k.T_0, multiplier: k.T_mult, minRate: k.eta_min }),
  OneCycleLR: (k) => hg.oneCycleLR({ maxRate: k.max_lr, totalSteps: k.total_steps, riseShare: k.pct_start }),
  PolynomialLR: (k) => hg.polynomialLR({ totalEpochs: k.total_iters, power: k.power }),
  lambda_lr_schedule: () => hg.residualNetworkLR(),
}

/** The learning rate before epoch 0 and after each epoch. */
const schedule: Operation = (_inputs, { params: p }) => {
  if (p.schedule === 'ReduceLROnPlateau') {
    const plateau = new hg.ReduceLROnPlateau(p.lr, p.kwargs)
    return { lr: { value: [plateau.rate, ...(p.metrics as number[]).map((metric) => plateau.step(metric))] } }
  }
  const make = SCHEDULES[String(p.schedule)]
  if (make === undefined) throw new Error(`no schedule ${p.schedule}`)
  const rate = make(p.kwargs ?? {})
  const epochs: number[] = p.at_epochs ?? Array.from({ length: p.num_epochs + 1 }, (_, epoch) => epoch)
  return { lr: { value: epochs.map((epoch) => rate(p.lr, epoch)) } }
}

export const optimizerOperations: Readonly<Record<string, Operation>> = {
  optimizer,
  clip_grad: clipGrad,
  lr_schedule: schedule,
}
