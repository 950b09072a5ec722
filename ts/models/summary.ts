import { textTable } from '../core/text-table.js'
import type { AnyModule } from '../nn/module.js'
import type { Composition } from './composition.js'

const heading = ['Layer', 'Kind', 'Output shape', 'Parameters'] as const

/** The layers of a network as a text table; a layer's children are indented below it, and frozen layers are marked. */
export function summarize(model: Composition): string {
  const table = [[...heading], ...model.layers.flatMap((layer) => rowsOf(layer, layer.name, 0))]
  const lines = textTable(table, { left: [0, 1, 2] }).split('\n')
  const rule = '-'.repeat((lines[0] as string).length)
  const trained = model.parameters().reduce((total, { size }) => total + size, 0)
  const total = model.countParams()
  const what = model.noWeights ? 'handed in' : `${trained} of them trained`
  return [
    `${model.constructor.name}, input [${model.inputShape.join(', ')}], ${model.device}`,
    rule,
    lines[0],
    rule,
    ...lines.slice(1),
    rule,
    `${total} parameters, ${what}`,
  ].join('\n')
}

/** Says whether training leaves parameters of a module as they are. */
function frozenMark({ params }: AnyModule): string {
  const all = [...params.values()]
  const frozen = all.filter(({ trainable }) => !trainable).length
  if (frozen === 0) return ''
  return frozen === all.length ? ' (frozen)' : ` (${frozen} of ${all.length} weights frozen)`
}

/** The rows of a module and of its children; children are indented by two spaces. */
function rowsOf(module: AnyModule, name: string, depth: number): string[][] {
  const row = [
    `${'  '.repeat(depth)}${name}`,
    `${module.kind}${frozenMark(module)}`,
    `[${module.outputShape?.join(', ')}]`,
    String(module.countParams()),
  ]
  return [row, ...[...module.children].flatMap(([inner, child]) => rowsOf(child, inner, depth + 1))]
}
