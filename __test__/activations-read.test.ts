/** Dumps in the layouts that people write them in. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { ArgumentError, DataError, IOError, UnknownNameError } from '../ts/core/errors.js'
import { packageRoot } from '../ts/core/package-root.js'
import { byName, endOf, epochIn } from '../ts/data/activations/names.js'
import { type Activations, readActivations } from '../ts/data/index.js'
import { type ArrayData, writeNpy, writeNpz, writeSafetensors } from '../ts/io/index.js'
import { takeRows } from '../ts/io/lazy-array.js'
import { error, f32, fresh } from './io-scratch.js'

const layer = (n: number, width: number, of = 0) =>
  f32([n, width], ...Array.from({ length: n * width }, (_, i) => i + of))
const labels = (n: number): ArrayData => ({
  dtype: 'int32',
  shape: [n],
  data: Int32Array.from({ length: n }, (_, i) => i % 2),
})

/** Writes a dump: names of files with arrays, and arrays by name in files of several. */
async function dump(files: Record<string, ArrayData | Record<string, ArrayData>>): Promise<string> {
  const folder = fresh('dump')
  mkdirSync(folder)
  for (const [name, contents] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    if ('shape' in contents) await writeNpy(path, contents as ArrayData)
    else if (name.endsWith('.npz')) await writeNpz(path, contents as Record<string, ArrayData>)
    else await writeSafetensors(path, contents as Record<string, ArrayData>)
  }
  return folder
}

/** What of a dump there is, run by run. */
const seen = ({ runs }: Activations) =>
  Object.fromEntries(
    runs.map((run) => [
      run.name,
      run.epochs.map((epoch) => [
        run.epochsKnown ? epoch : '?',
        run.layers.filter((name) => run.layer(epoch, name) !== undefined).join(' '),
        `${run.x(epoch) ? 'x' : ''}${run.y(epoch) ? 'y' : ''}`,
      ]),
    ]),
  )

test('a run refuses epochs and layers that it does not have, with the nearest', async (t) => {
  const files = [1, 2, 3, 5, 8, 13, 21].map((epoch) => [
    `epoch_${epoch}.npz`,
    { dense_1: layer(4, 2), ...(epoch > 1 ? { dense_2: layer(4, 2) } : {}) },
  ])
  const found = await readActivations(await dump(Object.fromEntries(files)))
  const run = found.runs[0] as Activations['runs'][number]
  for (const ask of [() => run.layer(9, 'dense_1'), () => run.x(9), () => run.y(9)]) {
    t.throws(ask, error(ArgumentError, /has no epoch 9; the nearest of its 7 epochs are 2, 3, 5, 8, 13/))
  }
  t.throws(() => run.layer(8, 'dense1'), error(UnknownNameError, /did you mean "dense_1"/))
  t.is(run.layer(1, 'dense_2'), undefined, 'other epochs have it')
  t.is(run.x(1), undefined)
})

test('one file of layers is a run of one epoch', async (t) => {
  const folder = await dump({
    'epoch_7.npz': { x: layer(4, 3), fc10: layer(4, 2), fc2: layer(4, 5), y: labels(4) },
  })
  const found = await readActivations(join(folder, 'epoch_7.npz'))
  t.deepEqual(seen(found), { epoch_7: [[7, 'fc2 fc10', 'xy']] })
  t.deepEqual(found.notes, [])
  t.deepEqual((await found.runs[0]?.layer(7, 'fc10')?.read())?.data, layer(4, 2).data)
  const unknown = await dump({ 'acts.safetensors': { labels: labels(4), h1: layer(4, 2) } })
  const other = await readActivations(join(unknown, 'acts.safetensors'))
  t.deepEqual(seen(other), { acts: [['?', 'h1', 'y']] })
  t.deepEqual(other.notes, ["run 'acts' has no input samples (x)", 'no name has the number of an epoch'])
})

test('a folder of files of epochs, with the ends beside them', async (t) => {
  const epoch = (of: number) => ({ fc1: layer(4, 3, of), fc2: layer(4, 2, of) })
  const folder = await dump({
    'x.npy': layer(4, 5),
    'y.npy': labels(4),
    '0.npz': epoch(0),
    '10.npz': epoch(1),
    '2.npz': epoch(2),
  })
  const found = await readActivations(folder)
  const [run] = found.runs
  t.deepEqual(run?.epochs, [0, 2, 10])
  t.deepEqual(run?.layers, ['fc1', 'fc2'])
  t.is((await run?.layer(10, 'fc1')?.read())?.data[0], 1)
  t.is(run?.x(0), run?.x(10))
})

test('folders of runs with folders of epochs with files of layers', async (t) => {
  const files: Record<string, ArrayData> = { 'inputs.npy': layer(3, 2), 'labels.npy': labels(3) }
  for (const seed of [1, 2, 10]) {
    for (const epoch of [0, 5]) {
      for (const name of ['conv1', 'conv2', 'fc'])
        files[`seed_${seed}/epoch_${epoch}/${name}.npy`] = layer(3, 2)
    }
  }
  t.deepEqual(seen(await readActivations(await dump(files))), {
    seed_1: [
      [0, 'conv1 conv2 fc', 'xy'],
      [5, 'conv1 conv2 fc', 'xy'],
    ],
    seed_2: [
      [0, 'conv1 conv2 fc', 'xy'],
      [5, 'conv1 conv2 fc', 'xy'],
    ],
    seed_10: [
      [0, 'conv1 conv2 fc', 'xy'],
      [5, 'conv1 conv2 fc', 'xy'],
    ],
  })
})

