/** Distributions of pairs with known information, and folders of their samples. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostRandom, writeNpy } from '../../ts/index.js'
import type { Truth } from './cases.js'

/** A distribution of pairs, with its information. */
export interface Population extends Omit<Truth, 'mi_nats' | 'file'> {
  /** Mutual information in nats. */
  readonly information: number
  /** `count` samples in rows, the columns of x first. */
  sample(random: HostRandom, count: number): readonly (readonly number[])[]
}

/** Independent samples, one draw each. */
export function each(draw: (random: HostRandom) => readonly number[]): Population['sample'] {
  return (random, count) => Array.from({ length: count }, () => draw(random))
}

/** Writes a folder for the judge: samples for the given seed, and truth.json. */
export async function writeSamples(
  folder: string,
  seed: number,
  populations: readonly Population[],
): Promise<void> {
  const cases: Truth[] = []
  for (const [number, { information, sample, ...known }] of populations.entries()) {
    const { name, n, dx, dy } = known
    const data = Float64Array.from(sample(new HostRandom(1000 * seed + number), n).flat())
    const file = `${name}.npy`
    await writeNpy(join(folder, file), { data, shape: [n, dx + dy], dtype: 'float64' })
    cases.push({ ...known, mi_nats: information, file })
  }
  writeFileSync(join(folder, 'truth.json'), JSON.stringify({ cases }, null, 2))
}
