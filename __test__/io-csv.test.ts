import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import test from 'ava'
import { ArgumentError, type CsvOptions, DataError, IOError, readCsv, UnknownNameError } from '../ts/index.js'
import { error, f32, fresh } from './io-scratch.js'

function put(text: string | Uint8Array): string {
  const path = fresh('.csv')
  writeFileSync(path, text)
  return path
}
const read = (text: string | Uint8Array, options: CsvOptions = {}) => readCsv(put(text), options)
const ints = (...values: number[]) => ({
  dtype: 'int32',
  shape: [values.length],
  data: Int32Array.from(values),
})

test('numbers and named classes, which are numbered by their names', async (t) => {
  const { x, y, columns, classNames } = await read(
    'width,height,species\n1,2.5,rose\n-3e-1,.5,aster\n+4., 6 ,rose\n',
    { target: 'species' },
  )
  t.deepEqual(x, f32([3, 2], 1, 2.5, -0.3, 0.5, 4, 6))
  t.deepEqual(y, ints(1, 0, 1) as never)
  t.deepEqual(
    [columns, classNames],
    [
      ['width', 'height'],
      ['aster', 'rose'],
    ],
  )
})

test('quotes, line ends of every kind, empty lines and a mark of the order of bytes', async (t) => {
  const text = '\ufeff"a, b","c""d"\r\n"1","2"\r\n\r\n3,4\r5,6\n"7",8'
  const { x, columns, y } = await read(text)
  t.deepEqual(columns, ['a, b', 'c"d'])
  t.deepEqual(x, f32([4, 2], 1, 2, 3, 4, 5, 6, 7, 8))
  t.is(y, undefined)
  const { classNames } = await read('a,b\n1,"two\nlines"\n2,"one"\n', { target: 'b' })
  t.deepEqual(classNames, ['one', 'two\nlines'])
})

test('columns are chosen and ordered by name or number, with any delimiter', async (t) => {
  const text = 'a;b;c\n1;2;3\n4;5;6'
  const chosen = await read(text, { delimiter: ';', columns: ['c', 0], target: 1 })
  t.deepEqual(chosen.x, f32([2, 2], 3, 1, 6, 4))
  t.deepEqual(chosen.y, ints(2, 5) as never)
  const bare = await read('5\t0.5\n7\t1.5\n', {
    delimiter: '\t',
    header: false,
    target: 0,
    dtype: 'float64',
    labels: false,
  })
  t.deepEqual(bare.x, { dtype: 'float64', shape: [2, 1], data: Float64Array.of(0.5, 1.5) })
  t.deepEqual(bare.y, { dtype: 'float64', shape: [2], data: Float64Array.of(5, 7) })
  t.deepEqual(bare.columns, ['1'])
  t.deepEqual((await read('1,2\n3,4\n', { header: true })).columns, ['1', '2'])
})

test('targets: whole numbers are classes, others numbers, texts classes, and a mix is refused', async (t) => {
  const target = async (values: string[], options: CsvOptions = {}) => {
    const { y, classNames } = await read(`x,t\n${values.map((value) => `1,${value}`).join('\n')}`, {
      target: 't',
      ...options,
    })
    return [y?.dtype, [...(y?.data ?? [])], classNames]
  }
  t.deepEqual(await target(['3', '0', '3']), ['int32', [3, 0, 3], undefined])
  t.deepEqual(await target(['3', '0'], { labels: false }), ['float32', [3, 0], undefined])
  t.deepEqual(await target(['3', '-1']), ['float32', [3, -1], undefined])
  t.deepEqual(await target(['1.5', '2']), ['float32', [1.5, 2], undefined])
  t.deepEqual(await target(['1', '10', 'J', '2'], { labels: true }), [
    'int32',
    [0, 1, 3, 2],
    ['1', '10', '2', 'J'],
  ])
  t.deepEqual(await target(['4', '2'], { labels: true }), ['int32', [4, 2], undefined])
  await t.throwsAsync(
    target(['1', 'yes']),
    error(DataError, /column "t", line 3: "yes" among numbers; .*labels: true/),
  )
  await t.throwsAsync(target(['yes', '1']), error(DataError, /line 3: "1" among texts/))
  await t.throwsAsync(target(['yes'], { labels: false }), error(DataError, /"yes" among numbers/))
})

