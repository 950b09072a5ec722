/** Every writer leaves the old file or the new one, even if the arrays change, the process is killed or the disk fails. */

import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ArgumentError, DataError, DTypeError, HyperglowError, IOError } from '../ts/core/errors.js'
import { readIdx, writeIdx } from '../ts/data/idx.js'
import { Dense, memory, Sequential } from '../ts/index.js'
import { makeFolder, replaceFile } from '../ts/io/atomic.js'
import {
  type ArrayData,
  readNpy,
  readSafetensors,
  writeAtomic,
  writeNpy,
  writeSafetensors,
} from '../ts/io/index.js'
import { error, fresh } from './io-scratch.js'

const length = 300_000
/** An array whose buffer can shrink; the types of this version of TypeScript have no such buffers. */
function shrinking(): { array: ArrayData; shrink: () => void } {
  type Resizable = ArrayBuffer & { resize(bytes: number): void }
  const Buffers = ArrayBuffer as unknown as new (bytes: number, options: object) => Resizable
  const buffer = new Buffers(length, { maxByteLength: length })
  const data = new Uint8Array(buffer).fill(1)
  return { array: { dtype: 'uint8', shape: [length], data }, shrink: () => buffer.resize(10) }
}

/** What can happen to an array while it is written. */
const spoilers: Record<string, () => { array: ArrayData; spoil: () => void }> = {
  'given away': () => {
    const data = new Uint8Array(length).fill(1)
    const spoil = () => structuredClone(data.buffer, { transfer: [data.buffer] })
    return { array: { dtype: 'uint8', shape: [length], data }, spoil }
  },
  overwritten: () => {
    const data = new Uint8Array(length).fill(1)
    return { array: { dtype: 'uint8', shape: [length], data }, spoil: () => data.fill(9) }
  },
  'shared and overwritten': () => {
    const data = new Uint8Array(new SharedArrayBuffer(length)).fill(1)
    return { array: { dtype: 'uint8', shape: [length], data }, spoil: () => data.fill(9) }
  },
  shrunk: () => {
    const { array, shrink } = shrinking()
    return { array, spoil: shrink }
  },
}
type Write = (path: string, array: ArrayData) => Promise<void>
const numbersOf = (array: ArrayData | undefined) => [...((array?.data ?? []) as Uint8Array)]
const writers: Record<string, { write: Write; read: (path: string) => Promise<number[]> }> = {
  writeSafetensors: {
    write: (path, w) => writeSafetensors(path, { w }),
    read: async (path) => numbersOf((await readSafetensors(path)).tensors.get('w')),
  },
  writeNpy: { write: writeNpy, read: async (path) => numbersOf(await readNpy(path)) },
  writeIdx: { write: writeIdx, read: async (path) => numbersOf(await readIdx(path)) },
  writeAtomic: {
    write: (path, { data }) => writeAtomic(path, data as Uint8Array),
    read: async (path) => [...readFileSync(path)],
  },
}
for (const [writer, { write, read }] of Object.entries(writers)) {
  for (const [what, make] of Object.entries(spoilers)) {
    test(`${writer}: an array that is ${what} while it is written is stored as it was`, async (t) => {
      const path = fresh()
      const { array, spoil } = make()
      const writing = write(path, array)
      spoil()
      await writing
      const found = await read(path)
      t.is(found.length, length)
      t.true(found.every((value) => value === 1))
    })
  }
}

// Alone, since it counts nodes.
test.serial('arrays beyond what a turn copies are stored as they were, and leave nothing', async (t) => {
  const bytes = 20_000_003
  const { nodes } = memory()
  for (const { write } of Object.values(writers)) {
    const path = fresh('.npy')
    const data = new Uint8Array(bytes).map((_, i) => i % 251)
    const wanted = createHash('sha256').update(data).digest('hex')
    const writing = write(path, { dtype: 'uint8', shape: [bytes], data })
    data.fill(9)
    await writing
    const stored = readFileSync(path)
    t.is(
      createHash('sha256')
        .update(stored.subarray(stored.length - bytes))
        .digest('hex'),
      wanted,
    )
  }
  t.is(memory().nodes, nodes)
})

test('a byte that is no boolean is named wherever it is, before anything is written', async (t) => {
  const bytes = 20_000_003
  const view = new Uint8Array(bytes + 3)
  for (const [offset, at] of [
    [0, 0],
    [1, 2],
    [3, 17_000_001],
    [2, bytes - 1],
  ] as const) {
    const data = new Uint8Array(view.buffer, offset, bytes)
    data[at] = 2
    const array: ArrayData = { dtype: 'bool', shape: [bytes], data }
    const path = fresh()
    const message = new RegExp(`must be 0 or 1, given 2 at ${at};`)
    await t.throwsAsync(writeNpy(path, array), error(DTypeError, message))
    await t.throwsAsync(writeSafetensors(path, { array }), error(DTypeError, message))
    t.false(existsSync(path))
    data[at] = 0
  }
})

