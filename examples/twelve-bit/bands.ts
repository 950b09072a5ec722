/** Criteria of the runs: the bands of the published experiment, measured with 6 seeds of 2000 epochs. */
import { type Course, courseOf, fall } from './measures.js'

export interface Check {
  readonly claim: string
  readonly measured: string
  /** Undefined if no network qualifies. */
  readonly holds: boolean | undefined
}

export interface Runs {
  readonly accuracies: readonly number[]
  readonly binned: Course
  readonly kde: Course
}

const hidden = [0, 1, 2, 3, 4]
const output = 5
const bitsText = (values: readonly number[]) => values.map((v) => v.toFixed(2)).join(' ')
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

export function tanhChecks({ accuracies, binned }: Runs): Check[] {
  const seeds = accuracies.map((_, seed) => seed)
  const lowest = seeds.map((seed) => Math.min(...[0, 1].flatMap((layer) => courseOf(binned, seed, layer))))
  const last = seeds.map((seed) => fall(courseOf(binned, seed, 4)))
  const ends = seeds.map((seed) => fall(courseOf(binned, seed, output)))
  const known = seeds.map((seed) => courseOf(binned, seed, output, 1).at(-1) as number)
  const falling = last.filter((v) => v >= 1).length / last.length
  return [
    {
      claim: 'tanh: train accuracy of every seed at least 0.97',
      measured: accuracies.map((a) => a.toFixed(3)).join(' '),
      holds: accuracies.every((a) => a >= 0.97),
    },
    {
      claim: 'tanh: I(X;T) of hidden layers 1 and 2 stays at least 11.9 bits',
      measured: `lowest ${bitsText(lowest)}`,
      holds: lowest.every((v) => v >= 11.9),
    },
    {
      claim:
        'tanh: hidden layer 5 falls from its peak by 1.0 bit or more in 80 % of the seeds, by 2.0 on average',
      measured: `falls ${bitsText(last)}, mean ${mean(last).toFixed(2)}`,
      holds: falling >= 0.8 && mean(last) >= 2,
    },
    {
      claim: 'tanh: the softmax output falls by 1.5 bits or more (mean over seeds)',
      measured: `falls ${bitsText(ends)}, mean ${mean(ends).toFixed(2)}`,
      holds: mean(ends) >= 1.5,
    },
    {
      claim: 'tanh: I(T;Y) of the output ends at 0.90 bit or more (mean over seeds)',
      measured: `${bitsText(known)}, mean ${mean(known).toFixed(2)}`,
      holds: mean(known) >= 0.9,
    },
  ]
}

export function reluChecks({ accuracies, binned, kde }: Runs): Check[] {
  const trained = accuracies.map((_, seed) => seed).filter((seed) => (accuracies[seed] as number) >= 0.95)
  const check = (name: string, course: Course): Check => {
    const falls = trained.map((seed) =>
      Math.max(...hidden.map((layer) => fall(courseOf(course, seed, layer)))),
    )
    return {
      claim: `relu, seeds of accuracy 0.95 or more: no hidden layer falls by more than 0.6 bit (${name})`,
      measured: falls.length > 0 ? `largest falls ${bitsText(falls)}` : 'no such seed',
      holds: falls.length > 0 ? falls.every((v) => v <= 0.6) : undefined,
    }
  }
  return [check('bins of 0.07', binned), check('KDE upper bound, v = 0.001', kde)]
}
