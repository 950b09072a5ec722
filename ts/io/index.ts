/** Files: weights (safetensors) and arrays (.npy). */
export { type AtomicOptions, type Contents, writeAtomic } from './atomic.js'
export type { ArrayData } from './element-types.js'
export { readNpy, writeNpy } from './npy.js'
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js'
