/**
 * What people report in public of tools that compare layers, draw them, read arrays and run from a shell, tried here. A test is named after the report:
 * repository#number, or repository!number of a pull request.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import {
  type ArrayData,
  CKA,
  DataError,
  DTypeError,
  HostRandom,
  layerSimilarity,
  matrix,
  readNpy,
  writeNpy,
} from '../ts/index.js'
import { error, fresh } from './io-scratch.js'

/** Independent uniform numbers, `[n, d]`. */
function noise(seed: number, n: number, d: number, scale = 1, dtype: 'float32' | 'float64' = 'float64') {
  const random = new HostRandom(seed)
  const values = Array.from({ length: n * d }, () => scale * (2 * random.next() - 1))
  const data = dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values)
  return { dtype, shape: [n, d], data } as ArrayData
}

// ---- CKA

test('Project-MONAI/MONAI!9129, dmarx/cka_pytorch#2, phrasenmaeher/cka#1: unrelated layers have an unbiased CKA near 0 on average, below 0 too, and never NaN', async (t) => {
  const unbiased = new CKA({ unbiased: true })
  const values: number[] = []
  for (let seed = 0; seed < 24; seed++) {
    values.push(await unbiased.estimate(noise(2 * seed, 32, 20), noise(2 * seed + 1, 32, 20)))
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const deviation = Math.sqrt(
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1),
  )
  t.true(values.every(Number.isFinite))
  t.true(values.some((value) => value < 0))
  t.true(Math.abs(mean) < (3.5 * deviation) / Math.sqrt(values.length), `${mean} +- ${deviation}`)
  t.true((await new CKA({ unbiased: true, clip: true }).estimate(noise(0, 32, 20), noise(1, 32, 20))) >= 0)
})

test('Project-MONAI/MONAI!9129: the biased CKA of wide layers, which is high for unrelated ones, says so', async (t) => {
  const details = await new CKA().estimate(noise(1, 24, 200), noise(2, 24, 200), { details: true })
  t.true(details.value > 0.5)
  t.true(
    details.warnings.some((warning) => /unbiased/.test(warning)),
    JSON.stringify(details.warnings),
  )
  const narrow = await new CKA().estimate(noise(1, 400, 3), noise(2, 400, 3), { details: true })
  t.deepEqual(narrow.warnings, [])
})

test('ykumards/simtorch#20, ahwillia/netrep!19: CKA is between 0 and 1, and 1 of a layer with itself', async (t) => {
  const layers = [noise(1, 40, 3), noise(2, 40, 60), noise(3, 40, 7)]
  for (const unbiased of [false, true]) {
    for (const [i, row] of (await layerSimilarity(new CKA({ unbiased }), layers)).entries()) {
      t.true(Math.abs((row[i] as number) - 1) < 1e-9)
      t.true(row.every((value) => value <= 1 + 1e-9 && value > (unbiased ? -0.5 : 0)))
    }
  }
})

test('AntixK/PyTorch-Model-Compare#2, #10: layers of very different scales have the CKA of their directions', async (t) => {
  const cka = new CKA({ unbiased: true })
  const expected = await cka.estimate(noise(1, 50, 6), noise(1, 50, 4))
  for (const [a, b] of [
    [1e-25, 1e25],
    [1e30, 1e30],
    [1e-30, 1e-30],
  ] as const) {
    const value = await cka.estimate(noise(1, 50, 6, a, 'float32'), noise(1, 50, 4, b, 'float32'))
    t.true(Math.abs(value - expected) < 1e-5, `${a}, ${b}: ${value}, ${expected}`)
  }
})

test('AntixK/PyTorch-Model-Compare#4: batches too small for the unbiased form are refused with the number that is needed', async (t) => {
  const cka = new CKA({ unbiased: true })
  const few = noise(1, 3, 5)
  await t.throwsAsync(cka.estimate(few, few), error(DataError, /4/))
  const whole = noise(1, 8, 5)
  await t.throwsAsync(
    cka.estimateBatches([
      [whole, whole],
      [few, few],
    ]),
    error(DataError, /4/),
  )
})

// ---- pictures

test('ZhangqiJiang07/middle_layers_indicating_hallucinations#4, holoviz/holoviews!6679: the names of rows and columns stand at their own cells, the first row at the top', async (t) => {
  const values = [
    [0.11, 0.12, 0.13],
    [0.21, 0.22, 0.23],
  ]
  const svg = await matrix(values, {
    rows: ['zeta', 'alpha'],
    columns: ['mu', 'beta', 'nu'],
    title: null,
  }).svg()
  const at = placesOf(svg)
  const place = (text: string) => {
    const found = at.get(text)
    t.truthy(found, `${text} is not in the picture`)
    return found as { x: number; y: number }
  }
  for (const [i, row] of ['zeta', 'alpha'].entries()) {
    for (const [j, column] of ['mu', 'beta', 'nu'].entries()) {
      const cell = place(String(values[i]?.[j]))
      t.true(Math.abs(cell.y - place(row).y) < 8, `${row}: ${cell.y}, ${place(row).y}`)
      t.true(Math.abs(cell.x - place(column).x) < 17, `${column}: ${cell.x}, ${place(column).x}`)
    }
  }
  t.true(place('zeta').y < place('alpha').y)
  t.true(place('mu').x < place('beta').x)
})

