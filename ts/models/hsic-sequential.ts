import { HSICNetwork } from './hsic-network.js'

/**
 * A linear stack of layers that is trained without back-propagation.
 *
 *     const model = new HSICSequential({ inputShape: [784] })
 *     model.add(new Dense(128, { activation: 'relu' })).add(new Dense(128, { activation: 'relu' })).add(new HSICOutput(10))
 *     const criterion = new HSIC({ sigma: 5, scaleSqrtD: true, variant: 'nHSIC' })
 *     model.compile({ criterion, regularizeCoeff: 50, learningRate: 1e-4, post: { metrics: ['accuracy'] } })
 *     await model.fitDataset(train, { preEpochs: 5, postEpochs: 5, validation })
 */
export class HSICSequential extends HSICNetwork {}
