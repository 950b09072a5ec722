/** `hyperglow cka A B`: similarity of the layers of two networks. */
import { join, resolve } from 'node:path'
import { layerSimilarity } from '../../analysis/similarity/matrix.js'
import { ArgumentError, DataError } from '../../core/errors.js'
import type { ActivationRun, Activations } from '../../data/activations/types.js'
import { CKA } from '../../estimators/cka.js'
import { writeAtomic } from '../../io/atomic.js'
import type { ArrayData } from '../../io/element-types.js'
import { readDumps } from '../dump.js'
import { epochsOf } from '../epochs-text.js'
import { checkFormats } from '../pictures.js'
import type { Terminal } from '../terminal.js'

/** Options of the command, as parsed by commander. */
export interface CkaOptions {
  readonly epoch: string
  readonly biased?: boolean
  readonly out?: string
  readonly format: readonly string[]
}

/** Compares each layer of one dump with each of another, on the same samples, by linear CKA. */
export async function ckaCommand(
  [pathA, pathB]: readonly [string, string | undefined],
  { epoch, biased = false, out, format }: CkaOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  checkFormats(format)
  const a = await layersOf(await readDumps([pathA], {}), epoch)
  const b = pathB === undefined ? a : await layersOf(await readDumps([pathB], {}), epoch)
  signal.throwIfAborted()
  const counts = new Set([...a.arrays, ...b.arrays].map(({ shape }) => shape[0]))
  if (counts.size > 1) {
    throw new DataError(
      `${pathA} and ${pathB ?? pathA} hold ${[...counts].join(' and ')} samples, expected the same samples in the same order; dump both networks for one set of samples`,
    )
  }
  const values = await layerSimilarity(new CKA({ unbiased: !biased }), a.arrays, { others: b.arrays })
  const settings = { estimator: 'CKA', kernel: 'linear', unbiased: !biased, n: [...counts][0] }
  const files: string[] = []
  if (out !== undefined) {
    const { matrix } = await import('../../plots/matrix.js')
    const chart = matrix(values, {
      rows: a.names,
      columns: b.names,
      measure: 'CKA',
      subtitle: `linear, ${biased ? 'biased' : 'unbiased'}, n ${settings.n}`,
      rowTitle: a.title,
      columnTitle: b.title,
      domain: [0, 1],
    })
    for (const one of format) files.push(await chart.save(join(resolve(out), `cka.${one}`)))
    const file = join(resolve(out), 'cka.json')
    await writeAtomic(
      file,
      `${JSON.stringify({ ...settings, rows: a.names, columns: b.names, values }, undefined, 2)}\n`,
    )
    files.push(file)
  }
  terminal.json({ a: a.title, b: b.title, ...settings, rows: a.names, columns: b.names, values, files })
  terminal.prose(
    `linear CKA, ${biased ? 'biased' : 'unbiased (Song and others 2012; Nguyen, Raghu and Kornblith 2021)'}, n = ${settings.n}`,
  )
  terminal.prose(`rows: ${a.title}; columns: ${b.title}\n`)
  const rows = values.map((row, i) => [a.names[i] as string, ...row.map((value) => value.toFixed(3))])
  terminal.table([['', ...b.names], ...rows], { left: [0] })
  terminal.written(files)
}

interface Layers {
  readonly title: string
  readonly names: readonly string[]
  readonly arrays: readonly ArrayData[]
}

async function layersOf({ source, runs }: Activations, wanted: string): Promise<Layers> {
  if (runs.length > 1) {
    throw new ArgumentError(
      `${source} holds ${runs.length} runs; give one of them, such as ${join(source, (runs[0] as ActivationRun).name)}`,
    )
  }
  const run = runs[0] as ActivationRun
  const [epoch, second] = epochsOf(wanted, run.epochs)
  if (epoch === undefined || second !== undefined)
    throw new ArgumentError(`--epoch: given "${wanted}", expected one epoch, or last`)
  const names = run.layers.filter((name) => run.layer(epoch, name) !== undefined)
  const arrays: ArrayData[] = []
  for (const name of names)
    arrays.push(await (run.layer(epoch, name) as { read(): Promise<ArrayData> }).read())
  const flat = arrays.map(({ dtype, shape, data }) => ({
    dtype,
    shape: [shape[0] ?? 1, shape.slice(1).reduce((product, length) => product * length, 1)],
    data,
  }))
  return { title: run.epochsKnown ? `${source}, epoch ${epoch}` : source, names, arrays: flat }
}
