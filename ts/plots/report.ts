/** A report of one or several runs on one page. */
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { allDevices } from '../core/devices.js'
import { ArgumentError, describe } from '../core/errors.js'
import {
  signal as anySignal,
  type Check,
  type Checks,
  checkOptions,
  isList,
  isPlainObject,
  text,
} from '../core/options.js'
import { version } from '../core/version.js'
import {
  evaluatorText,
  limitText,
  measuredText,
  measureNames,
  uncertainText,
  withUnit,
} from '../dynamics/naming.js'
import { RunSet } from '../dynamics/run-set.js'
import type { DynamicsSource } from '../dynamics/source.js'
import { checkPath, writeAtomic } from '../io/atomic.js'
import type { Chart } from './chart.js'
import type { CoursesSource } from './courses.js'
import { epochsPlot } from './epochs.js'
import { informationPlane } from './information-plane.js'
import { limitsOf } from './limits.js'
import { type Curve, curvesPlot } from './loss.js'
import { escaped, type PagePart, pageOf } from './page.js'
import { informationPlanePanels } from './panels.js'
import { type Band, bandOf } from './plane-scales.js'
import { captionHtml, factsHtml, headingHtml, listHtml, tableHtml } from './report-html.js'
import { type LayerActivations, layersCaption, layersHtml } from './report-layers.js'

/** Curves of a training run, as returned by `fit`. */
export interface ReportHistory {
  /** Numbers of the epochs. */
  readonly epochs: readonly number[]
  readonly loss: readonly number[]
  readonly validationLoss?: readonly number[] | undefined
  /** By name. */
  readonly metrics?: Readonly<Record<string, readonly number[]>> | undefined
  readonly validationMetrics?: Readonly<Record<string, readonly number[]>> | undefined
}

/** Options of {@link report}. */
export interface ReportOptions {
  /** Heading of the page; default `Training report`. */
  title?: string
  /** Curves of loss and metrics. */
  history?: ReportHistory
  /** Activations of layers on the same samples, by name, for a table of their means, variances, dead units and rank. */
  activations?: LayerActivations
  /** The samples of the activations, for the caption, such as `500 test samples, epoch 20`. Default `the given samples`. */
  activationsOf?: string
  /** Gradient norm of each layer of `activations`. */
  gradientNorms?: Readonly<Record<string, number>>
  /** Configuration of the run, by name: seed, optimizer, data. */
  configuration?: Readonly<Record<string, unknown>>
  /** The network as text. */
  network?: string
  /** Display of several runs; default `se`. */
  band?: Band
  /** Aborts the report; the promise rejects with its reason. */
  signal?: AbortSignal
}

const plain = <T>(expected: string): Check<T> => ({ expected, accepts: isPlainObject })
const checks: Checks<ReportOptions> = {
  title: text,
  history: plain('the history of a run, { epochs, loss, .. }'),
  activations: plain('activations by the names of layers'),
  activationsOf: text,
  gradientNorms: plain('numbers by the names of layers'),
  configuration: plain('a plain object'),
  network: text,
  band: bandOf,
  signal: anySignal,
}

/** Maximum number of layers with separate panels in a report. */
const mostPanels = 16

/**
 * Writes `report.html` into a folder: one page that opens without a network, with training curves, planes and epochs plots of every
 * evaluator with their bounds, tables of the last epoch, statistics of layers, configuration and environment. Each figure states estimator,
 * settings, samples and unit.
 *
 * ```ts
 * await report([seed1, seed2, seed3], 'runs/report', { configuration: { data: 'MNIST', seeds: '1 to 3' } })
 * ```
 *
 * @param source one run, several, a `RunSet`, or null if no dynamics were recorded
 * @returns the absolute path of the page
 * @throws ArgumentError for invalid options; the errors of {@link informationPlane} and `layerStatistics`; StateError if a drawing package
 *   is missing
 * @throws IOError if the file cannot be written
 */
