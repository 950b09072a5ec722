/** A task whose weights are averaged over its steps; otherwise the same task. */
import {
  type Outcome,
  type StepContext,
  type Task,
  type Tensor,
  TrainingRecord,
  Variable,
} from '../../ts/index.js'

type VariableTree = Variable | { readonly [name: string]: VariableTree }

/** The Variables of a tree, by path. */
function leaves(tree: VariableTree, path = ''): [string, Variable][] {
  if (tree instanceof Variable) return [[path, tree]]
  return Object.entries(tree).flatMap(([name, part]) => leaves(part, path === '' ? name : `${path}/${name}`))
}

/**
 * Keeps, beside the weights w of a task, their exponential moving average a, which starts at the first weights: after each step `a = rate a
 * + (1 - rate) w` (Polyak and Juditsky 1992 average evenly; this form is that of the TensorFlow programs of 2016).
 */
export class Averaged<B> implements Task<B> {
  readonly parameters
  readonly optimizers
  readonly record
  readonly usesClock
  readonly state
  readonly #task: Task<B>
  readonly #rate: number
  readonly #pairs: readonly (readonly [weight: Variable, average: Variable])[]

  constructor(task: Task<B>, rate: number) {
    this.#task = task
    this.#rate = rate
    this.parameters = task.parameters
    this.optimizers = task.optimizers ?? {}
    this.record = task.record ?? new TrainingRecord()
    this.usesClock = task.usesClock ?? true
    const averages: Record<string, Variable> = {}
    this.#pairs = leaves(task.parameters as VariableTree).map(([path, weight]) => {
      const average = new Variable(weight.value, { name: `average.${path}`, trainable: false })
      averages[path] = average
      return [weight, average] as const
    })
    this.state = { task: (task.state ?? {}) as VariableTree & object, averages }
  }

  step(batch: B, ctx: StepContext): Outcome {
    const outcome = this.#task.step(batch, ctx)
    for (const [weight, average] of this.#pairs) {
      average.assign(average.value.mul(this.#rate).add(weight.value.mul(1 - this.#rate)))
    }
    return outcome
  }

  /** Runs `f` with the averaged weights. */
  async withAverages<T>(f: () => Promise<T>): Promise<T> {
    const kept: Tensor[] = this.#pairs.map(([weight]) => weight.value)
    for (const [weight, average] of this.#pairs) weight.assign(average.value)
    try {
      return await f()
    } finally {
      this.#pairs.forEach(([weight], index) => {
        weight.assign(kept[index] as Tensor)
      })
    }
  }

  dispose(): void {
    for (const [, average] of this.#pairs) average.dispose()
  }
}
