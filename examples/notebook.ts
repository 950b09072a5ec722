/**
 * The network of PyGlow's notebook: its loss with softmax applied twice, its information planes with and without dropout. `npm run
 * example:notebook -- notebook --seeds 3`.
 *
 * `--quick` trains one epoch on 2,000 images.
 */
import { notebook, notebookStudy } from './bottleneck/notebook/planes.js'
import { allHold, runProgram } from './bottleneck/program.js'

await runProgram({
  command: 'npm run example:notebook',
  study: notebookStudy,
  async quick() {
    const { loss } = await notebook(1, { doubleSoftmax: true, epochs: 1, limit: 2000 })
    const first = (loss as readonly number[])[0] as number
    return allHold([
      [
        'with the softmax taken twice the loss begins near ln 10 = 2.303',
        first,
        Math.abs(first - Math.log(10)) < 0.03,
      ],
    ])
  },
})
