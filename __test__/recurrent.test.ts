import test from 'ava'
import {
  ArgumentError,
  Dense,
  GRU,
  LSTM,
  type Recurrent,
  type RecurrentWeights,
  RNN,
  Sequential,
  ShapeError,
  type Tensor,
  UnknownNameError,
} from '../ts/index.js'
import { close } from './close.js'
import { checkGradient, sample } from './helpers.js'

type Matrix = number[][]

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const rowsOf = (x: Tensor) => x.arraySync() as Matrix
/** `matrix` times `vector`, plus `bias`. */
const affine = (matrix: Matrix, vector: number[], bias: number[]) =>
  matrix.map((row, r) => row.reduce((sum, w, i) => sum + w * (vector[i] as number), bias[r] as number))

/** What a layer makes of one sequence, written as in its documentation: outputs of every step. */
type Reference = (sequence: Matrix, w: Matrix, u: Matrix, b: number[], b2: number[]) => Matrix

const zerosOf = (count: number) => new Array<number>(count).fill(0)

const elman: Reference = (sequence, w, u, b) => {
  let h = zerosOf(u.length)
  return sequence.map((x) => {
    const before = affine(u, h, zerosOf(u.length))
    h = affine(w, x, b).map((sum, i) => Math.tanh(sum + (before[i] as number)))
    return h
  })
}

const lstm: Reference = (sequence, w, u, b) => {
  const n = u.length / 4
  let h = zerosOf(n)
  let c = zerosOf(n)
  return sequence.map((x) => {
    const before = affine(u, h, zerosOf(4 * n))
    const sums = affine(w, x, b).map((sum, i) => sum + (before[i] as number))
    const gate = (block: number, i: number) => sums[block * n + i] as number
    c = c.map((old, i) => sigmoid(gate(1, i)) * old + sigmoid(gate(0, i)) * Math.tanh(gate(2, i)))
    h = c.map((cell, i) => sigmoid(gate(3, i)) * Math.tanh(cell))
    return h
  })
}

const gru: Reference = (sequence, w, u, b, b2) => {
  const n = u.length / 3
  let h = zerosOf(n)
  return sequence.map((x) => {
    const [now, before] = [affine(w, x, b), affine(u, h, b2)]
    const at = (sums: number[], block: number, i: number) => sums[block * n + i] as number
    h = h.map((old, i) => {
      const reset = sigmoid(at(now, 0, i) + at(before, 0, i))
      const update = sigmoid(at(now, 1, i) + at(before, 1, i))
      const candidate = Math.tanh(at(now, 2, i) + reset * at(before, 2, i))
      return (1 - update) * candidate + update * old
    })
    return h
  })
}

const units = 3
const kinds: [string, (options?: { returnSequences?: boolean }) => Recurrent, number, Reference][] = [
  ['RNN', (options) => new RNN(units, options), 1, elman],
  ['LSTM', (options) => new LSTM(units, options), 4, lstm],
  ['GRU', (options) => new GRU(units, options) as Recurrent, 3, gru],
]

function weightsOf(
  layer: Recurrent,
  features: number,
  blocks: number,
): RecurrentWeights & { recurrentBias?: Tensor } {
  const rows = blocks * units
  return {
    kernel: sample([rows, features], -1, 1, 1),
    recurrentKernel: sample([rows, units], -1, 1, 2),
    bias: sample([rows], -1, 1, 3),
    ...(layer instanceof GRU ? { recurrentBias: sample([rows], -1, 1, 4) } : {}),
  }
}

