/**
 * Networks 12-10-7-5-4-3-2 that differ only in their seed, trained side by side: every tensor has a first axis of seeds, so a step of all
 * costs little more than a step of one.
 */
import { Adam, HostRandom, jit, type Tensor, tensor, Variable, valueAndGrad } from '../../ts/index.js'
import { bits, patterns, type TwelveBits } from './data.js'

export type Activation = 'tanh' | 'relu'

/** Units of the layers, the softmax output last. */
export const widths = [10, 7, 5, 4, 3, 2] as const
const batchSize = 256
const trainShare = 0.8
const learningRate = 4e-4
const eps = 1e-7

/** Normal with standard deviation `std`, truncated at two standard deviations. */
function truncatedNormal(random: HostRandom, std: number): number {
  for (;;) {
    const z = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
    if (Math.abs(z) <= 2) return z * std
  }
}

/** Weights of one layer for all seeds `[S, in, out]`: 1/sqrt(out) for hidden layers, Glorot's for the output. */
function initialKernel(randoms: readonly HostRandom[], layer: number): Variable {
  const [fanIn, units] = [widths[layer - 1] ?? bits, widths[layer] as number]
  const isOutput = layer === widths.length - 1
  const limit = Math.sqrt(6 / (fanIn + units))
  const draw = (random: HostRandom) =>
    isOutput ? limit * (2 * random.next() - 1) : truncatedNormal(random, 1 / Math.sqrt(units))
  const values = randoms.flatMap((random) => Array.from({ length: fanIn * units }, () => draw(random)))
  const shape = [randoms.length, fanIn, units]
  return new Variable(tensor(Float32Array.from(values), { shape }), { name: `kernel${layer}` })
}

type Weights<T> = {
  kernels: T[]
  biases: T[]
}

/** Networks of one activation, one per seed. */
export class Networks {
  readonly #seeds: number
  readonly #randoms: readonly HostRandom[]
  readonly #weights: Weights<Variable>
  readonly #train: readonly Int32Array[]
  readonly #trainEpoch: (indices: Tensor[]) => Promise<Tensor>
  readonly #x: Tensor

  constructor(
    readonly activation: Activation,
    seeds: readonly number[],
    data: TwelveBits,
  ) {
    this.#seeds = seeds.length
    this.#randoms = seeds.map((seed) => new HostRandom(seed))
    this.#train = this.#randoms.map((random) =>
      random.permutation(patterns).slice(0, Math.round(patterns * trainShare)),
    )
    this.#x = tensor(data.x, { shape: [patterns, bits] })
    this.#weights = {
      kernels: widths.map((_, layer) => initialKernel(this.#randoms, layer)),
      biases: widths.map((units, layer) => {
        const zeros = tensor(new Float32Array(seeds.length * units), { shape: [seeds.length, 1, units] })
        return new Variable(zeros, { name: `bias${layer}` })
      }),
    }
    const labels = tensor(data.labels)
    const adam = new Adam({ learningRate, eps })
    adam.prepare(this.#weights)
    // A whole epoch is one program, so a step costs little more than its arithmetic.
    this.#trainEpoch = jit((indices: Tensor[]) => {
      const losses = indices.map((index) => {
        const shape = [this.#seeds, index.size / this.#seeds]
        const x = this.#x.take(index).reshape([...shape, bits])
        const y = labels.take(index).reshape(shape)
        const { value, grads } = valueAndGrad((w: Weights<Tensor>) => this.#loss(w, x, y), this.#weights)
        adam.step(this.#weights, grads)
        return value
      })
      return losses.at(-1) as Tensor
    })
  }

  /** Outputs of all layers for rows of bits, `[S, n, units]` each; the last are logits. */
  #layers(w: Weights<Tensor>, x: Tensor): Tensor[] {
    const outputs: Tensor[] = []
    let h = x
    for (let layer = 0; layer < widths.length; layer++) {
      const scores = h.matmul(w.kernels[layer] as Tensor).add(w.biases[layer] as Tensor)
      const isOutput = layer === widths.length - 1
      h = isOutput ? scores : this.activation === 'tanh' ? scores.tanh() : scores.relu()
      outputs.push(h)
    }
    return outputs
  }

  /** The sum over seeds of the mean cross-entropy: each network gets its own gradient. */
  #loss(w: Weights<Tensor>, x: Tensor, y: Tensor): Tensor {
    const scores = this.#layers(w, x).at(-1) as Tensor
    const wanted = scores.logSoftmax(-1).takeAlong(y.expandDims(2), 2)
    return wanted.mean(1).sum().neg()
  }

  /** One pass over the training patterns of every network, in its own random order. */
  async train(): Promise<void> {
    const orders = this.#randoms.map((random, seed) => {
      const train = this.#train[seed] as Int32Array
      return random.permutation(train.length).map((at) => train[at] as number)
    })
    const count = orders[0]?.length ?? 0
    const indices = []
    for (let start = 0; start < count; start += batchSize) {
      const rows = Math.min(batchSize, count - start)
      const batch = new Int32Array(orders.length * rows)
      orders.forEach((order, seed) => {
        batch.set(order.subarray(start, start + rows), seed * rows)
      })
      indices.push(tensor(batch))
    }
    const loss = await this.#trainEpoch(indices)
    for (const used of [...indices, loss]) used.dispose()
  }

  /** Activations on all patterns: per seed the layers' outputs `[4096, units]`, the last as probabilities. */
  activations(): Tensor[][] {
    const current = {
      kernels: this.#weights.kernels.map((v) => v.value),
      biases: this.#weights.biases.map((v) => v.value),
    }
    const outputs = this.#layers(current, this.#x.expandDims(0))
    const layers = outputs.map((h, layer) => (layer === widths.length - 1 ? h.softmax(-1) : h))
    return Array.from({ length: this.#seeds }, (_, seed) =>
      layers.map((h) => h.slice([seed], [seed + 1]).reshape([patterns, -1])),
    )
  }

  /** Share of the training patterns that each network classifies correctly. */
  async accuracies(data: TwelveBits): Promise<number[]> {
    const outputs = this.activations()
    return Promise.all(
      outputs.map(async (layers, seed) => {
        const chosen = await (layers.at(-1) as Tensor).argMax(1).data()
        const train = this.#train[seed] as Int32Array
        return train.filter((i) => chosen[i] === data.labels[i]).length / train.length
      }),
    )
  }
}
