/** The TypeScript of a page of documentation, as programs that can be compiled. */
import ts from 'typescript-6'

/** Declarations that blocks may use. */
const given: Readonly<Record<string, string>> = {
  model: 'IBSequential',
  history: 'History',
  train: 'ArrayDataset',
  validation: 'ArrayDataset',
  test: 'ArrayDataset',
  x: 'Tensor',
  y: 'Tensor',
  images: 'Tensor',
}

/** The blocks of TypeScript in a page, with the line that each begins on. */
function blocksOf(markdown: string): { line: number; text: string }[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(({ index, 1: text = '' }) => ({
    line: markdown.slice(0, index).split('\n').length + 1,
    text,
  }))
}

/** Names that a block declares, and all that it mentions. */
function namesIn(text: string): { declared: Set<string>; mentioned: Set<string> } {
  const [declared, mentioned] = [new Set<string>(), new Set<string>()]
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) mentioned.add(node.text)
    const isDeclaration =
      ts.isVariableDeclaration(node) ||
      ts.isBindingElement(node) ||
      ts.isClassDeclaration(node) ||
      ts.isImportSpecifier(node) ||
      ts.isParameter(node)
    if (isDeclaration && node.name !== undefined && ts.isIdentifier(node.name)) declared.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('block.mts', text, ts.ScriptTarget.ES2022, true))
  return { declared, mentioned }
}

/**
 * A program for each block of a page: the block as it stands, behind imports of what it uses of the library and declarations of what it takes as given, all in
 * one line in front so that lines of the page are lines of the program.
 *
 * @param exported names of the library
 */
export function programsOf(page: string, markdown: string, exported: readonly string[]): Map<string, string> {
  const programs = blocksOf(markdown).map(({ line, text }) => {
    const { declared, mentioned } = namesIn(text)
    const taken = Object.keys(given).filter((name) => mentioned.has(name) && !declared.has(name))
    const types = taken.map((name) => given[name] as string)
    const wanted = exported.filter(
      (name) => (mentioned.has(name) && !declared.has(name) && !(name in given)) || types.includes(name),
    )
    const imports = wanted.length === 0 ? '' : `import { ${wanted.join(', ')} } from 'hyperglow'; `
    const declarations = taken.map((name) => `declare const ${name}: ${given[name]}; `).join('')
    return [
      `${page}-${line}`,
      `${'\n'.repeat(line - 2)}${imports}${declarations}\n${text}export {}\n`,
    ] as const
  })
  return new Map(programs)
}
