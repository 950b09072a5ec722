/** Learning with layer-wise objectives other than the HSIC bottleneck. */
import type { Study } from '../experiment.js'
import { kernelized } from './kernelized.js'
import { localLosses } from './local-losses.js'

export const localStudy: Study = {
  title: 'Other objectives of single layers',
  source:
    'Published values are from the READMEs of romanpogodin/plausible-kernelized-bottleneck (Pogodin and Latham 2020, arXiv 2006.07123, means of 5 runs) and anokland/local-loss (Nokland and Eidnes 2019, arXiv 1901.06656)',
  experiments: [kernelized, localLosses],
}
