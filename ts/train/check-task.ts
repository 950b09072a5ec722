/** Checks of tasks. */
import { ArgumentError, describe } from '../core/errors.js'
import { isInstance, isPlainObject } from '../core/options.js'
import { treeLeaves } from '../core/tree.js'
import { Variable } from '../core/variable.js'
import { leavesOf } from '../nn/optim/leaves.js'
import { Optimizer } from '../nn/optim/optimizer.js'
import type { Task } from './task.js'

/**
 * Checks that a value is a task.
 *
 * @param who name of the caller, for messages
 * @throws ArgumentError
 */
export function checkTask(who: string, task: unknown): void {
  const { parameters, step, evaluate, optimizers } = (task ?? {}) as Partial<Task<never>>
  if (typeof step !== 'function' || typeof parameters !== 'object' || parameters === null) {
    throw new ArgumentError(
      `${who}: given ${describe(task)} as task, expected an object with parameters and step(batch, ctx); for a model call model.fit(x, y)`,
    )
  }
  if (evaluate !== undefined && typeof evaluate !== 'function') {
    throw new ArgumentError(`${who}: evaluate of the task is ${describe(evaluate)}, expected a function`)
  }
  if (optimizers !== undefined && !isPlainObject(optimizers)) {
    throw new ArgumentError(
      `${who}: optimizers of the task is ${describe(optimizers)}, expected optimizers by name, such as { sgd }`,
    )
  }
  for (const [name, optimizer] of Object.entries(optimizers ?? {})) {
    if (isInstance(optimizer, Optimizer)) continue
    throw new ArgumentError(
      `${who}: the optimizer '${name}' of the task is ${describe(optimizer)}, expected an Optimizer such as new Adam()`,
    )
  }
  const { state = {} } = task as Task<never>
  for (const [name, tree] of Object.entries({ parameters, state })) {
    const stray = treeLeaves(tree).find((leaf) => !(leaf instanceof Variable))
    if (stray !== undefined) {
      throw new ArgumentError(
        `${who}: ${name} of the task holds ${describe(stray)}, expected Variables, nested in records and arrays`,
      )
    }
  }
  const twice = duplicate(
    [...leavesOf(parameters), ...leavesOf<Variable>(state)].map(({ value }) => value as Variable),
  )
  if (twice !== undefined) {
    throw new ArgumentError(
      `${who}: the Variable "${twice.name}" occurs twice in parameters and state of the task; list it once`,
    )
  }
}

function duplicate<T>(list: readonly T[]): T | undefined {
  return list.find((value, index) => list.indexOf(value) !== index)
}
