import { literal } from '../core/create.js'
import { DataError, NumericalError, StateError } from '../core/errors.js'
import { jit } from '../core/jit.js'
import { tidy } from '../core/memory.js'
import { above, between, type Check, type Checks, flag, isList, whole } from '../core/options.js'
import { evaluate, valueAndGrad } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import { Adam } from '../nn/optim/adam.js'
import { oneHot } from '../ops/index.js'
import { foldIn, HostRandom, key } from '../ops/random.js'
import { type Device, ones, type Tensor, tensor } from '../ops/tensor.js'
import { placedOn } from '../ops/to.js'
import type { CriticValues, CriticWeights } from './critic.js'
import type { Findings } from './details.js'
import { InformationEstimator, type InformationOptions } from './information.js'
import { noteEntropies } from './limits.js'
import { columnsInRange } from './magnitude.js'
import { unlessConstant } from './nearest.js'
import { classesOf, isLabels } from './samples.js'

/** Options of every estimator that trains a network. */
export interface TrainedOptions {
  /** Widths of the hidden layers (relu). Default [16, 8]. */
  hidden?: readonly number[]
  /** Samples of a step; all their pairs are scored. Default 64. */
  batchSize?: number
  /** Learning rate of Adam. Default 5e-3. */
  learningRate?: number
  /** Maximum number of steps. Default 5000. */
  steps?: number
  /** Validations without improvement after which training ends; one validation every 100 steps. Default 10. */
  patience?: number
  /** Share of held-out samples: one half decides when to stop, the other half gives the estimate. Default 0.4. */
  heldOut?: number
  /** Scale columns to mean 0 and variance 1, by the training samples. Default true. */
  standardize?: boolean
  /** Seed of weights, batches and the split. Default 0. */
  seed?: number
}

/** The defaults of {@link TrainedOptions}. */
const trainedDefaults: Required<TrainedOptions> = {
  hidden: [16, 8],
  batchSize: 64,
  learningRate: 5e-3,
  steps: 5000,
  patience: 10,
  heldOut: 0.4,
  standardize: true,
  seed: 0,
}

const layerWidths: Check<readonly number[]> = {
  expected: 'a list of at least one width, such as [16, 8], each a whole number of at least 1',
  accepts: (value) =>
    isList(value) &&
    (value as unknown[]).length > 0 &&
    Array.from(value as unknown[]).every(whole(1).accepts),
}
const trainedChecks: Checks<TrainedOptions> = {
  hidden: layerWidths,
  batchSize: whole(2),
  learningRate: above(0),
  steps: whole(1),
  patience: whole(1),
  heldOut: between(0, 1, 'both'),
  standardize: flag,
  seed: whole(0),
}

/** Steps between two validations. */
const validationInterval = 100
/** Number of held-out samples in a block of pairs. */
const blockSize = 512

/** Samples of one part of the data, float32 rows. */
interface Subset {
  readonly x: Tensor
  readonly y: Tensor
}

/**
 * An estimator of information that trains a network for every estimate: trained on one part of the samples, stopped early by a second,
 * evaluated on a third. A bound evaluated on its training samples grows without limit.
 *
 * `estimate` takes up to seconds. There is no lazy `criterion`; as an evaluator it runs at the end of epochs or on a probe.
 */
export abstract class TrainedEstimator<O extends object = object> extends InformationEstimator<
  O & TrainedOptions
