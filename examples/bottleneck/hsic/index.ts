/** The experiments of Ma, Lewis and Kleijn 2019. */
import type { Study } from '../experiment.js'
import { deep } from './deep.js'
import { format, length, sigmaExperiment, width } from './format.js'
import { activation, depth } from './monitor.js'
import { needleExperiment } from './needle.js'
import { resnetCifar, resnetFashion, resnetMnist } from './resnet.js'
import { kernelWidthExperiment, tunedExperiment, tunedWideExperiment } from './tuned.js'
import { unformattedCifar, unformattedFashion, unformattedMnist } from './unformatted.js'

export const hsicStudy: Study = {
  title: 'HSIC bottleneck (Ma, Lewis and Kleijn 2019, arXiv 1908.01580)',
  source:
    'Published values are read off the figures in the repository of the authors (choasma/HSIC-bottleneck): one run, no spread. There is no momentum and no shuffling, the effective behavior of their code, which makes a new optimizer for each step and keeps the order of the files',
  experiments: [
    format,
    tunedExperiment,
    kernelWidthExperiment,
    tunedWideExperiment,
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
