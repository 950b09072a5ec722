/** `hyperglow devices`: the devices that can compute. */
import { availableParallelism } from 'node:os'
import { type DeviceInfo, devices } from '../../core/memory.js'
import { version } from '../../core/version.js'
import type { Terminal } from '../terminal.js'

/** Standard names of instruction sets. */
const instructions: Readonly<Record<string, string>> = {
  amx: 'AVX-512 and AMX',
  avx512: 'AVX-512',
  avx2: 'AVX2 and FMA',
  portable: 'those of every processor of its kind',
  cuda: 'those of the GPU',
  interpreted: 'none: one operation after the other, by its definition',
}

/** Lists the devices. */
export function devicesCommand(terminal: Terminal): void {
  const found = devices()
  terminal.json({ devices: found, processors: availableParallelism(), node: process.version })
  const rows = found.map(({ name, isDefault, threads, level }: DeviceInfo) => [
    name,
    isDefault ? 'yes' : '',
    String(threads),
    instructions[level] ?? level,
  ])
  terminal.table([['device', 'default', 'threads', 'instructions'], ...rows], { left: [0, 1, 3] })
  terminal.prose(
    `\nhyperglow ${version}, Node ${process.version}, ${availableParallelism()} processors. HYPERGLOW_DEVICE=NAME sets the default device. The device "reference" is slow; please report results that differ on it.`,
  )
}
