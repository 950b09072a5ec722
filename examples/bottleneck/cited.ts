/** Published results of other methods with layer-wise objectives, on MNIST: cited, and run here only if the page has a section for them. */

/** A method and back-propagation of the same network, in percent of the test images classified correctly. */
export interface Cited {
  readonly method: string
  readonly source: string
  readonly settings: string
  readonly right: number
  /** The same network by back-propagation; undefined if the source has none. */
  readonly plain?: number
}

const mlp = '3 x 1024, batch 256, 100 epochs, SGD'
const pogodin = 'Pogodin and Latham 2020, arXiv 2006.07123; their repository, mean of 5'
const nokland = 'Nokland and Eidnes 2019, arXiv 1901.06656; their repository'
const local = '3 x 1024, jitter of 2 pixels, dropout .1, Adam, 100 epochs'

export const cited: readonly Cited[] = [
  { method: 'last layer only', source: pogodin, settings: mlp, right: 92.0, plain: 98.6 },
  {
    method: 'plausible kernelized bottleneck, cosine kernel',
    source: pogodin,
    settings: mlp,
    right: 94.9,
    plain: 98.6,
  },
  { method: 'the same, grouped', source: pogodin, settings: mlp, right: 95.8, plain: 98.6 },
  {
    method: 'the same, grouped, divisive normalization',
    source: pogodin,
    settings: mlp,
    right: 96.3,
    plain: 98.6,
  },
  {
    method: 'plausible kernelized bottleneck, Gaussian kernel',
    source: pogodin,
    settings: mlp,
    right: 94.6,
    plain: 98.6,
  },
  { method: 'the same, grouped', source: pogodin, settings: mlp, right: 98.4, plain: 98.6 },
  {
    method: 'the same, grouped, divisive normalization',
    source: pogodin,
    settings: mlp,
    right: 98.1,
    plain: 98.6,
  },
  { method: 'local prediction', source: nokland, settings: local, right: 100 - 0.68, plain: 100 - 0.75 },
  {
    method: 'local similarity matching',
    source: nokland,
    settings: local,
    right: 100 - 0.8,
    plain: 100 - 0.75,
  },
  { method: 'both', source: nokland, settings: local, right: 100 - 0.62, plain: 100 - 0.75 },
  {
    method: 'Forward-Forward',
    source:
      'loeweX/Forward-Forward, a reimplementation; the paper (Hinton 2022, arXiv 2212.13345) says 98.64',
    settings: '3 x 1000, label in the first 10 pixels, batch 100, 100 epochs, SGD',
    right: 100 - 1.45,
  },
  {
    method: 'Forward-Forward, simple version',
    source: 'mpezeshki/pytorch_forward_forward',
    settings: 'as in that repository',
    right: 100 - 6.84,
  },
  {
    method: 'PEPITA',
    source: 'Dellaferrera and Kreiman 2022, arXiv 2201.11665, table 1, as other papers quote it',
    settings: '784-1024-10, batch 64, SGD with momentum, 100 epochs',
    right: 98.01,
    plain: 98.63,
  },
]
