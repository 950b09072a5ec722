/** Runs one case: values, first and second derivatives, all through the public API. */

import { grad, mul, stack, type Tensor, zeros } from '../../ts/index.js'
import {
  type Case,
  difference,
  numbersOf,
  type Precision,
  plainDifference,
  tensorOf,
  toleranceOf,
} from './format.js'
import type { Operation, Outputs, Tensors } from './operation.js'
import { operation } from './operations.js'

/** The outcome of one case in one precision. */
export type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'skipped' }

/** Runs a case. Cases whose operation does not exist are skipped. */
export async function runCase(c: Case, precision: Precision): Promise<Outcome> {
  const run = operation(c)
  if (run === undefined) return { kind: 'skipped' }
  try {
    const got = await compute(run, c, precision)
    for (const [name, expected] of Object.entries(c.expected)) {
      const found = got[name]
      if (found === undefined) return { kind: 'failed', why: `no ${name}` }
      const tol = toleranceOf(c, precision, expected)
      if ('value' in expected) {
        const value = 'value' in found ? found.value : await found.array()
        const why = plainDifference(value, expected.value, tol)
        if (why !== undefined) return { kind: 'failed', why: `${name}${why}` }
        continue
      }
      if ('value' in found) return { kind: 'failed', why: `${name} is not a tensor` }
      if (`${found.shape}` !== `${expected.shape}`) {
        return { kind: 'failed', why: `${name} has shape [${found.shape}], expected [${expected.shape}]` }
      }
      const why = difference(await found.data(), numbersOf(expected), tol)
      if (why !== undefined) return { kind: 'failed', why: `${name}${why}` }
    }
    return { kind: 'passed' }
  } catch (error) {
    return { kind: 'failed', why: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

async function compute(run: Operation, c: Case, precision: Precision): Promise<Outputs> {
  const inputs: Tensors = {}
  for (const [name, stored] of Object.entries(c.inputs)) inputs[name] = tensorOf(stored, precision)
  const result = await run({ ...inputs }, c, precision)
  const outputs: Outputs = { ...result }
  const diff =
    c.diff ?? Object.keys(c.expected).flatMap((name) => (name.startsWith('grad.') ? [name.slice(5)] : []))
  if (diff.length === 0) return outputs
  const at: Tensors = {}
  for (const name of diff) at[name] = inputs[name] as Tensor
  const first = grad((w: Tensors) => loss(run, { ...inputs, ...w }, c, precision))
  const g = first(at)
  for (const name of diff) outputs[`grad.${name}`] = g[name] as Tensor
  for (const name of (c.params.checksum_grads ?? []) as string[])
    outputs[`gradsum.${name}`] = checksum(g[name] as Tensor)
  if (c.order === 2) {
    const second = grad((w: Tensors) => {
      const inner = first(w)
      return diff
        .map((name) => mul(inner[name] as Tensor, inner[name] as Tensor).sum())
        .reduce((a, b) => a.add(b))
    })(at)
    for (const name of diff) outputs[`second.${name}`] = second[name] as Tensor
  }
  return outputs
}

/** What is stored of a large gradient: its sum, its sum with fixed weights, and its norm. */
function checksum(gradient: Tensor): Tensor {
  const { dtype, shape } = gradient
  const weights = tensorOf({ shape, gen: { kind: 'lcg', add: 7, amp: 1, off: 0 } }, dtype as Precision)
  return stack([gradient.sum(), gradient.mul(weights).sum(), gradient.norm()], 0)
}

/** sum(G y) or sum(G y^2) over the outputs with a weight G; the value itself if there is none. */
function loss(run: Operation, inputs: Tensors, c: Case, precision: Precision): Tensor {
  const outputs = run(inputs, c, precision)
  if (outputs instanceof Promise) throw new Error(`${c.op} must not wait while it is differentiated`)
  let total: Tensor = zeros([], { dtype: precision })
  let weighted = false
  for (const [name, y] of Object.entries(outputs)) {
    const weight = inputs[`G.${name}`]
    if (weight === undefined || 'value' in y) continue
    weighted = true
    total = total.add(mul(weight, c.loss === 'wsumsq' ? y.mul(y) : y).sum())
  }
  const value = outputs.value
  if (!weighted && value !== undefined && !('value' in value)) return value
  return total
}
