/** Memory: kept blocks, released blocks, and out-of-memory errors. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import {
  ArgumentError,
  ArrayDataset,
  DataError,
  DeviceError,
  DTypeError,
  evaluate,
  jit,
  memory,
  type NestedInput,
  ones,
  releaseMemory,
  ShapeError,
  type Tensor,
  type TypedArray,
  tensor,
  tidy,
} from '../ts/index.js'
import { tensorInTurns } from '../ts/io/uploads.js'

const run = promisify(execFile)
const library = JSON.stringify(new URL('../ts/index.js', import.meta.url).href)

test.serial('calls with ever other sizes use the same memory again', async (t) => {
  releaseMemory()
  t.is(memory().keptBytes, 0)
  const before = memory().allocations
  const data = new Float32Array(2200 * 256)
  let largest = 0
  for (let i = 0; i < 1200; i++) {
    using x = tensor(data.subarray(0, 256 * (1000 + i)))
    await evaluate(x)
    largest = Math.max(largest, memory().keptBytes)
  }
  // Ten size classes are between a million bytes and twice as many, and one result is alive at a time.
  t.true(memory().allocations - before <= 20, `${memory().allocations - before} allocations`)
  t.true(largest > 0 && largest < 30e6, `${largest} bytes kept`)
  releaseMemory()
  t.is(memory().keptBytes, 0)
})

test.serial('repeated work of one size asks the system for nothing', async (t) => {
  const x = ones([1000, 300]).mul(2)
  await evaluate(x)
  const round = async () => {
    using y = x.add(1)
    await evaluate(y)
  }
  await round()
  const before = memory().allocations
  for (let i = 0; i < 20; i++) await round()
  t.is(memory().allocations, before)
})

test('values in many pieces are read and made as in one', async (t) => {
  const data = Float64Array.from({ length: 3_000_001 }, (_, i) => i)
  const x = await tensorInTurns({ dtype: 'float64', shape: [3_000_001], data })
  const same = (a: ArrayLike<unknown>, b: TypedArray) =>
    a.length === b.length && Array.prototype.every.call(b, (v, i) => v === a[i])
  t.true(same(await x.add(0).data(), data))
  t.true(same(x.dataSync(), data))
  const flags = Uint8Array.from({ length: 9_000_000 }, (_, i) => i % 2)
  const bools = await tensorInTurns({ dtype: 'bool', shape: [3_000_000, 3], data: flags })
  t.is(bools.dtype, 'bool')
  t.deepEqual(bools.shape, [3_000_000, 3])
  t.true(same(await bools.data(), flags))
})

test.serial('an array that is detached while it is read is refused, and nothing is kept', async (t) => {
  const { bytes } = memory()
  const data = new Float32Array(9_000_000)
  const made = tensorInTurns({ dtype: 'float32', shape: [9_000_000], data })
  structuredClone(data.buffer, { transfer: [data.buffer] })
  const { message } = await t.throwsAsync(made, { instanceOf: DataError })
  t.regex(message, /an array of 9000000 numbers had 0 while it was read; leave it alone/)
  t.is(memory().bytes, bytes)
})

test('what does not go together is refused as tensor() refuses it, however large', async (t) => {
  const data = new Float32Array(9_000_000)
  await t.throwsAsync(tensorInTurns({ dtype: 'float32', shape: [3, 5], data }), { instanceOf: ShapeError })
  await t.throwsAsync(tensorInTurns({ dtype: 'int32', shape: [9_000_000], data }), { instanceOf: DTypeError })
})

test('a long read keeps its values whatever happens to the tensor meanwhile', async (t) => {
  const x = ones([5_000_000]).mul(3)
  const read = x.data()
  x.dispose()
  const values = (await read) as Float32Array
  t.true(values.every((value) => value === 3))
})

test('data that hold themselves, or are nested without end, are refused', async (t) => {
  const circle: unknown[] = []
  circle.push(circle)
  const late: unknown[] = [[1], [2]]
  late.push(late)
  let deep: NestedInput = 1
  for (let level = 0; level < 20_000; level++) deep = [deep]
  const data = { instanceOf: DataError }
  t.throws(() => tensor(circle as NestedInput), { ...data, message: /holds itself at data\[0\]/ })
  t.throws(() => tensor(late as NestedInput), data)
  t.throws(() => tensor(deep), { ...data, message: /deeper than 64/ })
  t.throws(() => new ArrayDataset(circle as NestedInput, [1]), data)
  t.throws(() => new ArrayDataset([[1], [2], [3]], circle as NestedInput), data)
  t.throws(() => new ArrayDataset([[1], [2]], [0, circle] as NestedInput), data)
  const record: { next?: unknown } = {}
  record.next = record
  const argument = { instanceOf: ArgumentError, message: /contains itself/ }
  t.throws(() => evaluate(record), argument)
  t.throws(() => evaluate(circle), argument)
  await t.throwsAsync(async () => jit((x: object) => x as Tensor)(record), argument)
  t.is(
    tidy(() => {
      ones([2])
      return deep
    }),
    deep,
  )
  t.is(
    tidy(() => record),
    record,
  )
})

test('arrays nested beyond the heap of JavaScript are refused', async (t) => {
  const script = `const { ones, evaluate } = await import(${library})
    const x = ones([40_000_000])
    for (const read of [() => x.array(), async () => x.arraySync()]) {
      await read().then(() => console.log('read'), (e) => console.log(e.name))
    }`
  const options = ['--max-old-space-size=100', '--input-type=module', '-e', script]
  t.is((await run(process.execPath, options)).stdout, 'DeviceError\nDeviceError\n')
})

if (process.platform === 'linux') {
  test('copies that the system has no room for are refused, and the process goes on', async (t) => {
    const script = `const { evaluate, full, ones, tensor } = await import(${library})
      const refusal = async (name, work) => {
        try { await work(); console.log(name, 'had room') } catch (e) { console.log(name, e.name) }
      }
      for (const dtype of ['float64', 'float32', 'int64', 'bool']) {
        const bytes = { float64: 8, float32: 4, int64: 8, bool: 1 }[dtype]
        const x = full([1_400_000_000 / bytes], 1, { dtype })
        await refusal('evaluate', () => evaluate(x))
        await refusal('data', () => x.data())
        await refusal('dataSync', () => x.dataSync())
        x.dispose()
      }
      await refusal('small', () => ones([3]).add(1).data())`
    const shell = `ulimit -v 3200000; exec "$0" --input-type=module -e "$1"`
    const { stdout } = await run('bash', ['-c', shell, process.execPath, script])
    const lines = stdout.trim().split('\n')
    t.is(lines.length, 13)
    t.is(lines.at(-1), 'small had room')
    t.true(
      lines.every((line) => /had room$|DeviceError$/.test(line)),
      stdout,
    )
    t.true(lines.includes('data DeviceError'), stdout)
  })
}

test('sizes beyond what JavaScript can hold are refused with their bytes', async (t) => {
  const x = ones([2 ** 39], { dtype: 'uint8' })
  await t.throwsAsync(() => x.data(), { instanceOf: DeviceError, message: /\d{9,} bytes/ })
})
