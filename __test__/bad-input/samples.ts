/** Small models and data for wrong calls. */

import { type CompileOptions, Dense, type Network, Sequential } from '../../ts/index.js'

/** Two layers that classify 3 features into 2 classes, not compiled. */
export function plain(units = 4): Sequential {
  const model = new Sequential({ inputShape: [3], seed: 1 })
  return model.add(new Dense(units, { activation: 'relu' })).add(new Dense(2, { activation: 'softmax' }))
}

/** The same, compiled. */
export const ready = (options: CompileOptions = {}) => plain().compile(options)

/** 8 samples of 3 features. */
export const x = Array.from({ length: 8 }, (_, i) => [i / 8, 1 - i / 8, (i % 3) / 2])
/** Their classes. */
export const y = [0, 1, 0, 1, 0, 1, 0, 1]

/** No progress on the terminal. */
export const quiet = { verbose: false } as const
/** Runs a call that fails, and throws another error if the weights have changed. */
export async function unchanged(model: Network, work: () => Promise<unknown>): Promise<unknown> {
  const weights = async () => {
    const values = Object.values(model.weights).map((variable) => variable.data())
    return String((await Promise.all(values)).map((value) => Array.from(value as Float32Array)))
  }
  const before = await weights()
  const [outcome] = await Promise.allSettled([work()])
  if ((await weights()) !== before) throw new Error('the weights were changed by a call that failed')
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}
