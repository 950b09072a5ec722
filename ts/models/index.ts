/** Models: networks of layers, and their files. */
export type { ForwardContext, ForwardResult } from './forward.js'
export { IBSequential } from './ib-sequential.js'
export { load } from './load.js'
export { type ApplyOptions, Network } from './network.js'
export type { NetworkOptions, SaveDynamics, Segment } from './network-options.js'
export { type Buildable, register } from './registry.js'
export { Sequential, type SequentialOptions, Stack } from './sequential.js'
export type { LoadOptions } from './storage.js'
