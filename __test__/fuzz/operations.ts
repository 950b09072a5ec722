/** Calls of operations on tensors, of functions that make tensors, and of functions of functions. */
import {
  add,
  mul,
  ones,
  type Shape,
  square,
  sum,
  type Tensor,
  tensor,
  Variable,
  zeros,
} from '../../ts/index.js'
import type { FunctionTable, MakeArgs } from './call.js'

/** A tensor of numbers between 0.1 and 1, all different. */
export function some(shape: Shape, dtype: 'float32' | 'float64' = 'float32'): Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1)
  const values = Float64Array.from(
    { length: size },
    (_, i) => 0.1 + (0.9 * ((i * 7 + 3) % (size + 1))) / (size + 1),
  )
  return dtype === 'float64' ? tensor(values, { shape }) : tensor(Float32Array.from(values), { shape })
}

const ints = (...values: number[]) => tensor(values, { dtype: 'int32' })
const matrix = () =>
  tensor([
    [2, 0.5],
    [0.5, 1],
  ])

const same = (names: string, args: MakeArgs): FunctionTable =>
  Object.fromEntries(names.split(' ').map((name) => [name, args]))

const rows = (widths: readonly number[]) => ({ rows: some([4, 2]), similarity: { kind: 'gaussian', widths } })

export const operations: FunctionTable = {
  ...same(
    'abs ceil cos digamma erf exp expm1 floor isFinite isNaN lgamma log log1p logSigmoid logicalNot neg reciprocal ' +
      'relu round rsqrt selu sigmoid sign silu sin sqrt sqrtAtZero square tanh linear ' +
      'hardSigmoid hardSwish mish relu6 softsign',
    () => [some([2, 3])],
  ),
  ...same(
    'add sub mul div rem pow maximum minimum equal notEqual less lessEqual greater greaterEqual logicalAnd logicalOr',
    () => [some([2, 3]), some([3])],
  ),
  ...same('quantize quantizationCodes', () => [some([2, 3]), { levels: 3, range: [0, 1], rule: 'round' }]),
  ...same('sum mean max min prod any all logSumExp', () => [some([2, 3]), [0], { keepDims: true }]),
  ...same('variance std', () => [some([2, 3]), 1, { keepDims: true, correction: 1 }]),
  ...same('argMax argMin', () => [some([2, 3]), 1, { keepDims: true }]),
  ...same('softmax logSoftmax cumprod', () => [some([2, 3]), 1]),
  ...same('tril triu diagonal trace', () => [some([2, 3]), 0]),
  ...same('cholesky det logDet eigh', () => [matrix()]),
  ...same('zerosLike onesLike stopGradient uniqueRows', () => [some([2, 3])]),
  ...same('zeros ones', () => [[2, 3], { dtype: 'float64', device: 'cpu' }]),
  ...same('dot outer', () => [some([3]), some([3])]),
  ...same('squaredDistances cdist', () => [some([2, 3]), some([4, 3])]),
  adaptiveAvgPool: () => [some([1, 2, 4, 4]), [2, 2]],
  arange: () => [0, 6, 2, { dtype: 'int32', device: 'cpu' }],
  argSort: () => [some([2, 3]), 1, { descending: true }],
  avgPool: () => [
    some([1, 2, 4, 4]),
    { kernelSize: 2, stride: [2, 2], padding: 1, ceilMode: true, countIncludePad: false },
  ],
  bernoulli: () => [ints(1, 2).cast('uint32'), [2, 3], 0.5],
  broadcastTo: () => [some([3]), [2, 3]],
  cast: () => [some([2, 3]), 'int32'],
  centeredProducts: () => [[rows([1]), rows([1, 2])], { hollow: true }],
  choleskySolve: () => [some([2]), matrix()],
  clip: () => [some([2, 3]), 0.2, 0.8],
  concat: () => [[some([2, 3]), some([2, 3])], 1],
  conv: () => [
    some([1, 2, 5, 5]),
    some([4, 1, 3, 3]),
    { stride: 1, padding: [1, 1], dilation: [1, 1], groups: 2 },
  ],
  convTranspose: () => [
    some([1, 2, 3, 3]),
    some([2, 2, 3, 3]),
    { stride: 2, padding: 1, dilation: 1, groups: 1, outputPadding: 1 },
  ],
  medianDistance: () => [some([5, 2])],
  countWithin: () => [some([5, 2]), 0.5, { metric: 'euclidean', closed: true }],
  cumsum: () => [some([2, 3]), 1, { reverse: true }],
  debug: {
    args: () => [{ eager: false, checkNaN: false }],
    use: (before: object) => before,
  },
  deviceInfo: () => [],
  devices: () => [],
  diag: () => [some([3]), 1],
  einsum: () => ['ij,jk->ik', some([2, 3]), some([3, 2])],
  elu: () => [some([2, 3]), 1],
  evaluate: () => [{ a: some([2]), b: [some([3])] }],
  expandDims: () => [some([2, 3]), 1],
  explain: () => [[some([2]).exp()]],
  eye: () => [2, 3, { dtype: 'int32', device: 'cpu' }],
  flatten: () => [some([2, 3, 2]), 1],
  flip: () => [some([2, 3]), [0, 1]],
  foldIn: () => [ints(1, 2).cast('uint32'), 3],
  full: () => [[2, 3], 0.5, { dtype: 'float32', device: 'auto' }],
  gaussianGram: () => [some([2, 3]), 1.5, some([4, 3])],
  gelu: () => [some([2, 3]), { approximate: true }],
  grad: {
    args: () => [(x: Tensor) => sum(square(x)), 0],
    use: (slope: (x: Tensor) => Tensor) => slope(some([3])),
  },
  indexAdd: () => [some([3, 2]), 0, [0, 2], some([2, 2])],
  inv: () => [matrix(), { positiveDefinite: true }],
  isFloat: () => ['float32'],
  jit: {
    args: () => [({ x }: { x: Tensor }) => ({ y: add(x, 1) })],
    use: (f: (arg: object) => unknown) => f({ x: some([2]) }),
  },
  key: () => [7],
  layerNorm: () => [some([2, 3]), 1, ones([3]), zeros([3]), 1e-5],
  leafValue: () => [new Variable(some([2]))],
  celu: () => [some([2, 3]), 0.5],
  hardTanh: () => [some([2, 3]), -0.5, 0.5],
  leakyRelu: () => [some([2, 3]), 0.1],
  linspace: () => [0, 1, 5, { dtype: 'float64', device: 'cpu' }],
  localConv: () => [some([1, 1, 3, 3]), some([2, 1, 2, 2, 2, 2]), { stride: 1, padding: 0, dilation: 1 }],
  maskedSelect: () => [
    some([2, 2]),
    [
      [true, false],
      [false, true],
    ],
  ],
  matmul: () => [some([2, 3]), some([3, 2])],
  matmulT: () => [some([2, 3]), some([2, 3]), { transposeA: false, transposeB: true }],
  maxPool: () => [
    some([1, 2, 4, 4]),
    { kernelSize: [2, 2], stride: 2, padding: [1, 1], ceilMode: true, dilation: 1 },
  ],
  maxPoolWithIndices: () => [
    some([1, 2, 4, 4]),
    { kernelSize: [2, 2], stride: 2, padding: [1, 1], ceilMode: true, dilation: 1 },
  ],
  memory: () => [],
  neighbors: () => [some([5, 2]), 2, { metric: 'maximum' }],
  norm: () => [some([2, 3]), { ord: 3, axes: [1], keepDims: true }],
  normal: () => [ints(1, 2).cast('uint32'), [2, 3], { mean: 1, std: 2, dtype: 'float64' }],
  normalize: () => [some([2, 3]), 1, { eps: 1e-6 }],
  oneHot: () => [ints(0, 2, 1), 3, 'float32'],
  pad: () => [
    some([2, 3]),
    [
      [1, 0],
      [0, -1],
    ],
    { mode: 'constant', value: 2 },
  ],
  perSampleGrads: () => [(w: Tensor, x: Tensor) => sum(square(mul(x, w))), some([2]), some([3, 2])],
  permutation: () => [ints(1, 2).cast('uint32'), 5],
  permute: () => [some([2, 3]), [1, 0]],
  hessian: {
    args: () => [(x: Tensor) => sum(square(square(x))), 0],
    use: (f: (x: Tensor) => Tensor) => f(some([3])),
  },
  hvp: () => [(x: Tensor) => sum(square(square(x))), some([3]), ones([3])],
  jacobian: {
    args: () => [(x: Tensor) => square(x), { wrt: 0, mode: 'forward' }],
    use: (f: (x: Tensor) => Tensor) => f(some([3])),
  },
  jvp: () => [(x: Tensor) => mul(x, 2), some([3]), ones([3])],
  plans: () => [],
  profile: () => [() => some([2]).exp(), { runs: 2 }],
  releaseMemory: () => [],
  repeat: () => [some([2, 3]), [2, 1]],
  reshape: () => [some([2, 3]), [3, -1]],
  resolveActivation: { args: () => ['relu'], use: (f: (x: Tensor) => Tensor) => f(some([2])) },
  roll: () => [some([2, 3]), [1, 1], [0, 1]],
  scatter: () => [some([3, 2]), 0, ints(0, 2).reshape([1, 2]), some([1, 2])],
  scatterAdd: () => [some([3, 2]), 0, ints(0, 2).reshape([1, 2]), some([1, 2])],
  scope: () => ['part', () => some([2])],
  similaritySums: () => [[rows([1]), rows([1])], [[0], [0, 1]], { hollow: true }],
  slice: () => [some([4, 3]), [0, 1], [3, 3], [2, 1]],
  softplus: () => [some([2, 3]), { beta: 2, threshold: 20 }],
  solve: () => [matrix(), some([2, 2])],
  sort: () => [some([2, 3]), 1, { descending: true }],
  split: () => [some([4, 3]), [1, 3], 0],
  splitKey: () => [ints(1, 2).cast('uint32'), 2],
  squeeze: () => [some([1, 3]), [0]],
  stack: () => [[some([2, 3]), some([2, 3])], 1],
  take: () => [some([3, 2]), [0, 2], 0],
  takeAlong: () => [some([3, 2]), ints(0, 2).reshape([1, 2]), 0],
  tensor: [
    () => [
      [
        [1, 2],
        [3, 4],
      ],
      { shape: [4], dtype: 'float32', device: 'cpu' },
    ],
    () => [Float32Array.of(1, 2, 3), { shape: [3, 1] }],
    () => [new Variable(some([2])).dataSync(), {}],
  ],
  tidy: () => [() => some([2]).add(1)],
  to: () => [some([2, 3]), 'reference'],
  topK: () => [some([2, 3]), 2, 1, { largest: false }],
  transpose: () => [some([2, 3]), 0, 1],
  treeFlatten: {
    args: () => [{ a: some([2]), b: [some([3])] }],
    use: ({ structure }: { structure: { unflatten(leaves: unknown): unknown } }) =>
      structure.unflatten([some([1]), some([1])]),
  },
  treeLeaves: () => [{ a: some([2]), b: [some([3])] }],
  treeMap: () => [{ a: some([2]), b: [some([3])] }, (x: Tensor) => add(x, 1)],
  triangularSolve: () => [matrix(), some([2]), { lower: true, transpose: true }],
  unfold: () => [some([1, 2, 4, 4]), { kernelSize: [2, 2], stride: 1, padding: 0, dilation: 1 }],
  uniform: () => [ints(1, 2).cast('uint32'), [2, 3], { low: -1, high: 2, dtype: 'float32' }],
  valueAndGrad: () => [(x: Tensor) => [sum(square(x)), 1], some([3]), { hasAux: true }],
  vjp: () => [(x: Tensor) => mul(x, 2), some([3]), ones([3])],
  vmap: {
    args: () => [(x: Tensor, w: Tensor) => sum(mul(x, w)), { inAxes: [0, null], outAxes: 0 }],
    use: (f: (x: Tensor, w: Tensor) => Tensor) => f(some([3, 2]), some([2])),
  },
  where: () => [tensor([true, false]), some([2]), 0],
}