test('an array that has been given away is refused, and the old file stays', async (t) => {
  const path = fresh()
  writeFileSync(path, 'old')
  for (const write of [writeNpy, (place: string, w: ArrayData) => writeSafetensors(place, { w })]) {
    const { array, shrink } = shrinking()
    structuredClone(array.data.buffer, { transfer: [array.data.buffer as ArrayBuffer] })
    t.throws(shrink)
    await t.throwsAsync(write(path, array), {
      message: /the data have 0 \(their buffer may have been transferred\)/,
    })
  }
  t.is(readFileSync(path, 'utf8'), 'old')
})

test('a file that would come out shorter than it says is never put in place', async (t) => {
  const path = fresh()
  writeFileSync(path, 'old')
  await t.throwsAsync(replaceFile(path, [new Uint8Array(5)], 6), error(DataError, /5 of 6 bytes/))
  t.is(readFileSync(path, 'utf8'), 'old')
})

test('writers refuse what they cannot write before they touch anything', async (t) => {
  const refuses = (call: () => Promise<unknown>, message: RegExp) =>
    t.throwsAsync(call, error(ArgumentError, message))
  await refuses(() => writeSafetensors('x', null as never), /given null as tensors.*dtype, shape, data/)
  await refuses(() => writeSafetensors('x', [] as never), /an array of 0/)
  await refuses(() => writeSafetensors('x', {}, null as never), /null as metadata/)
  await refuses(() => writeSafetensors(5 as never, {}), /given 5, expected the path of a file/)
  await refuses(() => writeNpy('x', null as never), /expected \{ dtype, shape, data \}/)
  await refuses(() => writeNpy('', { dtype: 'uint8', shape: [0], data: new Uint8Array(0) }), /given ""/)
  await refuses(() => writeIdx('x', null as never), /expected \{ dtype, shape, data \}/)
  await refuses(() => writeAtomic('x', 5 as never), /given 5, expected text/)
  await refuses(() => writeAtomic('x', [undefined] as never), /given undefined, expected text/)
  await refuses(() => writeAtomic('x', 'y', null as never), /given null as options/)
})

// ---- folders and disks

test('a path that is a folder, or lies under a file, is an IOError that says so', async (t) => {
  const folder = fresh()
  mkdirSync(join(folder, 'inside'), { recursive: true })
  await t.throwsAsync(writeAtomic(folder, 'x'), error(IOError, /it is a folder; give the path of a file/))
  writeFileSync(join(folder, 'file'), 'old')
  await t.throwsAsync(
    writeAtomic(join(folder, 'file', 'below'), 'x'),
    error(IOError, /there is a file in place of a folder/),
  )
  t.deepEqual(readdirSync(folder).sort(), ['file', 'inside'])
})

test('folders are made one by one; where none can be made, an error ends the writing', async (t) => {
  const folder = fresh()
  const deep = join(folder, 'a', 'b')
  t.deepEqual(await makeFolder(deep), [folder, join(folder, 'a'), deep])
  t.deepEqual(await makeFolder(deep), [])
  writeFileSync(join(deep, 'file'), '')
  const under = await t.throwsAsync(makeFolder(join(deep, 'file', 'c')), { instanceOf: IOError })
  t.regex(under?.message ?? '', /a file in place of a folder/)
  if (process.platform !== 'linux') return
  await t.throwsAsync(writeAtomic('/proc/none/here/file', 'text'), {
    instanceOf: IOError,
    message: /^cannot write \/proc\/none\/here\/file: .*no folder can be made there/,
  })
})

test('a disk that lets the file be no larger is an IOError, and the old file stays', async (t) => {
  const path = fresh()
  writeFileSync(path, 'old')
  const program = `
    const { writeNpy } = await import(process.argv[1])
    const data = new Uint8Array(3e6)
    await writeNpy(process.argv[2], { dtype: 'uint8', shape: [3e6], data }).catch((e) => console.log(e.code, e.message))`
  const io = new URL('../ts/io/index.js', import.meta.url).href
  const limited = 'ulimit -f 1000; exec "$0" --input-type=module -e "$1" "$2" "$3"'
  const said = execFileSync('bash', ['-c', limited, process.execPath, program, io, path]).toString()
  t.regex(said, /^IO cannot write .*EFBIG.*raise the limit/)
  t.is(readFileSync(path, 'utf8'), 'old')
  t.true(readdirSync(join(path, '..')).every((name) => !name.startsWith('.tmp-')))
})

test('permissions stay, whatever the mask of the process', async (t) => {
  const path = fresh()
  writeFileSync(path, 'old')
  chmodSync(path, 0o666)
  await writeAtomic(path, 'new')
  t.is(statSync(path).mode & 0o777, 0o666)
})

