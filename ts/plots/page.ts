/** Pages that open without a network: interactive plots with text. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StateError } from '../core/errors.js'
import { packageRoot } from '../core/package-root.js'
import type { VegaLiteSpec } from './spec.js'

/** A part of a page. */
export type PagePart =
  | {
      readonly kind: 'figure'
      readonly spec: VegaLiteSpec
      /** The drawn chart: shown until the script has started, and without scripts. */
      readonly svg: string
      readonly caption?: string
    }
  | { readonly kind: 'html'; readonly html: string }

/** Text escaped for HTML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
}

/** A browser file of vega or vega-lite, beside the file that programs import. */
async function browserFile(name: 'vega' | 'vega-lite'): Promise<string> {
  try {
    return await readFile(join(dirname(fileURLToPath(import.meta.resolve(name))), `${name}.min.js`), 'utf8')
  } catch (cause) {
    throw new StateError(
      `a page with plots needs the package ${name}, which cannot be read; install the drawing packages with "npm install vega@6 vega-lite@6"`,
      { cause },
    )
  }
}

const ownFile = (name: string) => readFile(join(packageRoot, 'assets', 'page', name), 'utf8')

/** Script escaped for an HTML element. */
const within = (script: string) =>
  script.replace(/<\/(script)/gi, '<\\/$1').replace(/^\/\/# sourceMappingURL=.*$/gm, '')

/**
 * One HTML page of parts, without outside references. Each figure contains its Vega-Lite specification as JSON.
 *
 * @throws StateError if vega or vega-lite is not installed
 */
export async function pageOf(title: string, parts: readonly PagePart[]): Promise<string> {
  const [vega, vegaLite, script, style] = await Promise.all([
    browserFile('vega'),
    browserFile('vega-lite'),
    ownFile('page.js'),
    ownFile('page.css'),
  ])
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="hyperglow">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${parts.map(partHtml).join('\n')}
</main>
<script>${within(vega)}</script>
<script>${within(vegaLite)}</script>
<script>${within(script)}</script>
</body>
</html>
`
}

function partHtml(part: PagePart): string {
  if (part.kind === 'html') return part.html
  // "<" is escaped so that no text of the specification can end the script element.
  const json = JSON.stringify(part.spec).replaceAll('<', '\\u003c')
  const caption = part.caption === undefined ? '' : `<figcaption>${escaped(part.caption)}</figcaption>`
  return `<figure><div class="picture">${part.svg}</div>
<script type="application/json" class="vega-lite-spec">${json}</script>
${caption}</figure>`
}
