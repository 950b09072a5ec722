/** The training task of the variational bottleneck. */
import { valueAndGrad } from '../core/transforms.js'
import type { Variable } from '../core/variable.js'
import type { Batch } from '../data/loader.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import { equal } from '../ops/index.js'
import { foldIn } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import type { Outcome, StepContext, Task } from '../train/task.js'
import type { TrainingRecord } from '../train/training-record.js'
import type { Network } from './network.js'
import type { VIBTerms } from './vib-terms.js'

/** Weights of both networks by path; a missing path stands for the network's own weight. */
export interface VIBWeights {
  readonly encoder?: Readonly<Record<string, Tensor>>
  readonly decoder?: Readonly<Record<string, Tensor>>
}

/** Arguments of a pass over both networks. */
export interface VIBPass {
  readonly training: boolean
  readonly key?: Tensor
  update?(network: 'encoder' | 'decoder', path: string, value: Tensor): void
}

/** The two networks of a {@link VIB} model and their loss. */
interface VIBModel {
  readonly encoder: Network
  readonly decoder: Network
  readonly numSamples: number
  run(weights: VIBWeights, x: Tensor, y: Tensor, noise: Tensor, pass: VIBPass): VIBTerms
  noise(from: Tensor, samples: number, batch: number): Tensor
}

/** The training of a {@link VIB} model: one optimizer for both networks. */
export class VIBTask implements Task<Batch> {
  readonly parameters
  readonly state
  readonly optimizers: { readonly optimizer: Optimizer }
  readonly record: TrainingRecord
  readonly usesClock = false
  readonly #model: VIBModel

  constructor(model: VIBModel, optimizer: Optimizer, record: TrainingRecord) {
    this.#model = model
    this.record = record
    this.optimizers = { optimizer }
    const { encoder, decoder } = model
    this.parameters = { encoder: encoder.trainableWeights, decoder: decoder.trainableWeights }
    this.state = { encoder: othersOf(encoder), decoder: othersOf(decoder) }
    optimizer.prepare(this.parameters)
  }

  step({ x, y }: Batch, ctx: StepContext): Outcome {
    const { optimizer } = this.optimizers
    const updates: [Variable | undefined, Tensor][] = []
    const from = ctx.key
    const noise = this.#noise(from, x)
    const { value, grads, aux } = valueAndGrad(
      (weights: VIBWeights) => {
        const terms = this.#model.run(weights, x, y, noise, {
          training: true,
          key: from,
          update: (network, path, next) => updates.push([this.state[network][path], next]),
        })
        return [terms.loss, terms] as const
      },
      this.parameters as { encoder: Record<string, Variable>; decoder: Record<string, Variable> },
      { hasAux: true },
    )
    optimizer.step(this.parameters, grads)
    for (const [variable, next] of updates) variable?.assign(next.stopGradient())
    return outcomeOf(value, aux, y)
  }

  evaluate({ x, y }: Batch, ctx: StepContext): Outcome {
    const terms = this.#model.run({}, x, y, this.#noise(ctx.key, x), { training: false })
    return outcomeOf(terms.loss, terms, y)
  }

  #noise(from: Tensor, x: Tensor): Tensor {
    return this.#model.noise(foldIn(from, 0), this.#model.numSamples, x.shape[0] as number)
  }
}

function outcomeOf(loss: Tensor, { crossEntropy, kl, probabilities }: VIBTerms, y: Tensor): Outcome {
  const right = equal(probabilities.argMax(1).cast('int32'), y.cast('int32')).cast('float32')
  return { loss, logs: { crossEntropy: crossEntropy.mean(), rate: kl.mean(), accuracy: right.mean() } }
}

/** The state of a network besides its trained weights. */
function othersOf({ weights, trainableWeights, stateVariables }: Network): Record<string, Variable> {
  const frozen = Object.entries(weights).filter(([path]) => trainableWeights[path] === undefined)
  return { ...stateVariables, ...Object.fromEntries(frozen) }
}
