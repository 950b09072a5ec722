/** Tensor operations and linear algebra of the golden files, in our API. */

import * as hg from '../../ts/index.js'
import { HSIC, type Tensor } from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'

/** An operation with one result y of the inputs in order (weights left out). */
const plain =
  (f: (x: Tensor[], p: Params) => Tensor): Operation =>
  (inputs, c) => ({ y: f(operands(inputs), c.params) })

const pair = (y0: Tensor, y1: Tensor): Outputs => ({ y0, y1 })

function operands(inputs: Tensors): Tensor[] {
  return Object.entries(inputs).flatMap(([name, x]) => (name.startsWith('G.') ? [] : [x]))
}

const one = (f: (x: Tensor, p: Params) => Tensor) => plain(([x], p) => f(x as Tensor, p))
const two = (f: (x: Tensor, y: Tensor, p: Params) => Tensor) =>
  plain(([x, y], p) => f(x as Tensor, y as Tensor, p))
const three = (f: (x: Tensor, y: Tensor, z: Tensor, p: Params) => Tensor) =>
  plain(([x, y, z], p) => f(x as Tensor, y as Tensor, z as Tensor, p))

const reduce = (f: (x: Tensor, axes: number[], o: { keepDims: boolean }) => Tensor) =>
  one((x, p) => f(x, p.dim as number[], { keepDims: p.keepdim as boolean }))

const swap = (x: Tensor) => hg.transpose(x)
function shifted(x: Tensor, p: Params): Tensor {
  const n = x.shape.at(-1) as number
  return x.add(hg.eye(n, n, { dtype: x.dtype }).mul(p.shift as number))
}
const spd = (x: Tensor, p: Params) => shifted(hg.matmul(x, swap(x)), p)

/** torch's pad list (last axis first); negative widths crop. */
function padLike(x: Tensor, p: Params): Tensor {
  const widths = x.shape.map(() => [0, 0] as [number, number])
  const list = p.pad as number[]
  for (let i = 0; i < list.length / 2; i++)
    widths[x.rank - 1 - i] = [list[2 * i] as number, list[2 * i + 1] as number]
  const starts = widths.map(([low]) => (low < 0 ? -low : null))
  const stops = widths.map(([, high]) => (high < 0 ? high : null))
  const cropped = x.slice(starts, stops)
  return cropped.pad(
    widths.map(([low, high]) => [Math.max(low, 0), Math.max(high, 0)]),
    { mode: p.mode, value: p.value },
  )
}

