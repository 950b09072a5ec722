/** Messy samples of known information: what real columns look like, in 69 distributions of 15 kinds. */
import { messyColumns } from './messy-columns.js'
import { messyNumbers } from './messy-numbers.js'
import { messyOthers } from './messy-others.js'
import { type Population, writeSamples } from './populations.js'

/** All of them. */
export const messyPopulations = (): readonly Population[] => [
  ...messyNumbers(),
  ...messyOthers(),
  ...messyColumns(),
]

/** Writes a folder for the judge, its samples by the given seed. */
export function writeMessy(folder: string, seed: number): Promise<void> {
  return writeSamples(folder, seed, messyPopulations())
}