/** Where the texts of an SVG stand, by text. */
function placesOf(svg: string): Map<string, { x: number; y: number }> {
  const found = new Map<string, { x: number; y: number }>()
  const open: { x: number; y: number }[] = [{ x: 0, y: 0 }]
  for (const [, close, name, attributes = '', own, text = ''] of svg.matchAll(
    /<(\/?)(g|text|svg)\b([^>]*?)(\/?)>([^<]*)/g,
  )) {
    if (close === '/') {
      open.pop()
      continue
    }
    const [, dx = '0', dy = '0'] = /translate\(([-\d.e]+)[ ,]+([-\d.e]+)\)/.exec(attributes) ?? []
    const outer = open.at(-1) as { x: number; y: number }
    const here = { x: outer.x + Number(dx), y: outer.y + Number(dy) }
    // The color bar comes behind the cells, and names some of their values again.
    if (name === 'text' && text !== '' && !found.has(text)) found.set(text, here)
    if (own !== '/') open.push(here)
  }
  return found
}

// ---- arrays

/** An .npy file of version 1. */
function npy(header: string, values: Uint8Array): string {
  const text = Buffer.from(`${header}\n`)
  const length = Buffer.alloc(2)
  length.writeUInt16LE(text.length)
  const path = fresh('array.npy')
  writeFileSync(
    path,
    Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0]), length, text, values]),
  )
  return path
}
const described = (descr: string, shape: string) =>
  `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`

test('aplbrain/npyjs#40: a header may be longer than 255 bytes', async (t) => {
  const header = described(`'<f8'`, '(2,)').padEnd(900)
  t.deepEqual(
    (await readNpy(npy(header, Buffer.from(Float64Array.of(1, 2).buffer)))).data,
    Float64Array.of(1, 2),
  )
})

test('aplbrain/npyjs#42: rows with named columns are refused, and nothing of them is read as numbers', async (t) => {
  const descr = `[('name', '<U10'), ('age', '<i4'), ('weight', '<f4')]`
  await t.throwsAsync(readNpy(npy(described(descr, '(2,)'), new Uint8Array(96))), error(DTypeError, /name/))
})

test('aplbrain/npyjs#3, usnistgov/h5wasm#49, kylebarron/deck.gl-raster#49: |u1 is read, and bytes in the other order are turned', async (t) => {
  t.deepEqual(
    [...(await readNpy(npy(described(`'|u1'`, '(3,)'), Uint8Array.of(1, 2, 255)))).data],
    [1, 2, 255],
  )
  const big = Buffer.alloc(16)
  big.writeDoubleBE(0.01)
  big.writeDoubleBE(-7.5, 8)
  t.deepEqual([...(await readNpy(npy(described(`'>f8'`, '(2,)'), big))).data], [0.01, -7.5])
  const whole = Buffer.alloc(8)
  whole.writeInt32BE(8)
  whole.writeInt32BE(-2, 4)
  t.deepEqual([...(await readNpy(npy(described(`'>i4'`, '(2,)'), whole))).data], [8, -2])
})

// ---- the command line

const main = join(packageRoot, 'build', 'ts', 'cli', 'main.js')

async function folderWithArrays(): Promise<string> {
  const folder = fresh()
  mkdirSync(folder)
  await writeNpy(join(folder, 'x.npy'), noise(1, 300, 1))
  await writeNpy(join(folder, 'y.npy'), noise(2, 300, 1))
  return folder
}

test('Netflix/vmaf#215, redis/memtier_benchmark#271, The-OpenROAD-Project/OpenROAD#2715: JSON has no number that JSON has not, and a note says that information is infinite', async (t) => {
  const folder = await folderWithArrays()
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'mi', 'x.npy', 'x.npy', '--json'], {
    cwd: folder,
    encoding: 'utf8',
  })
  t.is(status, 0, stderr)
  const { results, notes } = JSON.parse(stdout) as { results: { value: number }[]; notes: string[] }
  t.notRegex(stdout, /NaN|Infinity/)
  t.true(Number.isFinite(results[0]?.value))
  t.true(
    notes.some((note) => /infinite/i.test(note)),
    JSON.stringify(notes),
  )
})

test('openvax/mhctools#387, Backblaze/B2_Command_Line_Tool#1071, python/cpython#84009: a reader that has enough is no error, of text and of JSON', async (t) => {
  const folder = await folderWithArrays()
  for (const more of ['', '--json']) {
    const line = `"${process.execPath}" "${main}" mi x.npy y.npy ${more}; echo "status $?" >&2`
    const { stderr } = spawnSync('sh', ['-c', `{ ${line}; } | true`], { cwd: folder, encoding: 'utf8' })
    t.regex(stderr, /^status (0|141)\n$/, stderr)
  }
})
