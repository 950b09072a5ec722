/** Dynamics: what a run remembers of its layers, epoch by epoch, in memory and in files. */
export type { AttachOptions, Probe } from './attachment.js'
export type { ModelDynamics } from './record.js'
export type { SaveDynamics } from './save.js'
export {
  type Dynamics,
  type DynamicsOptions,
  DynamicsWriter,
  loadDynamics,
  loadSegment,
  type StorePosition,
} from './store.js'
export * from './theory-report.js'
