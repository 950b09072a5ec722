/** `hyperglow inspect DUMP`: the contents of a dump. */
import { inspect, type LayerInspection } from '../../dynamics/inspect.js'
import { type EndOptions, readDumps } from '../dump.js'
import { shownNumber, type Terminal } from '../terminal.js'

/** Prints the contents of a dump, before any measurement. */
export async function inspectCommand(
  dumps: readonly string[],
  options: EndOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const activations = await readDumps(dumps, options)
  const found = await inspect(activations, { signal })
  terminal.json({ dump: found.source, ...found, source: undefined })
  const { runs, samples, x, y } = found
  const epochs = [...new Set(runs.flatMap((run) => run.epochs))].sort((a, b) => a - b)
  const counted = samples.length === 1 ? String(samples[0]) : `${samples[0]} to ${samples.at(-1)}`
  terminal.facts([
    ['dump', found.source],
    ['runs', `${runs.length}: ${shortened(runs.map(({ name }) => name))}`],
    [
      'epochs',
      runs.some(({ epochsKnown }) => epochsKnown)
        ? `${epochs.length}: ${shortened(epochs)}`
        : 'no number is known',
    ],
    [
      'samples',
      `${counted}, ln n = ${found.logSamples.toFixed(3)} nats = ${(found.logSamples / Math.LN2).toFixed(3)} bits`,
    ],
    [
      'input x',
      x === null
        ? 'missing: each sample counts as a different input'
        : `${x.dtype} [n, ${x.shape.join(', ')}]`,
    ],
    ['target y', targetText(y)],
  ])
  terminal.print('')
  const head = ['layer', 'shape', 'type', 'smallest', 'largest', 'zeros', 'at an end', 'NaN, inf']
  terminal.table([head, ...found.layers.map(layerRow)], { left: [0, 1, 2] })
  terminal.notes(found.notes)
}

function targetText(y: Awaited<ReturnType<typeof inspect>>['y']): string {
  if (y === null) return 'missing: I(H; Y) is NaN'
  if (y.entropy === null) return 'numbers'
  const bits = y.entropy / Math.LN2
  return `${y.classes} classes, H(Y) = ${y.entropy.toFixed(3)} nats = ${bits.toFixed(3)} bits`
}

function layerRow({ name, shape, dtypes, scan }: LayerInspection): string[] {
  const percent = (count: number) => `${((100 * count) / Math.max(1, scan.values)).toFixed(1)} %`
  return [
    name,
    shape === null ? 'differs' : `[n, ${shape.join(', ')}]`,
    dtypes.join(', '),
    shownNumber(scan.least),
    shownNumber(scan.largest),
    percent(scan.zeros),
    scan.saturated === null ? '-' : percent(scan.saturated),
    String(scan.notFinite),
  ]
}

const shortened = (list: readonly (string | number)[]) =>
  list.length <= 8 ? list.join(', ') : `${list.slice(0, 6).join(', ')}, ... ${list.at(-1)}`
