/** Wrong calls on tensors, Variables and transforms. */

import * as hg from '../../ts/index.js'
import {
  ArgumentError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  grad,
  jit,
  NumericalError,
  ones,
  ShapeError,
  StateError,
  type Tensor,
  tensor,
  UnknownNameError,
  Variable,
  zeros,
} from '../../ts/index.js'
import { type BadInput, bad, untyped } from './case.js'

const int32 = (values: number[]) => tensor(values, { dtype: 'int32' })

const making: readonly BadInput[] = [
  bad('rows of different lengths', DataError, [/data\[1\] has 1 element/, /expected 2/, /same length/], () =>
    tensor([[1, 2], [3]]),
  ),
  bad('text among numbers', DataError, [/data\[0\]\[1\] is "two"/, /expected a number/], () =>
    tensor(untyped([[1, 'two']])),
  ),
  bad('a missing value among numbers', DataError, [/data\[1\] is null/, /expected a number/], () =>
    tensor(untyped([1, null])),
  ),
  bad(
    'a fraction for an integer type',
    DataError,
    [/data\[1\] is 0\.5/, /int32 cannot hold/, /another dtype/],
    () => int32([1, 0.5]),
  ),
  bad('300 for uint8', DataError, [/300/, /from 0 to 255/], () => tensor([300], { dtype: 'uint8' })),
  bad(
    'elements that do not fill the shape',
    ShapeError,
    [/6 elements/, /\(2, 2\), which has 4/, /product/],
    () => tensor(new Float32Array(6), { shape: [2, 2] }),
  ),
  bad('a negative extent', ShapeError, [/extent -1 on axis 1/, /0 or more/], () => zeros([2, -1])),
  bad('an extent beyond all memory', ShapeError, [/\(2199023255552\) has/, /at most 2\^40/], () =>
    zeros([2 ** 41]),
  ),
  bad('a number for a shape', ShapeError, [/shape is 3/, /\[2, 3\]/], () => zeros(untyped(3))),
  bad('a typed array for another type', DTypeError, [/Float64Array/, /int32/, /cast\('int32'\)/], () =>
    tensor(new Float64Array(2), { dtype: 'int32' }),
  ),
  bad('an unknown dtype', UnknownNameError, [/"float46"/, /did you mean "float64"/, /int32/], () =>
    tensor([1], { dtype: untyped('float46') }),
  ),
  bad('CUDA where there is none', DeviceError, [/given device "cuda:1"/, /no CUDA device/, /use "cpu"/], () =>
    tensor([1], { device: 'cuda:1' }),
  ),
  bad('an unknown device', DeviceError, [/"gpu"/, /use "cpu" or "reference", or "auto"/], () =>
    tensor([1], { device: untyped('gpu') }),
  ),
  bad('a step of 0', ArgumentError, [/\[0, 5, 0\]/, /other than 0/], () => hg.arange(0, 5, 0)),
  bad('a negative seed', ArgumentError, [/seed -3/, /from 0 to 2\^53/], () => hg.key(-3)),
]

const operations: readonly BadInput[] = [
  bad(
    'shapes that do not broadcast',
    ShapeError,
    [/add: shapes \(2, 3\) and \(4\)/, /3 is not 4/, /equal or 1/],
    () => zeros([2, 3]).add(zeros([4])),
  ),
  bad('two element types', DTypeError, [/float32 and float64/, /cast/], () =>
    ones([2]).mul(ones([2], { dtype: 'float64' })),
  ),
  bad(
    'no tensor at all',
    ArgumentError,
    [/matmul: given an array of 2/, /expected a Tensor/, /tensor\(\.\.\.\)/],
    () => ones([2, 2]).matmul(untyped([1, 2])),
  ),
  bad('a Variable as an operand', ArgumentError, [/class Variable/, /variable\.value/], () =>
    hg.relu(untyped(new Variable(ones([2])))),
  ),
  bad(
    'inner extents that differ',
    ShapeError,
    [/matmul/, /\(2, 3\)/, /\(2, 4\)/, /3 is not 2/, /transpose/],
    () => zeros([2, 3]).matmul(zeros([2, 4])),
  ),
  bad('a reshape to another size', ShapeError, [/\(2, 3\) has 6 elements/, /\(4, -1\)/], () =>
    zeros([2, 3]).reshape([4, -1]),
  ),
  bad('an axis that is not there', ShapeError, [/sum: axis 2 of a tensor \(2, 3\)/, /from -2 to 1/], () =>
    zeros([2, 3]).sum(2),
  ),
  bad('a name for an axis', ShapeError, [/sum: axis "rows" of a tensor \(2, 3\)/, /from -2 to 1/], () =>
    zeros([2, 3]).sum(untyped('rows')),
  ),
  bad('an axis named twice', ShapeError, [/axis 1 is named twice/], () => zeros([2, 3]).mean([1, -1])),
  bad('axes that are no order', ShapeError, [/permute/, /\(2, 3\)|twice/], () =>
    zeros([2, 3]).permute([0, 0]),
  ),
  bad('a join of different shapes', ShapeError, [/\(2, 3\) and \(3, 3\)/, /must be equal/], () =>
    hg.concat([zeros([2, 3]), zeros([3, 3])], 1),
  ),
  bad('a join of nothing', ArgumentError, [/concat: given an array of 0/, /at least one tensor/], () =>
    hg.concat([], 0),
  ),
  bad('the maximum of nothing', ShapeError, [/\(0\)/, /empty/], () => zeros([0]).max()),
  bad('an index out of range', DataError, [/index 5 at position 1/, /3 elements/], () =>
    zeros([3]).take([0, 5]),
  ),
  bad('indices with fractions', DTypeError, [/indices are float32/, /int32/, /cast/], () =>
    zeros([3]).take(ones([2])),
  ),
  bad('more neighbors than elements', ArgumentError, [/k is 4/, /from 0 to 3/], () =>
    hg.topK(zeros([3]), 4, 0),
  ),
  bad('parts that do not fill an axis', ShapeError, [/extent 5/, /\[2, 2\]/], () =>
    hg.split(zeros([5]), [2, 2], 0),
  ),
  bad('an unknown way to pad', UnknownNameError, [/"reflct"/, /did you mean "reflect"/], () =>
    zeros([3]).pad([[1, 1]], { mode: untyped('reflct') }),
  ),
  bad(
    'an equation of too few operands',
    ArgumentError,
    [/"ij,jk->ik"/, /2 operands, 1 were given/, /bij,bjk/],
    () => hg.einsum('ij,jk->ik', zeros([2, 2])),
  ),
  bad(
    'channels that do not fit a kernel',
    ShapeError,
    [/conv/, /3 channels/, /\(8, 4, 3, 3\)/, /groups/],
    () => zeros([1, 3, 9, 9]).conv(zeros([8, 4, 3, 3])),
  ),
  bad(
    'a window larger than the input',
    ShapeError,
    [/maxPool/, /input of 2/, /kernel of 3/, /smaller kernel/],
    () => zeros([1, 1, 2, 2]).maxPool({ kernelSize: 3 }),
  ),
  bad('a root of a matrix without one', NumericalError, [/cholesky/, /positive/], () =>
    tensor([
      [1, 2],
      [2, 1],
    ])
      .cholesky()
      .data(),
  ),
  bad('a determinant of a rectangle', ShapeError, [/\(2, 3\)/, /square/], () => hg.det(zeros([2, 3]))),
]

