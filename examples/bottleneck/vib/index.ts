/** The experiments of Alemi, Fischer, Dillon and Murphy 2017. */
import { curveOf, type Experiment, type Row, type Shape, type Study, type Values } from '../experiment.js'
import { type Form, jaxForm, notebook, type Reached, trained } from './training.js'

/** Measurements by name and epoch, for the measured epochs. */
function valuesOf(name: string, reached: readonly Reached[]): Values {
  return {
    [`${name}.epochs`]: reached.map(({ epoch }) => epoch),
    [`${name}.error`]: reached.map(({ error }) => error),
    [`${name}.errorOfOne`]: reached.map(({ errorOfOne }) => errorOfOne),
    [`${name}.bits`]: reached.map(({ bits }) => bits),
  }
}

async function run(seed: number, form: Form, tradeOff: number, epochs: readonly number[]): Promise<Values> {
  const { plain, averaged } = await trained({ seed, form, tradeOff, epochs })
  return { ...valuesOf('plain', plain), ...valuesOf('averaged', averaged) }
}

/** Reads a measurement after an epoch; default the last. */
const at = (name: string, epoch?: number) => (values: Values) => {
  const [weights] = name.split('.')
  const index = epoch === undefined ? -1 : curveOf(values, `${weights}.epochs`).indexOf(epoch)
  if (epoch !== undefined && index < 0) return Number.NaN
  return curveOf(values, name).at(index) as number
}

const wrong = '% wrong'

const common =
  '784-1024-1024-512 relu, code of 256 numbers with a diagonal covariance, linear decoder, standard deviation softplus(raw - 5), Glorot weights, batch 100'

export const short: Experiment = {
  name: 'vib25',
  title: 'The 25 epochs of the second notebook',
  settings: `${common}; beta .001, Adam 2e-4 (beta1 .9), rate x .95 every 2 epochs, 12 draws in a step, weights averaged at .999, 25 epochs`,
  differences: 'probabilities are averaged over 64 draws, theirs over 1024',
  higherIsBetter: false,
  cases: { main: { settings: '', run: (seed) => run(seed, jaxForm, 1e-3, [4, 6, 20, 25]) } },
  rows: [
    { name: 'epoch 4', of: at('averaged.error', 4), unit: wrong, theirs: 2.08 },
    { name: 'epoch 6', of: at('averaged.error', 6), unit: wrong, theirs: 1.6 },
    { name: 'epoch 20', of: at('averaged.error', 20), unit: wrong, theirs: 1.27 },
    {
      name: 'epoch 25',
      of: at('averaged.error', 25),
      unit: wrong,
      published: { value: 1.18, tolerance: 0.15 },
    },
    { name: 'epoch 25, one draw', of: at('averaged.errorOfOne', 25), unit: wrong, theirs: 1.5 },
    { name: 'epoch 25, rate', of: at('averaged.bits', 25), unit: 'bits', theirs: 31.1 },
  ],
  shapes: [
    {
      claim: 'at most 1.4 % wrong after 25 epochs',
      cases: ['main'],
      holds: (of) => at('averaged.error', 25)(of('main')) <= 1.4,
    },
    {
      claim: 'many draws are better than one',
      cases: ['main'],
      holds: (of) => at('averaged.error')(of('main')) < at('averaged.errorOfOne')(of('main')),
    },
  ],
}

/** Errors of 12 draws by epoch, weights not averaged; 1.27 after 200 epochs, which are not run here. */
const notebookErrors = [
  [1, 6.21, 1.5],
  [5, 2.31, 0.25],
  [10, 1.87, 0.25],
  [20, 1.46, 0.25],
] as const

export const byEpoch: Experiment = {
  name: 'vib-notebook',
  title: 'The first notebook, by epoch',
  settings: `${common}; beta .001, Adam 1e-4 (beta1 .5), rate x .97 every 2 epochs, 1 draw in a step, 12 draws averaged, weights not averaged`,
  differences:
    '20 of the 200 epochs; the text of the paper gives the rate 1e-3, the notebook 1e-4. Theirs after 40, 100 and 200 epochs: 1.42, 1.32, 1.27; with averaged weights at the end 1.21',
  remarks:
    'The notebook prints 2.70, 2.31 and 2.67 after epochs 4, 5 and 6: its curve varies by .4 points between epochs, and epoch 5 is a minimum. The standard error of 2.3 % of 10,000 images is .15 points.',
  higherIsBetter: false,
  cases: {
    five: { settings: '5 epochs', run: (seed) => run(seed, notebook, 1e-3, [1, 5]) },
    twenty: { settings: '20 epochs', run: (seed) => run(seed, notebook, 1e-3, [1, 5, 10, 20]) },
  },
  rows: [
    ...notebookErrors.map(
      ([epoch, value, tolerance]): Row => ({
        name: `epoch ${epoch}`,
        case: epoch <= 5 ? 'five' : 'twenty',
        of: at('plain.error', epoch),
        unit: wrong,
        published: { value, tolerance },
      }),
    ),
    ...(
      [
        ['five', 5, 2.76, 80.8],
        ['twenty', 20, 2.01, 52.2],
      ] as const
    ).flatMap(([name, epoch, ofOne, bits]): Row[] => [
      {
        name: `epoch ${epoch}, one draw`,
        case: name,
        of: at('plain.errorOfOne', epoch),
        unit: wrong,
        theirs: ofOne,
      },
      {
        name: `epoch ${epoch}, averaged weights`,
        case: name,
        of: at('averaged.error', epoch),
        unit: wrong,
      },
      { name: `epoch ${epoch}, rate`, case: name, of: at('plain.bits', epoch), unit: 'bits', theirs: bits },
    ]),
  ],
  shapes: (['five', 'twenty'] as const).flatMap((name): Shape[] => [
    {
      claim: `12 draws are better than one after every epoch looked at (${name} epochs)`,
      cases: [name],
      holds: (of) => {
        const one = curveOf(of(name), 'plain.errorOfOne')
        return curveOf(of(name), 'plain.error').every((error, index) => error < (one[index] as number))
      },
    },
    {
      claim: `the rate falls (${name} epochs)`,
      cases: [name],
      holds: (of) => {
        const bits = curveOf(of(name), 'plain.bits')
        return bits.every((value, index) => index === 0 || value < (bits[index - 1] as number))
      },
    },
  ]),
}

