/** The commands of `hyperglow`, with their options and help. Each loads its modules when it is called. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { wrapped } from '../core/text-table.js'
import { version } from '../core/version.js'
import { exitCodeOf, exitCodes, Interrupted, interruptSignal, plainWarnings, quietPipes } from './failures.js'
import { helpWidth, Terminal } from './terminal.js'

/** The action of a command. */
type Act<O> = (args: string[], options: O, terminal: Terminal, signal: AbortSignal) => unknown

const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`expected a whole number of at least ${least}.`)
  }

const json = new Option('--json', 'one JSON object on standard output, and nothing else')
const quiet = new Option('-q, --quiet', 'no progress on standard error')
const seed = new Option('--seed <n>', 'seed of random draws').argParser(whole(0)).default(0)
const band = new Option('--band <kind>', 'display of several runs')
  .choices(['se', 'runs', 'none'])
  .default('se')
const format = new Option('--format <kinds...>', 'formats of the figures: svg, png, pdf, html').default([
  'svg',
  'png',
  'pdf',
  'html',
])
const bootstrap = new Option(
  '--bootstrap [rounds]',
  'standard errors and intervals over samples, by delete-half jackknife',
)
  .argParser(whole(2))
  .preset(100)
const permutations = new Option('--permutations [shuffles]', 'p-values by shuffles')
  .argParser(whole(1))
  .preset(199)
const ends = [
  new Option('--x <name>', 'the input samples: their name in the dump, or a file'),
  new Option('--y <name>', 'the labels or targets, likewise'),
]

const estimatorHelp = `
Estimators are written name:option=value,option=value with the names of createEstimator: auto, binned:bins=30,range=data, binned:binSize=0.07, kde:v=0.01, ksg:k=3, gaussianCopula, edge, hsic:sigma=5, cka and others (docs/estimators.md).`

/** Runs the command line; resolves to the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  plainWarnings()
  quietPipes()
  const program = new Command('hyperglow')
    .description('Mutual information and similarity of the layers of a network.')
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ showGlobalOptions: false, minWidthToWrap: 20 })
    .configureOutput({ getOutHelpWidth: helpWidth, getErrHelpWidth: helpWidth, outputError: inOurStyle })
    .addHelpText(
      'after',
      helpText(`
Examples:
  hyperglow demo                                          what comes out, in seconds
  hyperglow recorder pytorch > recorder.py                a program that writes activations
  hyperglow inspect dump                                  what a dump holds
  hyperglow plane dump --estimator kde:v=0.01 --out figures
  hyperglow mi x.npy y.npy --bootstrap --permutations

Exit codes: 0 done, 1 the data cannot be measured or a file not be written, 2 wrong usage, 130 interrupted.`),
    )
  for (const define of [inspect, plane, mi, cka, test, plot, recorder, demo, devices]) define(program)
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    return exitCodeOf(error)
  }
}

/** Writes an error of the usage in the style of the library's errors. */
function inOurStyle(text: string, write: (text: string) => void): void {
  const [first = '', ...rest] = text
    .replace(/^error: /, 'hyperglow: ')
    .trimEnd()
    .split('\n')
  write(`${[`${first}; see hyperglow --help`, ...rest].join('\n')}\n`)
}

/** Help below the options: prose is broken between words; indented examples stay whole, so that they can be copied. */
function helpText(text: string): string {
  const width = helpWidth()
  return text
    .split('\n')
    .map((line) => (line.startsWith(' ') ? line : wrapped(line, width)))
    .join('\n')
}

/** A command with its options and its examples. */
function command<O extends { json?: boolean; quiet?: boolean }>(
  program: Command,
  usage: string,
  about: string,
  options: readonly Option[],
  help: string,
  act: Act<O>,
): void {
  const made = program.command(usage).description(about).exitOverride().showSuggestionAfterError()
  for (const option of [...options, json]) made.addOption(option)
  made.addHelpText('after', helpText(help))
  made.action(async (...given: unknown[]) => {
    const options = given.at(-2) as O
    const args = given.slice(0, -2).flat() as string[]
    const signal = interruptSignal()
    try {
      await act(args, options, new Terminal(options), signal)
    } catch (error) {
      throw signal.aborted ? new Interrupted('interrupted', { cause: error }) : error
    }
  })
}

function inspect(program: Command): void {
  command<import('./dump.js').EndOptions & { json?: boolean }>(
    program,
    'inspect <dump...>',
    'print what a dump of activations holds, before any measurement',
    ends,
    `
A dump is a folder or a file: folders are runs, a number in a name is the epoch, files or the keys in them are layers; x*, y* and labels* are the input samples and the labels. Read are .npy, .npz, .safetensors, .csv, .pt and .pth (never executed), and Zarr.

Examples:
  hyperglow inspect dump
  hyperglow inspect dump/seed_1 --y targets.npy --json`,
    async (args, options, terminal, signal) =>
      (await import('./commands/inspect.js')).inspectCommand(args, options, terminal, signal),
  )
}

