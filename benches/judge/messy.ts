/** Messy samples of known information: they resemble real columns, in 69 distributions of 15 kinds. */
import { messyColumns } from './messy-columns.js'
import { messyNumbers } from './messy-numbers.js'
import { messyOthers } from './messy-others.js'
import { type Population, writeSamples } from './populations.js'

/** All distributions. */
export const messyPopulations = (): readonly Population[] => [
  ...messyNumbers(),
  ...messyOthers(),
  ...messyColumns(),
]

/** Writes a folder for the judge with its samples for the given seed. */
export function writeMessy(folder: string, seed: number): Promise<void> {
  return writeSamples(folder, seed, messyPopulations())
}
