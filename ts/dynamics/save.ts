/** Storage of the dynamics of a run. */
import {
  type Check,
  type Checks,
  checkOptions,
  flag,
  isPlainObject,
  required,
  text,
} from '../core/options.js'

/** Storage of dynamics during training. */
export interface SaveDynamics {
  /** Folder of the store. */
  dir: string
  /** Also store the tensors [x, h1 .. hL, y] of every batch; they are large. Default false. */
  raw?: boolean
  /** Additional notes in the store, JSON values. Default: none. */
  notes?: Readonly<Record<string, unknown>>
}

const plain: Check<Readonly<Record<string, unknown>>> = {
  expected: 'a plain object',
  accepts: isPlainObject,
}
const checks: Checks<SaveDynamics> = { dir: required(text), raw: flag, notes: plain }

/** A folder, or a folder with options, checked and with all defaults. */
export function resolveSave(given: string | SaveDynamics): Required<SaveDynamics> {
  const {
    dir,
    raw = false,
    notes = {},
  } = checkOptions('saveDynamics', typeof given === 'string' ? { dir: given } : given, checks)
  return { dir, raw, notes }
}
