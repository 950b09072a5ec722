/** Missing, damaged and foreign checkpoints. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as hg from '../../ts/index.js'
import {
  ArgumentError,
  DataError,
  IOError,
  type Network,
  StateError,
  UnknownNameError,
} from '../../ts/index.js'
import { type BadInput, bad, untyped } from './case.js'
import { folder, unwritable } from './files.js'
import { plain, ready, unchanged } from './samples.js'

/** Writes a checkpoint of another model and loads it into this one. */
async function swap(model: Network, other: Network, name: string): Promise<unknown> {
  const path = join(folder, name)
  await other.save(path)
  return unchanged(model, () => model.load(path))
}

export const checkpointCases: readonly BadInput[] = [
  bad('a checkpoint that cannot be written', IOError, [/cannot write/, /not-a-folder/], () =>
    plain().save(unwritable('model')),
  ),
  bad('a checkpoint without a name', ArgumentError, [/save: given undefined/, /path of a file/], () =>
    plain().save(untyped(undefined)),
  ),
  bad('an unknown option of load', UnknownNameError, [/"optimiser"/, /did you mean "optimizer"/], () =>
    plain().load(join(folder, 'nothing'), untyped({ optimiser: false })),
  ),
  bad(
    'a checkpoint that is not there',
    IOError,
    [/cannot read .*nothing\.safetensors/, /given to save/],
    () => plain().load(join(folder, 'nothing')),
  ),
  bad('a checkpoint of wider layers', DataError, [/another model/, /dense \(5\)/, /same layers/], () =>
    swap(plain(), plain(5), 'wider'),
  ),
  bad('a checkpoint of another optimizer', StateError, [/'adam'/, /'sgd'/, /optimizer: false/], () =>
    swap(ready(), ready({ optimizer: 'adam' }), 'adam'),
  ),
  bad('a checkpoint cut off', DataError, [/not a valid safetensors file/, /copy it again/], async () => {
    const model = plain()
    const path = join(folder, 'cut')
    await model.save(path)
    writeFileSync(`${path}.safetensors`, 'x'.repeat(100))
    return unchanged(model, () => model.load(path))
  }),
  bad(
    'a checkpoint with weights of another shape',
    DataError,
    [/layers\.0\.kernel/, /\(4, 3\)/, /same layers/],
    async () => {
      const model = plain()
      const path = join(folder, 'reshaped')
      await model.save(path)
      const { tensors, metadata } = await hg.readSafetensors(`${path}.safetensors`)
      const kernel = tensors.get('layers.0.kernel') as hg.ArrayData
      tensors.set('layers.0.kernel', { ...kernel, shape: [3, 4] })
      await hg.writeSafetensors(`${path}.safetensors`, tensors, metadata)
      return unchanged(model, () => model.load(path))
    },
  ),
  bad('a description that is not JSON', DataError, [/not JSON/, /given to save/], async () => {
    const model = plain()
    const path = join(folder, 'described')
    await model.save(path)
    const { tensors, metadata } = await hg.readSafetensors(`${path}.safetensors`)
    await hg.writeSafetensors(`${path}.safetensors`, tensors, { ...metadata, description: '{ "format": ' })
    return unchanged(model, () => model.load(path))
  }),
  bad('weights of another program', DataError, [/does not describe a model/, /readSafetensors/], async () => {
    const path = join(folder, 'foreign')
    await hg.writeSafetensors(`${path}.safetensors`, {
      w: { dtype: 'float32', shape: [1], data: Float32Array.of(1) },
    })
    return plain().load(path)
  }),
]
