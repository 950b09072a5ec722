/** A benchmark job: named cases; each sets itself up and returns one iteration to be timed. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  evaluate,
  key,
  normal,
  readNpy,
  type Shape,
  type Tensor,
  type Tree,
  tensor,
  treeLeaves,
  type Variable,
} from '../ts/index.js'

/**
 * One iteration; resolves when everything is computed. A returned number (the loss, the norm of a gradient) is compared with that of the
 * peers, for the first iteration.
 */
export type Iteration = () => Promise<number | undefined>

/** Makes the inputs of a case, so that an iteration makes only its results. */
export type Setup = (inputs: Inputs) => Promise<Iteration>

/** The cases of a job, by the names in the peers' scripts. */
export type Job = Readonly<Record<string, Setup>>

/**
 * Initial arrays of a case: those of the peers, if their program wrote them (`peers/inputs.py`), so that values can be compared; otherwise
 * random ones of the same shapes, since times do not depend on them.
 */
export class Inputs {
  readonly #folder: string | undefined

  /**
   * @param folder with the arrays of all cases of a job
   * @param caseName as in the peers' script
   */
  constructor(folder: string | undefined, caseName: string) {
    this.#folder = folder === undefined ? undefined : join(folder, caseName.replace(/[^A-Za-z0-9]+/g, '-'))
  }

  /** The array of that name, or the result of `otherwise`; computed, so that it is in memory. */
  async tensor(name: string, otherwise: () => Tensor): Promise<Tensor> {
    const value = this.#folder === undefined ? otherwise() : await readTensor(join(this.#folder, name))
    await evaluate(value)
    return value
  }

  /** Normally distributed float32 numbers if there is no array of that name. */
  normal(name: string, shape: Shape): Promise<Tensor> {
    return this.tensor(name, () => normal(key(shape.reduce((sum, extent) => 31 * sum + extent, 7)), shape))
  }

  /** Class labels from 0 to `classes` - 1, int32 [n], if there is no array of that name. */
  labels(name: string, n: number, classes: number): Promise<Tensor> {
    return this.tensor(name, () => madeLabels(n, classes))
  }

  /**
   * Sets Variables to the arrays `p0`, `p1` ..., in order, if they were written.
   *
   * @param arrange converts the peers' list to ours, if they differ
   */
  async parameters(
    variables: readonly Variable[],
    arrange: (theirs: Tensor[]) => Tensor[] = (theirs) => theirs,
  ): Promise<void> {
    if (this.#folder !== undefined) {
      const folder = this.#folder
      const count = (await readdir(folder)).filter((name) => /^p\d+\.npy$/.test(name)).length
      const names = Array.from({ length: count }, (_, i) => join(folder, `p${i}`))
      const values = arrange(await Promise.all(names.map(readTensor)))
      for (const [i, variable] of variables.entries()) variable.assign(values[i] as Tensor)
    }
    await evaluate([...variables])
  }
}

/** Cyclic class labels from 0 to `classes` - 1, int32 [n]. */
export function madeLabels(n: number, classes: number): Tensor {
  return tensor(Int32Array.from({ length: n }, (_, i) => (7 * i + 3) % classes))
}

async function readTensor(path: string): Promise<Tensor> {
  const { data, shape } = await readNpy(`${path}.npy`)
  return tensor(data, { shape })
}

/** The iteration that runs a compiled function and releases its result. */
export function repeat(run: () => Promise<Tree | undefined>): Iteration {
  return async () => {
    for (const result of treeLeaves(await run())) result.dispose()
    return undefined
  }
}

/** The same for a function that returns a scalar, which is read. */
export function repeatForValue(run: () => Promise<Tensor>): Iteration {
  return async () => {
    using value = await run()
    return value.itemSync()
  }
}
