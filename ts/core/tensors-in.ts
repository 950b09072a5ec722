/** The tensors in the result of a function. */
import type { Owned } from './registry.js'
import { Tensor } from './tensor.js'
import { Variable } from './variable.js'

/** The tensors in the result of a function, to any depth; other values are skipped. */
export function tensorsIn(result: unknown): Set<Owned> {
  const found = new Set<Owned>()
  const seen = new Set<unknown>()
  const open = [result]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (value instanceof Tensor) found.add(Tensor.ownedBy(value))
    else if (value instanceof Map || value instanceof Set || Array.isArray(value)) {
      for (const item of value.values()) open.push(item)
    } else if (!(value instanceof Variable) && !ArrayBuffer.isView(value)) {
      for (const item of Object.values(value)) open.push(item)
    }
  }
  return found
}
