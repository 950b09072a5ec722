/**
 * The deep variational information bottleneck of Alemi, Fischer, Dillon and Murphy 2017 on MNIST. `npm run example:vib -- vib25 --seeds 3`.
 *
 * `--quick` trains three epochs at a weak trade-off and one at a strong, as in the tests.
 */
import { allHold, runProgram } from './bottleneck/program.js'
import { vibStudy } from './bottleneck/vib/index.js'
import { quickTradeOffs } from './bottleneck/vib/training.js'

await runProgram({
  command: 'npm run example:vib',
  study: vibStudy,
  async quick() {
    const { error, bits } = await quickTradeOffs(1)
    return allHold([
      ['beta .001, 3 epochs: at most 3.5 % wrong', error, error <= 3.5],
      ['beta 1, 1 epoch: less than log2 10 = 3.32 bits', bits.strong, bits.strong < Math.log2(10)],
      ['beta .001, 1 epoch: more', bits.weak, bits.weak > Math.log2(10)],
    ])
  },
})
