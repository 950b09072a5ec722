import { Stack } from './sequential.js'

/**
 * A linear stack of layers that can record the layers' dependence on input and target during training.
 *
 *     const model = new IBSequential({ inputShape: [1, 28, 28], trackDynamics: true })
 *     model.add(new Flatten()).add(new Dense(10, { activation: 'softmax' }))
 *     model.compile({ metrics: ['accuracy'] })
 *     model.attachEvaluator(new HSIC({ kernel: 'gaussian', sigma: 5 }))
 *     await model.fitDataset(train, { epochs: 7 })
 *     model.evaluatedDynamics.shape // [epochs, evaluators, layers, 2]
 *
 * Points of the information plane are the layers with parameters, the output layer included, with their outputs in the training step: with
 * dropout active and before the step's update. Tracking changes no weight.
 */
export class IBSequential extends Stack {}
