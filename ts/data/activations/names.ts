/** Names of files, folders and arrays: epochs, runs, and inputs or labels. */

/** Inputs or labels. */
export type End = 'x' | 'y'

const input = /^(x(s|test|train|val|data|in)?|inputs?)([ _.-].*|\d.*)?$/i
const target = /^(y(s|test|train|val|true|data|labels?)?|labels?|targets?|classes)([ _.-].*|\d.*)?$/i
/** Prefixes like those of labels or inputs, in names of the network's outputs. */
const made = /(pred|hat|prob|score|logit|out|recon)/i

/** Whether an array of this name holds inputs or labels; undefined for a layer. */
export function endOf(name: string): End | undefined {
  if (made.test(name)) return undefined
  if (input.test(name)) return 'x'
  return target.test(name) ? 'y' : undefined
}

/** A name with the number of an epoch, and the rest of the name. */
export interface Numbered {
  readonly epoch: number
  readonly rest: string
  /** The unit of the number, by the name. */
  readonly counts: 'epochs' | 'steps'
}

const words = '(epochs?|ep|e|steps?|iter(?:ation)?s?|it|ckpt|checkpoint)'
const inFolder = new RegExp(String.raw`(?<![a-z])${words}[ _.=-]?(\d+)(?!\d)`, 'i')
const inArray = /(?<![a-z])(epochs?|ckpt|checkpoint)[ _.=-]?(\d+)(?!\d)/i

/** The epoch in the name of a folder or file, such as `seed1_epoch10`. For an array fewer words count, since layers have numbers. */
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

/** Whether a name marks its number as the number of a run. */
export function isRunName(name: string): boolean {
  return runWord.test(name)
}

/** A name with one number, and the text around it; undefined for names without a number, or with several. */
export function numberIn(name: string): { readonly number: number; readonly around: string } | undefined {
  const digits = name.match(/\d+/g)
  if (digits === null || digits.length !== 1) return undefined
  return { number: Number(digits[0]), around: name.replace(digits[0], '#') }
}

/** Order of names with numbers by value: fc2 comes before fc10. */
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