export async function report(
  source: CoursesSource | null,
  folder: string,
  options: ReportOptions = {},
): Promise<string> {
  checkPath('report', folder, 'folder')
  const given = checkOptions('report', options, checks)
  if (source === null && given.history === undefined && given.activations === undefined) {
    throw new ArgumentError(
      'report: given no dynamics, no history and no activations, expected at least one of them',
    )
  }
  if (given.activations === undefined) checkNoActivations(given)
  const set = source === null ? undefined : setOf(source)
  const { title = 'Training report', configuration, network, signal } = given
  const parts: PagePart[] = [html(`<h1>${escaped(title)}</h1>`)]
  const add = async (make: () => Promise<readonly PagePart[]>) => {
    signal?.throwIfAborted()
    parts.push(...(await make()))
  }
  if (set !== undefined) await add(async () => [overviewOf(set)])
  await add(() => historyParts(given.history))
  for (const evaluator of set?.evaluators.keys() ?? []) {
    await add(() => evaluatorParts(set as RunSet, evaluator, given.band ?? 'se', signal))
  }
  await add(() => layerParts(given))
  if (network !== undefined) parts.push(html(`${headingHtml('Network')}<pre>${escaped(network)}</pre>`))
  if (configuration !== undefined) parts.push(html(headingHtml('Configuration') + factsHtml(configuration)))
  parts.push(html(headingHtml('Environment') + factsHtml(environment())))
  const file = resolve(join(folder, 'report.html'))
  await writeAtomic(file, await pageOf(title, parts))
  return file
}

/** Refuses options of the table of layers, which only activations make. */
function checkNoActivations(given: ReportOptions): void {
  const option = (['activationsOf', 'gradientNorms'] as const).find((one) => given[one] !== undefined)
  if (option === undefined) return
  throw new ArgumentError(
    `report: ${option}: given without activations, whose table it belongs to; give activations, or leave it out`,
  )
}

const html = (content: string): PagePart => ({ kind: 'html', html: content })

function setOf(source: CoursesSource): RunSet {
  if (source instanceof RunSet) return source
  return RunSet.of(isList(source) ? (source as readonly DynamicsSource[]) : [source as DynamicsSource])
}

function overviewOf(set: RunSet): PagePart {
  const facts = {
    runs: set.names.join(', '),
    layers: set.layers.join(', '),
    [`${set.rowKind}s`]: `${set.epochs.length}: ${set.epochs[0]} to ${set.epochs.at(-1)}`,
    evaluators: set.evaluators.join(', '),
  }
  const notes = set.notes()
  return html(
    factsHtml(facts) + (notes.length === 0 ? '' : headingHtml('Notes on the values') + listHtml(notes)),
  )
}

/** Whether there is a curve: a task without a loss has an empty one. */
function hasCurve(values: readonly number[] | undefined): values is readonly number[] {
  return values !== undefined && values.length > 0
}

/** Throws ArgumentError unless each curve is empty or has a number for each epoch. */
function checkHistory({ epochs, loss, validationLoss, metrics, validationMetrics }: ReportHistory): void {
  const areNumbers = (values: unknown): values is readonly number[] =>
    isList(values) && Array.from(values as unknown[]).every((value) => typeof value === 'number')
  if (!areNumbers(epochs) || epochs.length === 0) {
    throw new ArgumentError(
      `report: history.epochs: given ${describe(epochs)}, expected the numbers of the epochs, at least one`,
    )
  }
  const check = (name: string, values: unknown) => {
    if (areNumbers(values) && (values.length === 0 || values.length === epochs.length)) return
    throw new ArgumentError(
      `report: history.${name}: given ${describe(values)}, expected ${epochs.length} numbers, one for each of history.epochs`,
    )
  }
  check('loss', loss)
  if (validationLoss !== undefined) check('validationLoss', validationLoss)
  for (const [group, curves] of Object.entries({ metrics, validationMetrics })) {
    if (curves !== undefined && !isPlainObject(curves)) {
      throw new ArgumentError(
        `report: history.${group}: given ${describe(curves)}, expected numbers for each epoch, by name`,
      )
    }
    for (const [name, values] of Object.entries(curves ?? {})) check(`${group}.${name}`, values)
  }
}

