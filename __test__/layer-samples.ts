/** For every exported layer: arguments of its constructor with each option in it, and the shape of an input. */

import type { Shape } from '../ts/index.js'
import * as hg from '../ts/index.js'

/** One layer. */
export interface LayerSample {
  readonly args: () => unknown[]
  readonly input: Shape
  /** Whether the input holds indices from 0 to 3. */
  readonly isIndex?: boolean
}

const activated = { activation: 'tanh', name: 'mine' }
const weighted = {
  ...activated,
  useBias: true,
  kernelInitializer: 'glorotUniform',
  biasInitializer: 'zeros',
}
const windows = { stride: 1, padding: 1, ceilMode: true, name: 'mine' }
const steps = { ...weighted, recurrentInitializer: 'ones', returnSequences: true }
const gated = { ...steps, recurrentActivation: 'sigmoid' }
const convolution = { ...weighted, stride: 1, padding: 'same', dilation: 1, groups: 1 }
const transposed = { ...weighted, stride: 2, padding: 1, outputPadding: 1, dilation: 1, groups: 1 }
const depthwise = { ...weighted, multiplier: 2, stride: 1, padding: 'same', dilation: 1 }
const batchNorm = { eps: 1e-3, momentum: 0.2, affine: true, trackRunningStats: true, name: 'mine' }
const named = { name: 'mine' }
const dense = () => new hg.Dense(3, { activation: 'tanh' })
const attention = {
  ...weighted,
  causal: true,
  keyUnits: 2,
  valueUnits: 3,
  units: 5,
  keyFeatures: 4,
  valueFeatures: 4,
  dropout: 0.1,
}
const { activation: _, ...attentionOptions } = attention

