/** Normalization, attention, interpolation and composed layers of the golden files in our API. */

import type { Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'

const input = (inputs: Tensors) => inputs.x as Tensor

/** The tensors that are there, under our names. */
function renamed(inputs: Tensors, names: Readonly<Record<string, string>>): Tensors {
  return Object.fromEntries(
    Object.entries(names).flatMap(([ours, theirs]) => {
      const tensor = inputs[theirs]
      return tensor === undefined ? [] : [[ours, tensor] as const]
    }),
  )
}

const normWeights = (inputs: Tensors) => renamed(inputs, { gamma: 'weight', beta: 'bias' })

const layerNorm: Operation = (inputs, { params: p }) => {
  const layer = new hg.LayerNorm({ axes: p.normalized_shape.length, eps: p.eps })
  return { y: layer.apply(normWeights(inputs), input(inputs)) }
}

const groupNorm: Operation = (inputs, { params: p }) => ({
  y: new hg.GroupNorm(p.num_groups, { eps: p.eps }).apply(normWeights(inputs), input(inputs)),
})

const rmsNorm: Operation = (inputs, { params: p }) => {
  const layer = new hg.RMSNorm({ axes: p.normalized_shape.length, eps: p.eps })
  return { y: layer.apply(normWeights(inputs), input(inputs)) }
}

const attention: Operation = ({ q, k, v, attn_mask: mask }, { params: p }) => {
  const { output, attention } = hg.scaledDotProductAttention(q as Tensor, k as Tensor, v as Tensor, {
    causal: p.causal,
    ...(p.scale === null ? {} : { scale: p.scale }),
    ...(mask === undefined ? {} : p.mask === 'bool' ? { mask } : { bias: mask }),
  })
  return { y: output, attention }
}

const multiHeadAttention: Operation = (inputs, { params: p }) => {
  const { in_w: kernels, in_b: biases } = inputs
  const parts = { query: 'q', key: 'k', value: 'v' } as const
  const weights = renamed(inputs, {
    outputKernel: 'o_w',
    outputBias: 'o_b',
    ...Object.fromEntries(
      Object.entries(parts).flatMap(([part, short]) => [
        [`${part}Kernel`, `${short}_w`],
        [`${part}Bias`, `${short}_b`],
      ]),
    ),
  })
  for (const [index, part] of Object.keys(parts).entries()) {
    if (kernels !== undefined) weights[`${part}Kernel`] = kernels.split(3, 0)[index] as Tensor
    if (biases !== undefined) weights[`${part}Bias`] = biases.split(3, 0)[index] as Tensor
  }
  const layer = new hg.MultiHeadAttention(p.num_heads, { causal: p.causal })
  const { query, key, value, attn_mask: bias, key_padding_mask: padding } = inputs
  const { output, attention } = layer.attend(weights as hg.MultiHeadAttentionWeights, {
    query: query as Tensor,
    ...(key === undefined ? {} : { key }),
    ...(value === undefined ? {} : { value }),
    ...(bias === undefined ? {} : { bias }),
    ...(padding === undefined ? {} : { keyMask: padding.logicalNot() }),
  })
  return { y: output, attention }
}

const upsample: Operation = (inputs, { params: p }) => {
  const layer = new hg.Upsample({
    ...(p.size === null ? { scale: p.scale } : { size: p.size }),
    mode: p.mode === 'nearest' ? 'nearest' : 'linear',
  })
  return { y: layer.apply({}, input(inputs)) }
}

const padding: Operation = (inputs, { params: p }) => {
  const { padding: flat, mode } = p as { padding: number[]; mode: 'zero' | 'reflect' | 'replicate' }
  // The last axis comes first there.
  const pairs = Array.from(
    { length: flat.length / 2 },
    (_, i) => flat.slice(2 * i, 2 * i + 2) as [number, number],
  ).reverse()
  const layer = new hg.Pad(pairs, { mode: mode === 'zero' ? 'constant' : mode })
  return { y: layer.apply({}, input(inputs)) }
}

const prelu: Operation = (inputs) => ({
  y: new hg.PReLU().apply({ slope: inputs.weight as Tensor }, input(inputs)),
})

const positionalEncoding: Operation = (inputs, { params: p }) => {
  const x = input(inputs)
  const layer = new hg.PositionalEncoding({ base: p.base, offset: p.offset })
  const zeros = hg.zeros([1, ...x.shape.slice(1)], { dtype: x.dtype as 'float64' })
  return { y: layer.apply({}, x), encoding: layer.apply({}, zeros).squeeze(0) }
}

const residualBlock: Operation = (inputs, { params: p }) => {
  const filters = (inputs.conv1_w as Tensor).shape[0] as number
  const conv = (size: number, stride: number) =>
    new hg.Conv2d(filters, size, { stride, padding: (size - 1) / 2, useBias: false })
  const norm = () => new hg.BatchNorm2d({ eps: p.eps })
  const block = new hg.Residual([conv(3, p.stride), norm(), new hg.Activation('relu'), conv(3, 1), norm()], {
    activation: 'relu',
    ...(p.projection ? { shortcut: [conv(1, p.stride), norm()] } : {}),
  })
  const weights = renamed(inputs, {
    'branch.0.kernel': 'conv1_w',
    'branch.1.gamma': 'bn1_w',
    'branch.1.beta': 'bn1_b',
    'branch.3.kernel': 'conv2_w',
    'branch.4.gamma': 'bn2_w',
    'branch.4.beta': 'bn2_b',
    'shortcut.0.kernel': 'convs_w',
    'shortcut.1.gamma': 'bns_w',
    'shortcut.1.beta': 'bns_b',
  })
  const state = renamed(inputs, {
    'branch.1.runningMean': 'mean1',
    'branch.1.runningVariance': 'var1',
    'branch.4.runningMean': 'mean2',
    'branch.4.runningVariance': 'var2',
    'shortcut.1.runningMean': 'means',
    'shortcut.1.runningVariance': 'vars',
  })
  return { y: block.apply(weights, input(inputs), { training: p.training, state, update() {} }) }
}

/** Bidirectional layers over `[batch, time, features]`, one on the other. */
const bidirectional: Operation = (inputs, { params: p }) => {
  const lasts: (readonly Tensor[])[] = []
  let x = input(inputs)
  for (let level = 0; level < p.num_layers; level++) {
    const units = (inputs[`w_hh_l${level}`] as Tensor).shape[1] as number
    const options = { returnSequences: true }
    const layer = p.kind === 'gru' ? new hg.GRU(units, options) : new hg.LSTM(units, options)
    const both = new hg.Bidirectional(layer)
    const weights: Tensors = {}
    for (const [direction, ending] of [
      ['forward', `l${level}`],
      ['backward', `l${level}_reverse`],
    ]) {
      const [inputBias, recurrentBias] = [inputs[`b_ih_${ending}`], inputs[`b_hh_${ending}`]] as [
        Tensor,
        Tensor,
      ]
      weights[`${direction}.kernel`] = inputs[`w_ih_${ending}`] as Tensor
      weights[`${direction}.recurrentKernel`] = inputs[`w_hh_${ending}`] as Tensor
      weights[`${direction}.bias`] = p.kind === 'gru' ? inputBias : inputBias.add(recurrentBias)
      if (p.kind === 'gru') weights[`${direction}.recurrentBias`] = recurrentBias
    }
    const { forward, backward } = both.run(weights, x, hg.evalContext())
    lasts.push(forward.state, backward.state)
    x = both.apply(weights, x, hg.evalContext())
  }
  const [hn, cn] = [0, 1].map((i) => lasts.flatMap((state) => state[i] ?? []))
  return { y: x, hn: hg.stack(hn as Tensor[], 0), ...(cn?.length ? { cn: hg.stack(cn, 0) } : {}) }
}

const embedding: Operation = ({ weight, index }, { params: p }) => {
  const table = weight as Tensor
  const [rows, features] = table.shape as [number, number]
  const layer = new hg.Embedding(
    rows,
    features,
    p.padding_idx === null ? {} : { paddingIndex: p.padding_idx },
  )
  return { y: layer.apply({ kernel: table }, index as Tensor) }
}

const TRANSPOSED = [hg.ConvTranspose1d, hg.ConvTranspose2d, hg.ConvTranspose3d] as const

const convTranspose =
  (rank: 1 | 2 | 3): Operation =>
  (inputs, { params: p }) => {
    const kernel = inputs.weight as Tensor
    const Class = TRANSPOSED[rank - 1] as (typeof TRANSPOSED)[number]
    const { stride, padding, dilation, groups, output_padding: outputPadding } = p
    const layer = new Class((kernel.shape[1] as number) * groups, p.kernel, {
      stride,
      padding,
      dilation,
      groups,
      outputPadding,
    })
    const weights = renamed(inputs, { kernel: 'weight', bias: 'bias' })
    return { y: layer.apply(weights as hg.ConvWeights, input(inputs), hg.evalContext()) }
  }

const spectralNorm: Operation = ({ weight, u, v }, { params: p }) => {
  const iterations = p.training ? p.n_power_iterations : 0
  const got = hg.spectralNorm(weight as Tensor, u as Tensor, v as Tensor, { iterations, eps: p.eps })
  return { weight_sn: got.kernel, sigma: got.sigma, u_after: got.u, v_after: got.v }
}

const projections = ['query', 'key', 'value'] as const

const selfAttention: Operation = (inputs, { params: p }) => {
  const useSpectralNorm = inputs.query_u !== undefined
  const layer = new hg.SelfAttention2d({ useSpectralNorm })
  const x = input(inputs)
  layer.declare(x.shape.slice(1))
  const inner = useSpectralNorm ? 'layer.' : ''
  const given = renamed(inputs, {
    gamma: 'gamma',
    ...Object.fromEntries(
      projections.flatMap((part) => [
        [`${part}.${inner}kernel`, `${part}_w`],
        [`${part}.${inner}bias`, `${part}_b`],
      ]),
    ),
  })
  const names = { gamma: 'd_gamma' } as Record<string, string>
  for (const part of projections) {
    names[`${part}.kernel`] = `d_${part}_w`
    names[`${part}.bias`] = `d_${part}_b`
  }
  const added = renamed(inputs, names)
  const weights = Object.fromEntries(
    Object.entries(given).map(([path, w]) => [path, added[path] === undefined ? w : w.add(added[path])]),
  )
  const vectors = projections.flatMap((part) => [`${part}.u`, `${part}.v`])
  const state = renamed(inputs, Object.fromEntries(vectors.map((path) => [path, path.replace('.', '_')])))
  const after = { ...state }
  const update = (path: string, value: Tensor) => {
    after[path] = value
  }
  const { output, attention } = layer.attend(weights, x, { training: p.training ?? false, state, update })
  const kept = Object.entries(after).map(([path, value]) => [`${path.replace('.', '_')}_after`, value])
  return { y: output, attention, ...Object.fromEntries(kept) }
}

/** The state of a normalization that has seen nothing. */
const freshStatistics = (x: Tensor): Tensors => {
  const options = { dtype: x.dtype as 'float64' }
  const width = [x.shape[1] as number]
  return {
    runningMean: hg.zeros(width, options),
    runningVariance: hg.ones(width, options),
    batchesTracked: hg.zeros([], options),
  }
}

/** One layer with several sets of statistics, which the caller keeps. */
const scriptedBatchNorm: Operation = (inputs, { params: p }) => {
  const layer = new hg.BatchNorm1d({
    eps: p.eps,
    momentum: p.momentum,
    affine: p.affine,
    trackRunningStats: p.track_running_stats,
  })
  const outputs: Record<string, Tensor | { value: unknown }> = {}
  const first = inputs.x0 as Tensor
  const sets: Tensors[] = p.track_running_stats ? [freshStatistics(first)] : []
  const { given_mean: mean, given_var: variance } = inputs
  let handed: Tensors = {
    ...freshStatistics(first),
    ...(mean === undefined || variance === undefined ? {} : { runningMean: mean, runningVariance: variance }),
  }
  for (const step of p.script) {
    if (step.do === 'checkpoint_stats') {
      sets.push(freshStatistics(first))
      continue
    }
    const at = step.stats_id ?? sets.length - 1
    const state = step.given ? handed : (sets[at] ?? {})
    const next = { ...state }
    const weights = step.pass_weights === false ? {} : normWeights(inputs)
    outputs[step.out] = layer.apply(weights, inputs[step.x] as Tensor, {
      training: step.training,
      state,
      update: (name, value) => {
        next[name] = value.stopGradient()
      },
    })
    if (step.given) handed = next
    else if (sets[at] !== undefined) sets[at] = next
  }
  for (const [index, { runningMean, runningVariance }] of sets.entries()) {
    outputs[`stats_mean_${index}`] = runningMean as Tensor
    outputs[`stats_var_${index}`] = runningVariance as Tensor
  }
  outputs.given_mean_after = handed.runningMean as Tensor
  outputs.given_var_after = handed.runningVariance as Tensor
  outputs.num_stats = hg.full([], sets.length, { dtype: first.dtype as 'float64' })
  return outputs
}

/** Statistics that never change: the initial ones of a layer. */
const frozenStatistics: Operation = (inputs, { params: p }) => {
  const x = inputs.x0 as Tensor
  const layer = new hg.BatchNorm1d({ eps: p.eps })
  return { y: layer.apply(normWeights(inputs), x, hg.evalContext(freshStatistics(x))) }
}

/** Statistics as weights: a context passes them to the layer, and receives their new values. */
const learnableStatistics: Operation = (inputs, { params: p }) => {
  const x = input(inputs)
  const layer = new hg.BatchNorm1d({ eps: p.eps, momentum: p.momentum })
  const state = { ...freshStatistics(x), ...renamed(inputs, { runningMean: 'mean', runningVariance: 'var' }) }
  const after: Tensors = { ...state }
  const update = (name: string, value: Tensor) => {
    after[name] = value
  }
  const y = layer.apply(normWeights(inputs), x, { training: p.training, state, update })
  if (!p.training) return { y }
  return { y, mean_after: after.runningMean as Tensor, var_after: after.runningVariance as Tensor }
}

/** A module's shapes, as the golden files list them. */
const shapesOf = (layer: hg.Layer, input: hg.Shape) => {
  const output = layer.declare(input)
  return {
    param_shapes: { value: Object.values(layer.paramShapes) },
    output_shape: { value: output },
    num_params: { value: layer.countParams() },
  }
}

const denseBlockOf = ({ growth, layers, includeInput }: Params) =>
  new hg.DenseBlock({ growth, layers, includeInput })

const denseBlockShapes: Operation = (_, { params: p }) =>
  shapesOf(denseBlockOf(p), [p.in_channels, ...p.spatial])

const transitionShapes: Operation = (_, { params: p }) =>
  shapesOf(new hg.TransitionLayer(p.out_channels), [p.in_channels, ...p.spatial])

/** A layer of convolutions and normalizations, by our names for those of the files: `norm0` and `0`, for example. */
function normalized(
  layer: hg.Layer,
  inputs: Tensors,
  training: boolean,
  norms: [string, string, string][],
): Outputs {
  const weights: Tensors = {}
  const state: Tensors = {}
  for (const [name, w] of Object.entries(inputs)) {
    const [, conv, part] = /^(conv\d*)_([wb])$/.exec(name) ?? []
    if (conv !== undefined) weights[`${conv}.${part === 'w' ? 'kernel' : 'bias'}`] = w
  }
  for (const [ours, theirs, number] of norms) {
    weights[`${ours}.gamma`] = inputs[`${theirs}_w`] as Tensor
    weights[`${ours}.beta`] = inputs[`${theirs}_b`] as Tensor
    state[`${ours}.runningMean`] = inputs[`mean${number}`] as Tensor
    state[`${ours}.runningVariance`] = inputs[`var${number}`] as Tensor
    state[`${ours}.batchesTracked`] = hg.zeros([], { dtype: (inputs.x as Tensor).dtype as 'float64' })
  }
  const after = { ...state }
  const update = (path: string, value: Tensor) => {
    after[path] = value.stopGradient()
  }
  const y = layer.apply(weights, inputs.x as Tensor, { training, state, update })
  const kept = norms.flatMap(([ours, , number]) => [
    [`mean${number}_after`, after[`${ours}.runningMean`] as Tensor] as const,
    [`var${number}_after`, after[`${ours}.runningVariance`] as Tensor] as const,
  ])
  return { y, ...Object.fromEntries(kept) }
}

const denseBlock: Operation = (inputs, { params: p }) => {
  const norms: [string, string, string][] = p.includeInput
    ? Array.from({ length: p.layers }, (_, i) => [`norm${i}`, `bn${i}`, String(i)])
    : [['norm', 'bn', '']]
  return normalized(denseBlockOf(p), inputs, p.training, norms)
}

const transition: Operation = (inputs, { params: p }) =>
  normalized(new hg.TransitionLayer(p.out_channels), inputs, p.training, [['norm', 'bn', '']])

export const extraLayerOperations: Readonly<Record<string, Operation>> = {
  embedding,
  conv_transpose1d: convTranspose(1),
  conv_transpose2d: convTranspose(2),
  conv_transpose3d: convTranspose(3),
  layer_norm: layerNorm,
  group_norm: groupNorm,
  rms_norm: rmsNorm,
  scaled_dot_product_attention: attention,
  multi_head_attention: multiHeadAttention,
  upsample,
  pad_layer: padding,
  prelu,
  positional_encoding: positionalEncoding,
  residual_block: residualBlock,
  rnn_layer: bidirectional,
  dense_block_shapes: denseBlockShapes,
  dense_block: denseBlock,
  transition_shapes: transitionShapes,
  transition_layer: transition,
  spectral_norm: spectralNorm,
  self_attention_v2: selfAttention,
  self_attention_sn: selfAttention,
  hyp_batchnorm_layer: scriptedBatchNorm,
  bn_frozen_stats: frozenStatistics,
  bn_learnable_stats: learnableStatistics,
}