test('what killed processes of this machine left half-written is removed; files of the living and of others stay', async (t) => {
  const folder = fresh()
  mkdirSync(folder)
  const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
  const dead = spawn(process.execPath, ['-e', '']).pid as number
  await new Promise((resolve) => setTimeout(resolve, 1)).then(() => waitForEnd(dead))
  const names = {
    dead: `.tmp-${machine}-${dead}-0123456789ab`,
    living: `.tmp-${machine}-${process.pid}-0123456789ab`,
    elsewhere: `.tmp-00000000-${dead}-0123456789ab`,
  }
  for (const name of Object.values(names)) writeFileSync(join(folder, name), 'half')
  await writeAtomic(join(folder, 'file'), 'x')
  t.deepEqual(readdirSync(folder).sort(), [names.elsewhere, names.living, 'file'].sort())
})

async function waitForEnd(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

// ---- models

const model = (units: number) =>
  new Sequential({ inputShape: [3] })
    .add(new Dense(units))
    .add(new Dense(2, { activation: 'softmax' }))
    .compile({ optimizer: 'adam' }) as Sequential

const saver = `
  const { Dense, Sequential } = await import(process.argv[1])
  const model = (units) => new Sequential({ inputShape: [3] }).add(new Dense(units)).add(new Dense(2, { activation: 'softmax' })).compile({ optimizer: 'adam' })
  const both = [model(300), model(200)]
  for (;;) for (const m of both) { await m.save(process.argv[2]); process.stdout.write('saved\\n') }`

/** Kills a program that saves two models in turn, some milliseconds after its first save. */
async function killedSaver(path: string, after: number): Promise<void> {
  const library = new URL('../ts/index.js', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', saver, library, path])
  await new Promise((resolve) => child.stdout.once('data', resolve))
  await new Promise((resolve) => setTimeout(resolve, after))
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await ended
}

async function loadable(t: ExecutionContext, path: string): Promise<boolean[]> {
  return Promise.all(
    [300, 200].map((units) =>
      model(units)
        .load(path)
        .then(
          () => true,
          (thrown) => {
            t.true(thrown instanceof HyperglowError)
            return false
          },
        ),
    ),
  )
}

test('a program killed while it saves leaves one of the models, whole', async (t) => {
  for (let i = 0; i < 6; i++) {
    const path = join(fresh(), 'm')
    await killedSaver(path, 7 * i)
    t.deepEqual((await loadable(t, path)).filter(Boolean), [true])
    await model(200).save(path)
    t.deepEqual(await loadable(t, path), [false, true])
    t.deepEqual(readdirSync(join(path, '..')), ['m.safetensors'], 'nothing half-written is left')
  }
})

test('two models saved at a time to one path, and read meanwhile: always a whole one', async (t) => {
  const path = join(fresh(), 'm')
  const [wide, narrow, other] = [model(300), model(200), model(200)]
  await wide.save(path)
  for (let i = 0; i < 8; i++) {
    const [found] = await Promise.all([
      loadable(t, path),
      wide.save(path),
      narrow.save(path),
      other.save(path),
    ])
    t.is(found.filter(Boolean).length, 1)
  }
  t.deepEqual(readdirSync(join(path, '..')), ['m.safetensors'])
})

test('pairs of version 1 load where they are of one save, and a save replaces them', async (t) => {
  const folder = fresh()
  const path = join(folder, 'm')
  /** Writes the files as version 1 did. */
  const old = async (weights: Sequential, described: Sequential) => {
    await described.save(path)
    const { metadata } = await readSafetensors(`${path}.safetensors`)
    await weights.save(path)
    const { tensors } = await readSafetensors(`${path}.safetensors`)
    await writeSafetensors(`${path}.safetensors`, tensors, { format: 'hyperglow-model' })
    const description = { ...JSON.parse(metadata.description as string), version: 1 }
    writeFileSync(`${path}.json`, JSON.stringify(description))
  }
  const saved = model(200)
  await old(saved, saved)
  const loaded = model(200)
  await loaded.load(path)
  t.deepEqual(await loaded.weights['layers.0.kernel']?.data(), await saved.weights['layers.0.kernel']?.data())
  await old(model(300), model(200))
  for (const units of [200, 300]) {
    await t.throwsAsync(model(units).load(path), error(DataError, /not of one save.*killed while it saved/))
  }
  await saved.save(path)
  t.deepEqual(readdirSync(folder), ['m.safetensors'])
  await loaded.load(path)
  await loaded.load(`${path}.safetensors`)
})

test('a save holds the weights of the moment when it was asked for', async (t) => {
  const path = join(fresh(), 'm')
  const one = model(50)
  const kernel = one.weights['layers.0.kernel']
  const before = await kernel?.data()
  const saving = one.save(path)
  kernel?.assign(0)
  await saving
  t.deepEqual((await readSafetensors(`${path}.safetensors`)).tensors.get('layers.0.kernel')?.data, before)
})
