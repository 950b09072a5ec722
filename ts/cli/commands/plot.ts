/** `hyperglow plot RUN...`: plots of stored runs of hyperglow. */
import { resolve } from 'node:path'
import { RunSet } from '../../dynamics/run-set.js'
import { readRuns } from '../../dynamics/runs-folder.js'
import type { Band } from '../../plots/plane-scales.js'
import { checkedUnits } from '../estimator-text.js'
import { drawPictures } from '../pictures.js'
import type { Terminal } from '../terminal.js'

/** Options of the command, as parsed by commander. */
export interface PlotOptions {
  readonly band: Band
  readonly units?: string
  readonly out: string
  readonly format: readonly string[]
}

/** Draws stored runs, all in one figure. */
export async function plotCommand(
  folders: readonly string[],
  { band, units, out, format }: PlotOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const sets = []
  for (const folder of folders) sets.push(await readRuns(folder))
  const all =
    sets.length === 1
      ? (sets[0] as RunSet)
      : RunSet.of(
          sets.flatMap((set, i) => set.runs().map((run) => ({ ...run, name: `${folders[i]}/${run.name}` }))),
        )
  const set = units === undefined ? all : all.in(checkedUnits(units))
  signal.throwIfAborted()
  const files = await drawPictures(resolve(out), set, { formats: format, band })
  terminal.json({ ...set.toJSON(), files })
  terminal.print(set.toText({ width: terminal.width }))
  terminal.notes(set.notes())
  terminal.written(files)
}
