/** Messy samples of known information: what real columns look like, in 60 distributions of 14 kinds. */
import { messyNumbers } from './messy-numbers.js'
import { messyOthers } from './messy-others.js'
import { type Population, writeSamples } from './populations.js'

/** All of them. */
export const messyPopulations = (): readonly Population[] => [...messyNumbers(), ...messyOthers()]

/** Writes a folder for the judge, its samples by the given seed. */
export function writeMessy(folder: string, seed: number): Promise<void> {
  return writeSamples(folder, seed, messyPopulations())
}
