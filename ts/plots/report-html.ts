/** Tables and lists of reports as HTML. */
import { escaped } from './page.js'

/** A number to four digits; a dash for none. */
export function numberText(value: number): string {
  return Number.isNaN(value) ? '–' : String(Number(value.toPrecision(4)))
}

/** A table with a head; the first column is text, the others are numbers. */
export function tableHtml(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: 'td' | 'th') =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="scroll"><table class="values">
<thead>${row(head, 'th')}</thead>
<tbody>${rows.map((cells) => row(cells, 'td')).join('\n')}</tbody>
</table></div>`
}

/** A list of names with values. */
export function factsHtml(facts: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `<tr><td>${escaped(name)}</td><td>${escaped(factText(value))}</td></tr>`)
  return `<div class="scroll"><table class="values facts"><tbody>${rows.join('\n')}</tbody></table></div>`
}

function factText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}

/** Sentences as a list. */
export function listHtml(sentences: readonly string[]): string {
  return `<ul>${sentences.map((sentence) => `<li>${escaped(sentence)}</li>`).join('\n')}</ul>`
}

/** A heading of a section. */
export function headingHtml(text: string): string {
  return `<h2>${escaped(text)}</h2>`
}

/** A caption below a figure or table. */
export function captionHtml(text: string): string {
  return `<p class="caption">${escaped(text)}</p>`
}