async function historyParts(history: ReportHistory | undefined): Promise<PagePart[]> {
  if (history === undefined) return []
  const { epochs, loss, validationLoss, metrics = {}, validationMetrics = {} } = history
  checkHistory(history)
  const figures = [
    { quantity: 'loss', training: loss, validation: validationLoss },
    ...Object.entries(metrics).map(([name, training]) => ({
      quantity: name,
      training,
      validation: validationMetrics[name],
    })),
  ]
  const parts = [html(headingHtml('Training'))]
  for (const { quantity, training, validation } of figures) {
    const curves: Curve[] = [
      ...(hasCurve(training) ? [{ curve: 'training', values: training } as const] : []),
      ...(hasCurve(validation) ? [{ curve: 'validation', values: validation } as const] : []),
    ]
    if (curves.length === 0) continue
    const chart = curvesPlot(curves, epochs, { quantity, heading: `Epoch vs ${quantity}`, caller: 'report' })
    const from = curves.map(({ curve }) => curve).join(' and ')
    parts.push(await chart.part(`Mean ${quantity} over the samples of each epoch: ${from}.`))
  }
  return parts
}

async function evaluatorParts(
  set: RunSet,
  evaluator: number,
  band: Band,
  signal: AbortSignal | undefined,
): Promise<PagePart[]> {
  const name = set.evaluators[evaluator] as string
  const unit = measureNames({ evaluator: name, unit: set.units[evaluator] ?? null }).unit
  const settings = Object(set.evaluatorSettings[evaluator]) as Record<string, unknown>
  const measured = measuredText(evaluatorText({ evaluator: name, unit, settings }), {
    unit,
    samples: set.samples[evaluator] ?? null,
    runs: set.names.length,
    band,
  })
  const parts = [html(headingHtml(name))]
  const rows = set.results().filter(({ estimator }) => estimator === name)
  if (rows.length === 0) return [...parts, html(captionHtml(`${measured}: no value in any epoch.`))]
  const options = { evaluator, band }
  const figures: [Chart, string][] = [
    [informationPlane(set, options), 'The information plane'],
    [epochsPlot(set, options), 'Both measures by epoch'],
    ...(set.layers.length <= mostPanels && set.layers.length > 1
      ? [[informationPlanePanels(set, options), 'The information plane of each layer'] as [Chart, string]]
      : []),
  ]
  for (const [chart, what] of figures) {
    signal?.throwIfAborted()
    parts.push(await chart.part(`${what}. ${measured}.`))
  }
  return [...parts, html(lastValues(set, evaluator, measured))]
}

/** A table of the last epoch with values of the evaluator, with the bounds. */
function lastValues(set: RunSet, evaluator: number, measured: string): string {
  const name = set.evaluators[evaluator] as string
  const names = measureNames({ evaluator: name, unit: set.units[evaluator] ?? null })
  const all = set.results().filter(({ estimator }) => estimator === name)
  const epoch = all.at(-1)?.epoch
  const rows = all
    .filter((row) => row.epoch === epoch)
    .map(({ layer, ixt, ity }) => [layer, uncertainText(ixt.mean, ixt.se), uncertainText(ity.mean, ity.se)])
  const { x, y } = limitsOf(names.unit, set.samples[evaluator] ?? null, set.labelEntropy)
  const bounds = [x, y].flatMap((limit) =>
    limit === undefined ? [] : [limitText(limit.kind, names.unit as string, limit.value)],
  )
  const head = ['layer', withUnit(names.x, names.unit), withUnit(names.y, names.unit)]
  const told = [
    `Values at ${set.rowKind} ${epoch}. ${measured}.`,
    bounds.length === 0 ? '' : `Bounds: ${bounds.join('; ')}.`,
  ]
  return tableHtml(head, rows) + captionHtml(told.join(' ').trim())
}

async function layerParts({
  activations,
  activationsOf = 'the given samples',
  gradientNorms,
}: ReportOptions): Promise<PagePart[]> {
  if (activations === undefined) return []
  return [
    html(
      headingHtml('Layers') +
        (await layersHtml(activations, gradientNorms)) +
        captionHtml(layersCaption(activationsOf, gradientNorms !== undefined)),
    ),
  ]
}

/** Versions, devices and the time. */
function environment(): Record<string, string> {
  const devices = allDevices().map(
    ({ name, threads, level, isDefault }) =>
      `${name} (${level}, ${threads} threads${isDefault ? ', default' : ''})`,
  )
  return {
    hyperglow: version,
    node: process.versions.node,
    system: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    devices: devices.join('; '),
    written: new Date().toISOString(),
  }
}