const betas = ['1e-9', '1e-6', '1e-4', '1e-3', '1e-2', '1e-1', '1'] as const
const sweepForm: Form = { ...notebook, learningRate: 2e-4 }

export const sweep: Experiment = {
  name: 'vib-sweep',
  title: 'The trade-off (figure 1)',
  settings: `${common}; Adam 2e-4 (beta1 .5), rate x .97 every 2 epochs, 1 draw in a step, 12 draws averaged, weights averaged at .999, 6 epochs`,
  differences:
    '6 epochs instead of 200, at twice the rate; the figure has no table, so only trends are compared',
  higherIsBetter: false,
  cases: Object.fromEntries(
    betas.map((beta) => [
      `beta${beta}`,
      { settings: `beta ${beta}`, run: (seed: number) => run(seed, sweepForm, Number(beta), [6]) },
    ]),
  ),
  rows: betas.flatMap((beta): Row[] => [
    { name: 'error', case: `beta${beta}`, of: at('averaged.error'), unit: wrong },
    { name: 'rate', case: `beta${beta}`, of: at('averaged.bits'), unit: 'bits' },
    { name: 'rate, weights not averaged', case: `beta${beta}`, of: at('plain.bits'), unit: 'bits' },
  ]),
  shapes: [
    {
      claim: 'the error at beta 1 is more than 3 times that at .001',
      cases: ['beta1', 'beta1e-3'],
      holds: (of) => at('averaged.error')(of('beta1')) > 3 * at('averaged.error')(of('beta1e-3')),
    },
    {
      claim: 'the rate falls with beta',
      cases: betas.map((beta) => `beta${beta}`),
      holds: (of) => {
        const bits = betas.map((beta) => at('averaged.bits')(of(`beta${beta}`)))
        return bits.every((value, index) => index === 0 || value < (bits[index - 1] as number))
      },
    },
    {
      claim: 'at beta 1 the rate, weights not averaged, is below log2 10 = 3.32 bits',
      cases: ['beta1'],
      holds: (of) => at('plain.bits')(of('beta1')) < Math.log2(10),
    },
  ],
  remarks:
    'An average of the weights at .999 over 3,600 steps still holds some of the first weights, whose code has hundreds of bits: after 6 epochs at beta 1 the rate of the average is far above that of the weights, which still falls in some runs.',
}

const planeForm: Form = { ...notebook, hiddenDim: 2, covType: 'full' }

export const plane: Experiment = {
  name: 'vib-plane',
  title: 'A code of two numbers with a full covariance (figure 2)',
  settings:
    '784-1024-1024-5 relu, linear decoder, Adam 1e-4 (beta1 .5), rate x .97 every 2 epochs, 1 draw in a step, 12 draws averaged, weights not averaged, 30 epochs',
  differences: '30 epochs instead of 200',
  higherIsBetter: false,
  cases: Object.fromEntries(
    ['1e-3', '1e-1', '1'].map((beta) => [
      `beta${beta}`,
      { settings: `beta ${beta}`, run: (seed: number) => run(seed, planeForm, Number(beta), [10, 30]) },
    ]),
  ),
  rows: (
    [
      ['1e-3', 3.18, 0.8, 3.24],
      ['1e-1', 3.44, 0.8, 4.32],
      ['1', 33.8, 12, 62.8],
    ] as const
  ).flatMap(([beta, value, tolerance, ofOne]): Row[] => [
    {
      name: '12 draws',
      case: `beta${beta}`,
      of: at('plain.error'),
      unit: wrong,
      published: { value, tolerance },
    },
    { name: 'one draw', case: `beta${beta}`, of: at('plain.errorOfOne'), unit: wrong, theirs: ofOne },
  ]),
  remarks:
    'At beta .1 the error still falls after 30 epochs (it is about 25 after 10). At beta 1 the objective is at least the entropy of the label, log2 10 bits: a code that holds nothing has it, and so has every code that holds of the image only what tells the label. Within this flat set a run ends where its first steps lead; ours hold about a tenth of a bit.',
}

export const vibStudy: Study = {
  title: 'Variational information bottleneck (Alemi, Fischer, Dillon and Murphy 2017, arXiv 1612.00410)',
  source:
    "Published values are printed in the authors' notebooks (alexalemi/vib_demo) and in the paper, one run each. Table 1 of the paper, percent wrong, which the paper calls the best of a sweep: baseline 1.38, dropout 1.34, confidence penalty 1.36, label smoothing 1.40, VIB at beta .001 1.13",
  experiments: [short, byEpoch, sweep, plane],
}
