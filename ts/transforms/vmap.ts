/** Functions of one sample, mapped over all samples at once. */
import { showShape } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { grad } from '../core/gradients.js'
import { native } from '../core/native.js'
import { type Check, type Checks, checkOptions } from '../core/options.js'
import { closeScope, openScope } from '../core/registry.js'
import { countMap, Tensor } from '../core/tensor.js'
import { leafValue, type Tensors, treeFlatten } from '../core/tree.js'
import { broadcastTo, expandDims } from '../ops/movement.js'
import { areAxes, axesOfLeaves, type MapAxes, movedAxis, resolved } from './axes.js'

/** Options of {@link vmap}. */
export interface VmapOptions {
  /** Axis of the samples: one for all arguments, or an array with an entry for each argument; default 0. */
  inAxes?: MapAxes
  /** Axis of the samples in the result, or a tree of axes like the result; default 0. `null` is for what is the same for all samples. */
  outAxes?: MapAxes
}

const axesCheck: Check<MapAxes> = {
  expected: 'an axis (a whole number), null, or an array or plain object of such',
  accepts: areAxes,
}

const checks: Checks<VmapOptions> = { inAxes: axesCheck, outAxes: axesCheck }

/** A tensor with an axis of samples. */
interface Batch {
  /** The samples along the first axis. */
  readonly values: Tensor
  /** Stands for the value of one sample. */
  readonly placeholder: Tensor
}

/**
 * A function of one sample as a function of all samples: `f` is written for one sample, and runs once for all samples.
 *
 *     const distance = (a: Tensor, b: Tensor) => sqrt(square(sub(a, b)).sum())
 *     const toEach = vmap(distance, { inAxes: [null, 0] }) // (3), (100, 3) -> (100)
 *     const ofAllPairs = vmap(toEach, { inAxes: [0, null] }) // (50, 3), (100, 3) -> (50, 100)
 *
 * What depends on no sample is computed once, and shared tensors are not copied: a product with shared weights is one product of all
 * samples. A result that is the same for all samples is repeated. `vmap` composes with `grad`, `vjp`, `jvp`, `jit` and itself. A random
 * key with an axis of samples gives each sample its own numbers.
 *
 * `f` is traced, as by `jit`: values cannot be read inside, and Variables cannot be assigned. Use it with an apply of pure functions,
 * such as `module.apply(weights, x)`; layers expect an axis of samples of their own, which `x.expandDims(0)` adds.
 *
 * @param f synchronous; its arguments and its result are trees of Tensors. An argument that is not mapped may be anything.
 * @throws {ArgumentError} if no argument has an axis of samples; {ShapeError} if the numbers of samples differ
 */
export function vmap<Args extends readonly unknown[], Result>(
  f: (...args: Args) => Result,
  options: VmapOptions = {},
): (...args: Args) => Result {
  if (typeof f !== 'function') {
    throw new ArgumentError(`vmap: given ${describe(f)}, expected a function of tensors to map`)
  }
  const { inAxes = 0, outAxes = 0 } = checkOptions('vmap', options, checks)
  return (...args) => {
    openScope()
    countMap(1)
    const kept = new Set<ReturnType<typeof Tensor.ownedBy>>()
    try {
      const { batches, given } = sampled(args, inAxes)
      const result = f(...(given as unknown as Args))
      if (result instanceof Promise) {
        throw new ArgumentError(
          'vmap: the function returned a Promise; it must be synchronous: it only builds graph',
        )
      }
      const { leaves, structure } = treeFlatten(result)
      const mapped = ofAllSamples(
        leaves.map((leaf) => leafValue(leaf)),
        axesOfLeaves('outAxes', outAxes, result),
        batches,
      )
      for (const tensor of mapped) kept.add(Tensor.ownedBy(tensor))
      return structure.unflatten(mapped) as Result
    } finally {
      countMap(-1)
      closeScope(kept)
    }
  }
}

