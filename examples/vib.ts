/**
 * The deep variational information bottleneck of Alemi, Fischer, Dillon and Murphy 2017 on MNIST. `npm run example:vib`.
 *
 * With `--quick` three epochs at two trade-offs, as the tests run it; else the settings of the authors' notebook, for each of `--seeds` seeds, which goes to the page of results.
 */
import { parseArgs } from 'node:util'
import { allHold, commonOptions, runProgram } from './bottleneck/program.js'
import { type Row, writeResults } from './bottleneck/results.js'
import { type Reached, trained } from './bottleneck/vib.js'

const usage = 'usage: npm run example:vib -- [--quick] [--seeds 3] [--epochs 20] [--out docs/results.md]'

/** Errors of 12 draws by epoch in the authors' notebook, in percent. */
const notebook: Readonly<Record<number, string>> = {
  1: '6.21',
  5: '2.31',
  10: '1.87',
  20: '1.46',
  40: '1.42',
  100: '1.32',
  200: '1.27',
}

/** Three epochs at two trade-offs, and whether they do what they must. */
async function quick(): Promise<boolean> {
  const [weak] = (await trained({ seed: 1, tradeOff: 1e-3, epochs: [3] })) as [Reached]
  const [strong] = (await trained({ seed: 1, tradeOff: 1, epochs: [3] })) as [Reached]
  return allHold([
    ['beta .001, 3 epochs: at most 3.5 % wrong', weak.error, weak.error <= 3.5],
    ['beta 1: less than log2 10 = 3.32 bits', strong.bits, strong.bits < Math.log2(10)],
    ['beta .001: more', weak.bits, weak.bits > Math.log2(10)],
  ])
}

async function full(seeds: number, epochs: number, out: string): Promise<void> {
  const told = Object.keys(notebook)
    .map(Number)
    .filter((epoch) => epoch <= epochs)
  const found: Reached[][] = []
  for (let seed = 1; seed <= seeds; seed++) {
    const reached = await trained({ seed, tradeOff: 1e-3, epochs: told })
    found.push(reached)
    for (const { epoch, error, errorOfOne, bits } of reached) {
      console.log(
        `seed ${seed}, epoch ${epoch}: ${error} % wrong (one draw ${errorOfOne} %), ${bits.toFixed(1)} bits`,
      )
    }
  }
  const of = (index: number, name: 'error' | 'errorOfOne' | 'bits') =>
    found.map((reached) => (reached[index] as Reached)[name])
  const settings =
    '784-1024-1024, code of 256 numbers, diagonal, linear decoder; beta .001, batch 100, Adam 1e-4 (beta1 .5), rate x .97 every 2 epochs'
  const rows: Row[] = told.map((epoch, index) => ({
    experiment: `epoch ${epoch}, 12 draws, % wrong`,
    settings: index === 0 ? settings : 'the same',
    ours: of(index, 'error'),
    theirs: notebook[epoch] as string,
  }))
  const end = told.length - 1
  rows.push(
    {
      experiment: `epoch ${told[end]}, one draw, % wrong`,
      settings: 'the same',
      ours: of(end, 'errorOfOne'),
      theirs: '',
    },
    {
      experiment: `epoch ${told[end]}, rate in bits`,
      settings: 'the same',
      ours: of(end, 'bits'),
      theirs: '',
    },
  )
  const text =
    'Published numbers are those of the notebook of the authors (alexalemi/vib_demo), one run, weights not averaged. The text of the paper gives the rate 1e-3, the notebook 1e-4.'
  await writeResults(out, 'Variational information bottleneck, MNIST (arXiv 1612.00410)', text, rows)
}

await runProgram(usage, async (args) => {
  const { values } = parseArgs({
    args,
    options: { ...commonOptions, epochs: { type: 'string', default: '20' } },
  })
  const [seeds, epochs] = [Number(values.seeds), Number(values.epochs)]
  if (!Number.isSafeInteger(seeds) || !Number.isSafeInteger(epochs) || seeds < 1 || epochs < 1) {
    throw new TypeError('--seeds and --epochs must be whole numbers of at least 1')
  }
  if (values.quick) return quick()
  await full(seeds, epochs, values.out)
  return true
})
