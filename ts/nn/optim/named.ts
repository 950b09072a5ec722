import { unknownName } from '../../core/errors.js'
import { isInstance } from '../../core/options.js'
import { Adadelta, type AdadeltaOptions } from './adadelta.js'
import { Adagrad, type AdagradOptions } from './adagrad.js'
import { Adam, type AdamOptions, AdamW } from './adam.js'
import { Optimizer } from './optimizer.js'
import type { OptimizerOptions, ParameterGroup } from './options.js'
import { RMSprop, type RMSpropOptions } from './rmsprop.js'
import { SGD, type SGDOptions } from './sgd.js'

const OPTIMIZERS = {
  sgd: SGD,
  adam: Adam,
  adamw: AdamW,
  rmsprop: RMSprop,
  adadelta: Adadelta,
  adagrad: Adagrad,
}

/** Optimizers by name, in upper or lower case. */
export type OptimizerName = keyof typeof OPTIMIZERS

/** Options of any optimizer; each optimizer throws for the options of others. */
export type AnyOptimizerOptions = SGDOptions & AdamOptions & RMSpropOptions & AdadeltaOptions & AdagradOptions

/** The names that `optimizer` accepts. */
export const optimizerNames = Object.keys(OPTIMIZERS) as readonly OptimizerName[]

/** Canonical name of an optimizer. Throws UnknownNameError for another name. */
export function optimizerName(name: string): OptimizerName {
  const canonical = typeof name === 'string' ? name.toLowerCase() : ''
  if (!Object.hasOwn(OPTIMIZERS, canonical)) throw unknownName('optimizer', name, optimizerNames)
  return canonical as OptimizerName
}

/** Names of the options that an optimizer takes. */
export function optimizerOptions(name: OptimizerName | (string & {})): readonly string[] {
  return Object.keys(new OPTIMIZERS[optimizerName(name)]().options)
}

/**
 * The optimizer of that name; an instance is returned as it is.
 *
 * @throws UnknownNameError for an unknown name or an option that this optimizer does not have
 */
export function createOptimizer(
  optimizer: OptimizerName | (string & {}) | Optimizer,
  options: AnyOptimizerOptions = {},
): Optimizer {
  if (isInstance(optimizer, Optimizer)) return optimizer
  return new OPTIMIZERS[optimizerName(optimizer)](options)
}

/** The name of an optimizer of the library; undefined for a custom class. @internal */
export function nameOfOptimizer(optimizer: Optimizer): OptimizerName | undefined {
  return (Object.keys(OPTIMIZERS) as OptimizerName[]).find(
    (name) => OPTIMIZERS[name] === optimizer.constructor,
  )
}

/** The optimizer of that name with all its options and its groups. @internal */
export function namedOptimizer(
  name: string,
  options: OptimizerOptions,
  groups: readonly ParameterGroup<OptimizerOptions>[],
): Optimizer {
  const Class = OPTIMIZERS[optimizerName(name)] as unknown as new (
    options: OptimizerOptions,
    groups: readonly ParameterGroup<OptimizerOptions>[],
  ) => Optimizer
  return new Class(options, groups)
}
