/**
 * Layers that learn from objectives of their own on MNIST: the plausible kernelized bottleneck and local losses. `npm run example:local -- kernelized --seeds 3`.
 *
 * With `--quick` one epoch of one form of each.
 */

import { localStudy } from './bottleneck/local/index.js'
import { quickKernelized } from './bottleneck/local/kernelized.js'
import { quickLocalLoss } from './bottleneck/local/local-losses.js'
import { allHold, runProgram } from './bottleneck/program.js'

await runProgram({
  command: 'npm run example:local',
  study: localStudy,
  async quick() {
    const grouped = await quickKernelized(1)
    const wrong = await quickLocalLoss(1)
    return allHold([
      ['kernelized bottleneck in groups, 1 epoch: at least 85 % right', grouped, grouped >= 85],
      ['prediction and similarity matching, 1 epoch: at most 5 % wrong', wrong, wrong <= 5],
    ])
  },
})
