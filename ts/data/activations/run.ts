/** One run of activations, whose arrays are asked for by epoch and layer. */
import { ArgumentError, describe, unknownName } from '../../core/errors.js'
import type { LazyArray } from '../../io/lazy-array.js'
import type { ActivationRun } from './types.js'

/** The arrays of an epoch. */
export interface EpochArrays {
  readonly x: LazyArray | undefined
  readonly y: LazyArray | undefined
  readonly layers: ReadonlyMap<string, LazyArray>
}

/** A run of the given epochs; a question for another epoch or layer is refused. */
export function activationRun(
  about: Pick<ActivationRun, 'name' | 'epochs' | 'epochsKnown' | 'layers'>,
  arrays: ReadonlyMap<number, EpochArrays>,
): ActivationRun {
  const { name: run, epochs, layers } = about
  const at = (epoch: number): EpochArrays => {
    const found = arrays.get(epoch)
    if (found !== undefined) return found
    throw new ArgumentError(`run '${run}' has no epoch ${describe(epoch)}; ${nearestOf(epochs, epoch)}`)
  }
  return {
    ...about,
    x: (epoch) => at(epoch).x,
    y: (epoch) => at(epoch).y,
    layer: (epoch, name) => {
      const own = at(epoch).layers
      if (!layers.includes(name)) throw unknownName(`layer of run '${run}'`, name, layers, 20)
      return own.get(name)
    },
  }
}

/** Number of epochs that a message names. */
const most = 5

/** The epochs nearest to one that is missing, as text. */
function nearestOf(epochs: readonly number[], wanted: number): string {
  if (epochs.length <= most || !Number.isFinite(wanted)) {
    const more = epochs.length > most ? ', ...' : ''
    return `its epochs are ${epochs.slice(0, most).join(', ')}${more}`
  }
  const near = epochs.toSorted((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted)).slice(0, most)
  return `the nearest of its ${epochs.length} epochs are ${near.sort((a, b) => a - b).join(', ')}`
}
