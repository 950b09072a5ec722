/** Einstein summation. */
import { type Shape, showShape, sizeOf } from '../core/dtype.js'
import { ArgumentError, describe, ShapeError } from '../core/errors.js'
import { idOf, type Tensor } from '../core/tensor.js'
import { matmul } from './contraction.js'
import { mul } from './elementwise.js'
import { diagonal } from './matrices.js'
import { permute, reshape } from './movement.js'
import { alias } from './operands.js'
import { sum } from './reduce.js'

/** A tensor with a letter per axis, without repeated letters. */
interface Term {
  x: Tensor
  letters: string[]
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[][]; output: string[] } {
  const bad = (why: string) =>
    new ArgumentError(`einsum: equation ${describe(equation)}: ${why}; write it as in 'bij,bjk->bik'`)
  if (typeof equation !== 'string') throw bad('expected a string')
  const sides = equation.replaceAll(' ', '').split('->')
  if (sides.length > 2) throw bad('it has more than one arrow')
  const inputs = (sides[0] as string).split(',')
  if (inputs.length !== operands.length) {
    throw bad(`it names ${inputs.length} operands, ${operands.length} were given`)
  }
  for (const side of [...inputs, sides[1] ?? '']) {
    if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(side))
      throw bad(`"${side}" may hold letters and one "..." alone`)
  }
  const ranks = operands.map((x, i) => x.rank - (inputs[i] as string).replace('...', '').length)
  for (const [i, side] of inputs.entries()) {
    const rest = ranks[i] as number
    if (rest < 0 || (rest > 0 && !side.includes('...'))) {
      throw new ShapeError(
        `einsum: operand ${i} is ${showShape((operands[i] as Tensor).shape)}, but "${side}" in ${describe(equation)} names ` +
          `${side.replace('...', '').length} axes; give one letter per axis`,
      )
    }
  }
  // The axes of "..." are numbered from the right, so that operands with fewer of them align.
  const widest = Math.max(0, ...inputs.map((side, i) => (side.includes('...') ? (ranks[i] as number) : 0)))
  const expand = (side: string, count: number): string[] => {
    const [head, tail] = side.split('...') as [string, string?]
    const dots = Array.from({ length: tail === undefined ? 0 : count }, (_, i) => `.${count - i}`)
    return [...head, ...dots, ...(tail ?? '')]
  }
  const terms = inputs.map((side, i) => expand(side, ranks[i] as number))
  return { inputs: terms, output: outputOf(sides[1], terms, widest, expand, bad) }
}

function outputOf(
  side: string | undefined,
  terms: string[][],
  widest: number,
  expand: (side: string, count: number) => string[],
  bad: (why: string) => Error,
): string[] {
  const all = terms.flat()
  if (side === undefined) {
    const once = all.filter(
      (letter) => !letter.startsWith('.') && all.indexOf(letter) === all.lastIndexOf(letter),
    )
    return [...expand('...', widest), ...once.sort()]
  }
  const output = expand(side, widest)
  for (const letter of output) {
    if (!all.includes(letter)) throw bad(`"${letter}" of the result is in no operand`)
    if (output.indexOf(letter) !== output.lastIndexOf(letter)) throw bad(`"${letter}" is twice in the result`)
  }
  return output
}

/** Takes diagonals until no letter is repeated: 'ii' becomes 'i'. */
function distinct(term: Term): Term {
  const twice = term.letters.find((letter, i) => term.letters.indexOf(letter) !== i)
  if (twice === undefined) return term
  const first = term.letters.indexOf(twice)
  const second = term.letters.indexOf(twice, first + 1)
  const [n, m] = [term.x.shape[first], term.x.shape[second]]
  if (n !== m) {
    throw new ShapeError(
      `einsum: "${twice}" has the extents ${n} and ${m} of one operand ${showShape(term.x.shape)}, expected equal ones`,
    )
  }
  const others = term.letters.map((_, i) => i).filter((i) => i !== first && i !== second)
  const letters = others.map((i) => term.letters[i] as string)
  return distinct({ x: diagonal(permute(term.x, [...others, first, second])), letters: [...letters, twice] })
}

