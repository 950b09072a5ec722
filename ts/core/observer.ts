/** Observation of assignments and derivatives of Variables. */

/** A Variable, as far as this file needs it. */
export interface Observable {
  readonly name: string
}

/** Result of {@link observed}. */
export interface Effects {
  /** Assigned Variables. */
  readonly assigned: ReadonlySet<Observable>
  /** Variables with at least one derivative that depends on them. */
  readonly reached: ReadonlySet<Observable>
  /** Variables with at least one derivative that does not depend on them; another may, see `reached`. */
  readonly unreached: ReadonlySet<Observable>
}

class Notes implements Effects {
  readonly assigned = new Set<Observable>()
  readonly reached = new Set<Observable>()
  readonly unreached = new Set<Observable>()
}

let notes: Notes | undefined

/** Runs `f` and reports its assignments and derivatives of Variables. */
export function observed<T>(f: () => T): { result: T; effects: Effects } {
  const before = notes
  const own = new Notes()
  notes = own
  try {
    return { result: f(), effects: own }
  } finally {
    notes = before
  }
}

/** Records an assignment of a Variable. */
export function noteAssigned(variable: Observable): void {
  notes?.assigned.add(variable)
}

/** Records a derivative with respect to a Variable. @param isReached whether it depends on the Variable */
export function noteGradient(variable: Observable, isReached: boolean): void {
  if (isReached) notes?.reached.add(variable)
  else notes?.unreached.add(variable)
}
