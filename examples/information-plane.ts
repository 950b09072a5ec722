/**
 * The information plane of a network that learns to classify digits: the main job, `npm start`.
 *
 * A convolution and four dense layers train on MNIST; on every batch HSIC measures the dependence of each layer on the image and on the
 * label. `npm start -- --help` lists the options. In your own program, import from 'hyperglow'.
 */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  Conv2d,
  Dense,
  dynamicsTable,
  epochsPlot,
  Flatten,
  type History,
  HSIC,
  type HSICOptions,
  HyperglowError,
  IBSequential,
  type ImageDatasets,
  IOError,
  informationPlane,
  mnist,
  type Segment,
  version,
  writeAtomic,
} from '../ts/index.js'
import { readOptions, type Settings, UsageError, usage } from './information-plane-options.js'

/** The network; equal seeds give equal networks. */
function build(settings: Settings): IBSequential {
  const model = new IBSequential({
    inputShape: [1, 28, 28],
    device: settings.device as 'cpu',
    seed: settings.seed,
    trackDynamics: settings.track,
    segment: settings.segment as Segment,
    ...(settings.track ? { saveDynamics: join(settings.out, 'dynamics') } : {}),
    ...(settings.doubleSoftmax ? { compat: 'doubleSoftmax' } : {}),
  })
  model.add(new Conv2d(16, 3, { stride: 1, padding: 1, activation: 'relu' }))
  model.add(new Flatten())
  model.add(new Dense(1000, { activation: 'relu' }))
  model.add(new Dense(500, { activation: 'relu' }))
  model.add(new Dense(200, { activation: 'relu' }))
  model.add(new Dense(10, { activation: 'softmax' }))
  model.compile({
    optimizer: 'sgd',
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    learningRate: settings.lr,
    momentum: settings.momentum,
  })
  if (settings.track) {
    const kernel = settings.kernel as NonNullable<HSICOptions['kernel']>
    const hasWidth = kernel === 'gaussian' || kernel === 'laplacian'
    model.attachEvaluator(new HSIC({ kernel, ...(hasWidth ? { sigma: settings.sigma } : {}) }))
  }
  return model
}

/** Builds the model from the options; an option that is refused is reported as wrong usage. */
async function prepare(settings: Settings): Promise<IBSequential> {
  try {
    return build(settings)
  } catch (error) {
    if (error instanceof HyperglowError) throw new UsageError(error.message, { cause: error })
    throw error
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new UsageError(`--out ${path} cannot be used: ${what}`, { cause: error })
  }
}

/** MNIST; an explicit folder without it is wrong usage. */
async function load({ batchSize, validationSplit, seed, data, limit }: Settings): Promise<ImageDatasets> {
  try {
    return await mnist.load({
      batchSize,
      validationSplit,
      seed,
      ...(data === undefined ? {} : { dataDir: data }),
      ...(limit === undefined ? {} : { limit }),
    })
  } catch (error) {
    if (data === undefined || !(error instanceof HyperglowError)) throw error
    throw new UsageError(`--data: ${error.message}`, { cause: error })
  }
}

/** All results of the run for later programs, as JSON. */
function report(model: IBSequential, history: History, settings: Settings, testAccuracy: number): string {
  const { metrics, loss, validationLoss, validationMetrics, seconds } = history
  const epochs = loss.map((value, n) => ({
    loss: value,
    accuracy: metrics.accuracy?.[n],
    ...(validationLoss
      ? { validationLoss: validationLoss[n], validationAccuracy: validationMetrics?.accuracy?.[n] }
      : {}),
    seconds: seconds[n],
  }))
  const { track, seed } = settings
  const content = {
    dynamics: track ? model.dynamics() : null,
    batchDynamicsShape: track ? model.batchDynamics.shape : null,
    epochs,
    testAccuracy,
    seed,
    device: model.device,
    settings,
    versions: { hyperglow: version, node: process.versions.node },
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

async function main(settings: Settings, signal: AbortSignal): Promise<void> {
  const { out, epochs, track } = settings
  const model = await prepare(settings)
  await makeFolder(out)
  const { train, validation, test } = await load(settings)
  console.log(model.summary())
  console.log(
    `MNIST: ${train.samples} training, ${validation.samples} validation, ${test.samples} test images; ` +
      `${train.length} and ${validation.length} batches of ${settings.batchSize}`,
  )
  const history = await model.fitDataset(train, { validation, epochs, signal, verbose: true })
  const { loss, metrics } = await model.evaluate(test, { signal })
  const accuracy = metrics.accuracy as number
  const files = ['history.json']
  await writeAtomic(join(out, 'history.json'), report(model, history, settings, accuracy))
  if (track) {
    console.log(`\n${dynamicsTable(model)}\n`)
    for (const [name, chart] of Object.entries({
      plane: informationPlane(model),
      epochs: epochsPlot(model),
    })) {
      for (const ending of ['svg', 'png']) {
        await chart.save(join(out, `${name}.${ending}`))
        files.push(`${name}.${ending}`)
      }
    }
    files.push('dynamics/')
  }
  console.log(`test: loss ${loss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(2)} %`)
  console.log(`written to ${resolve(out)}: ${files.join(', ')}`)
}

const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort(new Error('interrupted')))
try {
  const settings = readOptions(process.argv.slice(2))
  if (settings === undefined) console.log(usage())
  else await main(settings, interrupt.signal)
} catch (error) {
  if (interrupt.signal.aborted && error === interrupt.signal.reason) {
    console.error('interrupted; the stored dynamics remain')
    process.exitCode = 130
  } else if (error instanceof UsageError) {
    console.error(`${error.message} (--help lists the options)`)
    process.exitCode = 2
  } else if (error instanceof IOError) {
    console.error(error.message)
    process.exitCode = 1
  } else throw error
}
