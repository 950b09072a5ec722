/** A network with its weights fixed at one moment: its activations do not change when the network trains on. */
import { dryRun } from '../core/debug.js'
import { allocate, type DType, sizeOf } from '../core/dtype.js'
import { type Compiled, evaluate, jit, tidy } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { type Device, type Shape, type Tensor, zeros } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'
import { Pipeline } from '../train/pipeline.js'
import type { Composition } from './composition.js'

/** A point of a network: a layer, a nested layer, or a tensor that `forward` named. */
export interface Point {
  readonly name: string
  /** Shape of the activation of one sample. */
  readonly shape: Shape
  /** Whether it is a point of the information plane. */
  readonly isTracked: boolean
}

/** Activations of points for some rows, in order. */
export type PointActivations = ReadonlyMap<string, ReturnType<typeof allocate>>

type Weights = Record<string, Tensor>

/**
 * Activations of all points in evaluation mode by name, in the order in which they are computed, and the names of the points in the
 * information plane. Part of a trace.
 */
function pointActivations(
  model: Composition,
  x: Tensor,
  request: { weights?: Weights; state?: Weights },
): { activations: Map<string, Tensor>; tracked: Set<string> } {
  const seen = new Map<string, Tensor>()
  const observe = (name: string, output: Tensor) => {
    let free = name
    for (let count = 2; seen.has(free); count++) free = `${name}_${count}`
    seen.set(free, output)
  }
  const pass = model.pass({ ...request, training: false, tracking: true, observe })
  const { output, hidden } = model.forward(x, pass)
  const isNamed = hidden.includes(output) || [...seen.values()].includes(output)
  const tracked = new Set<string>()
  for (const [index, h] of hidden.entries()) {
    const name = pass.nameOf(h) ?? `hidden_${index + 1}`
    let free = name
    for (let count = 2; tracked.has(free); count++) free = `${name}_${count}`
    tracked.add(free)
    // Points of the information plane are found under their names there.
    seen.set(free, h)
  }
  if (!isNamed && !seen.has('output')) seen.set('output', output)
  return { activations: seen, tracked }
}

/** The points of a network in the order in which they are computed. */
export function pointsOf(model: Composition): Point[] {
  return tidy(() =>
    dryRun(() => {
      const { activations, tracked } = pointActivations(
        model,
        zeros([2, ...model.inputShape], { dtype: model.dtype }),
        {},
      )
      return [...activations].flatMap(([name, { shape }]) =>
        // Tensors whose rows are not samples, such as time steps, have no activation of a sample.
        shape[0] === 2 ? [{ name, shape: shape.slice(1), isTracked: tracked.has(name) }] : [],
      )
    }),
  )
}

/** The weights and state of a network at one moment. */
export class PinnedModel {
  readonly dtype: DType
  readonly #device: Device
  readonly #model: Composition
  readonly #weights: Weights
  readonly #state: Weights
  /** Compiled passes by the points that they return. */
  readonly #passes = new Map<string, Compiled<[weights: Weights, state: Weights, x: Tensor], Tensor[]>>()

  constructor(model: Composition) {
    const values = (variables: Readonly<Record<string, Variable>>) =>
      Object.fromEntries(Object.entries(variables).map(([path, variable]) => [path, variable.value]))
    this.#model = model
    this.dtype = model.dtype
    this.#device = model.device
    this.#weights = values(model.weights)
    this.#state = values(model.stateVariables)
  }

  /** Computes initial weights now, so that all passes use the same. */
  async prepare(): Promise<void> {
    await evaluate([...Object.values(this.#weights), ...Object.values(this.#state)])
  }

  /**
   * Activations of points for samples.
   *
   * @param batches inputs in the dtype of the network, in order; each is disposed of; @param count total number of samples
   */
  async activations(
    points: readonly Point[],
    batches: Iterable<Tensor> | AsyncIterable<Tensor>,
    count: number,
    signal?: AbortSignal,
  ): Promise<PointActivations> {
    const pass = this.#pass(points.map(({ name }) => name))
    const widths = points.map(({ shape }) => sizeOf(shape))
    const all = widths.map((width) => allocate(this.dtype, count * width))
    const starts: number[] = []
    const release = (results: readonly Tensor[]) => {
      for (const result of results) result.dispose()
    }
    const pipeline = new Pipeline<Tensor[]>(
      (results, index) => {
        for (const [i, result] of results.entries()) {
          all[i]?.set(result.dataSync() as never, (starts[index] as number) * (widths[i] as number))
        }
        release(results)
      },
      release,
      signal,
    )
    let done = 0
    try {
      for await (const x of batches) {
        signal?.throwIfAborted()
        starts.push(done)
        done += x.shape[0] as number
        await pipeline.push(() => {
          const there = placedOn(x, this.#device)
          if (there !== x) x.dispose()
          return pass(this.#weights, this.#state, there).finally(() => there.dispose())
        })
      }
      await pipeline.drain()
    } finally {
      await pipeline.abandon()
    }
    return new Map(points.map(({ name }, i) => [name, all[i] as ReturnType<typeof allocate>]))
  }

  /** Activations of points for one batch, by name. The caller disposes of the tensors. */
  async outputs(points: readonly Point[], x: Tensor): Promise<Map<string, Tensor>> {
    const names = points.map(({ name }) => name)
    const there = placedOn(x, this.#device)
    const results = await this.#pass(names)(this.#weights, this.#state, there)
    if (there !== x) there.dispose()
    return new Map(names.map((name, i) => [name, results[i] as Tensor]))
  }

  #pass(names: readonly string[]) {
    const key = JSON.stringify(names)
    const known = this.#passes.get(key)
    if (known !== undefined) return known
    const pass = jit((weights: Weights, state: Weights, x: Tensor) => {
      const { activations } = pointActivations(this.#model, x, { weights, state })
      // An activation may be an argument itself, which cannot be a result.
      return names.map((name) => (activations.get(name) as Tensor).add(0))
    })
    this.#passes.set(key, pass)
    return pass
  }

  /** Releases weights and programs. Can be called twice. */
  dispose(): void {
    for (const value of [...Object.values(this.#weights), ...Object.values(this.#state)]) value.dispose()
    for (const pass of this.#passes.values()) pass.dispose()
    this.#passes.clear()
  }
}
