/**
 * Operations as methods of Tensor: the free function with the tensor as first argument. One list defines both the methods and their types.
 */

import { Tensor } from '../core/tensor.js'
import * as activations from './activations.js'
import * as elementwise from './elementwise.js'
import * as ops from './index.js'

// A square root with another derivative is available only as a function.
const { sqrtAtZero: _, ...ofElements } = elementwise

const methods = {
  ...ofElements,
  all: ops.all,
  any: ops.any,
  argMax: ops.argMax,
  argMin: ops.argMin,
  cumprod: ops.cumprod,
  cumsum: ops.cumsum,
  logSumExp: ops.logSumExp,
  max: ops.max,
  mean: ops.mean,
  min: ops.min,
  norm: ops.norm,
  prod: ops.prod,
  std: ops.std,
  sum: ops.sum,
  variance: ops.variance,
  broadcastTo: ops.broadcastTo,
  expandDims: ops.expandDims,
  flatten: ops.flatten,
  flip: ops.flip,
  permute: ops.permute,
  repeat: ops.repeat,
  reshape: ops.reshape,
  roll: ops.roll,
  slice: ops.slice,
  split: ops.split,
  squeeze: ops.squeeze,
  transpose: ops.transpose,
  diag: ops.diag,
  diagonal: ops.diagonal,
  pad: ops.pad,
  trace: ops.trace,
  tril: ops.tril,
  triu: ops.triu,
  dot: ops.dot,
  matmul: ops.matmul,
  matmulT: ops.matmulT,
  outer: ops.outer,
  adaptiveAvgPool: ops.adaptiveAvgPool,
  avgPool: ops.avgPool,
  conv: ops.conv,
  convTranspose: ops.convTranspose,
  localConv: ops.localConv,
  maxPool: ops.maxPool,
  maxPoolWithIndices: ops.maxPoolWithIndices,
  unfold: ops.unfold,
  indexAdd: ops.indexAdd,
  maskedSelect: ops.maskedSelect,
  oneHot: ops.oneHot,
  scatter: ops.scatter,
  scatterAdd: ops.scatterAdd,
  take: ops.take,
  takeAlong: ops.takeAlong,
  argSort: ops.argSort,
  sort: ops.sort,
  to: ops.to,
  topK: ops.topK,
  uniqueRows: ops.uniqueRows,
  neighbors: ops.neighbors,
  countWithin: ops.countWithin,
  medianDistance: ops.medianDistance,
  cholesky: ops.cholesky,
  choleskySolve: ops.choleskySolve,
  det: ops.det,
  eigh: ops.eigh,
  inv: ops.inv,
  logDet: ops.logDet,
  solve: ops.solve,
  triangularSolve: ops.triangularSolve,
  cdist: ops.cdist,
  gaussianGram: ops.gaussianGram,
  layerNorm: ops.layerNorm,
  normalize: ops.normalize,
  squaredDistances: ops.squaredDistances,
  celu: activations.celu,
  elu: activations.elu,
  gelu: activations.gelu,
  hardSigmoid: activations.hardSigmoid,
  hardSwish: activations.hardSwish,
  hardTanh: activations.hardTanh,
  leakyRelu: activations.leakyRelu,
  logSigmoid: activations.logSigmoid,
  logSoftmax: activations.logSoftmax,
  mish: activations.mish,
  relu6: activations.relu6,
  selu: activations.selu,
  silu: activations.silu,
  softsign: activations.softsign,
  softmax: activations.softmax,
}

type Operations = typeof methods

/** A free function without its first argument. */
type MethodOf<F> = F extends (x: never, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never

/** The operations as methods. */
export type TensorMethods = { [Name in keyof Operations]: MethodOf<Operations[Name]> }

declare module '../core/tensor.js' {
  interface Tensor extends TensorMethods, Disposable {}
}

for (const [name, operation] of Object.entries(methods)) {
  const free = operation as (x: Tensor, ...rest: unknown[]) => unknown
  Object.defineProperty(Tensor.prototype, name, {
    value: function (this: Tensor, ...rest: unknown[]) {
      return free(this, ...rest)
    },
    writable: true,
    configurable: true,
  })
}
