/** Options of training that several calls take. */

import { OwnError } from './junk.js'

/** A callback that throws after the third epoch: a changed number of epochs may be any number. */
export const epochLimit = {
  onEpochEnd(epoch: number) {
    if (epoch >= 2) throw new OwnError('enough')
  },
}

/** Options of a fit of one epoch. */
export const fitOptions = () => ({
  epochs: 1,
  initialEpoch: 0,
  verbose: false,
  callbacks: [epochLimit],
  showPlot: false,
  appendDynamics: true,
  signal: new AbortController().signal,
  resume: 'no-runs',
})
