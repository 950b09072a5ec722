/**
 * Training without back-propagation on MNIST: the HSIC bottleneck of Ma, Lewis and Kleijn 2019. `npm run example:hsic -- format --seeds 3`.
 *
 * `--quick` trains one epoch of each kind, as in the tests.
 */
import { quickFormat } from './bottleneck/hsic/format.js'
import { hsicStudy } from './bottleneck/hsic/index.js'
import { quickUnformatted } from './bottleneck/hsic/unformatted.js'
import { allHold, runProgram } from './bottleneck/program.js'

await runProgram({
  command: 'npm run example:hsic',
  study: hsicStudy,
  async quick() {
    const { format, plain } = await quickFormat(1)
    const units = await quickUnformatted(1)
    return allHold([
      ['format training, 1 + 5 epochs: at least 85 %', format, format >= 85],
      ['above back-propagation after 1 epoch', plain, format > plain],
      ['unformatted, 1 epoch: at least 94 %', units, units >= 94],
    ])
  },
})