function plane(program: Command): void {
  command<import('./commands/plane.js').PlaneOptions & { json?: boolean }>(
    program,
    'plane <dump...>',
    'measure I(H; X) and I(H; Y) of every layer, run and epoch; write tables and figures',
    [
      new Option('-e, --estimator <text...>', 'estimators, as below').default(['kde:v=0.01']),
      new Option('-u, --units <unit>', 'nats, bits, bans or "base b"').default('bits'),
      new Option('-l, --layers <globs...>', 'layers, by name or pattern such as "conv*"'),
      new Option('--epochs <text>', 'epochs: 0:256:log, 0:100:10, 1,5,last'),
      new Option('--samples <n>', 'maximum number of samples; from more, a random subset').argParser(
        whole(2),
      ),
      bootstrap,
      permutations,
      seed,
      ...ends,
      new Option('-o, --out <folder>', 'folder for figures, CSV, LaTeX and JSON'),
      format,
      band,
      new Option('--resume', 'continue an interrupted measurement in the folder of --out'),
      quiet,
    ],
    `${estimatorHelp}

Examples:
  hyperglow plane dump --out figures
  hyperglow plane dump --estimator binned:bins=30,range=data kde:v=0.01 --units bits --epochs 0:256:log --out figures
  hyperglow plane dump --layers "fc*" --bootstrap 100 --permutations 199 --json > plane.json`,
    async (args, options, terminal, signal) =>
      (await import('./commands/plane.js')).planeCommand(args, options, terminal, signal),
  )
}

function mi(program: Command): void {
  command<import('./commands/mi.js').MiOptions & { json?: boolean }>(
    program,
    'mi <x> <y>',
    'estimate the mutual information of two arrays of samples',
    [
      new Option(
        '-e, --estimator <text...>',
        'estimators, as below; default auto, which looks at the data',
      ).conflicts('all'),
      new Option('-a, --all', 'use every estimator that needs no training'),
      new Option('-u, --units <unit>', 'nats, bits, bans or "base b"').default('bits'),
      bootstrap,
      permutations,
      seed,
    ],
    `${estimatorHelp}

Arrays are files (.npy, .csv, ...), or file:name where a file holds several. A row is a sample; integers, one a sample, are classes.

Examples:
  hyperglow mi x.npy y.npy
  hyperglow mi epoch_10.npz:fc1 y.npy --units nats --bootstrap --permutations
  hyperglow mi x.npy y.npy --all --json`,
    async ([x, y], options, terminal, signal) =>
      (await import('./commands/mi.js')).miCommand([x as string, y as string], options, terminal, signal),
  )
}

function cka(program: Command): void {
  command<import('./commands/cka.js').CkaOptions & { json?: boolean }>(
    program,
    'cka <a> [b]',
    'compare the layers of two dumps, or of one dump, by linear CKA',
    [
      new Option('--epoch <text>', 'the epoch, for dumps with several').default('last'),
      new Option(
        '--biased',
        'the biased estimate (Kornblith and others 2019), which is above 0 for unrelated layers',
      ),
      new Option('-o, --out <folder>', 'folder for the figure and JSON'),
      format,
    ],
    `
Examples:
  hyperglow cka dump/seed_1 dump/seed_2
  hyperglow cka dump/seed_1 --epoch first --out figures`,
    async ([a, b], options, terminal, signal) =>
      (await import('./commands/cka.js')).ckaCommand([a as string, b], options, terminal, signal),
  )
}

function test(program: Command): void {
  command<import('./commands/test.js').TestOptions & { json?: boolean }>(
    program,
    'test <x> <y>',
    'test the independence of two arrays, by permutation',
    [
      new Option('-e, --estimator <text...>', 'measures of dependence, as below').default([
        'hsic:sigma=median',
      ]),
      new Option('--permutations <shuffles>', 'shuffles').argParser(whole(1)).default(999),
      seed,
    ],
    `${estimatorHelp}

Examples:
  hyperglow test x.npy y.npy
  hyperglow test x.npy y.npy --estimator distanceCorrelation ksg --permutations 199`,
    async ([x, y], options, terminal, signal) =>
      (await import('./commands/test.js')).testCommand([x as string, y as string], options, terminal, signal),
  )
}

function plot(program: Command): void {
  command<import('./commands/plot.js').PlotOptions & { json?: boolean }>(
    program,
    'plot <run...>',
    'plot runs that hyperglow stored during training (saveDynamics, runs({ saveTo }))',
    [
      new Option('-o, --out <folder>', 'folder for figures').default('figures'),
      new Option('-u, --units <unit>', 'unit of information; default the unit of the runs'),
      format,
      band,
    ],
    `
Examples:
  hyperglow plot runs/mnist --band se
  hyperglow plot runs/tanh-1 runs/tanh-2 --band runs --format pdf`,
    async (args, options, terminal, signal) =>
      (await import('./commands/plot.js')).plotCommand(args, options, terminal, signal),
  )
}

function recorder(program: Command): void {
  command<{ json?: boolean }>(
    program,
    'recorder <framework>',
    'print a short program that writes activations: pytorch or keras',
    [],
    `
Examples:
  hyperglow recorder pytorch > recorder.py
  hyperglow recorder keras > recorder.py`,
    async ([framework], _, terminal) =>
      (await import('./commands/recorder.js')).recorderCommand(framework as string, terminal),
  )
}

function demo(program: Command): void {
  command<import('./commands/demo.js').DemoOptions & { json?: boolean }>(
    program,
    'demo',
    'train a small network with three seeds, and write a page with its information plane',
    [
      new Option('-o, --out <folder>', 'folder for the page').default('hyperglow-demo'),
      new Option('--open', 'show the page'),
      quiet,
    ],
    `
Example:
  hyperglow demo --open`,
    async (_, options, terminal, signal) =>
      (await import('./commands/demo.js')).demoCommand(options, terminal, signal),
  )
}

function devices(program: Command): void {
  command<{ json?: boolean }>(
    program,
    'devices',
    'list the devices that can compute',
    [],
    '',
    async (_, __, terminal) => (await import('./commands/devices.js')).devicesCommand(terminal),
  )
}
