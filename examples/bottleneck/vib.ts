/** The deep variational information bottleneck on MNIST at the settings of its authors' notebook (Alemi et al. 2017, arXiv 1612.00410; alexalemi/vib_demo). */
import { Dense, LearningRate, Sequential, stepLR, VIB } from '../../ts/index.js'
import { digits } from './digits.js'

/** What came of an epoch. */
export interface Reached {
  readonly epoch: number
  /** Percent of the test images that are told wrong, probabilities averaged over 12 draws; NaN where it was not measured. */
  readonly error: number
  /** The same with one draw. */
  readonly errorOfOne: number
  /** Mean rate over the test images, in bits: a bound of I(X;Z). */
  readonly bits: number
}

/** What is trained, and for how long. */
export interface VIBRun {
  readonly seed: number
  /** Weight of the rate, beta. */
  readonly tradeOff: number
  /** The epochs after which the test images are told; training ends after the last. */
  readonly epochs: readonly number[]
}

/** Initial weights of the notebook: Glorot uniform, biases 0. */
const weights = { kernelInitializer: 'glorotUniform', biasInitializer: 'zeros' } as const
const hidden = { ...weights, activation: 'relu' } as const

/** 784-1024-1024-512, a code of 256 numbers with a diagonal covariance, a linear decoder; Adam with beta1 .5, the rate 1e-4 times .97 every second epoch. */
export async function trained({ seed, tradeOff, epochs }: VIBRun): Promise<Reached[]> {
  const { train, test } = await digits({ batchSize: 100, range: [-1, 1], shuffle: true, seed })
  const encoder = new Sequential({ inputShape: [784], seed })
  encoder.add(new Dense(1024, hidden)).add(new Dense(1024, hidden)).add(new Dense(512, weights))
  const decoder = new Sequential({ inputShape: [256], seed: seed + 1000 }).add(new Dense(10, weights))
  using model = new VIB({ encoder, decoder, hiddenDim: 256, tradeOff, scaleShift: -5, seed })
  model.compile({ optimizer: 'adam', learningRate: 1e-4, optimizerOptions: { betas: [0.5, 0.999] } })
  const labels = test.labels as Int32Array
  using images = test.source.x
    .cast('float32')
    .mul(2 / 255)
    .sub(1)
  const errorOf = async (numSamples: number) => {
    using probabilities = await model.predict(images, { numSamples, batchSize: 500 })
    const found = await probabilities.argMax(1).data()
    return (100 * found.filter((label, index) => Number(label) !== labels[index]).length) / labels.length
  }
  const reached: Reached[] = []
  const last = Math.max(...epochs)
  await model.fitDataset(train, {
    epochs: last,
    verbose: false,
    callbacks: [
      new LearningRate(stepLR({ stepSize: 2, gamma: 0.97 })),
      {
        async onEpochEnd(index) {
          const epoch = index + 1
          if (!epochs.includes(epoch)) return
          const { metrics } = await model.evaluate(test)
          const bits = (metrics.rate as number) / Math.LN2
          reached.push({ epoch, error: await errorOf(12), errorOfOne: await errorOf(1), bits })
        },
      },
    ],
  })
  for (const owner of [train, test, encoder, decoder]) owner.dispose()
  return reached
}
