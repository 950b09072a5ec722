/**
 * Training without back-propagation on MNIST: the HSIC bottleneck of Ma, Lewis and Kleijn 2019. `npm run example:hsic`.
 *
 * With `--quick` one epoch of each kind, as the tests run it; else the published settings, for each of `--seeds` seeds, which goes to the page of results.
 * `--only` chooses among format, length, bp, unformatted and sigma.
 */
import { parseArgs } from 'node:util'
import {
  backPropagated,
  type Curve,
  formatTrained,
  published,
  sigmaNetwork,
  unformatted,
  wide,
} from './bottleneck/hsic.js'
import { allHold, commonOptions, runProgram } from './bottleneck/program.js'
import { type Row, writeResults } from './bottleneck/results.js'

const usage =
  'usage: npm run example:hsic -- [--quick] [--seeds 3] [--only format,length,bp,unformatted,sigma] [--out docs/results.md]'

/** An experiment at the published settings; each curve is one row or more of the page. */
interface Experiment {
  readonly rows: readonly Omit<Row, 'ours'>[]
  /** One number for each row. */
  run(seed: number): Promise<number[]>
}

const last = (curve: Curve) => curve.at(-1) as number
const block = '7 dense layers, each with batch normalization and relu; nHSIC, sigma 5, beta 50, SGD 1e-4'

const experiments: Readonly<Record<string, Experiment>> = {
  format: {
    rows: [
      {
        experiment: 'format training, after epoch 1',
        settings: `${block}, width 128, batch 512, 5 epochs; format SGD .005`,
        theirs: '94.00',
      },
      { experiment: 'format training, after epoch 5', settings: 'the same', theirs: '94.04' },
    ],
    run: async (seed) => {
      const curve = await formatTrained(seed, { preEpochs: 5, postEpochs: 5 }, published)
      return [curve[0] as number, last(curve)]
    },
  },
  bp: {
    rows: [
      {
        experiment: 'back-propagation, after epoch 1',
        settings: 'the same network, SGD .001, batch 256',
        theirs: '49.4',
      },
      { experiment: 'back-propagation, after epoch 5', settings: 'the same', theirs: '84.65' },
    ],
    run: async (seed) => {
      const curve = await backPropagated(seed, 5)
      return [curve[0] as number, last(curve)]
    },
  },
  length: {
    rows: [
      {
        experiment: '1 epoch of pre-training',
        settings: `${block}, width 256, last 128, batch 256; format SGD .005, 5 epochs`,
        theirs: '88.0',
      },
      { experiment: '5 epochs of pre-training', settings: 'the same', theirs: '94.3' },
    ],
    run: async (seed) => [
      last(await formatTrained(seed, { preEpochs: 1, postEpochs: 5 }, wide)),
      last(await formatTrained(seed, { preEpochs: 5, postEpochs: 5 }, wide)),
    ],
  },
  unformatted: {
    rows: [
      {
        experiment: 'unformatted, after epoch 1',
        settings:
          '7 dense layers of width 1024, last 10; nHSIC, sigma 6, beta 200, SGD .001, batch 256; units matched on training images (theirs on test images)',
        theirs: '96.1',
      },
      { experiment: 'unformatted, after epoch 5', settings: 'the same', theirs: '96.89' },
    ],
    run: async (seed) => {
      const curve = await unformatted(seed, 5)
      return [curve[0] as number, last(curve)]
    },
  },
  sigma: {
    rows: [
      {
        experiment: 'sigma network 1, 5, 10, after epoch 1',
        settings:
          'width 128, last 64, batch 512; format SGD .004, momentum .9; copies in evaluation mode (theirs in training mode)',
        theirs: '93.6',
      },
      { experiment: 'sigma network 1, 5, 10, after epoch 5', settings: 'the same', theirs: '93.64' },
    ],
    run: async (seed) => {
      const curve = await sigmaNetwork(seed, [1, 5, 10], { preEpochs: 5, postEpochs: 5 })
      return [curve[0] as number, last(curve)]
    },
  },
}

/** One epoch of each kind, and whether it does what it must. */
async function quick(): Promise<boolean> {
  const bp = last(await backPropagated(1, 1))
  const format = last(await formatTrained(1, { preEpochs: 1, postEpochs: 5 }, wide))
  const units = last(await unformatted(1, 1))
  return allHold([
    ['format training, 1 + 5 epochs: at least 85 %', format, format >= 85],
    ['above back-propagation after 1 epoch', bp, format > bp],
    ['unformatted, 1 epoch: at least 94 %', units, units >= 94],
  ])
}

async function full(seeds: number, only: readonly string[], out: string): Promise<void> {
  const rows: Row[] = []
  for (const name of only) {
    const { rows: described, run } = experiments[name] as Experiment
    const found: number[][] = []
    for (let seed = 1; seed <= seeds; seed++) {
      found.push(await run(seed))
      console.log(
        `${name}, seed ${seed}: ${found
          .at(-1)
          ?.map((value) => value.toFixed(2))
          .join(' ')}`,
      )
    }
    rows.push(
      ...described.map((row, index) => ({ ...row, ours: found.map((values) => values[index] as number) })),
    )
  }
  const text =
    'Percent of the test images told right. Published numbers are read off the figures that the authors committed (choasma/HSIC-bottleneck, one run, no spread). Momentum and shuffling are off, as\nthey are in effect in their code.'
  await writeResults(out, 'HSIC bottleneck, MNIST (arXiv 1908.01580)', text, rows)
}

await runProgram(usage, async (args) => {
  const { values } = parseArgs({
    args,
    options: { ...commonOptions, only: { type: 'string', default: Object.keys(experiments).join(',') } },
  })
  const [seeds, only] = [Number(values.seeds), values.only.split(',')]
  if (!Number.isSafeInteger(seeds) || seeds < 1)
    throw new TypeError('--seeds must be a whole number of at least 1')
  const stranger = only.find((name) => !Object.hasOwn(experiments, name))
  if (stranger !== undefined) throw new TypeError(`--only names '${stranger}', which is no experiment`)
  if (values.quick) return quick()
  await full(seeds, only, values.out)
  return true
})
