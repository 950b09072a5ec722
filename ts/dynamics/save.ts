/** Where the dynamics of a run are stored. */
import { type Checks, checkOptions, flag, required, text } from '../core/options.js'

/** Where dynamics are stored while a task trains. */
export interface SaveDynamics {
  /** Folder of the store. */
  dir: string
  /** Keep the tensors [x, h1 .. hL, y] of every batch too; they are large. Default false. */
  raw?: boolean
}

const checks: Checks<SaveDynamics> = { dir: required(text), raw: flag }

/** A folder, or a folder with options, checked and with all defaults filled in. */
export function resolveSave(given: string | SaveDynamics): Required<SaveDynamics> {
  const { dir, raw = false } = checkOptions(
    'saveDynamics',
    typeof given === 'string' ? { dir: given } : given,
    checks,
  )
  return { dir, raw }
}
