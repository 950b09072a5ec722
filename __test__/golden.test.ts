/**
 * Every golden case through the public API, in both precisions. Set GOLDEN_DIR to run the cases of another folder.
 */

import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../ts/core/package-root.js'
import { type Case, type Precision, readFolder } from './golden/format.js'
import { runCase } from './golden/run-case.js'

const folder = process.env.GOLDEN_DIR || join(packageRoot, '__test__', 'data', 'golden')

/** Topics in which nothing may be skipped. */
const complete = new Set([
  'dense',
  'densenet',
  'hsic_training',
  'conv',
  'pooling',
  'batchnorm',
  'batchnorm_layer',
  'activations',
  'losses',
  'losses_extra',
  'embedding',
  'layers_extra',
  'rnn',
  'self_attention',
  'local_conv',
  'tensor_ops',
  'linalg',
  'optimizers',
  'ib_trajectory',
  'estimators',
  'augment',
  'metrics',
  'analysis',
  'vib',
])

async function run(cases: readonly Case[], precision: Precision) {
  const failures: string[] = []
  const skipped: Case[] = []
  for (const c of cases) {
    const outcome = await runCase(c, precision)
    if (outcome.kind === 'failed') failures.push(`${c.name}: ${outcome.why}`)
    if (outcome.kind === 'skipped') skipped.push(c)
  }
  return { failures, skipped }
}

const topics = readFolder(folder)

for (const [topic, cases] of topics) {
  for (const precision of ['float64', 'float32'] as const) {
    test.serial(`${topic}, ${precision}`, async (t) => {
      const { failures, skipped } = await run(cases, precision)
      const names = skipped.map(({ name }) => name)
      if (names.length > 0) t.log(`skipped, no such operation yet: ${names.join(', ')}`)
      t.deepEqual(failures, [])
      const missed = complete.has(topic) ? skipped : []
      t.deepEqual(
        missed.map(({ name }) => name),
        [],
        'cases that must run were skipped',
      )
    })
  }
}

if (process.env.GOLDEN_DIR === undefined) {
  test('the folder holds every topic that must run', (t) => {
    t.deepEqual(
      [...complete].filter((topic) => !topics.has(topic)),
      [],
    )
  })
}
