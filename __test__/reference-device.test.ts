/** Programs on the reference device, in a separate process, against the same programs on the CPU. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import type { NestedArray } from '../ts/index.js'
import { close } from './helpers.js'

const programs = new URL('./reference-programs.js', import.meta.url).pathname

/** What the programs give on a device. */
async function on(device: string): Promise<Record<string, NestedArray>> {
  const env = { ...process.env, HYPERGLOW_DEVICE: device }
  const { stdout } = await promisify(execFile)(process.execPath, [programs], { env, maxBuffer: 1 << 26 })
  return JSON.parse(stdout)
}

/** float32 results differ by the order of their sums; float64 results have ten digits. */
const tolerances: Record<string, number> = { float32: 2e-4, float64: 1e-10 }

test('programs give the same on the reference device as on the processor', async (t) => {
  const [cpu, reference] = await Promise.all([on('cpu'), on('reference')])
  t.deepEqual([cpu.device, reference.device], [['cpu'], ['reference']] as unknown as NestedArray[])
  const names = Object.keys(cpu).filter((name) => name !== 'device')
  t.true(names.length >= 15, `${names}`)
  t.deepEqual(Object.keys(reference), Object.keys(cpu))
  for (const name of names) {
    const tolerance = tolerances[name.split(' ')[0] as string]
    if (tolerance === undefined) t.fail(`${name} says no tolerance`)
    else close(t, reference[name] as NestedArray, cpu[name] as NestedArray, tolerance)
  }
})
