import { literal } from '../../core/create.js'
import { type Device, isDivided } from '../../core/devices.js'
import {
  ArgumentError,
  DataError,
  DeviceError,
  DisposedError,
  describe,
  ShapeError,
} from '../../core/errors.js'
import { tidy } from '../../core/memory.js'
import { tensorOrNumber } from '../../core/operands.js'
import { type Checks, checkOptions, checkValue, isPlainObject } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { Variable } from '../../core/variable.js'
import { alias } from '../../ops/operands.js'
import { full, type Tensor, type TensorLike } from '../../ops/tensor.js'
import { leavesOf, type Nested, pairWith, rebuild } from './leaves.js'
import {
  checkGroups,
  commonChecks,
  groupMatches,
  type OptimizerOptions,
  type OptimizerSetup,
  type ParameterGroup,
} from './options.js'
import type { Rule } from './rule.js'

/** Tensors in nested arrays and records. */
export type ParameterTree = Nested<Tensor>

/** State of an optimizer: the number of steps, and slots by parameter path and slot name. A tree of tensors. */
export type OptimizerState = {
  /** float32 scalar. */
  step: Tensor
  /** E.g. `slots['layers.2.kernel'].momentum`, of the parameter's shape. */
  slots: Record<string, Record<string, Tensor>>
}

/** All options with their defaults. */
export type Settings<O> = Required<O> & Required<OptimizerOptions>

/** Options of one update. */
export interface UpdateOptions {
  /** Step size of this update; default the optimizer's own. */
  learningRate?: TensorLike
}

/** State of a parameter. */
interface Memory {
  /** Steps taken: one Variable for all parameters that were prepared together. */
  readonly count: Variable
  /** The rule's own state, such as moments, by name. */
  readonly slots: Readonly<Record<string, Variable>>
}

const updateChecks: Checks<UpdateOptions> = { learningRate: tensorOrNumber }

/**
 * An optimizer is a pure function of gradients, state and parameters; `step` applies it to Variables.
 *
 *     const { delta, state } = adam.update(grads, adam.init(params), params)   // new parameters: params + delta
 *     adam.step(variables, grads)                                              // the same update, assigned
 *
 * `update` is differentiable with respect to gradients and parameters, so a loss may contain a look-ahead step.
 */
export abstract class Optimizer<O extends OptimizerOptions = OptimizerOptions> {
  /** Name in messages and reports, e.g. `'sgd'`. */
  abstract readonly name: string
  /** The options with all defaults filled in. */
  readonly options: Settings<O>

  readonly #groups: readonly ParameterGroup<O>[]
  readonly #rules: Rule[] = []
  /** State of each Variable, held weakly: an optimizer may outlive many models. */
  readonly #memories = new WeakMap<Variable, Memory>()
  /** The Variables with state, in order. */
  #known: WeakRef<Variable>[] = []
  #disposed = false
  readonly #names = new Map<string, number>()
  #rateVariable: Variable | undefined
  #rate: number
  /** State from a file for parameters that have no Variables yet, by name. */
  readonly #adopted = new Map<string, Tensor>()

