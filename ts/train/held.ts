/** The Variables of a task by their paths, and the device that they are on. */
import { type Device, defaultDevice, isDivided } from '../core/devices.js'
import { DeviceError } from '../core/errors.js'
import { Variable } from '../core/variable.js'
import { leavesOf, type Nested } from '../nn/optim/leaves.js'
import type { Optimizer } from '../nn/optim/optimizer.js'
import type { Task } from './task.js'
import type { TrainingRecord } from './training-record.js'

/** The Variables of a run. */
export interface Held {
  readonly parameters: Readonly<Record<string, Variable>>
  readonly state: Readonly<Record<string, Variable>>
  readonly optimizers: Readonly<Record<string, Optimizer>>
  /** Random key of the training; undefined for a task without one. */
  readonly rng: Variable | undefined
  /** The device of parameters and state, on which the task runs. */
  readonly device: Device
}

/**
 * The Variables of a task.
 *
 * @throws DeviceError for parameters and state on two devices
 */
export function heldBy<B>(
  task: Pick<Task<B>, 'parameters' | 'state' | 'optimizers'>,
  record: TrainingRecord | undefined,
): Held {
  const { optimizers = {} } = task
  const parameters = byPath(task.parameters)
  const state = byPath(task.state ?? {})
  const device = deviceOf({ ...state, ...parameters }) ?? record?.rng.device ?? defaultDevice()
  return { parameters, state, optimizers, rng: record?.rng, device }
}

/** The device of Variables; undefined without Variables. */
function deviceOf(variables: Readonly<Record<string, Variable>>): Device | undefined {
  const all = Object.entries(variables)
  if (!isDivided()) return all.length === 0 ? undefined : defaultDevice()
  const [first] = all
  const device = first?.[1].device
  const other = all.find(([, variable]) => variable.device !== device)
  if (first === undefined || other === undefined) return device
  throw new DeviceError(
    `the Variables of the task are on two devices, '${first[0]}' on "${device}" and '${other[0]}' on "${other[1].device}", and a step runs on one; move them, for instance: await variable.to("${device}")`,
  )
}

function byPath(tree: Nested<Variable>): Record<string, Variable> {
  return Object.fromEntries(leavesOf(tree).map(({ path, value }) => [path, value]))
}

/** Moves the random key and the state of the optimizers to the task's device. */
export async function bringState({ optimizers, rng, device }: Held): Promise<void> {
  if (!isDivided()) return
  const state = Object.values(optimizers).flatMap((optimizer) => [...optimizer.stateVariables().values()])
  await Variable.move('fit', rng === undefined ? state : [rng, ...state], device)
}
