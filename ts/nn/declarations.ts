/** What one module declares, without its children: shapes and initial values, and later the Variables. */
import type { Variable } from '../core/variable.js'
import type { Shape } from '../ops/tensor.js'
import type { Declaration } from './declaration.js'

/** Role of a declared array: a parameter, or an entry of the state. */
export type Role = Declaration['role']

/** The declared arrays of one module by name, in order, and their Variables. */
export class Declarations {
  readonly #declared = new Map<string, Declaration>()
  readonly #variables = new Map<string, Variable>()

  has(name: string): boolean {
    return this.#declared.has(name)
  }

  add(name: string, declared: Declaration): void {
    this.#declared.set(name, declared)
  }

  /** Forgets all declarations, of a module whose declaration failed. */
  clear(): void {
    this.#declared.clear()
  }

  /** Makes Variables in the order of the declarations; `make` returns undefined for an array that is handed in. */
  make(make: (name: string, declared: Declaration) => Variable | undefined): void {
    for (const [name, declared] of this.#declared) {
      const variable = make(name, declared)
      if (variable !== undefined) this.#variables.set(name, variable)
    }
  }

  /** Releases the Variables. */
  release(): void {
    for (const variable of this.#variables.values()) variable.dispose()
    this.#variables.clear()
  }

  shapes(role: Role): [name: string, shape: Shape][] {
    return [...this.#declared].flatMap(([name, declared]) =>
      declared.role === role ? [[name, declared.shape]] : [],
    )
  }

  variables(role: Role): [name: string, variable: Variable][] {
    return [...this.#variables].filter(([name]) => this.#declared.get(name)?.role === role)
  }

  /** Freezes or unfreezes Variables; those declared with `trainable: false` stay fixed. @param isMeant which; default all */
  train(isTrainable: boolean, isMeant: (name: string) => boolean = () => true): void {
    for (const [name, variable] of this.#variables) {
      if (isMeant(name)) variable.trainable = isTrainable && this.#declared.get(name)?.trainable === true
    }
  }
}
