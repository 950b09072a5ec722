/** What names of files, folders and arrays tell: epochs, runs, and which arrays are the ends of the network. */

/** Which end of the network an array is, by its name. */
export type End = 'x' | 'y'

const input = /^(x(s|test|train|val|data|in)?|inputs?)([ _.-].*|\d.*)?$/i
const target = /^(y(s|test|train|val|true|data|labels?)?|labels?|targets?|classes)([ _.-].*|\d.*)?$/i
/** Names that begin as an end does, and are what a network made of it. */
const made = /(pred|hat|prob|score|logit|out|recon)/i

/** The end that an array of this name is; undefined for a layer. */
export function endOf(name: string): End | undefined {
  if (made.test(name)) return undefined
  if (input.test(name)) return 'x'
  return target.test(name) ? 'y' : undefined
}

/** A name with the number of an epoch in it, and what is left of it. */
export interface Numbered {
  readonly epoch: number
  readonly rest: string
  /** What the number counts, as the name says. */
  readonly counts: 'epochs' | 'steps'
}

const words = '(epochs?|ep|e|steps?|iter(?:ation)?s?|it|ckpt|checkpoint)'
const inFolder = new RegExp(String.raw`(?<![a-z])${words}[ _.=-]?(\d+)(?!\d)`, 'i')
const inArray = /(?<![a-z])(epochs?|ckpt|checkpoint)[ _.=-]?(\d+)(?!\d)/i

/** The epoch that a name of a folder or file tells in words, such as `seed1_epoch10`; of an array, in fewer words, since layers have numbers. */
export function epochIn(name: string, of: 'folder' | 'array'): Numbered | undefined {
  const found = (of === 'folder' ? inFolder : inArray).exec(name)
  if (found === null) return undefined
  const [whole, word = '', digits = ''] = found
  const before = name.slice(0, found.index).replace(/[ _.=/-]+$/, '')
  const after = name.slice(found.index + whole.length).replace(/^[ _.=/-]+/, '')
  const rest = [before, after].filter((part) => part !== '').join('_')
  return { epoch: Number(digits), rest, counts: /^(step|it)/i.test(word) ? 'steps' : 'epochs' }
}

const runWord = /(?<![a-z])(seed|run|trial|rep|replicate|repeat|fold|init)s?(?![a-z])/i

/** Whether a name says that its number is that of a run. */
export function isRunName(name: string): boolean {
  return runWord.test(name)
}

/** A name with one number, and the text around it; undefined for names without a number, or with several. */
export function numberIn(name: string): { readonly number: number; readonly around: string } | undefined {
  const digits = name.match(/\d+/g)
  if (digits === null || digits.length !== 1) return undefined
  return { number: Number(digits[0]), around: name.replace(digits[0], '#') }
}

/** Order of names in which numbers count as numbers: fc2 comes before fc10. */
export function byName(a: string, b: string): number {
  const [as, bs] = [partsOf(a), partsOf(b)]
  for (let i = 0; i < Math.min(as.length, bs.length); i++) {
    const [p, q] = [as[i] as string, bs[i] as string]
    const [m, n] = [Number(p), Number(q)]
    if (/^\d/.test(p) && /^\d/.test(q) && m !== n) return m - n
    if (p !== q) return p < q ? -1 : 1
  }
  return as.length - bs.length
}

const partsOf = (name: string): string[] => name.toLowerCase().match(/\d+|\D+/g) ?? []
