/** Files: weights (safetensors), arrays (.npy), and the dynamics of a run (Zarr). */
export { type AtomicOptions, type Contents, writeAtomic } from './atomic.js'
export {
  type Dynamics,
  type DynamicsOptions,
  DynamicsWriter,
  loadDynamics,
  loadSegment,
} from './dynamics-store.js'
export type { ArrayData } from './element-types.js'
export { readNpy, writeNpy } from './npy.js'
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js'
