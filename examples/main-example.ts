/**
 * The shortest complete example: a small convolutional network on MNIST with dropout, and HSIC of its layers for five epochs.
 *
 *     node build/examples/main-example.js [--epochs N] [--limit N] [--seed N] [--out DIR]
 *
 * In your own program, import from 'hyperglow'.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  Conv2d,
  Dense,
  Dropout,
  dynamicsTable,
  Flatten,
  HSIC,
  IBSequential,
  informationPlane,
  mnist,
} from '../ts/index.js'

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '5' },
    limit: { type: 'string' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: join('runs', 'main-example') },
  },
})
const seed = Number(values.seed)

const { train, validation, test } = await mnist.load({
  batchSize: 64,
  validationSplit: 0.2,
  seed,
  ...(values.limit === undefined ? {} : { limit: Number(values.limit) }),
})

const model = new IBSequential({ inputShape: [1, 28, 28], seed, trackDynamics: true })
// Without an activation a layer is linear.
model.add(new Conv2d(16, 3, { stride: 1, padding: 1 }))
model.add(new Flatten())
model.add(new Dropout(0.4))
model.add(new Dense(500, { activation: 'relu' }))
model.add(new Dropout(0.4))
model.add(new Dense(10, { activation: 'softmax' }))
model.compile({ optimizer: 'SGD', loss: 'crossEntropy', metrics: ['accuracy'] })
model.attachEvaluator(new HSIC({ kernel: 'gaussian', sigma: 5 }))

await model.fitDataset(train, { validation, epochs: Number(values.epochs), verbose: true })

const { metrics } = await model.evaluate(test)
console.log(dynamicsTable(model))
console.log(`evaluatedDynamics: [${model.evaluatedDynamics.shape}]; test accuracy: ${metrics.accuracy}`)
console.log(`written: ${await informationPlane(model).save(join(values.out, 'plane.svg'))}`)
