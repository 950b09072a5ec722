/** The dumps of a command line. */
import { basename, resolve } from 'node:path'
import { readActivations } from '../data/activations/read.js'
import type { ActivationRun, Activations } from '../data/activations/types.js'

/** Names or files of inputs and labels, if they differ from the default names. */
export interface EndOptions {
  readonly x?: string
  readonly y?: string
}

/** The runs of all dumps as one set of activations. Runs of equal names get the names of their dumps. */
export async function readDumps(paths: readonly string[], { x, y }: EndOptions): Promise<Activations> {
  const ends = { ...(x === undefined ? {} : { x }), ...(y === undefined ? {} : { y }) }
  const dumps = []
  for (const path of paths) dumps.push(await readActivations(path, ends))
  const [only] = dumps
  if (dumps.length === 1 && only !== undefined) return only
  const names = dumps.flatMap(({ runs }) => runs.map(({ name }) => name))
  const areDistinct = new Set(names).size === names.length
  return {
    source: paths.join(', '),
    runs: dumps.flatMap(({ source, runs }) =>
      areDistinct ? runs : runs.map((run) => named(run, `${basename(resolve(source))}/${run.name}`)),
    ),
    notes: dumps.flatMap(({ source, notes }) => notes.map((note) => `${source}: ${note}`)),
  }
}

/** A run under another name. */
function named(run: ActivationRun, name: string): ActivationRun {
  return {
    name,
    epochs: run.epochs,
    epochsKnown: run.epochsKnown,
    layers: run.layers,
    x: (epoch) => run.x(epoch),
    y: (epoch) => run.y(epoch),
    layer: (epoch, layer) => run.layer(epoch, layer),
  }
}
