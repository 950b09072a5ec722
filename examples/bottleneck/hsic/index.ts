/** The experiments of Ma, Lewis and Kleijn 2019. */
import type { Study } from '../experiment.js'
import { deep } from './deep.js'
import { format, length, sigmaExperiment, width } from './format.js'
import { activation, depth } from './monitor.js'
import { needleExperiment } from './needle.js'
import { resnetCifar, resnetFashion, resnetMnist } from './resnet.js'
import { tunedExperiment } from './tuned.js'
import { unformattedCifar, unformattedFashion, unformattedMnist } from './unformatted.js'

export const hsicStudy: Study = {
  title: 'HSIC bottleneck (Ma, Lewis and Kleijn 2019, arXiv 1908.01580)',
  source:
    'Published numbers are read off the figures that the authors committed (choasma/HSIC-bottleneck): one run, no spread. Momentum and shuffling are off, as they are in effect in their code, which makes a new optimizer for each step and keeps the order of the files',
  experiments: [
    format,
    tunedExperiment,
    length,
    width,
    sigmaExperiment,
    unformattedMnist,
    unformattedFashion,
    unformattedCifar,
    activation,
    depth,
    deep,
    resnetMnist,
    resnetFashion,
    resnetCifar,
    needleExperiment,
  ],
}
