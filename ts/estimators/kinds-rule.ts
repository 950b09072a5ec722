/** The part of the rule of {@link MutualInformation} for the kinds of both sides. */
import { literal } from '../core/create.js'
import { ofAtoms } from './atoms-rule.js'
import { isSmallTable, ofClasses, ofNumbersAndClasses } from './classes-rule.js'
import type { Estimate } from './estimates.js'
import type { Side } from './kinds.js'
import { ofNumbers } from './numbers-rule.js'

/** The estimate of that part. */
export function byKind(x: Side, y: Side, seed: number): Promise<Estimate> {
  if ((x.kind === 'classes' && y.kind === 'classes') || isSmallTable(x, y)) return ofClasses(x, y, seed)
  if (x.kind === 'mixed' || y.kind === 'mixed') return ofAtoms(x, y, seed)
  if (y.kind === 'classes') return ofNumbersAndClasses(x.rows, literal(y.classes), seed)
  if (x.kind === 'classes') return ofNumbersAndClasses(y.rows, literal(x.classes), seed)
  return ofNumbers(x.rows, y.rows, seed)
}
