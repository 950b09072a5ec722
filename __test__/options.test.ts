/** Options: accepted objects, names and values, reads of properties, and messages. */
import vm from 'node:vm'
import test from 'ava'
import {
  above,
  atLeast,
  between,
  type Check,
  type Checks,
  callable,
  checkOptions,
  checkValue,
  either,
  elsewhere,
  finite,
  flag,
  listOf,
  nameOrFunction,
  oneOf,
  orNull,
  required,
  signal,
  text,
  whole,
} from '../ts/core/options.js'
import {
  ArgumentError,
  Dense,
  HSIC,
  KDE,
  maxPool,
  measure,
  ones,
  report,
  sum,
  UnknownNameError,
} from '../ts/index.js'
import { classifier, dataset, points } from './toy-task.js'

interface Sample {
  size: number
  learningRate?: number
  kernelSize?: number
  mode?: 'min' | 'max'
  last?: boolean | undefined
}

const checks: Checks<Sample> = {
  size: required(whole(1)),
  learningRate: above(0),
  kernelSize: whole(1),
  mode: oneOf('min', 'max'),
  last: flag,
}
const read = (options: unknown) => checkOptions('sample', options as Sample, checks)

test('a record of checks has exactly the names of the type, each of its own type', (t) => {
  // @ts-expect-error a forgotten name
  const forgotten: Checks<{ a?: number; b?: number }> = { a: finite }
  // @ts-expect-error a name too many
  const extra: Checks<{ a?: number }> = { a: finite, b: finite }
  // @ts-expect-error a check for another type
  const other: Checks<{ a?: number }> = { a: flag }
  // @ts-expect-error one that is too narrow: 'max' would be refused
  const narrow: Checks<{ a?: 'min' | 'max' }> = { a: oneOf('min') }
  // @ts-expect-error one that is too wide: 'sum' would pass
  const wide: Checks<{ a?: 'min' | 'max' }> = { a: oneOf('min', 'max', 'sum') }
  // @ts-expect-error one that cannot be left out is not marked so
  const optional: Checks<{ a: number }> = { a: finite }
  t.is([forgotten, extra, other, narrow, wide, optional].length, 6)
})

test('what is given comes back, without what is undefined', (t) => {
  t.deepEqual({ ...read({ size: 3, mode: 'max', last: undefined }) }, { size: 3, mode: 'max' })
  t.deepEqual({ ...checkOptions('all left out', undefined, { a: flag } as Checks<{ a?: boolean }>) }, {})
})

class Options {
  size = 3
}

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

for (const [name, options] of Object.entries<unknown>({
  null: null,
  'a number': 2,
  'a text': 'fast',
  'an array': [3],
  'a Map': new Map([['size', 3]]),
  'a Set': new Set(['size']),
  'an instance of a class': new Options(),
  'a function': () => ({ size: 3 }),
  'a promise': Promise.resolve({ size: 3 }),
  'a date': new Date(),
  'a typed array': new Float32Array(1),
  'an object that inherits from another': Object.create({ size: 3 }),
  'a revoked proxy': revoked(),
  'a bigint': 3n,
  'a symbol': Symbol('size'),
})) {
  test(`${name} is no object of options`, (t) => {
    const error = t.throws(() => read(options), { instanceOf: ArgumentError })
    t.regex(error.message, /^sample: given .+ as options, expected a plain object such as \{ size: \.\.\. \}/)
    t.regex(error.message, /options are size, learningRate, kernelSize, mode, last$/)
  })
}

test('plain objects of every make are taken', (t) => {
  t.is(read(Object.assign(Object.create(null), { size: 3 })).size, 3)
  t.is(read(vm.runInNewContext('({ size: 3 })')).size, 3)
  t.is(read(Object.freeze({ size: 3 })).size, 3)
  t.is(read(new Proxy({ size: 3 }, {})).size, 3)
  t.is(read({ size: 3, [Symbol('note')]: 1 }).size, 3)
})

