/** Wrong calls give errors of the right class, with a stable code, that say what was given, what was expected, how to mend it. */

import test from 'ava'
import * as hg from '../ts/index.js'
import type { BadInput } from './bad-input/case.js'
import { checkpointCases } from './bad-input/checkpoints.js'
import { fileCases, removeFiles } from './bad-input/files.js'
import { modelCases } from './bad-input/models.js'
import { partCases } from './bad-input/parts.js'
import { tensorCases } from './bad-input/tensors.js'
import { trainingCases } from './bad-input/training.js'

/** The codes that programs may rely on. */
const codes = new Map<unknown, hg.ErrorCode>([
  [hg.ShapeError, 'SHAPE'],
  [hg.DTypeError, 'DTYPE'],
  [hg.DeviceError, 'DEVICE'],
  [hg.DataError, 'DATA'],
  [hg.StateError, 'STATE'],
  [hg.DisposedError, 'DISPOSED'],
  [hg.NumericalError, 'NUMERICAL'],
  [hg.IOError, 'IO'],
  [hg.ArgumentError, 'ARGUMENT'],
  [hg.UnknownNameError, 'UNKNOWN_NAME'],
  [hg.InternalError, 'INTERNAL'],
])

const groups: Readonly<Record<string, readonly BadInput[]>> = {
  tensors: tensorCases,
  parts: partCases,
  models: modelCases,
  training: trainingCases,
  checkpoints: checkpointCases,
  files: fileCases,
}

for (const [group, cases] of Object.entries(groups)) {
  for (const { name, error, says, run } of cases) {
    test(`${group}: ${name}`, async (t) => {
      const thrown: unknown = await t.throwsAsync(async () => run(), { any: true })
      if (!(thrown instanceof hg.HyperglowError)) {
        t.fail(`expected a ${error.name}, got ${thrown instanceof Error ? thrown.stack : thrown}`)
        return
      }
      t.is(thrown.constructor, error, thrown.message)
      t.is(thrown.name, error.name)
      t.is(thrown.code as hg.ErrorCode | undefined, codes.get(error))
      for (const part of says) t.regex(thrown.message, part)
    })
  }
}

test('a label that is no class gives no number in a loss', (t) => {
  const labels = hg.tensor([0, 3, -1], { dtype: 'int32' })
  const loss = hg.crossEntropy(hg.zeros([3, 3]), labels, { reduction: 'none' })
  const [right, ...wrong] = loss.dataSync()
  t.true(Math.abs(Number(right) - Math.log(3)) < 1e-6)
  t.deepEqual(wrong, [Number.NaN, Number.NaN])
  t.is(hg.crossEntropy(hg.zeros([3, 3]), labels).itemSync(), Number.NaN)
})

test.after.always(removeFiles)

test('every wrong call has a name of its own', (t) => {
  const names = Object.values(groups).flatMap((cases) => cases.map(({ name }) => name))
  t.is(new Set(names).size, names.length)
  t.true(names.length >= 60)
})
