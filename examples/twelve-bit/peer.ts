/** The same training with PyTorch, timed beside ours if the environment variable PEER_PYTHON names a Python with PyTorch. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Activation } from './networks.js'

/** Seconds of PyTorch for all epochs of all seeds. */
export interface PeerTimes {
  /** All seeds in one network with a first axis of seeds, as here. */
  readonly batched: number
  /** One network after the other. */
  readonly oneByOne: number
  readonly version: string
}

const program = fileURLToPath(new URL('../../../benches/peers/twelve_bit.py', import.meta.url))
/** Number of timed epochs; the total time is extrapolated from their median. */
const timed = 60

export function peerTimes(
  activation: Activation,
  seeds: number,
  epochs: number,
  threads: number,
): PeerTimes | undefined {
  const python = process.env.PEER_PYTHON
  if (python === undefined || python === '') return undefined
  const args = [program, activation, String(seeds), String(timed), String(threads)]
  const { status, stdout, stderr, error } = spawnSync(python, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${python} ${args.join(' ')}: ${error?.message ?? stderr}`)
  const seconds = JSON.parse(stdout) as { batched: number; one_by_one: number; torch: string }
  return {
    batched: seconds.batched * epochs,
    oneByOne: seconds.one_by_one * epochs,
    version: seconds.torch,
  }
}