test('names of other writings and other libraries lead to the right one', (t) => {
  const hint = (name: string, meant: string) =>
    t.throws(() => read({ size: 1, [name]: 1 }), {
      instanceOf: UnknownNameError,
      message: new RegExp(`^unknown option of sample "${name}": did you mean "${meant}"\\? valid are size, `),
    })
  hint('kernel_size', 'kernelSize')
  hint('KernelSize', 'kernelSize')
  hint('pool_size', 'kernelSize')
  hint('lr', 'learningRate')
  hint('learningrate', 'learningRate')
  hint('moed', 'mode')
  t.throws(() => read({ size: 1, unheardOf: 1 }), { message: /"unheardOf": valid are/ })
})

test('a name that another library has is a hint only where the option exists', (t) => {
  t.throws(() => checkOptions('other', { lr: 1 } as object, { size: flag } as Checks<object>), {
    message: /"lr": valid are size$/,
  })
})

test('names as long as a book and names that cannot be shown are refused as well', (t) => {
  t.throws(() => read({ size: 1, ['x'.repeat(1e6)]: 1 }), { instanceOf: UnknownNameError })
  t.throws(() => read({ size: 1, '\0': 1 }), { instanceOf: UnknownNameError, message: /\\u0000/ })
  t.throws(() => read(JSON.parse('{ "size": 1, "__proto__": {} }')), { instanceOf: UnknownNameError })
  t.throws(() => read({ size: 1, toString: 1 }), { instanceOf: UnknownNameError })
})

test('a missing option is named, with what it must be', (t) => {
  t.throws(() => read({}), {
    message: 'sample: size is missing; give { size }, which must be a whole number of at least 1',
  })
  t.throws(() => read({ size: undefined }), { instanceOf: ArgumentError, message: /size is missing/ })
  t.throws(() => read(undefined), { instanceOf: ArgumentError, message: /size is missing/ })
})

test.serial('what a program adds to Object.prototype is not read', (t) => {
  const prototype = Object.prototype as { last?: boolean; keepDims?: boolean }
  prototype.last = true
  prototype.keepDims = true
  try {
    t.is(read({ size: 1 }).last, undefined)
    t.deepEqual(sum(ones([2, 3]), 0, {}).shape, [3])
    t.deepEqual(sum(ones([2, 3]), 0).shape, [3])
  } finally {
    delete prototype.last
    delete prototype.keepDims
  }
})

test('a getter is read once, and what it throws passes through', (t) => {
  let reads = 0
  const options = {
    get size() {
      reads++
      return 3
    },
  }
  t.is(read(options).size, 3)
  t.is(reads, 1)
  const own = new Error('mine')
  const throwing = {
    get size(): number {
      throw own
    },
  }
  t.is(
    t.throws(() => read(throwing)),
    own,
  )
})

type AnyCheck = Pick<Check<unknown>, 'expected' | 'accepts' | 'names'>

const accepted: readonly [string, AnyCheck, readonly unknown[], readonly unknown[]][] = [
  ['flag', flag, [true, false], [0, 1, 'true', null]],
  ['text', text, ['a'], ['', 1, null, new String('a')]],
  ['finite', finite, [0, -1.5], [Number.NaN, Number.POSITIVE_INFINITY, '1', 1n, null]],
  ['whole', whole(), [0, -7], [0.5, 2 ** 53, Number.NaN, 1n, '1']],
  ['whole from', whole(1, 4), [1, 4], [0, 5, -0, 1.5]],
  ['above', above(0), [1e-300], [0, -1, Number.POSITIVE_INFINITY, Number.NaN]],
  ['atLeast', atLeast(0), [0, 3], [-1e-300, Number.POSITIVE_INFINITY, Number.NaN]],
  ['between', between(0, 1), [0, 1, 0.5], [-0.1, 1.1, Number.NaN, '0']],
  ['half open', between(0, 1, 'high'), [0], [1]],
  ['open', between(0, 1, 'both'), [0.5], [0, 1]],
  ['oneOf', oneOf('a', 'b'), ['a'], ['c', ['a'], new String('a'), 'toString']],
  ['nameOrFunction', nameOrFunction(['a']), ['a', () => 1], ['b', null, {}]],
  ['callable', callable(), [() => 1, Options], [{}, null]],
  ['signal', signal, [new AbortController().signal], [new AbortController(), {}, 3]],
  ['listOf', listOf(whole(0)), [[], [1, 2]], [[1, -1], new Array(2), new Int32Array(2), 1]],
  ['listOf 2', listOf(finite, 2), [[1, 2]], [[1], [1, 2, 3]]],
  ['either', either(flag, text), [true, 'a'], [1, '']],
  ['orNull', orNull(finite), [null, 1], [undefined, 'a']],
  ['elsewhere', elsewhere(), [1, null, {}], []],
]