/** Sums over the letters that are no longer needed. */
function sumUnused(term: Term, needed: ReadonlySet<string>): Term {
  const gone = term.letters.flatMap((letter, axis) => (needed.has(letter) ? [] : [axis]))
  if (gone.length === 0) return term
  return { x: sum(term.x, gone), letters: term.letters.filter((letter) => needed.has(letter)) }
}

function inOrder(term: Term, letters: readonly string[]): Tensor {
  const order = letters.map((letter) => term.letters.indexOf(letter))
  return order.every((axis, i) => axis === i) ? term.x : permute(term.x, order)
}

/** The term's axes in the order of `letters`, with extents of 1 for missing axes. */
function aligned(term: Term, letters: readonly string[]): Tensor {
  const own = letters.filter((letter) => term.letters.includes(letter))
  const x = inOrder(term, own)
  const shape: Shape = letters.map((letter) => (own.includes(letter) ? extent(term, letter) : 1))
  return reshape(x, shape)
}

function extent(term: Term, letter: string): number {
  return term.x.shape[term.letters.indexOf(letter)] as number
}

/** Multiplies two terms and sums over the letters not in `needed`. */
function contract(a: Term, b: Term, needed: ReadonlySet<string>): Term {
  const shared = a.letters.filter((letter) => b.letters.includes(letter))
  for (const letter of shared) {
    const [n, m] = [extent(a, letter), extent(b, letter)]
    if (n !== m && !(letter.startsWith('.') && (n === 1 || m === 1))) {
      throw new ShapeError(
        `einsum: "${letter}" has the extents ${n} and ${m} of ${showShape(a.x.shape)} and ${showShape(b.x.shape)}, expected equal ones`,
      )
    }
  }
  const batch = shared.filter((letter) => needed.has(letter))
  const summed = shared.filter((letter) => !needed.has(letter))
  const onlyA = a.letters.filter((letter) => !shared.includes(letter))
  const onlyB = b.letters.filter((letter) => !shared.includes(letter))
  const letters = [...batch, ...onlyA, ...onlyB]
  if (summed.length === 0) return { x: mul(aligned(a, letters), aligned(b, letters)), letters }
  const size = (term: Term, some: readonly string[]) => sizeOf(some.map((letter) => extent(term, letter)))
  const shapeOf = (term: Term) => batch.map((letter) => extent(term, letter))
  const left = reshape(inOrder(a, [...batch, ...onlyA, ...summed]), [
    ...shapeOf(a),
    size(a, onlyA),
    size(a, summed),
  ])
  const right = reshape(inOrder(b, [...batch, ...summed, ...onlyB]), [
    ...shapeOf(b),
    size(b, summed),
    size(b, onlyB),
  ])
  const product = matmul(left, right)
  const shape = [
    ...product.shape.slice(0, batch.length),
    ...onlyA.map((letter) => extent(a, letter)),
    ...onlyB.map((letter) => extent(b, letter)),
  ]
  return { x: reshape(product, shape), letters }
}

/**
 * Einstein summation. Every letter names an axis. Letters missing from the result are summed over, a repeated letter in one operand takes
 * its diagonal, and `...` is any further axes, which broadcast. Without `->` the result has the letters that occur once, in alphabetical
 * order. Operands are contracted from left to right.
 *
 *     einsum('bhqd,bhkd->bhqk', q, k)
 *     einsum('ii->', a)                 // trace
 *
 * @throws {ArgumentError} for an invalid equation
 * @throws {ShapeError} for a letter with different extents
 */
export function einsum(equation: string, ...operands: Tensor[]): Tensor {
  for (const x of operands) idOf('einsum', x)
  const { inputs, output } = parse(equation, operands)
  let terms = operands.map((x, i): Term => distinct({ x, letters: inputs[i] as string[] }))
  const neededBy = (rest: readonly Term[]) => new Set([...output, ...rest.flatMap((term) => term.letters)])
  while (terms.length > 1) {
    const [a, b, ...rest] = terms as [Term, Term, ...Term[]]
    const later = neededBy(rest)
    const alone = (term: Term, other: Term) => sumUnused(term, new Set([...later, ...other.letters]))
    terms = [contract(alone(a, b), alone(b, a), later), ...rest]
  }
  const result = sumUnused(terms[0] as Term, new Set(output))
  const ordered = inOrder(result, output)
  return operands.includes(ordered) ? alias(ordered) : ordered
}