  constructor(setup: OptimizerSetup<O>, options: Partial<O> = {}, groups: readonly ParameterGroup<O>[] = []) {
    const given = checkOptions<object>(setup.title, options, setup.checks)
    this.options = Object.freeze({ ...setup.defaults, ...given }) as Settings<O>
    this.#groups = checkGroups(setup, groups)
    this.#rate = this.options.learningRate
    this.#rules = [
      this.options,
      ...this.#groups.map(({ params: _, ...own }) => ({ ...this.options, ...own })),
    ].map((merged) => this.rule(merged))
  }

  /** The parameter groups. @internal */
  get groups(): readonly ParameterGroup<O>[] {
    return this.#groups
  }

  /** The arithmetic for one set of options; throws ArgumentError for incompatible values. */
  protected abstract rule(options: Settings<O>): Rule

  /** Step size of `step`. Setting it needs no new plan, also for compiled functions. */
  get learningRate(): number {
    return this.#rate
  }

  set learningRate(rate: number) {
    this.#refuseDisposed()
    checkValue(`${this.constructor.name}: learningRate`, rate, commonChecks.learningRate)
    this.#rate = rate
    const variable = this.#rateVariable
    if (variable === undefined) return
    using value = scalar(rate, variable.dtype)
    variable.assign(value)
  }

  /** The state before the first step. */
  init(params: ParameterTree): OptimizerState {
    this.#refuseDisposed()
    const slots: OptimizerState['slots'] = {}
    for (const { path, value } of leavesOf(params)) {
      const initial = Object.entries(this.#ruleOf(path).slots)
      if (initial.length === 0) continue
      slots[path] = Object.fromEntries(initial.map(([slot, start]) => [slot, filled(value, start)]))
    }
    return { step: scalar(0, 'float32'), slots }
  }

  /**
   * One step.
   *
   * @param grads gradients in the structure of `params`
   * @param state result of `init` or of the previous `update`
   * @returns `delta`, the change of the parameters, and the state after the step
   */
  update<P extends ParameterTree>(
    grads: ParameterTree,
    state: OptimizerState,
    params: P,
    options: UpdateOptions = {},
  ): { delta: P; state: OptimizerState } {
    this.#refuseDisposed()
    const { learningRate = this.#rate } = checkOptions('update', options, updateChecks)
    checkState(state)
    const step = state.step.add(1)
    const deltas = new Map<string, Tensor>()
    const slots: OptimizerState['slots'] = {}
    for (const { path, value, grad } of pairWith(params, grads)) {
      idOf(`update: parameter '${path}'`, value)
      const result = this.#apply(path, value, grad, state.slots[path] ?? {}, step, learningRate)
      deltas.set(path, result.delta)
      if (Object.keys(result.slots).length > 0) slots[path] = result.slots
    }
    return { delta: rebuild(params, (path) => deltas.get(path) as Tensor), state: { step, slots } }
  }

  /**
   * Makes the Variables for the state of parameters without one: new parameters begin with step 1, also after steps of other parameters.
   * `step` calls it; call it yourself before a compiled function that contains the first `step`.
   *
   * @throws DeviceError for parameters on two devices, or on another device than their state
   */
  prepare(variables: Nested<Variable>): void {
    this.#refuseDisposed()
    const leaves = leavesOf(variables)
    const device = this.#deviceOf(leaves)
    const dtype = leaves.some(({ value }) => value.dtype === 'float64') ? 'float64' : 'float32'
    this.#rateVariable ??= stateVariable(this.#rateName, () => scalar(this.#rate, dtype), device)
    const fresh = leaves.filter(({ value }) => !this.#memories.has(value))
    if (fresh.length === 0) return
    const known = this.#variables().map((variable) => new WeakRef(variable))
    const count = this.#stateVariable(
      this.#uniqueName(`${this.name}.step`),
      () => scalar(0, 'float32'),
      device,
    )
    for (const { path, value } of fresh) {
      const owner = this.#uniqueName(value.name === 'variable' ? path : value.name)
      const slots: Record<string, Variable> = {}
      for (const [slot, start] of Object.entries(this.#ruleOf(path).slots)) {
        const initial = () => filled(value, start)
        slots[slot] = this.#stateVariable(`${this.name}.${slot}.${owner}`, initial, device)
      }
      this.#memories.set(value, { count, slots })
      known.push(new WeakRef(value))
    }
    this.#known = known
  }

  /**
   * The Variables with state, in order; one list for each group that was prepared together.
   *
   * @internal
   */
  preparedTogether(): Variable[][] {
    const together = new Map<Variable, Variable[]>()
    for (const variable of this.#variables()) {
      const { count } = this.#memoryOf(variable)
      together.set(count, [...(together.get(count) ?? []), variable])
    }
    return [...together.values()]
  }

  /**
   * Whether the optimizer has state of the given Variables only.
   *
   * @internal
   */
  servesOnly(variables: Iterable<Variable>): boolean {
    const served = new Set(variables)
    return this.#variables().every((variable) => served.has(variable))
  }

  /**
   * Changes the Variables and the state by one update. Variables that are not `trainable` are unchanged.
   *
   * @param variables nested arrays and records of Variables; @param grads gradients in the same structure
   */
  step(variables: Nested<Variable>, grads: ParameterTree, options: UpdateOptions = {}): void {
    const given = checkOptions('step', options, updateChecks)
    const pairs = pairWith(variables, grads).filter(({ value }) => value.trainable)
    this.prepare(variables)
    const rate = this.#rateVariable as Variable
    const counts = new Set(pairs.map(({ value }) => this.#memoryOf(value).count))
    tidy(() => {
      const steps = new Map([...counts].map((count) => [count, count.value.add(1)]))
      const learningRate = given.learningRate ?? rate.value
      for (const { path, value: variable, grad } of pairs) {
        const { count, slots: held } = this.#memoryOf(variable)
        const before = Object.fromEntries(Object.entries(held).map(([slot, kept]) => [slot, kept.value]))
        const param = variable.value
        const step = steps.get(count) as Tensor
        const { delta, slots } = this.#apply(path, param, grad, before, step, learningRate)
        variable.assign(param.add(delta))
        for (const [slot, value] of Object.entries(slots)) (held[slot] as Variable).assign(value)
      }
      for (const [count, step] of steps) count.assign(step)
    })
  }

  /** All Variables of the state by name, to save and restore the optimizer. */
  stateVariables(): Map<string, Variable> {
    this.#refuseDisposed()
    const memories = this.#variables().map((variable) => this.#memoryOf(variable))
    const counts = new Set(memories.map(({ count }) => count))
    const all = [...counts, this.#rateVariable, ...memories.flatMap(({ slots }) => Object.values(slots))]
    return new Map(
      all.flatMap((variable) => (variable === undefined ? [] : [[variable.name, variable] as const])),
    )
  }

  /**
   * Restores values of another optimizer's `stateVariables`: at once for existing Variables, else when the Variables are made. Learning rates
   * are left out: set `learningRate`.
   *
   * @param values tensors by name; the caller still owns them
   * @throws DataError where a shape or dtype differs, before anything is changed
   * @internal
   */
  adopt(values: ReadonlyMap<string, Tensor>): void {
    this.#refuseDisposed()
    const own = this.stateVariables()
    const given = [...values].filter(([name]) => name !== this.#rateName)
    for (const [name, value] of given) {
      const variable = own.get(name)
      if (variable !== undefined) checkAdopted(name, value, variable)
    }
    for (const [name, value] of given) {
      const variable = own.get(name)
      if (variable === undefined) {
        this.#adopted.get(name)?.dispose()
        this.#adopted.set(name, alias(value))
      } else variable.assign(value)
    }
  }

  get #rateName(): string {
    return `${this.name}.learningRate`
  }

  /** A Variable of the state, with its restored value if there is one. */
  #stateVariable(name: string, initial: () => Tensor, device: Device | undefined): Variable {
    const adopted = this.#adopted.get(name)
    if (adopted === undefined) return stateVariable(name, initial, device)
    return tidy(() => {
      checkAdopted(name, adopted, initial())
      this.#adopted.delete(name)
      const variable = stateVariable(name, () => adopted, device)
      adopted.dispose()
      return variable
    })
  }

  /** Releases the state of the given Variables, which begin anew. */
  forget(variables: Iterable<Variable>): void {
    const counts = new Set<Variable>()
    for (const variable of listed(variables)) {
      const memory = this.#memories.get(variable)
      if (memory === undefined) continue
      counts.add(memory.count)
      for (const slot of Object.values(memory.slots)) slot.dispose()
      this.#memories.delete(variable)
    }
    const left = this.#variables()
    for (const variable of left) counts.delete(this.#memoryOf(variable).count)
    for (const count of counts) count.dispose()
    if (left.length > 0) return
    this.#rateVariable?.dispose()
    this.#rateVariable = undefined
    this.#names.clear()
  }

  /** Releases the state at once. A second call does nothing; any other use afterward throws {@link DisposedError}. */
  dispose(): void {
    this.forget(this.#variables())
    for (const value of this.#adopted.values()) value.dispose()
    this.#adopted.clear()
    this.#disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** The common device of parameters and their state; undefined if only one device is in use. */
  #deviceOf(leaves: readonly { path: string; value: Variable }[]): Device | undefined {
    const [first] = leaves
    if (!isDivided() || first === undefined) return undefined
    const { device } = first.value
    const other = leaves.find(({ value }) => value.device !== device)
    if (other !== undefined) {
      throw new DeviceError(
        `${this.name}: the parameters are on two devices, '${first.path}' on "${device}" and '${other.path}' on "${other.value.device}"; give each device an optimizer of its own, or move them: await variable.to("${device}")`,
      )
    }
    const away = [...this.stateVariables().values()].find((held) => held.device !== device)
    if (away === undefined) return device
    throw new DeviceError(
      `${this.name}: its state '${away.name}' is on "${away.device}" and the parameter '${first.path}' on "${device}"; fit and model.to bring the state along, a loop of your own moves it: for (const held of optimizer.stateVariables().values()) await held.to("${device}")`,
    )
  }

  /** The living Variables with state. */
  #variables(): Variable[] {
    return this.#known.flatMap((reference) => {
      const variable = reference.deref()
      return variable !== undefined && this.#memories.has(variable) ? [variable] : []
    })
  }

  #memoryOf(variable: Variable): Memory {
    return this.#memories.get(variable) as Memory
  }

  #refuseDisposed(): void {
    if (!this.#disposed) return
    throw new DisposedError(`the optimizer '${this.name}' was disposed of; keep it until its last use`)
  }

  #apply(
    path: string,
    param: Tensor,
    grad: Tensor,
    slots: Record<string, Tensor>,
    step: Tensor,
    learningRate: TensorLike,
  ) {
    idOf(`${this.name}: gradient of '${path}'`, grad)
    if (grad.rank !== param.rank || grad.shape.some((extent, axis) => extent !== param.shape[axis])) {
      throw new ShapeError(
        `${this.name}: the gradient of '${path}' has shape [${grad.shape}], expected that of the parameter, [${param.shape}]`,
      )
    }
    const index = this.#groupOf(path)
    const rule = this.#rules[index] as Rule
    for (const slot of Object.keys(rule.slots)) {
      if (!Object.hasOwn(slots, slot)) {
        throw new ArgumentError(
          `${this.name}: the state has no '${slot}' for the parameter '${path}'; make it with init() of this optimizer and these parameters`,
        )
      }
    }
    return rule.step({
      grad: aligned(grad, param),
      param,
      slots,
      step: aligned(step, param),
      learningRate: this.#groupRate(
        index,
        typeof learningRate === 'number' ? learningRate : aligned(learningRate, param),
      ),
    })
  }

  /** The base rate times the group's ratio to it. */
  #groupRate(index: number, rate: TensorLike): TensorLike {
    const own = index === 0 ? undefined : this.#groups[index - 1]?.learningRate
    const base = this.options.learningRate
    if (own === undefined || own === base) return rate
    if (base === 0) return own
    return typeof rate === 'number' ? (rate === base ? own : (rate * own) / base) : rate.mul(own / base)
  }

  #groupOf(path: string): number {
    return this.#groups.findIndex(({ params }) => groupMatches(params, path)) + 1
  }

  #ruleOf(path: string): Rule {
    return this.#rules[this.#groupOf(path)] as Rule
  }

  /** The name, with a number appended if another parameter has the name. */
  #uniqueName(name: string): string {
    const taken = this.#names.get(name) ?? 0
    this.#names.set(name, taken + 1)
    return taken === 0 ? name : `${name}_${taken + 1}`
  }
}