> {
  constructor(options: O & TrainedOptions & InformationOptions, defaults: Required<O>, checks: Checks<O>) {
    const all = { ...trainedDefaults, ...defaults } as Required<O & TrainedOptions>
    super(options, all, { ...trainedChecks, ...checks } as Checks<O & TrainedOptions>)
  }

  override get isBiasedByCopies(): boolean {
    return true
  }

  override get takes() {
    return { x: 'any', y: 'any' } as const
  }

  override get isLazy(): boolean {
    return false
  }

  /** Each of the three parts needs two samples. */
  override get minimumSamples(): number {
    const { heldOut } = this.params as Required<TrainedOptions>
    return Math.max(Math.ceil(4 / heldOut), Math.ceil(2 / (1 - heldOut)))
  }

  override get advisedSamples(): number {
    return Math.max(512, this.minimumSamples)
  }

  /** Initial weights for rows of these widths. */
  protected abstract weights(from: Tensor, dx: number, dy: number): CriticWeights

  /** The objective that training maximizes, on a batch. @param memory the Variable that {@link memory} made for this training */
  protected abstract objective(
    values: CriticValues,
    x: Tensor,
    y: Tensor,
    memory: Variable | undefined,
  ): Tensor

  /** The estimate in nats on held-out samples. */
  protected abstract bound(values: CriticValues, x: Tensor, y: Tensor): Tensor

  /** The score on the validation samples, larger is better; by default the value of `bound`. */
  protected score(values: CriticValues, x: Tensor, y: Tensor): Tensor {
    return this.bound(values, x, y)
  }

  /** State of the objective between the steps of one training; none by default. */
  protected memory(_device: Device): Variable | undefined {
    return undefined
  }

  protected override get isLimited(): boolean {
    return true
  }

  /** Which bound of the information the value is; undefined if it is not a bound. */
  protected get bounds(): 'lower' | 'upper' | undefined {
    return undefined
  }

  /** Notes other properties of an estimate in nats. @param n samples; @param block samples compared at a time */
  protected note(_nats: number, _n: number, _block: number, _findings: Findings): void {}

  protected nats(): Tensor {
    throw new StateError(
      `${this.name} trains a network for every estimate, so it has no lazy value; use await estimate(x, y), or attach it with { evaluateOn: 'epoch' }`,
    )
  }

  protected override async value(x: Tensor, y: Tensor, findings: Findings): Promise<number> {
    this.checkCounts(x, y)
    const { heldOut, seed } = this.params as Required<TrainedOptions>
    const rows = [await rowsOf(x), await rowsOf(y)] as [Tensor, Tensor]
    const n = rows[0].shape[0] as number
    using informed = tidy(() => unlessConstant(ones([], { dtype: 'float64' }), ...rows))
    // A constant argument has information 0, which training would reach only approximately.
    if ((await informed.item()) === 0) return this.finished(0, findings)
    const order = new HostRandom(seed).permutation(n)
    const kept = Math.max(2, Math.min(n - 4, Math.round(n * (1 - heldOut))))
    const middle = kept + Math.floor((n - kept) / 2)
    const parts = this.#split(rows, [
      order.subarray(0, kept),
      order.subarray(kept, middle),
      order.subarray(middle),
    ])
    await evaluate(parts)
    const [training, validation, test] = parts as [Subset, Subset, Subset]
    const best = await this.#train(training, validation)
    const nats = await this.#measure((v, a, b) => this.bound(v, a, b), best, test)
    if (this.isLimited || isLabels(x) || isLabels(y)) await noteEntropies(x, y, findings)
    if (this.bounds !== undefined) findings[this.bounds] = nats
    this.note(nats, n, Math.min(blockSize, n - middle), findings)
    return this.finished(nats, findings)
  }

  #split([x, y]: readonly [Tensor, Tensor], orders: readonly Int32Array[]): Subset[] {
    return tidy(() => {
      const isScaled = (this.params as Required<TrainedOptions>).standardize
      const take = (rows: Tensor, order: Int32Array) => rows.take(literal(order))
      const scaled = (rows: Tensor) => {
        if (!isScaled) return rows
        const near = columnsInRange(rows)
        const seen = take(near, orders[0] as Int32Array)
        const spread = seen.sub(seen.mean(0)).square().mean(0).sqrt()
        return near.sub(seen.mean(0)).div(spread.add(spread.equal(0).cast('float64')))
      }
      const [a, b] = [scaled(x), scaled(y)]
      return orders.map((order) => ({
        x: take(a, order).cast('float32'),
        y: take(b, order).cast('float32'),
      }))
    })
  }

  async #train(training: Subset, validation: Subset): Promise<CriticValues> {
    const { seed, learningRate, steps, patience, batchSize } = this.params as Required<TrainedOptions>
    const { device } = training.x
    const weights = this.weights(
      // Random numbers are drawn on the device of their key.
      placedOn(foldIn(key(seed), 1), device),
      training.x.shape[1] as number,
      training.y.shape[1] as number,
    )
    const memory = this.memory(device)
    const adam = new Adam({ learningRate })
    adam.prepare(weights)
    await evaluate(Object.values(weights))
    const step = jit((batch: { rows: Tensor }) => {
      const [x, y] = [training.x.take(batch.rows), training.y.take(batch.rows)]
      const { grads } = valueAndGrad(
        (values: Record<string, Tensor>) => this.objective(values, x, y, memory).neg(),
        weights,
      )
      adam.step(weights, grads)
      return {}
    })
    try {
      const batches = batchesOf(training.x.shape[0] as number, batchSize, new HostRandom(seed + 1))
      let best = { value: Number.NEGATIVE_INFINITY, weights: await snapshot(weights) }
      for (let done = 0, waits = 0; done < steps && waits < patience; ) {
        const pending: Promise<unknown>[] = []
        for (; pending.length < validationInterval && done < steps; done++) {
          pending.push(step({ rows: batches.next() }))
        }
        await Promise.all(pending)
        const now = await snapshot(weights)
        const value = await this.#measure((v, a, b) => this.score(v, a, b), now, validation)
        if (Number.isNaN(value)) break
        if (value > best.value) {
          best = { value, weights: now }
          waits = 0
        } else waits++
      }
      if (best.value === Number.NEGATIVE_INFINITY) {
        throw new NumericalError(
          `${this.name}: training gave no finite value, so there is no estimate; take a smaller learningRate, or standardize: true for columns of very different size`,
        )
      }
      return best.weights
    } finally {
      step.dispose()
      memory?.dispose()
    }
  }

  /** Mean over blocks of held-out samples, so that the scores of all pairs of a block fit in memory. */
  async #measure(
    of: (values: CriticValues, x: Tensor, y: Tensor) => Tensor,
    values: CriticValues,
    part: Subset,
  ): Promise<number> {
    const n = part.x.shape[0] as number
    const blocks = Math.max(1, Math.round(n / blockSize))
    const edges = Array.from({ length: blocks + 1 }, (_, i) => Math.round((i * n) / blocks))
    let total = 0
    for (let i = 0; i < blocks; i++) {
      using value = tidy(() => {
        const cut = (rows: Tensor) => rows.slice([edges[i] as number], [edges[i + 1] as number])
        return of(values, cut(part.x), cut(part.y))
      })
      total += (await value.item()) * ((edges[i + 1] as number) - (edges[i] as number))
    }
    return total / n
  }
}

/** float64 rows; labels as one-hot rows. */
async function rowsOf(x: Tensor): Promise<Tensor> {
  if (!isLabels(x)) return x
  const classes = classesOf('labels', x)
  const count = (await classes.max().item()) + 1
  if (count > 10_000) throw new DataError(`${count} classes are too many for one-hot rows`)
  return oneHot(classes, count, 'float64')
}

/** Current values of the weights. */
async function snapshot(weights: Readonly<Record<string, Variable>>): Promise<CriticValues> {
  const entries = await Promise.all(
    Object.entries(weights).map(
      async ([name, weight]) =>
        [name, tensor(await weight.data(), { shape: weight.shape, device: weight.device })] as const,
    ),
  )
  return Object.fromEntries(entries)
}

/** Batches of row indices, epoch after epoch, shuffled. */
function batchesOf(n: number, batchSize: number, random: HostRandom): { next(): Int32Array } {
  const size = Math.min(n, batchSize)
  let order = random.permutation(n)
  let at = 0
  return {
    next() {
      if (at + size > n) {
        order = random.permutation(n)
        at = 0
      }
      at += size
      return order.slice(at - size, at)
    },
  }
}
