/**
 * Training steps of the information bottleneck on MNIST at published settings: one step of every layer of an HSIC network, each on the
 * output of the layers before it after their own step (Ma, Lewis and Kleijn 2019), and a step of a variational bottleneck (Alemi and others
 * 2017).
 */
import {
  Activation,
  BatchNorm1d,
  Chain,
  Dense,
  HSIC,
  HSICSequential,
  key,
  normal,
  Sequential,
  SGD,
  TrainingRecord,
  VIB,
} from '../../ts/index.js'
import { LocalTask } from '../../ts/models/local-task.js'
import type { Inputs, Job, Setup } from '../job.js'
import { stepsOfTask } from '../training.js'

/** A network of the paper and how it is trained. */
interface Form {
  readonly widths: readonly number[]
  readonly batch: number
  readonly sigma: number
  /** Weight of the dependence on the target. */
  readonly beta: number
  readonly learningRate: number
}

const pixels = 784
const classes = 10

function blocks({ widths }: Form): HSICSequential {
  const model = new HSICSequential({ inputShape: [pixels] })
  for (const units of widths) {
    model.add(new Chain([new Dense(units), new BatchNorm1d({ affine: false }), new Activation('relu')]))
  }
  return model
}

const layerwise =
  (form: Form, precision: 'float32' | 'float64'): Setup =>
  async (inputs) => {
    const { batch, sigma, beta, learningRate } = form
    const model = blocks(form)
    await inputs.parameters(Object.values(model.trainableWeights))
    const criterion = new HSIC({ sigma, scaleSqrtD: true, variant: 'nHSIC', precision })
    const locals = model.layers.map((layer, index) => {
      const path = `layers.${index}`
      const own = [...layer.trainableParams].map(([name, variable]) => [`${path}.${name}`, variable] as const)
      const optimizer = new SGD({ learningRate, weightDecay: 1e-3 })
      return [
        layer,
        { path, criterion, coefficient: beta, optimizer, parameters: Object.fromEntries(own) },
      ] as const
    })
    const record = new TrainingRecord()
    const task = new LocalTask(model, { record, locals: new Map(locals), refresh: true, layers: [], classes })
    task.prepare()
    const [x, y] = [await images(inputs, batch), await inputs.labels('y', batch, classes)]
    return stepsOfTask(task, record.rng, x, y)
  }

const images = (inputs: Inputs, batch: number) =>
  inputs.tensor('x', () => normal(key(1), [batch, pixels]).mul(0.2).add(0.1).clip(0, 1))

const code = 256
const vibBatch = 100

const variational: Setup = async (inputs) => {
  const encoder = new Sequential({ inputShape: [pixels] })
  for (const units of [1024, 1024]) encoder.add(new Dense(units, { activation: 'relu' }))
  encoder.add(new Dense(2 * code))
  const decoder = new Sequential({ inputShape: [code] }).add(new Dense(classes))
  await inputs.parameters([...Object.values(encoder.weights), ...Object.values(decoder.weights)])
  const model = new VIB({ encoder, decoder, hiddenDim: code, tradeOff: 1e-3, scaleShift: -5 })
  model.compile({ optimizer: 'adam', learningRate: 1e-4, optimizerOptions: { betas: [0.5, 0.999] } })
  const [x, y] = [await images(inputs, vibBatch), await inputs.labels('y', vibBatch, classes)]
  using noise = await inputs.normal('noise', [vibBatch, code])
  // Steps draw their own noise, so the compared value is the loss of the initial weights with given noise.
  const { loss } = model.terms({}, x, y, noise.reshape([1, vibBatch, code]))
  const value = await loss.item()
  const record = model.task.record as TrainingRecord
  const step = stepsOfTask(model.task, record.rng, x, y)
  let given: number | undefined = value
  return async () => {
    const [first, own] = [given, await step()]
    given = undefined
    return first ?? own
  }
}

const forms: Readonly<Record<string, Form>> = {
  'hsic/7x128/m=512': {
    widths: [128, 128, 128, 128, 128, 128, 128],
    batch: 512,
    sigma: 5,
    beta: 50,
    learningRate: 1e-4,
  },
  'hsic/6x1024-10/m=256': {
    widths: [1024, 1024, 1024, 1024, 1024, 1024, classes],
    batch: 256,
    sigma: 6,
    beta: 200,
    learningRate: 1e-3,
  },
}

const layerwiseIn = (precision: 'float32' | 'float64'): Job =>
  Object.fromEntries(Object.entries(forms).map(([name, form]) => [name, layerwise(form, precision)]))

/** As in the published programs. */
export const job: Job = { ...layerwiseIn('float32'), 'vib/784-1024-1024-512/m=100': variational }
/** The kernel matrices in float64, the default. */
export const inDouble: Job = layerwiseIn('float64')
