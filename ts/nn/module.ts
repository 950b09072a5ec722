import { deviceNamed } from '../core/devices.js'
import { sizeOf } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError, StateError } from '../core/errors.js'
import { scope, tidy } from '../core/memory.js'
import { checkOptions, checkValue, flag, isInstance, text } from '../core/options.js'
import { Variable } from '../core/variable.js'
import { foldIn, key as randomKey } from '../ops/random.js'
import type { Shape, Tensor } from '../ops/tensor.js'
import { type Blueprint, blueprintOf, copyOf, defaultSettings } from './blueprint.js'
import { type Context, childContext, under } from './context.js'
import {
  checkExtents,
  declaration,
  type Initial,
  initialValue,
  type ParamOptions,
  paramChecks,
} from './declaration.js'
import { Declarations, type Role } from './declarations.js'
import { checkBuilt, checkCall, checkInitializable, inUse } from './module-checks.js'
import { checkPathName, joinPath, matchesModule, matching } from './paths.js'
import { type InitializeOptions, initializeChecks, type Making, valuesOf, type Weights } from './weights.js'

export type { InitializeOptions, Weights } from './weights.js'

/** A module of any kind. */
export type AnyModule = Module<object, unknown, unknown>

/**
 * A pure function with named weights: the base of layers and networks.
 *
 * A module *declares* parameters and state in `build` (name, shape, initial value) and computes in `apply`, from the weights that are its
 * arguments. It never reads its own Variables in `apply`. So weights may come from `initialize`, from the caller, from another network, or be
 * different for every sample. A module may have no Variables at all.
 *
 *     class Block extends Module {
 *       readonly inner = this.child('inner', new Dense(64, { activation: 'relu' }))
 *       readonly outer = this.child('outer', new Dense(64))
 *       build(inputShape: Shape) {
 *         return this.outer.declare(this.inner.declare(inputShape))
 *       }
 *       apply(weights: Weights, x: Tensor, ctx: Context) {
 *         return x.add(this.runChild(this.outer, weights, this.runChild(this.inner, weights, x, ctx), ctx))
 *       }
 *     }
 *     const block = new Block()
 *     block.declare([64])
 *     block.paramShapes // { 'inner.kernel': [64, 64], 'inner.bias': [64], 'outer.kernel': ... }
 *     const variables = block.initialize({ key: key(1) })
 *
 * Weights, state and shapes are records by path, a child's under its name. Shapes leave out the batch axis, which always comes first.
 *
 * `W` are the weights that `apply` takes, `I` its input and `O` its output.
 */
export abstract class Module<W extends object = Weights, I = Tensor, O = Tensor> {
  /** Kind of the module, e.g. `'conv2d'`; automatic names begin with it. */
  readonly kind: string
  /** True if the user gave the name, false for an automatic name. */
  readonly named: boolean
  /** Throws if a change of this module, or of a module inside of it, is not allowed now. @internal */
  guard: ((path: string) => void) | undefined

  readonly #children = new Map<string, AnyModule>()
  readonly #declarations = new Declarations()
  #name: string
  #parent: AnyModule | undefined
  /** Name within the parent. */
  #place = ''
  #trainable = true
  #isRenamed = false
  #isDeclaring = false
  #isInitialized = false
  #inputShape: Shape | undefined
  #outputShape: Shape | undefined

  constructor(options: { name?: string | undefined; kind?: string } = {}) {
    this.kind = options.kind ?? snakeCase(new.target.name || 'module')
    if (options.name !== undefined) checkValue(`${this.kind}: name`, options.name, text)
    this.named = options.name !== undefined
    this.#name = options.name ?? this.kind
  }

  /**
   * Declares parameters and state with `this.param` and `this.stateVar`, declares the children, checks the input shape, and returns the
   * output shape. Called once, by `declare`.
   */
  abstract build(inputShape: Shape): Shape

  /**
   * The module as a pure function.
   *
   * @param weights tensors by path; `this.runChild` passes a child its weights
   * @param x `[batch, ...inputShape]`
   * @returns `[batch, ...outputShape]`
   */
  abstract apply(weights: W, x: I, ctx: Context): O

  /**
   * The arguments of the constructor that make the same module again. A class whose constructor takes arguments overrides `settings`; without it
   * modules of the class can neither be copied nor built from a file.
   */
  protected settings(): readonly unknown[] {
    return defaultSettings(this)
  }

