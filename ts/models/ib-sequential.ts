import { Stack } from './sequential.js'

/**
 * A linear stack of layers that can follow what they know of input and target while it trains.
 *
 *     const model = new IBSequential({ inputShape: [1, 28, 28], trackDynamics: true })
 *     model.add(new Flatten()).add(new Dense(10, { activation: 'softmax' }))
 *     model.compile({ metrics: ['accuracy'] })
 *     model.attachEvaluator(new HSIC({ kernel: 'gaussian', sigma: 5 }))
 *     await model.fitDataset(train, { epochs: 7 })
 *     model.evaluatedDynamics.shape // [epochs, evaluators, layers, 2]
 *
 * Points of the information plane are the layers with parameters, output layer included, as they occur in training: with dropout
 * active and before the update of the step. Tracking changes no weight.
 */
export class IBSequential extends Stack {}