/** Throws for a value without the structure of `init`'s result; the required slots depend on the parameters. */
function checkState(state: OptimizerState): void {
  if (typeof state !== 'object' || state === null || !isPlainObject(state.slots)) {
    throw new ArgumentError(`update: the state is ${describe(state)}, expected what init() or update() gave`)
  }
  idOf('update: step of the state', state.step)
  for (const [path, slots] of Object.entries(state.slots)) {
    if (!isPlainObject(slots)) {
      throw new ArgumentError(
        `update: the slots of '${path}' are ${describe(slots)}, expected tensors by name, as init() or update() gave them`,
      )
    }
    for (const [slot, value] of Object.entries(slots)) idOf(`update: ${slot} of '${path}'`, value)
  }
}

/** Throws for a value that a Variable of the state cannot take. */
function checkAdopted(name: string, value: Tensor, own: Tensor | Variable): void {
  if (value.dtype === own.dtype && String(value.shape) === String(own.shape)) return
  throw new DataError(
    `the stored '${name}' is ${value.dtype} [${value.shape}], and the optimizer needs ${own.dtype} [${own.shape}]; go on with the optimizer and the parameters that were stored`,
  )
}

/** @param device the parameters' device; undefined if only one device is in use */
function stateVariable(name: string, initial: () => Tensor, device: Device | undefined): Variable {
  const place = device === undefined ? {} : { device }
  return tidy(() => new Variable(initial(), { name, trainable: false, ...place }))
}

/** The number in the shape and dtype of a parameter. */
function filled({ shape, dtype }: Tensor | Variable, value: number): Tensor {
  return full(shape, value, { dtype })
}

function scalar(value: number, dtype: Tensor['dtype']): Tensor {
  return literal(dtype === 'float64' ? Float64Array.of(value) : Float32Array.of(value), [])
}

function aligned(value: Tensor, like: Tensor): Tensor {
  return value.dtype === like.dtype ? value : value.cast(like.dtype)
}

/** The Variables of an iterable. */
function listed(variables: Iterable<Variable>): Variable[] {
  try {
    return [...variables]
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    const given = describe(variables)
    throw new ArgumentError(`forget: given ${given}, expected an iterable of Variables`, { cause })
  }
}
