/** Several runs as one: means, errors, units, tables, notes and comparisons. */
import test, { type ExecutionContext } from 'ava'
import { comparePaired } from '../ts/analysis/index.js'
import { ArgumentError, DataError, NumericalError, UnknownNameError } from '../ts/core/errors.js'
import { version } from '../ts/core/version.js'
import { type DynamicsLike, RunSet } from '../ts/dynamics/index.js'

const close = (t: ExecutionContext, value: number, expected: number, tolerance: number) =>
  t.true(Math.abs(value - expected) <= tolerance, `${value}, expected ${expected}`)

type Pair = readonly [x: number | null, y: number | null]

/** One evaluator, rows of layers. */
function run(rows: readonly (readonly Pair[])[], more: Partial<DynamicsLike> = {}): DynamicsLike {
  return {
    layers: (rows[0] as readonly Pair[]).map((_, l) => `dense_${l + 1}`),
    evaluators: ['KDE'],
    units: ['nats'],
    evaluatorSettings: [{ noiseVariance: 0.1 }],
    samples: [64],
    labelEntropy: Math.log(2),
    epochs: rows.map((_, n) => n + 1),
    values: rows.map((layers) => [layers]),
    ...more,
  }
}

test('means, standard errors and values of a layer in an epoch', (t) => {
  const set = RunSet.of([run([[[1, 0.5]]]), run([[[2, 0.1]]]), run([[[6, null]]])])
  const { ixt, ity } = set.spread('KDE', 'dense_1', 1)
  t.is(ixt.mean, 3)
  // s^2 = (4 + 1 + 9) / 2 = 7
  close(t, ixt.se, Math.sqrt(7 / 3), 1e-15)
  t.deepEqual(ixt.values, [1, 2, 6])
  close(t, ity.mean, 0.3, 1e-15)
  // Of the two runs that have a value: s^2 = 2 * 0.2^2, se = s / sqrt(2).
  close(t, ity.se, 0.2, 1e-15)
  t.deepEqual(ity.values, [0.5, 0.1, Number.NaN])
  t.deepEqual(set.names, ['run 1', 'run 2', 'run 3'])
  t.deepEqual(set.mean().values, [[[[3, ity.mean]]]])
})

test('one run is a set of one, without an error', (t) => {
  const set = RunSet.of([run([[[1, 0.5]]])])
  t.deepEqual(set.spread(0, 0, 1).ixt, { mean: 1, se: Number.NaN, values: [1] })
  t.true(set.notes().some((note) => note.startsWith('one run')))
})

test('epochs are the union, and a run that lacks one has a gap, which is told', (t) => {
  const set = RunSet.of([
    { name: 'long', dynamics: run([[[1, 0]], [[2, 0]], [[3, 0]]], { epochs: [0, 1, 5] }) },
    { name: 'short', dynamics: run([[[4, 0]]], { epochs: [1] }) },
  ])
  t.deepEqual(set.epochs, [0, 1, 5])
  t.deepEqual(set.spread('KDE', 0, 1).ixt.values, [2, 4])
  t.deepEqual(set.spread('KDE', 0, 5).ixt.values, [3, Number.NaN])
  t.deepEqual(
    set.runs().map(({ name, dynamics }) => [name, dynamics.values.map((row) => row[0]?.[0]?.[0])]),
    [
      ['long', [1, 2, 3]],
      ['short', [Number.NaN, 4, Number.NaN]],
    ],
  )
  t.true(set.notes().includes('short lacks 2 of 3 epochs: 0, 5'))
})

test('runs that do not go together are refused, saying in what', (t) => {
  const one = run([[[1, 0.5]]])
  const cases: [Partial<DynamicsLike>, RegExp][] = [
    [{ layers: ['other'] }, /layers of run 1 are \["dense_1"\], of run 2 \["other"\]/],
    [{ evaluators: ['KSG'] }, /evaluators of run 1/],
    [{ units: ['bits'] }, /units of run 1 are \["nats"\], of run 2 \["bits"\]/],
    [{ evaluatorSettings: [{ noiseVariance: 0.2 }] }, /evaluatorSettings/],
    [{ epochs: null }, /run 1 numbers its values by epoch, run 2 by row/],
  ]
  for (const [change, message] of cases) {
    const error = t.throws(() => RunSet.of([one, { ...one, ...change }]), { instanceOf: DataError })
    t.regex(error?.message ?? '', message)
  }
  t.throws(() => RunSet.of([]), { instanceOf: DataError, message: /no run/ })
  t.throws(() => RunSet.of(one as never), { instanceOf: ArgumentError, message: /RunSet\.of\(\[model\]\)/ })
  t.throws(() => RunSet.of([run([[[Number.POSITIVE_INFINITY, 0]]])]), { instanceOf: NumericalError })
  const twice = { name: 'seed 1', dynamics: one }
  t.throws(() => RunSet.of([twice, twice]), { instanceOf: DataError, message: /two runs are named "seed 1"/ })
})

