/** A network whose layers are trained on separate objectives, as a task: shared by the programs of local learning. */
import {
  accuracy,
  type Batch,
  crossEntropy,
  foldIn,
  type Network,
  type Optimizer,
  type Outcome,
  oneHot,
  type StepContext,
  type Task,
  type Tensor,
  TrainingRecord,
  type Variable,
  valueAndGrad,
} from '../../ts/index.js'

type Weights = Readonly<Record<string, Tensor>>
type Variables = Readonly<Record<string, Variable>>

/** A layer of the network. */
export interface LocalLayer {
  /** Computes the output of the layer. */
  readonly body: Network
  /** Networks that only the objective applies to the output, trained with the layer. */
  readonly heads?: Readonly<Record<string, Network>>
  /** Applied to the output on its way to the next layer, for example dropout. */
  readonly after?: Network
}

/** Inputs of an objective. */
export interface LocalView {
  /** Output of the layer, `[batch, units]`. */
  readonly z: Tensor
  /** Labels, int32 `[batch]`. */
  readonly labels: Tensor
  /** The labels as one-hot rows, `[batch, classes]`. */
  readonly y: Tensor
  /** Runs a head of the layer on an output. */
  head(name: string, z: Tensor): Tensor
}

/** Options of a {@link LayeredTask}. */
export interface LayeredOptions {
  readonly layers: readonly LocalLayer[]
  /** Returns logits of the classes from the output of the last layer; trained by cross-entropy, without gradient to the layers. */
  readonly readout: Network
  readonly classes: number
  /** A scalar that each layer minimizes. */
  objective(view: LocalView): Tensor
  /** Makes the optimizer of a layer. */
  local(): Optimizer
  /** Makes the optimizer of the readout. */
  final(): Optimizer
  readonly seed: number
}

/**
 * Trains each layer on its own objective and the readout on the labels, all on the same batch: no gradient passes from a layer to the one
 * before.
 */
export class LayeredTask implements Task<Batch> {
  readonly parameters: Readonly<Record<string, Readonly<Record<string, Variables>>>>
  readonly state: Readonly<Record<string, Variables>>
  readonly optimizers: Readonly<Record<string, Optimizer>>
  readonly record: TrainingRecord
  readonly usesClock = false
  readonly #options: LayeredOptions

  constructor(options: LayeredOptions) {
    const { layers, readout, local, final, seed } = options
    this.#options = options
    this.record = new TrainingRecord({ seed })
    const ofLayers = layers.map(({ body, heads = {} }, index) => [
      `layer${index}`,
      Object.fromEntries([
        ['body', body.weights],
        ...Object.entries(heads).map(([name, { weights }]) => [name, weights]),
      ]),
    ])
    this.parameters = Object.fromEntries([...ofLayers, ['readout', { body: readout.weights }]])
    this.state = Object.fromEntries(layers.map(({ body }, index) => [`layer${index}`, body.stateVariables]))
    this.optimizers = Object.fromEntries(
      Object.keys(this.parameters).map((name) => [name, name === 'readout' ? final() : local()]),
    )
  }

  step({ x, y: labels }: Batch, { key }: StepContext): Outcome {
    const { layers, readout, classes, objective } = this.#options
    const y = oneHot(labels, classes)
    const logs: Record<string, Tensor> = {}
    let h = x
    layers.forEach(({ body, heads = {}, after }, index) => {
      const name = `layer${index}`
      const own = this.parameters[name] as Readonly<Record<string, Variables>>
      const from = foldIn(key, index)
      const updates: [string, Tensor][] = []
      const { value, grads, aux } = valueAndGrad(
        (weights: Readonly<Record<string, Weights>>) => {
          const z = body.apply(weights.body as Weights, h, {
            training: true,
            key: from,
            update: (path, next) => updates.push([path, next]),
          })
          const head = (which: string, input: Tensor) =>
            (heads[which] as Network).apply(weights[which] as Weights, input)
          return [objective({ z, labels, y, head }), z] as const
        },
        own as unknown as Readonly<Record<string, Weights>>,
        { hasAux: true },
      )
      ;(this.optimizers[name] as Optimizer).step(own, grads)
      for (const [path, next] of updates) this.state[name]?.[path]?.assign(next.stopGradient())
      logs[name] = value
      const z = aux.stopGradient()
      h = after === undefined ? z : after.apply({}, z, { training: true, key: foldIn(from, 1) })
    })
    const own = this.parameters.readout as Readonly<Record<string, Variables>>
    const { value, grads } = valueAndGrad(
      (weights: Readonly<Record<string, Weights>>) =>
        crossEntropy(readout.apply(weights.body as Weights, h), labels),
      own as unknown as Readonly<Record<string, Weights>>,
    )
    this.optimizers.readout?.step(own, grads)
    return { loss: value, logs }
  }

  evaluate({ x, y: labels }: Batch): Outcome {
    const { layers, readout } = this.#options
    const last = layers.reduce((h, { body }) => body.apply({}, h), x)
    const logits = readout.apply({}, last)
    return { loss: crossEntropy(logits, labels), logs: { accuracy: accuracy(logits, labels) } }
  }

  /** Releases the networks and the optimizers. */
  dispose(): void {
    const { layers, readout } = this.#options
    for (const { body, heads = {}, after } of layers) {
      for (const network of [body, ...Object.values(heads), after]) network?.dispose()
    }
    readout.dispose()
    for (const optimizer of Object.values(this.optimizers)) optimizer.dispose()
    this.record.dispose()
  }
}