for (const [name, check, good, bad] of accepted) {
  test(`values of ${name}`, (t) => {
    for (const value of good) t.is(checkValue<unknown>('it', value, check), value)
    for (const value of bad) {
      const error = t.throws(() => checkValue<unknown>('it', value, check), { instanceOf: ArgumentError })
      t.regex(
        error.message,
        check.names === undefined ? /^it must be .+, received / : /^(unknown it|it: given)/,
      )
    }
  })
}

test('values are shown whatever they are', (t) => {
  const message = (value: unknown) => t.throws(() => checkValue('it', value as number, finite)).message
  t.regex(message(Symbol('s')), /received Symbol\(s\)$/)
  t.regex(message(12n), /received 12n$/)
  t.regex(message(Object.create(null)), /received an object of class Object$/)
  t.regex(message(revoked()), /received an object that cannot be read$/)
  t.regex(message(class Named {}), /received the function Named$/)
  t.regex(message('x'.repeat(1e5)), /received "x{40}\.\.\."$/)
})

test('layers and operations say whose option it is', (t) => {
  t.throws(() => new Dense(2, { use_bias: false } as object), {
    message: /^unknown option of Dense "use_bias": did you mean "useBias"\?/,
  })
  t.throws(() => maxPool(ones([1, 1, 4, 4]), 2 as never), {
    message: /^maxPool: given 2 as options, expected a plain object such as \{ kernelSize: \.\.\. \}/,
  })
  t.throws(() => maxPool(ones([1, 1, 4, 4]), {} as never), {
    message:
      /^maxPool: kernelSize is missing; give \{ kernelSize \}, which must be a whole number of at least 1/,
  })
})

test('options that would change nothing are refused, with what they belong to', async (t) => {
  const refused = (message: RegExp) => ({ instanceOf: ArgumentError, message })
  const { x, y } = points(20)
  const hsic = new HSIC({ sigma: 1 })
  const tracked = () => classifier({ trackDynamics: true })
  for (const evaluateOn of ['batch', { probe: { x, y } }] as const) {
    const attach = () => tracked().attachEvaluator(hsic, { evaluateOn, samples: 10 })
    t.throws(attach, refused(/samples: given 10, which is for \{ evaluateOn: 'epoch' \}/))
  }
  t.notThrows(() => tracked().attachEvaluator(hsic, { evaluateOn: 'epoch', samples: 10 }))
  const model = classifier()
  const fit = model.fitDataset(dataset(20, 10), { appendDynamics: true, verbose: false })
  await t.throwsAsync(fit, refused(/appendDynamics needs a model that tracks its dynamics/))
  const evaluation = model.evaluate(dataset(20, 10), { batchSize: 5 })
  await t.throwsAsync(evaluation, refused(/batchSize: given 5 for a dataset/))
  t.true(Number.isFinite((await model.evaluate(x, y, { batchSize: 5 })).loss))
  const seen = await model.activations(x, { y })
  await t.throwsAsync(measure(seen, new KDE(), { level: 0.9 }), refused(/level: given 0.9 without bootstrap/))
  const history = { epochs: [1], loss: [1] }
  for (const more of [{ activationsOf: 'test samples' }, { gradientNorms: { dense_1: 1 } }]) {
    await t.throwsAsync(report(null, 'nowhere', { history, ...more }), refused(/given without activations/))
  }
})