test('what is not there is not answered', (t) => {
  const set = RunSet.of([run([[[1, 0.5]]])])
  t.throws(() => set.spread('KSG', 0, 1), { instanceOf: UnknownNameError })
  t.throws(() => set.spread('KDE', 'conv', 1), { instanceOf: UnknownNameError })
  t.throws(() => set.spread('KDE', 0, 2), {
    instanceOf: ArgumentError,
    message: /given epoch 2, expected one of 1/,
  })
  t.throws(() => set.toText({ epochs: [3] }), { instanceOf: ArgumentError })
  t.throws(() => set.toText({ width: 0 }), { instanceOf: ArgumentError, message: /width/ })
  t.throws(() => RunSet.of([{ ...run([[[1, 0.5]]]), epochs: null, steps: 'x' as never }]), {
    instanceOf: DataError,
    message: /steps: given "x", expected 1 whole numbers/,
  })
})

test('information in another unit; numbers without one stay', (t) => {
  const both = (x: number): DynamicsLike =>
    run([[[x, x]]], {
      evaluators: ['HSIC', 'Binned'],
      units: ['none', 'nats'],
      evaluatorSettings: [{ sigma: 5 }, { bins: 30, base: Math.E }],
      samples: [64, 64],
      values: [[[[x, x]], [[x, x]]]],
    })
  const set = RunSet.of([both(1), both(3)])
  const bits = set.in('bits')
  t.deepEqual(bits.units, ['none', 'bits'])
  t.deepEqual(bits.evaluatorSettings, [{ sigma: 5 }, { bins: 30, base: 2 }])
  t.deepEqual(bits.spread('HSIC', 0, 1), set.spread('HSIC', 0, 1))
  close(t, bits.spread('Binned', 0, 1).ixt.mean, 2 / Math.log(2), 1e-12)
  close(t, bits.spread('Binned', 0, 1).ixt.se, 1 / Math.log(2), 1e-12)
  close(t, bits.in('nats').spread('Binned', 0, 1).ixt.mean, 2, 1e-12)
  t.is(bits.labelEntropy, set.labelEntropy)
  t.throws(() => set.in('inches'), { instanceOf: ArgumentError, message: /expected 'nats', 'bits'/ })
  t.throws(() => RunSet.of([run([[[1, 1]]], { units: [null] })]).in('bits'), {
    instanceOf: ArgumentError,
    message: /the unit of KDE is not known/,
  })
})

test('JSON holds every value with its unit and settings; null is no value', (t) => {
  const set = RunSet.of([run([[[1, 0.5]]]), run([[[3, null]]])])
  const read = JSON.parse(JSON.stringify(set))
  t.deepEqual(read, {
    hyperglow: version,
    runs: ['run 1', 'run 2'],
    epochs: [1],
    rowKind: 'epoch',
    layers: ['dense_1'],
    labelEntropy: Math.log(2),
    results: [
      {
        estimator: 'KDE',
        settings: { noiseVariance: 0.1 },
        units: 'nats',
        samples: 64,
        layer: 'dense_1',
        epoch: 1,
        ixt: { mean: 2, se: 1, values: [1, 3] },
        ity: { mean: 0.5, se: null, values: [0.5, null] },
      },
    ],
    notes: set.notes(),
  })
})

test('epochs in which an evaluator was not due are no results of it', (t) => {
  const rows: Pair[][] = [[[1, 1]], [[null, null]], [[2, 1]]]
  const set = RunSet.of([run(rows)])
  t.deepEqual(
    set.results().map(({ epoch }) => epoch),
    [1, 3],
  )
})

test('CSV has a line a value, and fields that hold commas in quotes', (t) => {
  const set = RunSet.of([
    { name: 'seed 1', dynamics: run([[[1, 0.5]]], { layers: ['a, "b"'] }) },
    { name: 'seed 2', dynamics: run([[[3, null]]], { layers: ['a, "b"'] }) },
  ])
  t.is(
    set.toCsv(),
    'estimator,settings,units,samples,layer,epoch,ixt_mean,ixt_se,ixt seed 1,ixt seed 2,ity_mean,ity_se,ity seed 1,ity seed 2\r\n' +
      'KDE,"{""noiseVariance"":0.1}",nats,64,"a, ""b""",1,2,1,1,3,0.5,,0.5,\r\n',
  )
})

