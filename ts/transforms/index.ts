/** Functions of functions that need operations: maps over samples, and derivatives made of them. */
export type { MapAxes } from './axes.js'
export { hessian, type JacobianMode, type JacobianOptions, jacobian } from './jacobian.js'
export { hvp, jvp } from './products.js'
export { perSampleGrads, type VmapOptions, vmap } from './vmap.js'
