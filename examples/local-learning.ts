/**
 * Layers that learn from separate objectives on MNIST: the plausible kernelized bottleneck and local losses. `npm run example:local --
 * kernelized --seeds 3`.
 *
 * `--quick` trains one form of each on 12,000 images.
 */

import { localStudy } from './bottleneck/local/index.js'
import { quickKernelized } from './bottleneck/local/kernelized.js'
import { quickLocalLoss } from './bottleneck/local/local-losses.js'
import { allHold, runProgram } from './bottleneck/program.js'

await runProgram({
  command: 'npm run example:local',
  study: localStudy,
  async quick() {
    const right = await quickKernelized(1)
    const wrong = await quickLocalLoss(1)
    return allHold([
      ['kernelized bottleneck, 3 epochs of 12,000 images: at least 85 % right', right, right >= 85],
      ['local losses, 1 epoch of 12,000 images: at most 10 % wrong', wrong, wrong <= 10],
    ])
  },
})
