/** `hyperglow recorder`: a program that writes activations, for another framework. */
import { unknownName } from '../../core/errors.js'
import { type Framework, recorders } from '../recorders.js'
import type { Terminal } from '../terminal.js'

/** Prints the recorder of a framework. */
export function recorderCommand(framework: string, terminal: Terminal): void {
  const names = Object.keys(recorders)
  if (!names.includes(framework)) throw unknownName('framework', framework, names)
  const program = recorders[framework as Framework]
  terminal.json({ framework, program })
  terminal.print(program.trimEnd())
}
