import type { Network } from './network.js'

const heading = ['Layer', 'Kind', 'Output shape', 'Parameters'] as const

/** The layers of a network as a text table. */
export function summarize(model: Network): string {
  const rows = model.layers.map((layer) => [
    layer.name,
    layer.kind,
    `[${layer.outputShape?.join(', ')}]`,
    String(layer.countParams()),
  ])
  const table = [[...heading], ...rows]
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
  return [
    `${model.constructor.name}, input [${model.inputShape.join(', ')}], ${model.device}`,
    rule,
    lines[0],
    rule,
    ...lines.slice(1),
    rule,
    `${total} parameters, ${trained} of them trained`,
  ].join('\n')
}
