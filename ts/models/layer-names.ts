import { ArgumentError } from '../core/errors.js'
import type { Layer } from '../layers/layer.js'

/**
 * Gives a layer without a name the next number of its kind: `dense_1`, `dense_2`.
 *
 * @param others the layers of the same network
 * @throws ArgumentError where another layer has the layer's name
 */
export function nameLayer(layer: Layer, others: readonly Layer[]): void {
  const taken = new Set(others.map(({ name }) => name))
  if (!layer.named) {
    let count = 1
    while (taken.has(`${layer.kind}_${count}`)) count++
    layer.name = `${layer.kind}_${count}`
  } else if (taken.has(layer.name)) {
    throw new ArgumentError(`two layers are named '${layer.name}'; give each its own name`)
  }
}