  /**
   * Name in messages and summaries: the given name; without one, kind and number in a model, and the path in the module that it is part of, such
   * as `residual_1.branch`.
   */
  get name(): string {
    const parent = this.#parent
    if (this.named || this.#isRenamed || parent === undefined || !parent.namesChildren) return this.#name
    return `${parent.name}.${this.#place}`
  }

  /** Whether children without a name are named by their path. */
  protected get namesChildren(): boolean {
    return true
  }

  set name(name: string) {
    if (this.declared) {
      throw new StateError(`${this.kind} '${this.name}' is in use; its name can no longer change`)
    }
    this.#name = checkValue(`${this.kind}: name`, name, text)
    this.#isRenamed = true
  }

  /**
   * Whether training changes any parameter of this module. Setting it freezes all parameters, or unfreezes all but those declared with
   * `trainable: false`; it throws StateError during fit.
   */
  get trainable(): boolean {
    const { params } = this
    return params.size === 0 ? this.#trainable : [...params.values()].some((variable) => variable.trainable)
  }

  set trainable(trainable: boolean) {
    checkValue(`${this.name}: trainable`, trainable, flag)
    this.#guard('trainable')
    this.#walk((module) => {
      module.#trainable = trainable
      module.#declarations.train(trainable)
    })
  }

  /** Whether a call may change the state of this module: a call in training, unless all parameters of the module are frozen. */
  protected learns(ctx: Context): boolean {
    return ctx.training && this.trainable
  }

  /** The children by name. */
  get children(): ReadonlyMap<string, AnyModule> {
    return this.#children
  }

  /** True after `declare`. */
  get declared(): boolean {
    return this.#outputShape !== undefined
  }

  /** True after `initialize`. */
  get initialized(): boolean {
    return this.#isInitialized
  }

  /** Shape of one input sample, once declared. */
  get inputShape(): Shape | undefined {
    return this.#inputShape
  }

  /** Shape of one output sample, once declared. */
  get outputShape(): Shape | undefined {
    return this.#outputShape
  }

  /** Shapes of the parameters by path, in order: those of the module, then those of its children. */
  get paramShapes(): Readonly<Record<string, Shape>> {
    return this.#shapes('parameter')
  }

  /** Shapes of the state by path. */
  get stateShapes(): Readonly<Record<string, Shape>> {
    return this.#shapes('state')
  }

  /** The parameters that `initialize` made, by path; empty for a module without own weights. */
  get params(): ReadonlyMap<string, Variable> {
    return this.#owned('parameter')
  }

  /** State of the module besides weights, such as running statistics, by path. Empty before `initialize`. */
  get state(): ReadonlyMap<string, Variable> {
    return this.#owned('state')
  }

  /** The parameters that training changes, by path. */
  get trainableParams(): ReadonlyMap<string, Variable> {
    return new Map([...this.params].filter(([, variable]) => variable.trainable))
  }

  /**
   * Sets the input shape: declares the parameters and state of the module and of its children. Makes no Variables.
   *
   * @returns the output shape
   * @throws StateError for a module that is already declared; ShapeError if the module cannot take the input shape
   */
  declare(inputShape: Shape): Shape {
    if (this.declared) throw inUse(this)
    checkExtents(inputShape, () => `${this.name}: input shape`)
    const before = [...this.#children]
    const kept = new Set(before.flatMap(([, child]) => (child.declared ? [child] : [])))
    this.#isDeclaring = true
    try {
      const outputShape = this.build(inputShape)
      checkBuilt(this, inputShape, outputShape)
      this.#inputShape = Object.freeze([...inputShape])
      this.#outputShape = Object.freeze([...outputShape])
      return this.#outputShape
    } catch (error) {
      for (const name of [...this.#children.keys()].slice(before.length)) this.removeChild(name)
      this.#undeclare(kept)
      // Within another module the name contains the path.
      if (!(error instanceof ShapeError) || this.#parent?.namesChildren !== false) throw error
      throw new ShapeError(`${this.#place}: ${error.message}`, { cause: error })
    } finally {
      this.#isDeclaring = false
    }
  }

  /**
   * Makes the Variables of all parameters and state, of the children too. The module then owns weights.
   *
   * @returns the parameters by path; none with `noWeights`
   * @throws StateError before `declare`, and at the second call
   */
  initialize(options: InitializeOptions = {}): Record<string, Variable> {
    const what = `${this.name}: initialize`
    const given = checkOptions(what, options, initializeChecks)
    checkInitializable(what, this)
    const { dtype = 'float32', noWeights = false } = given
    const device = deviceNamed(what, given.device)
    try {
      tidy(() => {
        const making = { dtype, noWeights, device }
        this.#own(given.key ?? randomKey(0), making, this.#place || this.name, true)
      })
    } catch (error) {
      this.#disown()
      throw error
    }
    return Object.fromEntries(this.params)
  }

  /** Current values of the parameters, in the form that `apply` takes. */
  weights(): W {
    return valuesOf(this.params) as W
  }

  /** Current values of the state. */
  stateValues(): Record<string, Tensor> {
    return valuesOf(this.state)
  }

  /** Number of entries over all parameters that are declared. */
  countParams(): number {
    return Object.values(this.paramShapes).reduce((total, shape) => total + sizeOf(shape), 0)
  }

  /**
   * Freezes parameters.
   *
   *     net.freeze('encoder') // all parameters of the encoder
   *     net.freeze('**.bias')
   *
   * @param pattern a path; `*` matches any part of a name, `**` any number of names
   * @returns the paths of the matching parameters
   * @throws UnknownNameError if no parameter matches; StateError during fit
   */
  freeze(pattern: string): string[] {
    return this.#setTrainable('freeze', pattern, false)
  }

  /** Unfreezes parameters; arguments and errors are those of `freeze`. */
  unfreeze(pattern: string): string[] {
    return this.#setTrainable('unfreeze', pattern, true)
  }

  /**
   * An independent module of the same configuration, not yet declared.
   *
   * @throws ArgumentError for a class whose constructor has arguments and that does not override `settings`
   */
  clone(): this {
    const Class = this.constructor as new (...given: readonly unknown[]) => this
    return new Class(...copyOf(this.settings()))
  }

  /**
   * The blueprint: the class and the arguments of the constructor, as plain data. Initializer functions are left out, since files hold the
   * weights.
   *
   * @throws ArgumentError for an argument that is not plain data, such as a custom activation function
   */
  toJSON(): Blueprint {
    return blueprintOf(this, this.settings())
  }

  /** Makes a module a child of this one; in the constructor, or in `build` before the child is declared. The paths of its weights begin with the name. */
  protected child<M extends AnyModule>(name: string, module: M): M {
    checkPathName(`${this.name}: name of a child`, name)
    if (!isInstance(module, Module)) {
      throw new ArgumentError(
        `${this.name}: given ${describe(module)} as child '${name}', expected a Module, such as a layer`,
      )
    }
    const inner: AnyModule = module
    if (inner.#parent !== undefined || inner.declared) throw inUse(inner)
    for (let at: AnyModule | undefined = this; at !== undefined; at = at.#parent) {
      if (at === inner) throw new StateError(`${this.name}: a module cannot be part of itself`)
    }
    this.#checkFree(name)
    inner.#parent = this
    inner.#place = name
    this.#children.set(name, inner)
    return module
  }

  /** Undoes `child` after a later failure. */
  protected removeChild(name: string): void {
    const inner = this.#children.get(name)
    if (inner === undefined) return
    inner.#disown()
    inner.#undeclare()
    inner.#parent = undefined
    inner.#place = ''
    this.#children.delete(name)
  }

  /**
   * Runs a child on its part of the weights and state, with its own random key.
   *
   * @param weights weights of this module
   */
  protected runChild<CI, CO>(child: Module<object, CI, CO>, weights: object, x: CI, ctx: Context): CO {
    const output = this.within(child, weights, ctx, (own, inner) => child.apply(own, x, inner))
    ctx.observe?.((child as unknown as AnyModule).#place as string, output)
    return output
  }

  /** Calls `f` with a child's part of the weights and the child's context: {@link runChild} for another method than `apply`. */
  protected within<CW extends object, CI, CO, R>(
    child: Module<CW, CI, CO>,
    weights: object,
    ctx: Context,
    f: (weights: CW, ctx: Context) => R,
  ): R {
    const inner = child as unknown as AnyModule
    const name = inner.#parent === this ? inner.#place : undefined
    if (name === undefined) {
      throw new StateError(
        `${this.name}: '${child.name}' is not a child of it; call this.child(name, module) in the constructor`,
      )
    }
    checkCall(this.name, weights, ctx)
    const index = [...this.#children.keys()].indexOf(name)
    return scope(name, () => f(under(weights as Weights, name) as CW, childContext(ctx, name, index)))
  }

  /** Declares a parameter; only inside `build`. A tensor or number as initial value is broadcast to the shape. */
  protected param(
    name: string,
    shape: Shape,
    initial: Initial = 'uniformFanIn',
    options: ParamOptions = {},
  ): void {
    const who = `${this.name}: parameter '${name}'`
    this.#declare('parameter', who, name, shape, initial, checkOptions(who, options, paramChecks))
  }

  /** Declares an entry of the state, which training does not differentiate; only inside `build`. */
  protected stateVar(name: string, shape: Shape, initial: Initial = 'zeros'): void {
    this.#declare('state', `${this.name}: state '${name}'`, name, shape, initial, {})
  }

  #declare(
    role: Role,
    who: string,
    name: string,
    shape: Shape,
    initial: Initial,
    options: ParamOptions,
  ): void {
    if (!this.#isDeclaring) {
      throw new StateError(
        `${this.name}: '${name}' was declared outside build(); declare parameters in build() and start it with declare()`,
      )
    }
    checkPathName(`${this.name}: name of a parameter`, name)
    this.#checkFree(name)
    this.#declarations.add(name, declaration(who, role, shape, initial, options))
  }

  #checkFree(name: string): void {
    if (!this.#declarations.has(name) && !this.#children.has(name)) return
    throw new ArgumentError(
      `${this.name}: '${name}' is declared twice; give each parameter and child its own name`,
    )
  }

  #own(key: Tensor, making: Making, path: string, isTrained: boolean): void {
    const isTrainable = isTrained && this.#trainable
    // Children before the module's own parameters, in the order of their declaration: a network numbers its layers from 0.
    let index = 0
    for (const [name, child] of this.#children) {
      child.#own(foldIn(key, index++), making, joinPath(path, name), isTrainable)
    }
    this.#declarations.make((name, declared) => {
      const at = index++
      if (making.noWeights && declared.role === 'parameter') return undefined
      const value = initialValue(`${this.name}: '${name}'`, declared, foldIn(key, at), making.dtype)
      const trainable = declared.trainable && isTrainable
      return new Variable(value, { name: joinPath(path, name), trainable, device: making.device })
    })
    this.#isInitialized = true
  }

  #disown(): void {
    for (const child of this.#children.values()) child.#disown()
    this.#declarations.release()
    this.#isInitialized = false
  }

  /** @param kept children that were added before the declaration */
  #undeclare(kept: ReadonlySet<AnyModule> = new Set()): void {
    for (const child of this.#children.values()) if (!kept.has(child)) child.#undeclare()
    this.#declarations.clear()
    this.#inputShape = undefined
    this.#outputShape = undefined
  }

  /** Visits the modules from the outside in, with their paths. */
  #walk(visit: (module: AnyModule, path: string) => void, path = ''): void {
    visit(this, path)
    for (const [name, child] of this.#children) child.#walk(visit, joinPath(path, name))
  }

  #shapes(role: Role): Record<string, Shape> {
    const found: Record<string, Shape> = {}
    this.#walk((module, path) => {
      for (const [name, shape] of module.#declarations.shapes(role)) found[joinPath(path, name)] = shape
    })
    return found
  }

  #owned(role: Role): Map<string, Variable> {
    const found = new Map<string, Variable>()
    this.#walk((module, path) => {
      for (const [name, variable] of module.#declarations.variables(role)) {
        found.set(joinPath(path, name), variable)
      }
    })
    return found
  }

  #setTrainable(what: string, pattern: string, trainable: boolean): string[] {
    const paths = new Set(matching(what, pattern, [...this.params.keys()]))
    this.#guard(what)
    this.#walk((module, path) => {
      // What has no parameters may have a state.
      if (module.params.size === 0 && matchesModule(pattern, path)) module.#trainable = trainable
      module.#declarations.train(trainable, (name) => paths.has(joinPath(path, name)))
    })
    return [...paths]
  }

  #guard(change: string): void {
    let path = change
    for (let at: AnyModule | undefined = this; at !== undefined; at = at.#parent) {
      at.guard?.(path)
      path = joinPath(at.#place, path)
    }
  }
}

function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])([A-Z])/g, '_$1').toLowerCase()
}