export const tensorOperations: Readonly<Record<string, Operation>> = {
  sum: reduce((x, axes, o) => x.sum(axes, o)),
  mean: reduce((x, axes, o) => x.mean(axes, o)),
  amax: reduce((x, axes, o) => x.max(axes, o)),
  amin: reduce((x, axes, o) => x.min(axes, o)),
  logsumexp: reduce((x, axes, o) => x.logSumExp(axes, o)),
  var: one((x, p) => x.variance(p.dim, { keepDims: p.keepdim, correction: p.correction })),
  std: one((x, p) => x.std(p.dim, { keepDims: p.keepdim, correction: p.correction })),
  norm: one((x, p) => x.norm({ ord: p.ord, axes: p.dim, keepDims: p.keepdim })),
  sum_all: one((x) => x.sum()),
  mean_all: one((x) => x.mean()),
  prod: one((x, p) => x.prod(p.dim, { keepDims: p.keepdim })),
  max: extremum('max'),
  min: extremum('min'),
  add: two((a, b) => a.add(b)),
  sub: two((a, b) => a.sub(b)),
  mul: two((a, b) => a.mul(b)),
  div: two((a, b) => a.div(b)),
  pow: two((a, b) => a.abs().pow(b)),
  maximum: two((a, b) => a.maximum(b)),
  minimum: two((a, b) => a.minimum(b)),
  exp: one((x) => x.exp()),
  sin: one((x) => x.sin()),
  cos: one((x) => x.cos()),
  abs: one((x) => x.abs()),
  neg: one((x) => x.neg()),
  expm1: one((x) => x.expm1()),
  erf: one((x) => x.erf()),
  log: one((x) => x.log()),
  sqrt: one((x) => x.sqrt()),
  rsqrt: one((x) => x.rsqrt()),
  reciprocal: one((x) => x.reciprocal()),
  log1p: one((x) => x.log1p()),
  clamp: one((x, p) => x.clip(p.min, p.max)),
  pow_scalar: one((x, p) => x.pow(p.exponent as number)),
  slice: one((x, p) => {
    const ranges = p.slices as [number | null, number | null, number | null][]
    const rest = x.shape.slice(ranges.length).map(() => null)
    const column = (i: 0 | 1) => [...ranges.map((r) => r[i]), ...rest]
    return x.slice(column(0), column(1), [...ranges.map((r) => r[2] ?? 1), ...rest.map(() => 1)])
  }),
  index_select: two((x, index, p) => x.take(index, p.dim)),
  masked_select: (inputs) => {
    const mask = Array.from(inputs.mask?.dataSync() as Uint8Array, Boolean)
    return { y: hg.maskedSelect(inputs.a as Tensor, mask) }
  },
  masked_fill: two((x, mask, p) =>
    hg.where(mask, hg.full(x.shape, p.value as number, { dtype: x.dtype }), x),
  ),
  index_2d: three((x, i, j) => x.flatten().take(i.mul(x.shape[1] as number).add(j))),
  gather: two((x, index, p) => x.takeAlong(index, p.dim)),
  scatter_add: three((x, index, src, p) => x.scatterAdd(p.dim, index, src)),
  scatter: three((x, index, src, p) => x.scatter(p.dim, index, src)),
  index_add: three((x, index, src, p) => x.indexAdd(p.dim, index, src)),
  cat: plain((x, p) => hg.concat(x, p.dim)),
  stack: plain((x, p) => hg.stack(x, p.dim)),
  pad: one(padLike),
  matmul: two((a, b) => a.matmul(b)),
  einsum: plain((x, p) => hg.einsum(p.eq as string, ...x)),
  reshape: one((x, p) => x.reshape(p.shape)),
  permute: one((x, p) => x.permute(p.dims)),
  transpose: one((x, p) => x.transpose(p.dims[0], p.dims[1])),
  expand: one((x, p) => x.broadcastTo(p.shape)),
  where: three((mask, a, b) => hg.where(mask, a, b)),
  flip: one((x, p) => x.flip(p.dims)),
  roll: one((x, p) => x.roll(p.shifts, p.dims)),
  repeat: one((x, p) => x.repeat(p.repeats)),
  outer: two((a, b) => hg.outer(a, b)),
  tril: one((x, p) => x.tril(p.k)),
  triu: one((x, p) => x.triu(p.k)),
  diagonal: one((x, p) => x.diagonal(p.offset)),
  diag: one((x) => x.diag()),
  trace: one((x) => x.trace()),
  split: (inputs, c) => {
    const parts = hg.split(inputs.a as Tensor, c.params.sizes, c.params.dim)
    return Object.fromEntries(parts.map((part, i) => [`y${i}`, part]))
  },
  unfold2d: one((x, p) =>
    hg.unfold(x, { kernelSize: p.kernel, stride: p.stride, padding: p.padding, dilation: p.dilation }),
  ),
  argmax: one((x, p) => x.argMax(p.dim)),
  layer_norm: three((x, w, b, p) => hg.layerNorm(x, p.nd, w, b, p.eps)),
  normalize: one((x, p) => hg.normalize(x, p.dim)),
  cholesky: one((x, p) => hg.cholesky(spd(x, p))),
  logdet_spd: one((x, p) => hg.logDet(spd(x, p))),
  cholesky_solve: two((a, b, p) => hg.choleskySolve(b, hg.cholesky(spd(a, p)))),
  solve: two((a, b, p) => hg.solve(shifted(a, p), b)),
  inv: one((x, p) => hg.inv(shifted(x, p))),
  det: one((x, p) => hg.det(p.shift === undefined ? x : shifted(x, p))),
  solve_triangular: two((a, b, p) => hg.triangularSolve(shifted(a, p), b, { lower: !p.upper })),
  eigvalsh: one((x) => hg.eigh(x.add(swap(x)).div(2)).values),
  cumsum: one((x, p) => x.cumsum(p.dim)),
  cumprod: one((x, p) => x.cumprod(p.dim)),
  sort: (inputs, c) => {
    const [a, dim, options] = [inputs.a as Tensor, c.params.dim, { descending: c.params.descending }]
    return pair(a.sort(dim, options), a.argSort(dim, options))
  },
  topk: (inputs, c) => {
    const { values, indices } = hg.topK(inputs.a as Tensor, c.params.k, c.params.dim, {
      largest: c.params.largest,
    })
    return pair(values, indices)
  },
  argsort: one((x, p) => x.argSort(p.dim)),
  cdist: two((a, b) => hg.cdist(a, b)),
  sqdist: two((a, b) => hg.squaredDistances(a, b)),
  gaussian_gram: one((x, p) => hg.gaussianGram(x, p.sigma)),
  hsic_biased: two((a, b, p) =>
    new HSIC({ kernel: 'gaussian', sigma: p.sigma_a, sigmaY: p.sigma_b }).criterion(a, b),
  ),
}

/** The extremum along one axis and its index. */
function extremum(which: 'max' | 'min'): Operation {
  return (inputs, c) => {
    const a = inputs.a as Tensor
    const { dim, keepdim } = c.params
    const index = which === 'max' ? a.argMax(dim) : a.argMin(dim)
    const y0 = which === 'max' ? a.max(dim, { keepDims: keepdim }) : a.min(dim, { keepDims: keepdim })
    return pair(y0, keepdim ? index.expandDims(dim) : index)
  }
}
