/** `hyperglow plane DUMP...`: the information plane of activations, as a table, figures and files. */
import { join, relative, resolve } from 'node:path'
import { ArgumentError } from '../../core/errors.js'
import { version } from '../../core/version.js'
import type { Measured } from '../../dynamics/measure.js'
import type { Measurement } from '../../dynamics/measured-run.js'
import type { RunSet } from '../../dynamics/run-set.js'
import { writeAtomic } from '../../io/atomic.js'
import type { Band } from '../../plots/plane-scales.js'
import { measureInChunks, removeChunks } from '../chunks.js'
import { type EndOptions, readDumps } from '../dump.js'
import { epochsOf } from '../epochs-text.js'
import { checkedUnits, estimatorOf } from '../estimator-text.js'
import { checkFormats, drawPictures } from '../pictures.js'
import { shownNumber, type Terminal } from '../terminal.js'

/** Options of the command, as parsed by commander. */
export interface PlaneOptions extends EndOptions {
  readonly estimator: readonly string[]
  readonly units: string
  readonly layers?: readonly string[]
  readonly epochs?: string
  readonly samples?: number
  readonly bootstrap?: number
  readonly permutations?: number
  readonly seed: number
  readonly band: Band
  readonly format: readonly string[]
  readonly out?: string
  readonly resume?: boolean
}

/** Maximum number of epochs of a table on a terminal. */
const tableEpochs = 10

/** Measures dumps, prints a table and writes figures and files. */
export async function planeCommand(
  dumps: readonly string[],
  options: PlaneOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { out, resume = false } = options
  if (resume && out === undefined) {
    throw new ArgumentError(
      '--resume: given without --out DIR, the folder in which a measurement is kept; give --out',
    )
  }
  checkFormats(options.format)
  const units = checkedUnits(options.units)
  const estimators = options.estimator.map((text) => estimatorOf(text, units))
  const activations = await readDumps(dumps, options)
  const there = [...new Set(activations.runs.flatMap((run) => run.epochs))].sort((a, b) => a - b)
  const epochs = options.epochs === undefined ? there : epochsOf(options.epochs, there)
  const folder = out === undefined ? undefined : join(resolve(out), '.parts')
  const meter = terminal.meter()
  let measured: Measured
  try {
    measured = await measureInChunks(
      activations,
      estimators,
      {
        units,
        epochs,
        seed: options.seed,
        signal,
        ...(options.layers === undefined ? {} : { layers: options.layers }),
        ...(options.samples === undefined ? {} : { samples: options.samples }),
        ...(options.bootstrap === undefined ? {} : { bootstrap: options.bootstrap }),
        ...(options.permutations === undefined ? {} : { permutations: options.permutations }),
      },
      { folder, isResumed: resume, dumps, onProgress: (done, total) => meter.update(done, total) },
    )
  } finally {
    meter.end()
  }
  const { runs, measurements } = measured
  const notes = [...measured.notes, ...runs.notes()]
  const result = {
    dump: activations.source,
    ...runs.toJSON(),
    notes,
    ...(measurements.length > 0 ? { measurements } : {}),
  }
  const files = out === undefined ? [] : await writeFiles(resolve(out), runs, measurements, result, options)
  if (folder !== undefined) await removeChunks(folder)
  terminal.json({ ...result, files })
  printTables(runs, out !== undefined, terminal)
  if (measurements.length > 0) printMeasurements(measurements, terminal)
  terminal.notes(notes)
  terminal.written(files.map((file) => relative(process.cwd(), file) || file))
}

/** Tables of all epochs, or of evenly spread ones. */
function printTables(runs: RunSet, hasFiles: boolean, terminal: Terminal): void {
  const { epochs } = runs
  const step = (epochs.length - 1) / (tableEpochs - 1)
  const chosen =
    epochs.length <= tableEpochs
      ? epochs
      : Array.from({ length: tableEpochs }, (_, i) => epochs[Math.round(i * step)] as number)
  const count = runs.names.length
  const head = `hyperglow ${version}; ${count === 1 ? '1 run' : `${count} runs: mean and standard error over them`}`
  const rest = hasFiles ? 'all are in the files' : 'all are in the files of --out and in --json'
  const some = chosen.length < epochs.length ? `; ${chosen.length} of ${epochs.length} epochs, ${rest}` : ''
  terminal.prose(`${head}${some}\n`)
  terminal.print(runs.toText({ epochs: chosen, width: terminal.width }))
}

/** Values of the last epochs with their intervals and p-values. */
function printMeasurements(measurements: readonly Measurement[], terminal: Terminal): void {
  const last = new Map<string, number>()
  for (const { run, epoch } of measurements) last.set(run, Math.max(epoch, last.get(run) ?? epoch))
  const shown = measurements.filter(({ run, epoch }) => epoch === last.get(run))
  const hasIntervals = shown.some(({ interval }) => interval !== null)
  const hasPValues = shown.some(({ pValue }) => pValue !== null)
  const rows = shown.map((one) => [
    one.run,
    String(one.epoch),
    one.layer,
    one.side === 'x' ? '(H, X)' : '(H, Y)',
    one.estimator,
    shownNumber(one.value),
    ...(hasIntervals ? [one.interval === null ? '-' : `[${one.interval.map(shownNumber).join(', ')}]`] : []),
    ...(hasPValues ? [shownNumber(one.pValue), shownNumber(one.adjustedPValue)] : []),
  ])
  const head = ['run', 'epoch', 'layer', 'of', 'estimator', 'value']
  if (hasIntervals) head.push('95 % interval')
  if (hasPValues) head.push('p', 'p adjusted')
  const told = [
    'Last epoch of each run',
    ...(hasIntervals ? ['intervals over samples by the delete-half jackknife'] : []),
    ...(hasPValues ? ['p-values by permutation, adjusted over layers (Benjamini-Hochberg)'] : []),
  ]
  terminal.prose(`\n${told.join('; ')}`)
  terminal.table([head, ...rows], { left: [0, 2, 3, 4], keys: 5 })
}

async function writeFiles(
  folder: string,
  runs: RunSet,
  measurements: readonly Measurement[],
  result: object,
  { format, band }: PlaneOptions,
): Promise<string[]> {
  const files = [join(folder, 'results.json'), join(folder, 'results.csv'), join(folder, 'results.tex')]
  await writeAtomic(files[0] as string, `${JSON.stringify(result, undefined, 2)}\n`)
  await writeAtomic(files[1] as string, runs.toCsv())
  await writeAtomic(files[2] as string, runs.toLatex())
  if (measurements.length > 0) {
    const head = [
      'run',
      'epoch',
      'layer',
      'side',
      'estimator',
      'units',
      'value',
      'standardError',
      'low',
      'high',
      'pValue',
      'adjustedPValue',
    ]
    const lines = measurements.map((one) => [
      one.run,
      one.epoch,
      one.layer,
      one.side,
      one.estimator,
      one.units,
      one.value,
      one.standardError,
      one.interval?.[0],
      one.interval?.[1],
      one.pValue,
      one.adjustedPValue,
    ])
    const file = join(folder, 'measurements.csv')
    await writeAtomic(file, `${[head, ...lines].map((line) => line.map(csvCell).join(',')).join('\r\n')}\r\n`)
    files.push(file)
  }
  return [...files, ...(await drawPictures(folder, runs, { formats: format, band }))]
}

/** A cell of CSV (RFC 4180); empty for no value. */
function csvCell(value: unknown): string {
  if (value === null || value === undefined || Number.isNaN(value)) return ''
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
