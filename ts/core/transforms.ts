/** Functions of functions: derivatives, compilation, and memory. */
export {
  type AuxOptions,
  grad,
  type ValueAndGrad,
  type ValueAndGradAux,
  valueAndGrad,
  vjp,
} from './gradients.js'
export { type Compiled, type JitArgument, jit } from './jit.js'
export { evaluate, explain, memory, plans, scope, tidy } from './memory.js'
