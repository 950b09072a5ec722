/** Dynamics: what a run remembers of its layers, epoch by epoch, in memory and in files. */
export type { ModelDynamics } from './record.js'
export {
  type Dynamics,
  type DynamicsOptions,
  DynamicsWriter,
  loadDynamics,
  loadSegment,
} from './store.js'
export * from './theory-report.js'
