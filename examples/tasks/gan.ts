/** A generative adversarial network as a task: two networks, two losses, two optimizers (Goodfellow et al. 2014). */
import {
  Adam,
  bceWithLogits,
  cdist,
  concat,
  Dense,
  type Network,
  normal,
  type Optimizer,
  type Outcome,
  oneHot,
  onesLike,
  Sequential,
  type StepContext,
  splitKey,
  type Task,
  type Tensor,
  TrainingRecord,
  tensor,
  valueAndGrad,
  zerosLike,
} from '../../ts/index.js'

/** Samples to imitate: `x` [batch, 2]. */
export type Points = { x: Tensor }

type Weights = Readonly<Record<string, Tensor>>

/** Dimension of the noise of a sample. */
const latent = 2

/** A network of two hidden layers. */
function network(inputs: number, widths: readonly number[], outputs: number, seed: number): Network {
  const model = new Sequential({ inputShape: [inputs], seed })
  for (const units of widths) model.add(new Dense(units, { activation: 'tanh' }))
  return outputs === 0 ? model : model.add(new Dense(outputs))
}

/** The maker turns noise into points; the critic distinguishes them from given points. */
export class Gan implements Task<Points> {
  readonly maker: Network
  readonly features: Network
  readonly verdict: Network
  readonly parameters
  readonly optimizers: Readonly<Record<'maker' | 'critic', Optimizer>>
  readonly record: TrainingRecord

  constructor({ seed = 0, learningRate = 2e-3 } = {}) {
    this.record = new TrainingRecord({ seed })
    this.maker = network(latent, [64, 64], 2, seed)
    this.features = network(2, [64, 64], 0, seed + 1)
    this.verdict = network(64, [], 1, seed + 2)
    this.parameters = {
      maker: this.maker.weights,
      critic: { features: this.features.weights, verdict: this.verdict.weights },
    }
    const adam = () => new Adam({ learningRate, betas: [0.5, 0.9] })
    this.optimizers = { maker: adam(), critic: adam() }
  }

  /** Generated points, [count, 2]. */
  sample(key: Tensor, count: number, weights: Weights = {}): Tensor {
    return this.maker.apply(weights, normal(key, [count, latent]))
  }

  /** Logits of the critic that points are given ones, [batch, 1]. */
  #judge(critic: { features: Weights; verdict: Weights }, points: Tensor): Tensor {
    return this.verdict.apply(critic.verdict, this.features.apply(critic.features, points))
  }

  step({ x }: Points, { key, tracking }: StepContext): Outcome {
    const { maker, critic } = this.parameters
    const [forCritic, forMaker] = splitKey(key) as [Tensor, Tensor]
    const count = x.shape[0] as number
    const made = this.sample(forCritic, count)
    const criticStep = valueAndGrad((w: { features: Weights; verdict: Weights }) => {
      const [given, fake] = [this.#judge(w, x), this.#judge(w, made)]
      return bceWithLogits(given, onesLike(given)).add(bceWithLogits(fake, zerosLike(fake)))
    }, critic)
    this.optimizers.critic.step(critic, criticStep.grads)
    const makerStep = valueAndGrad((w: Weights) => {
      const fake = this.#judge({ features: {}, verdict: {} }, this.sample(forMaker, count, w))
      return bceWithLogits(fake, onesLike(fake))
    }, maker)
    this.optimizers.maker.step(maker, makerStep.grads)
    const logs = { critic: criticStep.value, maker: makerStep.value }
    return tracking ? { logs, segment: this.#segment(x, made) } : { logs }
  }

  /**
   * Mean distances of given points to the nearest generated one (missed modes), and of generated points to the nearest given one (wrong
   * points).
   */
  evaluate({ x }: Points, { key, tracking }: StepContext): Outcome {
    const made = this.sample(key, 512)
    const distances = cdist(x, made)
    const logs = { missed: distances.min(1).mean(), wrong: distances.min(0).mean() }
    return tracking ? { logs, segment: this.#segment(x, this.sample(key, x.shape[0] as number)) } : { logs }
  }

  /** The segment for evaluators: all points, the critic's layers, and which points were given. */
  #segment(given: Tensor, made: Tensor) {
    const count = given.shape[0] as number
    const input = concat([given, made], 0)
    const features = this.features.apply({}, input)
    const labels = tensor(Int32Array.from({ length: 2 * count }, (_, i) => (i < count ? 1 : 0)))
    return {
      input,
      layers: [
        ['features', features],
        ['verdict', this.verdict.apply({}, features)],
      ] as const,
      target: oneHot(labels, 2),
      kind: 'classes' as const,
    }
  }
}

/** Points near the corners of a polygon on the unit circle, [count * 2] flat. */
export function mixture(count: number, corners = 8, spread = 0.05): Float32Array {
  // A fixed sequence, so that the example has the same points everywhere.
  let state = 1
  const uniform = () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
  return Float32Array.from({ length: count }).reduce<Float32Array>(
    (points, _, i) => {
      const angle = (2 * Math.PI * (i % corners)) / corners
      const [radius, turn] = [spread * Math.sqrt(-2 * Math.log(uniform())), 2 * Math.PI * uniform()]
      points[2 * i] = Math.cos(angle) + radius * Math.cos(turn)
      points[2 * i + 1] = Math.sin(angle) + radius * Math.sin(turn)
      return points
    },
    new Float32Array(2 * count),
  )
}
