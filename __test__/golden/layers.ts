/** Layers, activations and windows of the golden files in our API. */

import type { Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'

const input = (inputs: Tensors) => inputs.x as Tensor

/** The weights of torch under our names. */
function weightsOf({ weight, bias }: Tensors): hg.ConvWeights {
  return { kernel: weight as Tensor, ...(bias === undefined ? {} : { bias }) }
}

const linear: Operation = (inputs) => {
  const weights = weightsOf(inputs)
  const x = input(inputs)
  const [units, features] = weights.kernel.shape as [number, number]
  const layer = new hg.Dense(units, { useBias: weights.bias !== undefined })
  const y = layer.apply(weights, x.reshape([-1, features]), hg.evalContext())
  return { y: y.reshape([...x.shape.slice(0, -1), units]) }
}

const CONVOLUTIONS = [hg.Conv1d, hg.Conv2d, hg.Conv3d] as const

const conv =
  (rank: 1 | 2 | 3): Operation =>
  (inputs, { params: p }) => {
    const weights = weightsOf(inputs)
    const Class = CONVOLUTIONS[rank - 1] as (typeof CONVOLUTIONS)[number]
    const { stride, padding, dilation, groups } = p
    const options = { stride, padding, dilation, groups, useBias: p.bias }
    const layer = new Class(weights.kernel.shape[0] as number, p.kernel, options)
    return { y: layer.apply(weights, input(inputs), hg.evalContext()) }
  }

const MAX_POOLS = [hg.MaxPool1d, hg.MaxPool2d, hg.MaxPool3d] as const
const AVG_POOLS = [hg.AvgPool1d, hg.AvgPool2d, hg.AvgPool3d] as const

const maxPool =
  (rank: 1 | 2 | 3): Operation =>
  (inputs, { params: p }) => {
    const x = input(inputs)
    const options = { stride: p.stride, padding: p.padding, dilation: p.dilation, ceilMode: p.ceil_mode }
    const Class = MAX_POOLS[rank - 1] as (typeof MAX_POOLS)[number]
    const { indices } = hg.maxPoolWithIndices(x, { kernelSize: p.kernel, ...options })
    return { y: new Class(p.kernel, options).apply({}, x), indices }
  }

const avgPool =
  (rank: 1 | 2 | 3): Operation =>
  (inputs, { params: p }) => {
    const Class = AVG_POOLS[rank - 1] as (typeof AVG_POOLS)[number]
    const { stride, padding, ceil_mode: ceilMode, count_include_pad: countIncludePad } = p
    const layer = new Class(p.kernel, { stride, padding, ceilMode, countIncludePad })
    return { y: layer.apply({}, input(inputs)) }
  }

const NORMALIZATIONS = [hg.BatchNorm1d, hg.BatchNorm2d, hg.BatchNorm3d] as const

/** Feeds x0, x1, ... in turn; the output is that of the last one. */
const batchNorm: Operation = (inputs, { params: p }) => {
  const Class = NORMALIZATIONS[p.nd - 1] as (typeof NORMALIZATIONS)[number]
  const { eps, momentum, affine, track_running_stats: trackRunningStats } = p
  const layer = new Class({ eps, momentum, affine, trackRunningStats })
  const { weight: gamma, bias: beta, running_mean: runningMean, running_var: runningVariance } = inputs
  const weights = { ...(gamma === undefined ? {} : { gamma }), ...(beta === undefined ? {} : { beta }) }
  let state: Tensors = {}
  if (runningMean !== undefined && runningVariance !== undefined) {
    state = { runningMean, runningVariance, batchesTracked: hg.zeros([], { dtype: runningMean.dtype }) }
  }
  const outputs: Outputs = {}
  for (let batch = 0; batch < p.num_batches; batch++) {
    const next = { ...state }
    const update = (name: string, value: Tensor) => {
      next[name] = value
    }
    outputs.y = layer.apply(weights, inputs[`x${batch}`] as Tensor, { training: p.training, state, update })
    state = next
  }
  if (!trackRunningStats) return outputs
  const { runningMean: mean, runningVariance: variance, batchesTracked } = state
  return {
    ...outputs,
    running_mean: mean as Tensor,
    running_var: variance as Tensor,
    num_batches_tracked: batchesTracked as Tensor,
  }
}

/** torch's softplus(beta x) / beta, linear if beta x is above the threshold. */
function softplus(x: Tensor, { beta, threshold }: Params): Tensor {
  const scaled = x.mul(beta)
  return hg.where(scaled.greater(threshold), x, hg.softplus(scaled).div(beta))
}

const ACTIVATIONS: Readonly<Record<string, (x: Tensor, p: Params) => Tensor>> = {
  relu: (x) => hg.relu(x),
  leaky_relu: (x, p) => hg.leakyRelu(x, p.negative_slope),
  elu: (x, p) => hg.elu(x, p.alpha),
  selu: (x) => hg.selu(x),
  gelu: (x, p) => hg.gelu(x, { approximate: p.approximate === 'tanh' }),
  silu: (x) => hg.silu(x),
  tanh: (x) => hg.tanh(x),
  sigmoid: (x) => hg.sigmoid(x),
  softplus,
  softmax: (x, p) => hg.softmax(x, p.dim),
  log_softmax: (x, p) => hg.logSoftmax(x, p.dim),
  logsigmoid: (x) => hg.logSigmoid(x),
  mish: (x) => hg.mish(x),
  hardswish: (x) => hg.hardSwish(x),
  hardsigmoid: (x) => hg.hardSigmoid(x),
  relu6: (x) => hg.relu6(x),
  softsign: (x) => hg.softsign(x),
  hardtanh: (x, p) => hg.hardTanh(x, p.min, p.max),
  celu: (x, p) => hg.celu(x, p.alpha),
}

const activation: Operation = (inputs, { params: p }) => {
  const f = ACTIVATIONS[String(p.fn)]
  if (f === undefined) throw new Error(`no activation ${p.fn}`)
  return { y: f(input(inputs), p) }
}

const localConv2d: Operation = ({ x, filters, bias }, { params: p }) => {
  const kernel = filters as Tensor
  const options = { stride: p.stride, padding: p.padding, useBias: p.bias }
  const layer = new hg.LocallyConnected2d(kernel.shape[0] as number, p.kernel, options)
  const weights = { kernel, ...(bias === undefined ? {} : { bias }) }
  return { y: layer.apply(weights, x as Tensor, hg.evalContext()) }
}

/** A recurrent layer for a kind of torch's, and its weights from torch's; `ending` is that of their names. */
function recurrent(kind: string, inputs: Tensors, ending: string) {
  const kernel = inputs[`w_ih${ending}`] as Tensor
  const recurrentKernel = inputs[`w_hh${ending}`] as Tensor
  const units = recurrentKernel.shape[1] as number
  const [inputBias, recurrentBias] = [inputs[`b_ih${ending}`], inputs[`b_hh${ending}`]]
  const options = { useBias: inputBias !== undefined }
  if (kind === 'gru') {
    const biases = inputBias === undefined ? {} : { bias: inputBias, recurrentBias: recurrentBias as Tensor }
    return { layer: new hg.GRU(units, options), weights: { kernel, recurrentKernel, ...biases } }
  }
  const bias = inputBias === undefined ? {} : { bias: inputBias.add(recurrentBias as Tensor) }
  const activation = kind === 'rnn_relu' ? 'relu' : 'tanh'
  const layer = kind === 'lstm' ? new hg.LSTM(units, options) : new hg.RNN(units, { ...options, activation })
  return { layer, weights: { kernel, recurrentKernel, ...bias } }
}

const rnnCell: Operation = (inputs, { params: p }) => {
  const { layer, weights } = recurrent(p.cell, inputs, '')
  const { h0, c0 } = inputs as { h0: Tensor; c0?: Tensor }
  const { state } = layer.run(weights, input(inputs).expandDims(1), c0 === undefined ? [h0] : [h0, c0])
  const [h, c] = state
  return c === undefined ? { h } : { h, c }
}

/** Layers over `[time, batch, features]`, each forwards and, with a second set of weights, backwards. */
const rnnSequence: Operation = (inputs, { params: p }) => {
  const endings = p.bidirectional ? ['', '_reverse'] : ['']
  const lasts: Tensor[][] = []
  let x = input(inputs)
  for (let level = 0; level < p.num_layers; level++) {
    const both = endings.map((ending) => {
      const { layer, weights } = recurrent(p.kind, inputs, `_l${level}${ending}`)
      const at = lasts.length
      const initial = [inputs.h0, inputs.c0].flatMap((s) =>
        s === undefined ? [] : [s.slice([at], [at + 1]).squeeze(0)],
      )
      const backwards = ending === '_reverse'
      const sequence = (backwards ? x.flip(0) : x).permute([1, 0, 2])
      const { outputs, state } = layer.run(weights, sequence, initial as unknown as hg.RecurrentState)
      lasts.push([...state])
      return hg.stack(backwards ? outputs.reverse() : outputs, 0)
    })
    x = hg.concat(both, 2)
  }
  const [hn, cn] = [0, 1].map((i) => lasts.flatMap((state) => state[i] ?? []))
  return { y: x, hn: hg.stack(hn as Tensor[], 0), ...(cn?.length ? { cn: hg.stack(cn, 0) } : {}) }
}

export const layerOperations: Readonly<Record<string, Operation>> = {
  linear,
  conv1d: conv(1),
  conv2d: conv(2),
  conv3d: conv(3),
  max_pool1d: maxPool(1),
  max_pool2d: maxPool(2),
  max_pool3d: maxPool(3),
  avg_pool1d: avgPool(1),
  avg_pool2d: avgPool(2),
  avg_pool3d: avgPool(3),
  adaptive_avg_pool2d: (inputs, c) => ({ y: hg.adaptiveAvgPool(input(inputs), c.params.output_size) }),
  batch_norm: batchNorm,
  activation,
  local_conv2d: localConv2d,
  rnn_cell: rnnCell,
  rnn_seq: rnnSequence,
}
