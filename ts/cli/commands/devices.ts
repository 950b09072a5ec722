/** `hyperglow devices`: what there is to compute on. */
import { availableParallelism } from 'node:os'
import { devices } from '../../core/memory.js'
import { columns, type Terminal } from '../terminal.js'

/** Lists the devices. */
export function devicesCommand(terminal: Terminal): void {
  const found = devices()
  terminal.json({ devices: found, processors: availableParallelism(), node: process.version })
  const rows = found.map(({ name, isDefault, ...told }) => [
    name,
    isDefault ? 'default' : '',
    Object.values(told)
      .filter((value) => typeof value === 'string' || typeof value === 'number')
      .join(', '),
  ])
  terminal.print(columns([['device', '', 'what it is'], ...rows]))
}
