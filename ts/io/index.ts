/** Files: weights (safetensors), arrays of any format (.npy, .npz, Zarr, PyTorch) and tables (CSV). */
export { type AtomicOptions, type Contents, writeAtomic } from './atomic.js'
export { type CsvColumn, type CsvOptions, type CsvTable, readCsv } from './csv.js'
export type { ArrayData } from './element-types.js'
export type { LazyArray, RowRange } from './lazy-array.js'
export { readNpy, writeNpy } from './npy.js'
export { type ReadNpzOptions, readNpz, type WriteNpzOptions, writeNpz } from './npz.js'
export { type ArrayFile, type ArrayFormat, type OpenArraysOptions, openArrays } from './open-any.js'
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js'
