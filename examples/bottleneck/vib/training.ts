/**
 * The deep variational information bottleneck on MNIST (Alemi et al. 2017, arXiv 1612.00410) as trained in its authors' two notebooks
 * (alexalemi/vib_demo).
 */
import { Dense, fit, LearningRate, Sequential, stepLR, type Tensor, VIB } from '../../../ts/index.js'
import { Averaged } from '../averaged.js'
import { digits, disposeOf } from '../digits.js'

/** Measurements after an epoch. */
export interface Reached {
  readonly epoch: number
  /** Percent of the test images misclassified, probabilities averaged over draws. */
  readonly error: number
  /** The same with one draw. */
  readonly errorOfOne: number
  /** Mean rate over the test images, in bits: an upper bound of I(X;Z). */
  readonly bits: number
}

/** Differences between the forms of training. */
export interface Form {
  /** Units of each hidden layer of the encoder. Default 1024. */
  readonly width?: number
  /** Dimensions of the code. Default 256. */
  readonly hiddenDim?: number
  /** Default 'diag'. */
  readonly covType?: 'diag' | 'full'
  readonly learningRate: number
  /** beta1 of Adam. */
  readonly beta1: number
  /** Factor of the learning rate every second epoch. */
  readonly decay: number
  /** Draws of the code in a training step. */
  readonly samples: number
  /** Draws that predictions are averaged over. */
  readonly testSamples: number
  /** Range of pixels. */
  readonly range: readonly [low: number, high: number]
}

/** The notebook of the paper's code: MNISTVIB.ipynb. */
export const notebook: Form = {
  learningRate: 1e-4,
  beta1: 0.5,
  decay: 0.97,
  samples: 1,
  testSamples: 12,
  range: [-1, 1],
}

/** The authors' second form: JAX_DVIB_MNIST.ipynb. */
export const jaxForm: Form = {
  learningRate: 2e-4,
  beta1: 0.9,
  decay: 0.95,
  samples: 12,
  testSamples: 64,
  range: [-1, 255 / 128 - 1],
}

/** Options of a training run. */
export interface VIBRun {
  readonly seed: number
  readonly form: Form
  /** Weight of the rate, beta. */
  readonly tradeOff: number
  /** The epochs after which the test images are classified; training ends after the last. */
  readonly epochs: readonly number[]
}

/** Measured with the current weights, and with their average over steps. */
export interface Trained {
  readonly plain: readonly Reached[]
  /** With decay .999 of the moving average. */
  readonly averaged: readonly Reached[]
}

/** Initial weights of both notebooks: Glorot uniform, biases 0. */
const weights = { kernelInitializer: 'glorotUniform', biasInitializer: 'zeros' } as const
const hidden = { ...weights, activation: 'relu' } as const

/** An encoder of two hidden layers, a linear decoder. */
export function vibOf({ seed, form, tradeOff }: Omit<VIBRun, 'epochs'>): VIB {
  const { hiddenDim = 256, covType = 'diag', samples } = form
  const { width = 1024 } = form
  const coded = hiddenDim + (covType === 'diag' ? hiddenDim : (hiddenDim * (hiddenDim + 1)) / 2)
  const encoder = new Sequential({ inputShape: [784], seed })
  encoder.add(new Dense(width, hidden)).add(new Dense(width, hidden)).add(new Dense(coded, weights))
  const decoder = new Sequential({ inputShape: [hiddenDim], seed: seed + 1000 }).add(new Dense(10, weights))
  const { learningRate, beta1 } = form
  return new VIB({
    encoder,
    decoder,
    hiddenDim,
    covType,
    numSamples: samples,
    tradeOff,
    scaleShift: -5,
    seed,
  }).compile({ optimizer: 'adam', learningRate, optimizerOptions: { betas: [beta1, 0.999] } })
}

/** Trains, and classifies the test images after the given epochs. */
export async function trained(run: VIBRun): Promise<Trained> {
  const { seed, form, epochs } = run
  const data = await digits({ batchSize: 100, range: form.range, shuffle: true, seed })
  using model = vibOf(run)
  const task = new Averaged(model.task, 0.999)
  const labels = data.test.labels as Int32Array
  const [low, high] = form.range
  using images = data.test.source.x
    .cast('float32')
    .mul((high - low) / 255)
    .add(low)
  const reached = async (epoch: number): Promise<Reached> => ({
    epoch,
    error: await errorOf(model, images, labels, form.testSamples),
    errorOfOne: await errorOf(model, images, labels, 1),
    bits: await bitsOf(model, images),
  })
  const plain: Reached[] = []
  const averaged: Reached[] = []
  await fit(task, data.train, {
    epochs: Math.max(...epochs),
    verbose: false,
    callbacks: [
      new LearningRate(stepLR({ stepSize: 2, gamma: form.decay })),
      {
        async onEpochEnd(index) {
          const epoch = index + 1
          if (!epochs.includes(epoch)) return
          plain.push(await reached(epoch))
          averaged.push(await task.withAverages(() => reached(epoch)))
        },
      },
    ],
  })
  task.dispose()
  disposeOf(data)
  model.encoder.dispose()
  model.decoder.dispose()
  return { plain, averaged }
}

/** Percent of misclassified images. */
async function errorOf(model: VIB, images: Tensor, labels: Int32Array, numSamples: number): Promise<number> {
  using probabilities = await model.predict(images, { numSamples, batchSize: 500 })
  using largest = probabilities.argMax(1)
  const found = await largest.data()
  return (100 * found.filter((label, index) => Number(label) !== labels[index]).length) / labels.length
}

/** Mean divergence of the codes from the prior, in bits. */
async function bitsOf(model: VIB, images: Tensor): Promise<number> {
  const count = images.shape[0] as number
  const step = 1000
  let sum = 0
  for (let start = 0; start < count; start += step) {
    const { mean, scale, kl } = model.encode(images.slice([start], [start + step]))
    using total = kl.sum()
    sum += Number((await total.data())[0])
    for (const used of [mean, scale, kl]) used.dispose()
  }
  return sum / count / Math.LN2
}

/**
 * A smaller network than the notebook's at two trade-offs, for the tests.
 *
 * @returns percent of misclassified images of the weak trade-off after three epochs, and the bits of both trade-offs after the first
 */
export async function quickTradeOffs(
  seed: number,
): Promise<{ error: number; bits: { weak: number; strong: number } }> {
  const form = { ...notebook, width: 400, hiddenDim: 64, learningRate: 3e-4 }
  const at = async (tradeOff: number, epochs: readonly number[]) =>
    (await trained({ seed, form, tradeOff, epochs })).plain
  const [first, third] = (await at(1e-3, [1, 3])) as [Reached, Reached]
  const [strong] = (await at(1, [1])) as [Reached]
  return { error: third.error, bits: { weak: first.bits, strong: strong.bits } }
}
