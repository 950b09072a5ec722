/** A hypernetwork as a task: one network makes all weights of another, from the embedding of a condition (Ha, Dai and Le 2017). */
import {
  Adam,
  Dense,
  mse,
  type Network,
  normal,
  type Outcome,
  key as randomKey,
  Sequential,
  type StepContext,
  stack,
  type Task,
  type Tensor,
  TrainingRecord,
  Variable,
  valueAndGrad,
} from '../../ts/index.js'

/** Samples of all conditions at once: `x` and `y` [batch, conditions, 1]. */
export type Curves = { x: Tensor; y: Tensor }

type Weights = Readonly<Record<string, Tensor>>
type Parameters = { maker: Weights; embeddings: Tensor }

/** Learns a function for each condition with one network, whose weights another network generates. */
export class Hypernetwork implements Task<Curves> {
  /** The network whose weights are generated: it owns none. */
  readonly main: Network
  readonly maker: Network
  readonly parameters
  readonly optimizers = { adam: new Adam({ learningRate: 3e-3 }) }
  readonly record: TrainingRecord
  readonly #shapes: readonly (readonly [path: string, shape: readonly number[]])[]

  constructor({ conditions = 4, width = 16, seed = 0 } = {}) {
    this.record = new TrainingRecord({ seed })
    this.main = new Sequential({ inputShape: [1], noWeights: true })
      .add(new Dense(width, { activation: 'tanh' }))
      .add(new Dense(1))
    this.#shapes = Object.entries(this.main.paramShapes)
    const size = 8
    this.maker = new Sequential({ inputShape: [size], seed: seed + 1 })
      .add(new Dense(32, { activation: 'relu' }))
      .add(new Dense(this.main.countParams()))
    this.parameters = {
      maker: this.maker.weights,
      embeddings: new Variable(normal(randomKey(seed + 2), [conditions, size]), { name: 'embeddings' }),
    }
  }

  /** The weights of the main network under a condition, by path. */
  #weights({ maker, embeddings }: Parameters, condition: number): Weights {
    const flat = this.maker.apply(maker, embeddings.slice([condition], [condition + 1])).reshape([-1])
    let start = 0
    return Object.fromEntries(
      this.#shapes.map(([path, shape]) => {
        const end = start + shape.reduce((size, extent) => size * extent, 1)
        const part = flat.slice([start], [end]).reshape(shape)
        start = end
        return [path, part]
      }),
    )
  }

  /** The outputs of the main network for x [batch, conditions, 1] under each condition, and the size of its weights. */
  #run(parameters: Parameters, x: Tensor): { output: Tensor; size: Tensor } {
    const [count, conditions] = x.shape as [number, number]
    const made = Array.from({ length: conditions }, (_, condition) => this.#weights(parameters, condition))
    const outputs = made.map((weights, condition) =>
      this.main.apply(weights, x.slice([0, condition], [count, condition + 1]).reshape([count, 1])),
    )
    const squares = made.flatMap((weights) => Object.values(weights).map((weight) => weight.square().sum()))
    return { output: stack(outputs, 1), size: stack(squares).sum() }
  }

  /** The scalar `decay` is the penalty of large weights. */
  step({ x, y }: Curves, { scalars, tracking }: StepContext): Outcome {
    const decay = scalars.decay as Tensor
    const { value, grads, aux } = valueAndGrad(
      (parameters: Parameters) => {
        const { output, size } = this.#run(parameters, x)
        const error = mse(output, y)
        return [error.add(size.mul(decay)), { output, error }] as const
      },
      this.parameters,
      { hasAux: true },
    )
    this.optimizers.adam.step(this.parameters, grads)
    const logs = { error: aux.error }
    return tracking ? { loss: value, logs, segment: segmentOf(x, aux.output, y) } : { loss: value, logs }
  }

  evaluate({ x, y }: Curves): Outcome {
    const { maker, embeddings } = this.parameters
    const weights = Object.fromEntries(Object.entries(maker).map(([path, { value }]) => [path, value]))
    const { output } = this.#run({ maker: weights, embeddings: embeddings.value }, x)
    return { loss: mse(output, y), segment: segmentOf(x, output, y) }
  }
}

function segmentOf(input: Tensor, output: Tensor, target: Tensor) {
  return { input, layers: [['main', output]] as const, target, kind: 'numbers' as const }
}

/** Sine waves whose phase is the condition: `x` and `y` nested, [count, conditions, 1]. */
export function waves(count: number, conditions: number): { x: number[][][]; y: number[][][] } {
  const at = (i: number) => -2 + (4 * i) / (count - 1)
  const each = <T>(f: (i: number, condition: number) => T) =>
    Array.from({ length: count }, (_, i) => Array.from({ length: conditions }, (_, c) => f(i, c)))
  return {
    x: each((i) => [at(i)]),
    y: each((i, condition) => [Math.sin(2 * at(i) + (condition * Math.PI) / conditions)]),
  }
}
