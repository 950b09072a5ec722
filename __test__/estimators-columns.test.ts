/** mutualInformation of arguments with discrete columns on both sides, and its options. */
import test, { type ExecutionContext } from 'ava'
import { messyColumns } from '../benches/judge/messy-columns.js'
import { HostRandom, mutualInformation } from '../ts/index.js'
import { warningsOf } from './warnings.js'

function normals(seed: number, n: number): Float64Array {
  const random = new HostRandom(seed)
  return Float64Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log1p(-random.next())) * Math.cos(2 * Math.PI * random.next()),
  )
}

function within(t: ExecutionContext, got: number, low: number, high: number): void {
  t.true(got >= low && got <= high, `${got}, expected ${low} to ${high}`)
}

test.serial('a discrete column on both sides counts once, beside whatever it stands', async (t) => {
  for (const { name, n, dx, information, sample } of messyColumns()) {
    const rows = sample(new HostRandom(31), n)
    const value = await mutualInformation(
      rows.map((row) => row.slice(0, dx)),
      rows.map((row) => row.slice(dx)),
    )
    t.true(Math.abs(value - information) <= 0.12, `${name}: ${value}, expected ${information}`)
  }
})

test.serial('a relation that the shared class decides is found within its values', async (t) => {
  const n = 2000
  const random = new HostRandom(32)
  const [x, e] = [normals(33, n), normals(34, n)]
  const signs = Array.from(x, () => random.int(2))
  const y = signs.map((s, i) => (2 * s - 1) * (0.8 * (x[i] as number) + 0.6 * (e[i] as number)))
  const value = await mutualInformation(
    signs.map((s, i) => [x[i] as number, s]),
    signs.map((s, i) => [y[i] as number, s]),
  )
  within(t, value, Math.LN2 - Math.log(0.6) - 0.08, Math.LN2 - Math.log(0.6) + 0.08)
})

test.serial('options are a plain object', async (t) => {
  const [x, y] = [normals(35, 50), normals(36, 50)]
  const wrong = [
    new Map([['base', 2]]),
    new Set(),
    new Date(),
    3,
    true,
    null,
    () => 1,
    Object.create({ base: 2 }),
  ]
  for (const options of wrong) {
    await t.throwsAsync(async () => mutualInformation(x, y, options), {
      name: 'ArgumentError',
      message: /as options, expected a plain object/,
    })
  }
  const [nats, bits] = [await mutualInformation(x, x), await mutualInformation(x, x, { base: 2 })]
  t.true(Math.abs(nats / Math.LN2 - bits) < 1e-12)
})

test.serial('with a record nothing is emitted, and the record speaks of the answer', async (t) => {
  const x = normals(37, 300)
  const emitted = await warningsOf(async () => {
    for (let round = 0; round < 3; round++) {
      const { warnings } = await mutualInformation(x, x, { details: true })
      t.true(warnings.length > 0 && warnings.every((text) => text.startsWith('MutualInformation: ')))
    }
  })
  // Those of other tests speak of other numbers of samples.
  t.deepEqual(
    emitted.filter(({ message }) => /300 samples/.test(message)),
    [],
  )
})

test.serial('plain calls warn once for each kind, not at each call', async (t) => {
  // Of more columns than the samples allow, and copied as a whole.
  const wide = { dtype: 'float64', shape: [31, 40], data: normals(36, 31 * 40) } as const
  const warnings = await warningsOf(async () => {
    for (let round = 0; round < 3; round++) await mutualInformation(wide, normals(35 - round, 31))
  })
  t.is(
    warnings.filter(({ code, message }) => code === 'HYPERGLOW_WIDE' && /31 samples/.test(message)).length,
    1,
  )
})

test.serial('numbers that the option calls classes are refused by the name of the option', async (t) => {
  const [x, y] = [normals(38, 100), normals(39, 100)]
  const classes = Int32Array.from(y, (v) => Number(v > 0))
  for (const [a, b, options, name] of [
    [x, y, { x: 'classes' }, 'x'],
    [y, x, { x: 'classes' }, 'x'],
    [x, y, { y: 'classes' }, 'y'],
    [x, classes, { x: 'classes' }, 'x'],
  ] as const) {
    const error = await t.throwsAsync(mutualInformation(a, b, options), { name: 'DataError' })
    t.true(error?.message.includes(`with the option { ${name}: 'classes' }`), error?.message)
    t.true(error?.message.includes(`give { ${name}: 'numbers' }`), error?.message)
  }
})
