/** Activations: outputs of layers for the same samples, by run and epoch. */
export { type ReadActivationsOptions, readActivations } from './read.js'
export type { ActivationRun, Activations } from './types.js'
