/** Which parts of a network training leaves as they are, for files. */
import type { AnyModule } from '../nn/module.js'
import { joinPath } from '../nn/paths.js'

/** The frozen parts of a network. */
export interface FrozenParts {
  /** Paths of the frozen weights. */
  readonly frozen: readonly string[]
  /** Paths of the frozen layers without weights, whose state training leaves as it is; absent if there are none. */
  readonly frozenLayers?: readonly string[]
}

/** The frozen parts of a network. */
export function frozenParts(network: AnyModule): FrozenParts {
  const frozen = [...network.params].flatMap(([path, { trainable }]) => (trainable ? [] : [path]))
  const frozenLayers = withoutWeights(network).flatMap(([path, layer]) => (layer.trainable ? [] : [path]))
  return { frozen, ...(frozenLayers.length === 0 ? {} : { frozenLayers }) }
}

/** Freezes those parts of a new network. */
export function freezeParts(
  network: AnyModule,
  { frozen = [], frozenLayers = [] }: Partial<FrozenParts>,
): void {
  for (const path of frozen) {
    const variable = network.params.get(path)
    if (variable !== undefined) variable.trainable = false
  }
  const still = new Set(frozenLayers)
  // From the outside in: the flag of a layer sets those of the layers inside it.
  for (const [path, layer] of withoutWeights(network)) layer.trainable = !still.has(path)
}

/** The modules inside a module that have no weights, with their paths, from the outside in. */
function withoutWeights(module: AnyModule, path = ''): [path: string, module: AnyModule][] {
  return [...module.children].flatMap(([name, child]) => {
    const own = joinPath(path, name)
    const inner = withoutWeights(child, own)
    return child.params.size === 0 ? [[own, child] as [string, AnyModule], ...inner] : inner
  })
}