test('files that name both run and epoch, and layers that name their epoch', async (t) => {
  const epoch = { h: layer(3, 2), y: labels(3) }
  const found = await readActivations(
    await dump({ 'seed1_epoch10.npz': epoch, 'seed1_epoch2.npz': epoch, 'seed2_epoch2.npz': epoch }),
  )
  t.deepEqual(seen(found), {
    seed1: [
      [2, 'h', 'y'],
      [10, 'h', 'y'],
    ],
    seed2: [[2, 'h', 'y']],
  })
  t.true(found.notes.includes("run 'seed2' lacks epoch 10"))
  const flat = await readActivations(
    await dump({
      'fc1_epoch0.npy': layer(3, 2),
      'fc1_epoch1.npy': layer(3, 2),
      'fc2_epoch1.npy': layer(3, 2),
      'y.npy': labels(3),
    }),
  )
  t.deepEqual(Object.values(seen(flat)), [
    [
      [0, 'fc1', 'y'],
      [1, 'fc1 fc2', 'y'],
    ],
  ])
  t.true(flat.notes.some((note) => /lacks 'fc2' in epoch 0/.test(note)))
  const byLayer = await dump({
    'fc1.npz': { epoch_0: layer(3, 2), epoch_1: layer(3, 2) },
    'y.npy': labels(3),
  })
  t.deepEqual(Object.values(seen(await readActivations(byLayer))), [
    [
      [0, 'fc1', 'y'],
      [1, 'fc1', 'y'],
    ],
  ])
})

test('numbers of files are epochs, those of seeds and runs are not', async (t) => {
  const epoch = { h: layer(3, 2), y: labels(3) }
  const named = await readActivations(await dump({ 'acts_3.npz': epoch, 'acts_12.npz': epoch }))
  t.deepEqual(Object.values(seen(named)), [
    [
      [3, 'h', 'y'],
      [12, 'h', 'y'],
    ],
  ])
  t.regex(named.notes[0] ?? '', /numbers in names such as 'acts_.*' are read as epochs/)
  const seeds = await readActivations(await dump({ 'seed3.npz': epoch, 'seed12.npz': epoch }))
  t.deepEqual(seen(seeds), { seed3: [['?', 'h', 'y']], seed12: [['?', 'h', 'y']] })
  const nested = await readActivations(await dump({ '1/0.npz': epoch, '1/1.npz': epoch, '2/0.npz': epoch }))
  t.deepEqual(seen(nested), {
    1: [
      [0, 'h', 'y'],
      [1, 'h', 'y'],
    ],
    2: [[0, 'h', 'y']],
  })
})

test('layers stand in the order of the file, unless that is one by letters', async (t) => {
  const h = layer(3, 2)
  const first = await dump({ 'a.npz': { stem: h, block1: h, block10: h, head: h } })
  const found = await readActivations(join(first, 'a.npz'))
  t.deepEqual(found.runs[0]?.layers, ['stem', 'block1', 'block10', 'head'])
  t.true(found.notes.includes('layers are in the order of the files; give { layers } for another order'))
  const chosen = await readActivations(join(first, 'a.npz'), { layers: ['head', 'stem'] })
  t.deepEqual(chosen.runs[0]?.layers, ['head', 'stem'])
})

test('what is not of the samples is left out with a note', async (t) => {
  const folder = await dump({
    'epoch_1.npz': {
      fc1: layer(6, 2),
      'fc1.weight': layer(2, 3),
      loss: f32([], 0.5),
      y: labels(6),
      x: layer(6, 3),
    },
  })
  writeFileSync(join(folder, 'config.json'), '{}')
  const found = await readActivations(folder)
  t.deepEqual(Object.values(seen(found)), [[[1, 'fc1', 'xy']]])
  t.true(found.notes.some((note) => /'fc1\.weight' of shape \(2, 3\) does not have the 6 samples/.test(note)))
  t.true(found.notes.some((note) => /'loss' of shape \(\) does not/.test(note)))
  t.true(found.notes.some((note) => /1 files of other formats are left out: config\.json/.test(note)))
})

test('ends from elsewhere, and the choice among several', async (t) => {
  const folder = await dump({
    'epoch_1.npz': { fc1: layer(6, 2), y_train: labels(6), y_test: labels(6), y_pred: layer(6, 2) },
  })
  await t.throwsAsync(
    readActivations(folder),
    error(DataError, /could both be y; say which: \{ y: 'y_train' \}/),
  )
  const found = await readActivations(folder, { y: 'y_test', x: layer(6, 4) })
  t.deepEqual(Object.values(seen(found)), [[[1, 'fc1 y_pred', 'xy']]])
  await writeNpy(join(folder, '..', 'other.npy'), labels(6))
  t.is((await readActivations(folder, { y: join(folder, '..', 'other.npy') })).runs[0]?.y(1)?.shape[0], 6)
  await t.throwsAsync(
    readActivations(folder, { y: labels(5) }),
    error(DataError, /the given y has 5 samples.*have 6/),
  )
  await t.throwsAsync(readActivations(folder, { y: 'y_other' }), error(DataError, /no array 'y_other' for y/))
})