for (const [name, make, blocks, reference] of kinds) {
  test(`${name} is its formula, step by step`, (t) => {
    const layer = make({ returnSequences: true })
    const weights = weightsOf(layer, 2, blocks)
    const x = sample([4, 5, 2], -2, 2, 5)
    const vector = (v: Tensor | undefined) => [...((v?.dataSync() ?? []) as Float64Array)]
    const wanted = (x.arraySync() as unknown as Matrix[]).map((sequence) =>
      reference(
        sequence,
        rowsOf(weights.kernel),
        rowsOf(weights.recurrentKernel),
        vector(weights.bias),
        vector(weights.recurrentBias),
      ),
    )
    const y = layer.apply(weights, x)
    t.deepEqual([...y.shape], [4, 5, units])
    close(t, y, wanted.flat(2), 1e-12)
    const last = make().apply(weights, x)
    close(
      t,
      last,
      wanted.flatMap((steps) => steps.at(-1) as number[]),
      1e-12,
    )
  })

  test(`${name}: gradients of gradients by input and weights`, (t) => {
    const layer = make({ returnSequences: true })
    const { kernel, recurrentKernel, bias, recurrentBias } = weightsOf(layer, 2, blocks)
    checkGradient(
      t,
      (x, w, u, b, b2) => {
        const weights = { kernel: w, recurrentKernel: u, bias: b, recurrentBias: b2 } as RecurrentWeights
        return layer.apply(weights, x as Tensor)
      },
      [
        sample([2, 3, 2], -1, 1, 6),
        kernel,
        recurrentKernel,
        bias as Tensor,
        ...(recurrentBias ? [recurrentBias] : []),
      ],
      { tolerance: 1e-6 },
    )
  })

  test(`${name} takes weights of each sample`, (t) => {
    const layer = make()
    const shared = weightsOf(layer, 2, blocks)
    const rows = blocks * units
    const own = {
      kernel: sample([4, rows, 2], -1, 1, 1),
      recurrentKernel: sample([4, rows, units], -1, 1, 2),
      bias: sample([4, rows], -1, 1, 3),
      ...(shared.recurrentBias ? { recurrentBias: sample([4, rows], -1, 1, 4) } : {}),
    }
    const x = sample([4, 3, 2], -1, 1, 7)
    const y = layer.apply(own, x)
    for (let i = 0; i < 4; i++) {
      const at = (v: Tensor) => v.slice([i], [i + 1])
      const ofSample = Object.fromEntries(Object.entries(own).map(([key, v]) => [key, at(v).squeeze(0)]))
      close(t, at(y), layer.apply(ofSample as RecurrentWeights, at(x)).dataSync() as Float64Array)
    }
  })

  test(`${name} goes on from a state as if the sequence were one`, (t) => {
    const layer = make()
    const weights = weightsOf(layer, 2, blocks)
    const x = sample([2, 6, 2], -1, 1, 8)
    const [head, tail] = x.split([4, 2], 1) as [Tensor, Tensor]
    const { state } = layer.run(weights, head)
    const whole = layer.run(weights, x).state
    const rest = layer.run(weights, tail, state).state
    for (const [i, s] of whole.entries()) close(t, rest[i] as Tensor, s.dataSync() as Float64Array)
  })

  test(`${name} declares weights, names shapes and copies itself`, (t) => {
    const layer = make({ returnSequences: true })
    t.deepEqual([...layer.declare([7, 2])], [7, units])
    layer.initialize()
    t.deepEqual([...(layer.params.get('kernel')?.shape ?? [])], [blocks * units, 2])
    t.deepEqual([...(layer.params.get('recurrentKernel')?.shape ?? [])], [blocks * units, units])
    for (const weight of layer.params.values()) {
      const values = weight.dataSync() as Float32Array
      t.true(values.every((v) => Math.abs(v) <= 1 / Math.sqrt(units)))
    }
    t.deepEqual([...layer.clone().declare([7, 2])], [7, units])
    t.deepEqual([...make().declare([7, 2])], [units])
    const other = make()
    other.name = 'memory'
    const error = t.throws(() => other.declare([2]), { instanceOf: ShapeError })
    t.regex(error.message, /memory.*\[time, features\].*\[2\]/)
    t.throws(() => layer.apply(layer.weights(), sample([1, 7, 3])), {
      instanceOf: ShapeError,
      message: /\[batch, time, 2\].*\[1,7,3\]/,
    })
  })
}

test('recurrent layers refuse what they cannot be', (t) => {
  t.throws(() => new LSTM(0), { instanceOf: ArgumentError, message: /LSTM: units/ })
  t.throws(() => new GRU(2, { returnSequence: true } as object), {
    instanceOf: UnknownNameError,
    message: /returnSequences/,
  })
  t.throws(() => new RNN(2, { recurrentActivation: 'sigmoid' } as object), { instanceOf: UnknownNameError })
})

test('an LSTM learns to tell which of two numbers came first', async (t) => {
  const model = new Sequential({ inputShape: [4, 1], seed: 3 })
  model.add(new LSTM(8))
  model.add(new Dense(2, { activation: 'softmax' }))
  model.compile({ optimizer: 'adam', learningRate: 0.05, metrics: ['accuracy'] })
  const count = 64
  const x = Array.from({ length: count }, (_, i) =>
    i % 2 === 0 ? [[1], [0], [0], [-1]] : [[-1], [0], [0], [1]],
  )
  const y = Array.from({ length: count }, (_, i) => i % 2)
  const history = await model.fit(x, y, { epochs: 8, batchSize: 16, verbose: false, validationSplit: 0 })
  t.is(history.metrics.accuracy?.at(-1), 1)
})
