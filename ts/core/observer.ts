/** What a piece of work did to Variables: which it assigned, and which of them a gradient reached. */
import type { Variable } from './variable.js'

/** What {@link observed} saw. */
export interface Deeds {
  /** Variables that were assigned. */
  readonly assigned: ReadonlySet<Variable>
  /** Variables of which some derivative was taken that depends on them. */
  readonly reached: ReadonlySet<Variable>
  /** Variables of which a derivative was taken that does not depend on them; some other may, see `reached`. */
  readonly unreached: ReadonlySet<Variable>
}

class Notes implements Deeds {
  readonly assigned = new Set<Variable>()
  readonly reached = new Set<Variable>()
  readonly unreached = new Set<Variable>()
}

let notes: Notes | undefined

/** Runs `f` and tells what it did to Variables. */
export function observed<T>(f: () => T): { result: T; deeds: Deeds } {
  const before = notes
  const own = new Notes()
  notes = own
  try {
    return { result: f(), deeds: own }
  } finally {
    notes = before
  }
}

/** Notes that a Variable was assigned. */
export function noteAssigned(variable: Variable): void {
  notes?.assigned.add(variable)
}

/** Notes that a derivative by a Variable was taken. @param isReached whether it depends on the Variable */
export function noteGradient(variable: Variable, isReached: boolean): void {
  if (isReached) notes?.reached.add(variable)
  else notes?.unreached.add(variable)
}