/** Arguments with placeholders for what has an axis of samples. */
function sampled(
  args: readonly unknown[],
  inAxes: MapAxes,
): { batches: readonly Batch[]; given: readonly unknown[] } {
  const ofArguments = typeof inAxes === 'number' ? args.map(() => inAxes) : inAxes
  if (!Array.isArray(ofArguments) || ofArguments.length !== args.length) {
    throw new ArgumentError(
      `vmap: inAxes is ${describe(inAxes)} for ${args.length} arguments; give an axis, or an array with an entry for each argument`,
    )
  }
  const batches: Batch[] = []
  const given = args.map((argument, index) => {
    const axes = ofArguments[index] as MapAxes
    if (axes === null) return argument
    const { leaves, structure } = treeFlatten(argument)
    const ofLeaves = axesOfLeaves(`inAxes[${index}]`, axes, argument)
    const values = leaves.map((leaf, i) => {
      const axis = ofLeaves[i] as number | null
      if (axis === null) return leafValue(leaf)
      const batch = batchOf(leafValue(leaf), axis, `inAxes[${index}]`)
      checkCount(batches[0], batch)
      batches.push(batch)
      return batch.placeholder
    })
    return structure.unflatten(values)
  })
  if (batches.length === 0) {
    throw new ArgumentError(
      'vmap: no argument has an axis of samples; give at least one tensor with an axis, not null, in inAxes',
    )
  }
  return { batches, given }
}

function batchOf(x: Tensor, axis: number, what: string): Batch {
  const from = resolved(what, axis, x)
  if (x.shape[from] === 0) {
    throw new ShapeError(
      `vmap: a tensor ${showShape(x.shape)} has no samples on axis ${from}; map over at least one sample`,
    )
  }
  const values = from === 0 ? x : movedAxis(x, from, 0)
  return { values, placeholder: Tensor.own(native.sample(values.id)) }
}

function checkCount(first: Batch | undefined, { values }: Batch): void {
  const [expected, count] = [first?.values.shape[0], values.shape[0]]
  if (expected === undefined || expected === count) return
  throw new ShapeError(
    `vmap: arguments with ${expected} and with ${count} samples; give every mapped argument the same number, or map it with null`,
  )
}

/** Values of one sample, for all samples, with the axis of samples where it is asked for. */
function ofAllSamples(
  outputs: readonly Tensor[],
  axes: readonly (number | null)[],
  batches: readonly Batch[],
): Tensor[] {
  const found = native.mapSamples(
    outputs.map((y) => y.id),
    batches.map(({ placeholder }) => placeholder.id),
    batches.map(({ values }) => values.id),
  )
  const count = batches[0]?.values.shape[0] as number
  return outputs.map((y, i) => {
    const [id, axis] = [found[i] as number, axes[i] as number | null]
    if (axis === null) {
      if (id !== 0) {
        native.release([id])
        throw new ArgumentError(
          `vmap: outAxes is null for a result ${showShape(y.shape)} that depends on the sample; give the axis of samples`,
        )
      }
      return Tensor.own(native.reshape(y.id, [...y.shape]))
    }
    const to = resolved('outAxes', axis, y, y.rank + 1)
    const all = id === 0 ? broadcastTo(expandDims(y, 0), [count, ...y.shape]) : Tensor.own(id)
    return to === 0 ? all : movedAxis(all, 0, to)
  })
}

/**
 * The gradient of a loss of one sample, for every sample: `loss` is written for one sample, and each leaf of the result has the samples
 * along its first axis.
 *
 *     const loss = (w: Tensor, x: Tensor, y: Tensor) => square(x.matmul(w).sub(y)).sum()
 *     const grads = perSampleGrads(loss, w, xs, ys) // (samples, ...w.shape)
 *
 * @param loss returns a float scalar
 * @param at where the gradient is taken: a tree of Tensors or Variables, the same for all samples
 * @param samples arguments of the loss for all samples, along the first axis of every leaf
 */
export function perSampleGrads<T, Samples extends readonly unknown[]>(
  loss: (at: Tensors<T>, ...sample: Samples) => Tensor,
  at: T,
  ...samples: Samples
): Tensors<T> {
  if (typeof loss !== 'function') {
    throw new ArgumentError(`perSampleGrads: given ${describe(loss)}, expected a loss of one sample`)
  }
  if (samples.length === 0) {
    throw new ArgumentError(
      'perSampleGrads: no samples were given; give the arguments of the loss after the point, samples first',
    )
  }
  const ofOne = (...sample: Samples) =>
    (grad(loss as (...args: readonly unknown[]) => Tensor) as (...args: readonly unknown[]) => Tensors<T>)(
      at,
      ...sample,
    )
  return vmap(ofOne)(...samples)
}
