import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { HyperglowError } from '../ts/core/errors.js'
import type { ArrayData } from '../ts/io/index.js'

/** A folder of a test file's own, gone when its tests are done. */
export const scratch = mkdtempSync(join(tmpdir(), 'hyperglow-io-'))
test.after.always(() => rmSync(scratch, { recursive: true, force: true }))
let folders = 0
/** A path that nothing is at yet. */
export const fresh = (name = '') => join(scratch, `${folders++}${name}`)

export const error = (instanceOf: new (message: string) => HyperglowError, message: RegExp) => ({
  instanceOf,
  message,
})

export const f32 = (shape: number[], ...values: number[]): ArrayData => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
})
