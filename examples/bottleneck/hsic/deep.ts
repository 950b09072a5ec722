/** Networks of 50 layers: the authors published the script and no figure, so there are only our numbers. */
import { after, type Experiment } from '../experiment.js'
import { backPropagated } from './networks.js'
import { unformatted } from './unformatted.js'

const depth = 50
const count = depth + 2

export const deep: Experiment = {
  name: 'deep',
  title: '50 layers, unformatted, MNIST',
  settings: `${count} blocks of width 1024, the last 10. HSIC: batch 256, SGD .001, weight decay 1e-3, sigma 6, beta 2500, 5 epochs. Back-propagation: the same blocks and a readout of 10, batch 256, SGD .01, weight decay 1e-5, 5 epochs`,
  differences: 'the authors published the script but no figure; nothing is compared',
  cases: {
    hsic: {
      settings: 'HSIC',
      run: async (seed) => ({ test: await unformatted(seed, { epochs: 5, beta: 2500, count }) }),
    },
    plain: {
      settings: 'back-propagation',
      run: async (seed) => ({
        test: await backPropagated(
          seed,
          { width: 1024, last: 10, count },
          { batchSize: 256, learningRate: 0.01, epochs: 5 },
        ),
      }),
    },
  },
  rows: [
    { name: 'after epoch 1', case: 'hsic', of: after('test', 1) },
    { name: 'after epoch 5', case: 'hsic', of: after('test', 5) },
    { name: 'after epoch 1', case: 'plain', of: after('test', 1) },
    { name: 'after epoch 5', case: 'plain', of: after('test', 5) },
  ],
}