test('missing values are refused with their place, or filled as told', async (t) => {
  const text = 'a,b,t\n1,,x\n?,4,y\n5,6,x\n'
  await t.throwsAsync(
    read(text, { target: 't' }),
    error(DataError, /line 2: column "b" is missing \(""\); fill it with missing/),
  )
  const fill = async (missing: 'drop' | 'mean' | number) => {
    const { x, y } = await readCsv(put(text), { target: 't', missing })
    return [[...(x.data as Float32Array)], [...(y.data as Int32Array)]]
  }
  t.deepEqual(await fill('drop'), [[5, 6], [0]])
  t.deepEqual(await fill('mean'), [
    [1, 5, 3, 4, 5, 6],
    [0, 1, 0],
  ])
  t.deepEqual(await fill(-1), [
    [1, -1, -1, 4, 5, 6],
    [0, 1, 0],
  ])
  const own = { missing: 0, missingTexts: ['none'] } as const
  t.deepEqual((await read('a,b\n1,none\n', own)).x, f32([1, 2], 1, 0))
  await t.throwsAsync(read('a,b\n1,NA\n', own), error(DataError, /"NA", no number/))
  await t.throwsAsync(
    read('a,t\n1,\n', { target: 't', missing: 0 }),
    error(DataError, /column "t" is a missing target/),
  )
  t.deepEqual((await read('a,t\n1,\n2,k\n', { target: 't', missing: 'drop' })).x, f32([1, 1], 2))
  await t.throwsAsync(read('a,b\n1,\n2,\n', { missing: 'mean' }), error(DataError, /column "b" has no value/))
  await t.throwsAsync(read('a,b\n,\n', { missing: 'drop' }), error(DataError, /no remaining line of values/))
})

test('what is no table is refused with line and column', async (t) => {
  const refuses = (text: string | Uint8Array, message: RegExp, options: CsvOptions = {}) =>
    t.throwsAsync(read(text, options), error(DataError, message), `${message}`)
  await refuses('a,b\n1,2\n3\n', /line 3: 1 fields, expected 2/)
  await refuses('a,b\n1,red\n', /line 2: column "b" is "red", no number.*name it as target/)
  await refuses('a,b\n1,0x10\n', /"0x10", no number/)
  await refuses('a,b\n1,Infinity\n', /"Infinity", no number/)
  await refuses('a,b\n1,1e39\n', /1e39, beyond float32/)
  await refuses('a,b\n1,"2\n3,4\n', /line 3: a quote is not closed|line 2: a quote is not closed/)
  await refuses('a,b\n1,"2"x\n', /"x.*" follows a closing quote/)
  await refuses('1,2\n3,4\n', /begins with a line of numbers.*header: false/)
  await refuses('a,a\n1,2\n', /two columns of the name "a"/)
  await refuses('', /is empty/)
  await refuses('a,b\n', /no remaining line of values/)
  await refuses('t\n1\n', /no column for inputs/, { target: 't' })
  await refuses('a,b\n1,2\n', /has no column 5/, { columns: [5] })
  await refuses(gzipSync('a,b\n1,2\n'), /compressed with gzip/)
  await refuses(Uint8Array.of(97, 44, 0xff, 10, 49), /not text in UTF-8/)
  await t.throwsAsync(
    read('width,b\n1,2\n', { target: 'widht' }),
    error(UnknownNameError, /did you mean "width"/),
  )
  await t.throwsAsync(read('a\n1', { delimiter: '""' }), { instanceOf: ArgumentError })
  await t.throwsAsync(readCsv(fresh()), error(IOError, /cannot open/))
  t.deepEqual((await read('a,b\n1,1e39\n', { dtype: 'float64' })).x.data, Float64Array.of(1, 1e39))
})

test('long files come in pieces, with records and characters across their ends', async (t) => {
  const lines = Array.from({ length: 30_000 }, (_, i) => `${i},${i / 8},"ä""${i % 3}"`)
  const { x, y, classNames } = await read(`n,v,t\r\n${lines.join('\r\n')}`, { target: 't' })
  t.deepEqual(x.shape, [30_000, 2])
  t.true(x.data.every((value, i) => value === (i % 2 === 0 ? i / 2 : Math.floor(i / 2) / 8)))
  t.true((y as { data: Int32Array }).data.every((label, i) => label === i % 3))
  t.deepEqual(classNames, ['ä"0', 'ä"1', 'ä"2'])
  const ids = Array.from({ length: 70_000 }, (_, i) => `1,id${i}`).join('\n')
  await t.throwsAsync(
    read(`a,t\n${ids}`, { target: 't' }),
    error(DataError, /line 65538: more than 65536 different texts/),
  )
})
