/** The tests that the table names: their titles in the sources, and the cases of the golden files. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript-6'
import { packageRoot } from '../../ts/core/package-root.js'
import { readFolder } from '../golden/format.js'
import { operation } from '../golden/operations.js'

/** A text as a pattern of itself. */
const literal = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Titles of the tests of a file. Parts that are filled in at run time match anything. */
function titlesOf(file: string): RegExp[] {
  const text = readFileSync(join(packageRoot, '__test__', `${file}.test.ts`), 'utf8')
  const titles: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(test(\.serial)?|onCuda)$/.test(node.expression.getText())) {
      const [title] = node.arguments
      if (title !== undefined) titles.push(patternOf(title))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true))
  return titles.map((title) => new RegExp(`^${title}$`))
}

function patternOf(title: ts.Expression): string {
  if (ts.isStringLiteralLike(title)) return literal(title.text)
  if (!ts.isTemplateExpression(title)) return '(?!)'
  return (
    literal(title.head.text) + title.templateSpans.map((span) => `.+${literal(span.literal.text)}`).join('')
  )
}

const golden = () => readFolder(join(packageRoot, '__test__', 'data', 'golden'))

/** Those of the tests that are not there, or golden cases that are skipped. */
export function missingTests(tests: Iterable<string>): string[] {
  const topics = golden()
  const titles = new Map<string, readonly RegExp[]>()
  const isThere = (test: string) => {
    const [, isGolden, place = '', name = ''] = /^(golden )?([\w-]+): (.+)$/s.exec(test) ?? []
    if (isGolden) {
      const wanted = new RegExp(`^${literal(name).replaceAll('\\*', '.*')}$`)
      return (
        topics.get(place)?.some((found) => wanted.test(found.name) && operation(found) !== undefined) === true
      )
    }
    try {
      if (!titles.has(place)) titles.set(place, titlesOf(place))
    } catch {
      titles.set(place, [])
    }
    return titles.get(place)?.some((title) => title.test(name)) === true
  }
  return [...new Set(tests)].filter((test) => !isThere(test))
}
