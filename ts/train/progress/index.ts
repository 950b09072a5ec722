export type { Readings } from './format.js'
export type { LoopKind, ProgressOptions } from './reporter.js'
export { ProgressReporter } from './reporter.js'
export type { ProgressStream } from './terminal.js'
