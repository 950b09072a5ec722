/** Where the dynamics of a run are stored. */
import {
  type Check,
  type Checks,
  checkOptions,
  flag,
  isPlainObject,
  required,
  text,
} from '../core/options.js'

/** Where dynamics are stored while a task trains. */
export interface SaveDynamics {
  /** Folder of the store. */
  dir: string
  /** Keep the tensors [x, h1 .. hL, y] of every batch too; they are large. Default false. */
  raw?: boolean
  /** What else the store is to note, as JSON holds it. Default: nothing. */
  notes?: Readonly<Record<string, unknown>>
}

const plain: Check<Readonly<Record<string, unknown>>> = {
  expected: 'a plain object',
  accepts: isPlainObject,
}
const checks: Checks<SaveDynamics> = { dir: required(text), raw: flag, notes: plain }

/** A folder, or a folder with options, checked and with all defaults filled in. */
export function resolveSave(given: string | SaveDynamics): Required<SaveDynamics> {
  const {
    dir,
    raw = false,
    notes = {},
  } = checkOptions('saveDynamics', typeof given === 'string' ? { dir: given } : given, checks)
  return { dir, raw, notes }
}