test('epochs as groups of Zarr, archives of PyTorch and tables', async (t) => {
  const { files } = JSON.parse(
    readFileSync(join(packageRoot, '__test__', 'data', 'foreign-arrays.json'), 'utf8'),
  ) as { files: Record<string, string> }
  const folder = fresh('dump')
  const put = (path: string, contents: Uint8Array | string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), contents)
  }
  for (const [name, contents] of Object.entries(files)) {
    const bytes = Buffer.from(contents, 'base64')
    if (name.startsWith('zarr3/group.zarr/'))
      put(name.replace('zarr3/group.zarr', 'zarr/epoch_3.zarr'), bytes)
    if (name === 'torch/tensors.pt') put('torch/epoch_4.pt', bytes)
  }
  put('tables/y.csv', 'cat\ndog\ncat\n')
  put('tables/epoch_1/fc1.csv', 'a,b\n1,2\n3,4\n5,6\n')
  put('tables/epoch_2/fc1.tsv', '1\t2\n3\t4\n5\t6\n')
  t.deepEqual(seen(await readActivations(join(folder, 'tables'))), {
    tables: [
      [1, 'fc1', 'y'],
      [2, 'fc1', 'y'],
    ],
  })
  const zarr = await readActivations(join(folder, 'zarr'))
  t.deepEqual(seen(zarr), { inner: [[3, 'fc2', 'y']], zarr: [[3, 'fc1', 'y']] })
  t.true(zarr.notes.some((note) => /^names: .*element type/.test(note)))
  const torch = await readActivations(join(folder, 'torch'))
  t.deepEqual(seen(torch), { torch: [[4, 'plain half bfloat16', 'y']] })
})

test('what does not go together is refused', async (t) => {
  const refuses = async (files: Parameters<typeof dump>[0], message: RegExp) =>
    t.throwsAsync(readActivations(await dump(files)), error(DataError, message))
  await refuses({ 'h.npy': layer(4, 2), 'x.npy': layer(5, 2) }, /x\.npy has 5 samples, and the layers have 4/)
  await refuses({ 'x.npy': layer(4, 2), 'y.npy': labels(4) }, /holds no layers: only x, y/)
  await refuses(
    { 'epoch_1/h.npy': layer(4, 2), 'epoch_01/h.npy': layer(4, 2) },
    /are both layer 'h' of epoch 1/,
  )
  await refuses({}, /holds no array that is read; expected files that end in \.npy/)
  await t.throwsAsync(readActivations(fresh('nowhere')), error(IOError, /no such file or folder/))
  const folder = await dump({ 'h.npy': layer(4, 2) })
  writeFileSync(join(folder, 'broken.npy'), 'no array')
  await t.throwsAsync(
    readActivations(folder),
    error(DataError, /not a valid \.npy file.*move it out of the dump/),
  )
})

test('names of ends, of epochs, and their order', (t) => {
  for (const name of ['x', 'X_test', 'x1', 'xs', 'inputs', 'input_images']) t.is(endOf(name), 'x', name)
  for (const name of ['y', 'Y_train', 'labels', 'label', 'targets_test', 'y_true'])
    t.is(endOf(name), 'y', name)
  for (const name of ['xception', 'y_pred', 'x_hat', 'yolo', 'fc1', 'label_scores'])
    t.is(endOf(name), undefined, name)
  t.deepEqual(epochIn('seed1_epoch10', 'folder'), { epoch: 10, rest: 'seed1', counts: 'epochs' })
  t.deepEqual(epochIn('step-000500', 'folder'), { epoch: 500, rest: '', counts: 'steps' })
  t.is(epochIn('layer1', 'folder'), undefined)
  t.is(epochIn('step_1', 'array'), undefined)
  t.deepEqual(['fc10', 'fc2', 'conv1'].sort(byName), ['conv1', 'fc2', 'fc10'])
})

test('single rows are taken from arrays of any layout', async (t) => {
  const folder = await dump({ 'h.npy': layer(5000, 20) })
  await writeNpz(join(folder, 'p.npz'), { q: layer(5000, 20) }, { compress: true })
  const { runs } = await readActivations(folder, { layers: ['h', 'q'] })
  const rows = Int32Array.from({ length: 400 }, (_, i) => i * 12 + (i % 5))
  const wanted = Float32Array.from(
    { length: 8000 },
    (_, i) => (rows[Math.floor(i / 20)] as number) * 20 + (i % 20),
  )
  for (const run of runs) {
    for (const name of run.layers) {
      const taken = await takeRows(run.layer(0, name) as never, rows)
      t.deepEqual(taken, { dtype: 'float32', shape: [400, 20], data: wanted })
    }
  }
})