export const layerSamples: Readonly<Record<string, LayerSample>> = {
  Activation: { args: () => ['leakyRelu', { slope: 0.2, name: 'mine' }], input: [3] },
  AvgPool1d: { args: () => [2, { ...windows, countIncludePad: false }], input: [2, 5] },
  AvgPool2d: { args: () => [[2, 2], { ...windows, countIncludePad: false }], input: [2, 5, 5] },
  AvgPool3d: { args: () => [2, { ...windows, countIncludePad: false }], input: [1, 3, 3, 3] },
  BatchNorm1d: { args: () => [batchNorm], input: [3] },
  BatchNorm2d: { args: () => [batchNorm], input: [2, 3, 3] },
  BatchNorm3d: { args: () => [{ ...batchNorm, momentum: null }], input: [1, 2, 2, 2] },
  Bidirectional: {
    args: () => [new hg.LSTM(2, gated as object), { merge: 'mean', ...named }],
    input: [3, 2],
  },
  Chain: { args: () => [[dense(), new hg.Dropout(0.5), dense()], named], input: [3] },
  Concatenate: { args: () => [[dense(), new hg.Dense(2)], { axis: 0, ...named }], input: [3] },
  Conv1d: { args: () => [2, 3, convolution], input: [2, 5] },
  Conv2d: {
    args: () => [
      2,
      [3, 3],
      {
        ...convolution,
        padding: [
          [1, 1],
          [0, 1],
        ],
      },
    ],
    input: [2, 5, 5],
  },
  Conv3d: { args: () => [1, 2, convolution], input: [1, 3, 3, 3] },
  ConvTranspose1d: { args: () => [2, 3, transposed], input: [2, 3] },
  ConvTranspose2d: { args: () => [2, [3, 2], { ...transposed, stride: [2, 3] }], input: [2, 3, 3] },
  ConvTranspose3d: { args: () => [1, 3, transposed], input: [1, 2, 2, 2] },
  Dense: { args: () => [2, weighted], input: [3] },
  DenseBlock: { args: () => [{ growth: 2, layers: 3, includeInput: true, ...named }], input: [2, 3, 3] },
  DepthwiseConv1d: { args: () => [3, depthwise], input: [2, 5] },
  DepthwiseConv2d: { args: () => [[3, 2], depthwise], input: [2, 4, 4] },
  Dropout: { args: () => [0.5, named], input: [3] },
  Embedding: {
    args: () => [4, 3, { paddingIndex: 1, kernelInitializer: 'normal', ...named }],
    input: [3],
    isIndex: true,
  },
  Flatten: { args: () => [named], input: [2, 3] },
  GRU: { args: () => [2, gated], input: [3, 2] },
  GaussianNoise: { args: () => [0.1, named], input: [3] },
  GlobalAvgPool: { args: () => [named], input: [2, 3, 3] },
  GlobalMaxPool: { args: () => [named], input: [2, 3, 3] },
  GroupNorm: { args: () => [2, { eps: 1e-3, affine: true, ...named }], input: [4, 3] },
  HSICOutput: { args: () => [2, weighted], input: [3] },
  InstanceNorm: { args: () => [{ eps: 1e-3, affine: true, ...named }], input: [2, 3] },
  LSTM: { args: () => [2, gated], input: [3, 2] },
  LayerNorm: { args: () => [{ axes: 2, eps: 1e-3, useScale: true, useBias: true, ...named }], input: [2, 3] },
  LocallyConnected2d: { args: () => [2, 2, { ...weighted, stride: 1, padding: 0 }], input: [1, 4, 4] },
  MaxPool1d: { args: () => [2, { ...windows, dilation: 1 }], input: [2, 5] },
  MaxPool2d: { args: () => [[2, 2], { ...windows, dilation: [1, 1] }], input: [2, 5, 5] },
  MaxPool3d: { args: () => [2, { ...windows, dilation: 1 }], input: [1, 3, 3, 3] },
  MultiHeadAttention: { args: () => [2, attentionOptions], input: [3, 4] },
  PReLU: { args: () => [{ shared: true, slopeInitializer: 'ones', ...named }], input: [3] },
  Pad: {
    args: () => [
      [
        [0, 1],
        [2, 0],
      ],
      { mode: 'constant', value: 2, ...named },
    ],
    input: [2, 3, 3],
  },
  Parallel: { args: () => [[dense(), dense()], { merge: 'product', ...named }], input: [3] },
  Permute: { args: () => [[1, 0], named], input: [2, 3] },
  PositionalEncoding: { args: () => [{ base: 100, offset: 2, ...named }], input: [3, 4] },
  Quantized: { args: () => [dense(), { levels: 3, range: [-1, 1], rule: 'round', ...named }], input: [3] },
  RMSNorm: { args: () => [{ axes: 1, eps: 1e-3, useScale: true, ...named }], input: [3] },
  RNN: { args: () => [2, steps], input: [3, 2] },
  Reshape: { args: () => [[3, -1], named], input: [2, 6] },
  Residual: {
    args: () => [[dense(), dense()], { shortcut: new hg.Dense(3), activation: 'relu', ...named }],
    input: [2],
  },
  SelfAttention2d: { args: () => [{ reduction: 2, useSpectralNorm: true, ...named }], input: [4, 2, 2] },
  SeparableConv1d: { args: () => [3, 3, depthwise], input: [2, 5] },
  SeparableConv2d: { args: () => [3, [3, 2], depthwise], input: [2, 4, 4] },
  SpatialDropout: { args: () => [0.5, named], input: [2, 3] },
  SpectralNorm: { args: () => [dense(), { iterations: 2, eps: 1e-10, ...named }], input: [4] },
  TimeDistributed: { args: () => [dense(), named], input: [3, 2] },
  TransitionLayer: { args: () => [3, named], input: [2, 5, 4] },
  Upsample: { args: () => [{ scale: [2, 3], mode: 'linear', ...named }], input: [1, 2, 2] },
}

/** The exported concrete classes of layers, by name. */
export function layerClasses(): [string, new (...args: unknown[]) => hg.Layer][] {
  const bases = new Set<unknown>(
    Object.values(hg).flatMap((value) => {
      const parent: unknown = typeof value === 'function' ? Object.getPrototypeOf(value) : undefined
      return typeof parent === 'function' ? [parent] : []
    }),
  )
  // It is there to be made as well as extended.
  bases.delete(hg.Dense)
  return Object.entries(hg).flatMap(([name, value]) => {
    const isLayer = typeof value === 'function' && value.prototype instanceof hg.Layer
    return isLayer && !bases.has(value) ? [[name, value as new (...args: unknown[]) => hg.Layer]] : []
  })
}

/** An input of a sample, `[2, ...input]`. */
export function inputOf({ input, isIndex = false }: LayerSample, dtype: 'float32' | 'float64' = 'float32') {
  const size = input.reduce((product, extent) => product * extent, 2)
  const values = Array.from({ length: size }, (_, i) => (isIndex ? i % 4 : Math.sin(1 + 2.3 * i)))
  return hg.tensor(values, { shape: [2, ...input], dtype })
}