test('tables round to two digits of the standard error', (t) => {
  const set = RunSet.of([run([[[1.2345, 0.5]]]), run([[[1.2545, 0.5]]])])
  t.deepEqual(set.toText().split('\n'), [
    'KDE: noiseVariance 0.1; n = 64, 2 runs: mean ± standard error',
    'epoch  layer    I(H; X) [nats]  I(H; Y) [nats]',
    '    1  dense_1   1.244 ± 0.010         0.5 ± 0',
  ])
})

test('LaTeX escapes names, and tells settings, samples and runs in the caption', (t) => {
  const set = RunSet.of([run([[[1.2345, 0.5]]]), run([[[1.2545, null]]])])
  const text = set.toLatex()
  t.true(text.includes('\\caption{KDE: noiseVariance 0.1; n = 64, 2 runs: mean $\\pm$ standard error}'), text)
  t.true(text.includes('epoch & layer & $I(H; X)$ [nats] & $I(H; Y)$ [nats] \\\\'), text)
  t.true(text.includes('1 & dense\\_1 & $1.244 \\pm 0.010$ & $0.5$ \\\\'), text)
})

test('notes tell of saturation, broken order and values above their ceiling, with numbers', (t) => {
  const most = Math.log(64)
  const set = RunSet.of([
    run([
      [
        [most, 0.6],
        [3, 0.9],
        [3.3, 0.2],
      ],
    ]),
  ]).in('bits')
  const notes = set.notes()
  t.true(
    notes.includes(
      'KDE: I(H; X) is saturated at ln n = 6 bits (n = 64), so it reflects the number of samples and not the layer: dense_1 in 1 of 1 epochs',
    ),
    notes.join('\n'),
  )
  t.true(notes.some((note) => /I\(H; X\) rises at dense_3 by 0\.4328 bits in epoch 1/.test(note)))
  t.true(notes.some((note) => /I\(H; Y\) rises at dense_2 by 0\.4328 bits/.test(note)))
  t.true(
    notes.some((note) =>
      /I\(H; Y\) exceeds H\(Y\) = 1 bits by up to 0\.2984 bits \(dense_2, epoch 1\)/.test(note),
    ),
  )
  t.deepEqual(RunSet.of([run([[[2, 0.5]]]), run([[[2.1, 0.4]]])]).notes(), [])
})

test('settings are compared run by run, p-values adjusted over the layers', async (t) => {
  const setting = (values: readonly (readonly [number, number])[], names = ['seed 1', 'seed 2', 'seed 3']) =>
    RunSet.of(
      values.map(([first, second], i) => ({
        name: names[i] as string,
        dynamics: run([
          [
            [first, 0.1],
            [second, 0.2],
          ],
        ]),
      })),
    )
  const a = setting([
    [3, 1],
    [4, 2],
    [5.5, 3],
  ])
  // The same seeds in another order.
  const b = setting(
    [
      [5, 2.9],
      [2, 1.2],
      [3.2, 1.8],
    ],
    ['seed 3', 'seed 1', 'seed 2'],
  )
  const rounds = { level: 0.9, resamples: 50, flips: 50, seed: 3 }
  const { rows, text } = await a.compare(b, rounds)
  const first = rows.find(({ layer, side }) => layer === 'dense_1' && side === 'ixt')
  const expected = await comparePaired(Float64Array.of(3, 4, 5.5), Float64Array.of(2, 3.2, 5), rounds)
  t.like(first, { ...expected, pairs: 3, units: 'nats', epoch: 1, estimator: 'KDE' })
  const second = rows.find(({ layer, side }) => layer === 'dense_2' && side === 'ixt')
  t.is(first?.adjustedPValue, Math.min(2 * (first?.pValue as number), second?.pValue as number))
  t.is(second?.adjustedPValue, second?.pValue)
  t.regex(text, /90% interval/)
  t.is(rows.length, 4)
  await t.throwsAsync(async () => a.compare(setting([[1, 1]], ['seed 1'])), { instanceOf: DataError })
  const others = setting(
    [
      [1, 1],
      [2, 2],
      [3, 4],
    ],
    ['a', 'b', 'c'],
  )
  await t.throwsAsync(async () => a.compare(others), { instanceOf: DataError, message: /pair: 'order'/ })
  t.is((await a.compare(others, { pair: 'order' })).rows.length, 4)
  await t.throwsAsync(async () => a.compare(b.in('bits')), { instanceOf: DataError, message: /units/ })
})