const uses: readonly BadInput[] = [
  bad('the only value of many', ShapeError, [/item\(\): a tensor \(2\) has 2 elements/, /reduce it/], () =>
    zeros([2]).item(),
  ),
  bad('use after dispose', DisposedError, [/disposed of/, /\(2\)/, /keep it until its last use/], () => {
    const x = zeros([2])
    x.dispose()
    return x.add(1)
  }),
  bad('a Variable after dispose', DisposedError, [/"gain" \(2\)/, /last use/], () => {
    const gain = new Variable(zeros([2]), { name: 'gain' })
    gain.dispose()
    return gain.value
  }),
  bad(
    'another shape for a Variable',
    ShapeError,
    [/"gain"/, /given \(3\), expected \(2\)/, /keeps its shape/],
    () => new Variable(zeros([2]), { name: 'gain' }).assign(zeros([3])),
  ),
  bad(
    'another type for a Variable',
    DTypeError,
    [/"gain"/, /int32, expected float32/, /cast\('float32'\)/],
    () => new Variable(zeros([2]), { name: 'gain' }).assign(int32([1, 2])),
  ),
  bad('a gradient of no scalar', ShapeError, [/returned \(3\)/, /scalar/, /sum\(\) or mean\(\)/], () =>
    grad((x: Tensor) => x.square())(ones([3])),
  ),
  bad('a gradient of integers', DTypeError, [/returned int64/, /float32 or float64/, /cast/], () =>
    grad((x: Tensor) => x.sum())(int32([1, 2])),
  ),
  bad('a gradient of an async function', ArgumentError, [/Promise/, /async/], () =>
    grad(untyped<(x: Tensor) => Tensor>(async (x: Tensor) => x.sum()))(ones([2])),
  ),
  bad('a gradient of a number', ArgumentError, [/grad: given 3/, /expected a function/], () =>
    grad(untyped<() => Tensor>(3)),
  ),
  bad('a number to compile', ArgumentError, [/jit: given 3/, /expected a function/], () =>
    jit(untyped<() => Tensor>(3)),
  ),
  bad('more than the memory there is', DeviceError, [/wanted/, /smaller/], () =>
    ones([2 ** 20, 2 ** 20])
      .add(ones([2 ** 20, 1]))
      .data(),
  ),
  bad(
    'a value read while jit traces',
    StateError,
    [/itemSync\(\)/, /jit or vmap traces/, /return the tensor/],
    () => jit((x: Tensor) => (x.sum().itemSync() > 0 ? x : x.neg()))(ones([2])),
  ),
  bad('an async function to compile', ArgumentError, [/Promise/, /synchronous/], () =>
    jit(async (x: Tensor) => x.neg())(ones([2])),
  ),
  bad('a compiled function after dispose', DisposedError, [/compiled function/, /last use/], () => {
    const f = jit((x: Tensor) => x.neg())
    f.dispose()
    return f(ones([2]))
  }),
  bad('text in a tree of tensors', ArgumentError, [/"x" at weights\.0/, /expected a Tensor/], () =>
    hg.evaluate(untyped({ weights: ['x'] })),
  ),
]

export const tensorCases: readonly BadInput[] = [...making, ...operations, ...uses]
