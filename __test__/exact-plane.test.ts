/** Networks of quantized layers: their planes are exact by counting, at every moment of the training. */
import test from 'ava'
import { quantizedPlane } from '../ts/analysis/index.js'
import { ArgumentError, DataError } from '../ts/core/errors.js'
import { Conv2d, Dense, DiscreteMI, Flatten, IBSequential, Quantized, Residual, tensor } from '../ts/index.js'
import { numbers } from './helpers.js'

/** Entropies in bits of symbols, of labels and of both. */
function counted(symbols: readonly string[], labels: Int32Array) {
  const entropy = (list: readonly string[]) => {
    const counts = new Map<string, number>()
    for (const one of list) counts.set(one, (counts.get(one) ?? 0) + 1)
    return [...counts.values()].reduce((sum, c) => sum - (c / list.length) * Math.log2(c / list.length), 0)
  }
  const [h, y, both] = [
    entropy(symbols),
    entropy(Array.from(labels, String)),
    entropy(symbols.map((symbol, i) => `${symbol}|${labels[i]}`)),
  ]
  return { withInput: h, withTarget: h + y - both }
}

test('the plane of convolutions, blocks and dense layers of 2 to 8 levels is that of counting', async (t) => {
  const n = 120
  const x = tensor(Float32Array.from(numbers(n * 16, -1, 1)), { shape: [n, 1, 4, 4] })
  const y = Int32Array.from({ length: n }, (_, i) => i % 3)
  const range = [-1, 1] as const
  const model = new IBSequential({ inputShape: [1, 4, 4], seed: 3, trackDynamics: true })
    .add(new Quantized(new Conv2d(1, 3, { activation: 'tanh' }), { levels: 2, range, name: 'conv' }))
    .add(new Flatten())
    .add(
      new Quantized(new Residual(new Dense(4), { activation: 'tanh' }), { levels: 3, range, name: 'block' }),
    )
    .add(new Quantized(new Dense(2, { activation: 'tanh' }), { levels: 8, range, name: 'dense' }))
    .add(new Dense(3, { activation: 'softmax' }))
    .compile({ optimizer: 'adam', learningRate: 0.02 }) as IBSequential
  model.attachEvaluator(new DiscreteMI({ correction: 'none', base: 2 }), {
    evaluateOn: { probe: { x, y } },
    every: [0, 3],
  })
  const layers = ['conv', 'block', 'dense']
  const levels = [2, 3, 8]
  const planes: { withInput: number; withTarget: number }[][] = []
  const look = async () => {
    const { runs } = await model.activations(x, { layers })
    const own = []
    for (const [l, layer] of layers.entries()) {
      const array = await runs[0]?.layer(runs[0].epochs[0] as number, layer)?.read()
      const values = array?.data as Float32Array
      const width = values.length / n
      t.true(new Set(values).size <= (levels[l] as number), layer)
      const rows = Array.from({ length: n }, (_, i) => [...values.subarray(i * width, (i + 1) * width)])
      const byHand = counted(rows.map(String), y)
      const plane = await quantizedPlane(rows, y, { levels: levels[l] as number, range, base: 2 })
      t.true(Math.abs(plane.withInput - byHand.withInput) < 1e-12)
      t.true(Math.abs(plane.withTarget - byHand.withTarget) < 1e-12)
      own.push(byHand)
    }
    planes.push(own)
  }
  await look()
  await model.fit(x, y, { epochs: 3, validationSplit: 0, verbose: false })
  await look()
  const { epochs, values } = model.dynamics()
  for (const [moment, epoch] of [0, 3].entries()) {
    for (const [l, { withInput, withTarget }] of (planes[moment] ?? []).entries()) {
      const [atInput = Number.NaN, atTarget = Number.NaN] = values[epochs.indexOf(epoch)]?.[0]?.[l] ?? []
      t.true(Math.abs(atInput - withInput) < 1e-5, `${layers[l]} in epoch ${epoch}: ${atInput}, ${withInput}`)
      t.true(
        Math.abs(atTarget - withTarget) < 1e-5,
        `${layers[l]} in epoch ${epoch}: ${atTarget}, ${withTarget}`,
      )
    }
  }
  // The data-processing inequality is exact: each layer is a function of the layer before.
  for (const plane of planes) {
    for (const [l, { withInput, withTarget }] of plane.entries()) {
      if (l === 0) continue
      t.true(withInput <= (plane[l - 1]?.withInput as number) + 1e-12)
      t.true(withTarget <= (plane[l - 1]?.withTarget as number) + 1e-12)
    }
  }
})

test('without levels the values of a plane are counted as they are, or refused', async (t) => {
  const codes = Array.from({ length: 400 }, (_, i) => [i % 4, (i >> 2) % 4].map((v) => -1 + (2 * v) / 3))
  const y = Int32Array.from(codes, (_, i) => i % 2)
  const plane = await quantizedPlane(codes, y)
  t.is(plane.occupied, 16)
  t.true(Math.abs(plane.entropy - Math.log(16)) < 1e-12)
  t.true(Math.abs(plane.withTarget - Math.log(2)) < 1e-12)
  t.deepEqual(await quantizedPlane(codes, y, { levels: 4 }), plane)
  t.is((await quantizedPlane([[0], [-0], [1]], [0, 1, 1])).occupied, 2)
  const many = Array.from({ length: 400 }, (_, i) => [i % 8, i % 9])
  await t.throwsAsync(quantizedPlane(many, y), {
    instanceOf: DataError,
    message: /unit 1 of t has 9 different values, expected at most 8 .*levels: 4, range/,
  })
  t.is((await quantizedPlane(many, y, { levels: 9 })).occupied, 72)
  for (const options of [{ range: [-1, 1] }, { rule: 'round' }] as const) {
    await t.throwsAsync(quantizedPlane(codes, y, options), {
      instanceOf: ArgumentError,
      message: /without levels/,
    })
  }
})
