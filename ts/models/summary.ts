import type { AnyModule } from '../nn/module.js'
import type { Network } from './network.js'

const heading = ['Layer', 'Kind', 'Output shape', 'Parameters'] as const

/** The layers of a network as a text table; a layer's children are indented below it. */
export function summarize(model: Network): string {
  const table = [[...heading], ...model.layers.flatMap((layer) => rowsOf(layer, layer.name, 0))]
  const widths = heading.map((_, column) => Math.max(...table.map((row) => (row[column] as string).length)))
  const lines = table.map((row) =>
    row
      .map((cell, column) =>
        column === 3 ? cell.padStart(widths[3] as number) : cell.padEnd(widths[column] as number),
      )
      .join('  '),
  )
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

/** The rows of a module and of its children; children are indented by two spaces. */
function rowsOf(module: AnyModule, name: string, depth: number): string[][] {
  const row = [
    `${'  '.repeat(depth)}${name}`,
    module.kind,
    `[${module.outputShape?.join(', ')}]`,
    String(module.countParams()),
  ]
  return [row, ...[...module.children].flatMap(([inner, child]) => rowsOf(child, inner, depth + 1))]
}
