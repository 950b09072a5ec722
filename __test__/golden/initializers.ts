/** Initializers of the golden files in our API. */

import * as hg from '../../ts/index.js'
import type { Operation } from './operation.js'

/**
 * The measured bound of a uniform initializer: the same draws of the same key, compared with those for fans at which the bound is 1.
 *
 * @param unit the fan-in at which the bound is 1
 */
function boundOf(initializer: hg.initializers.Initializer, shape: readonly number[], unit: number): number {
  const { fanIn, fanOut } = hg.initializers.fans(shape)
  const draw = (fan: number) =>
    initializer(hg.key(1), shape, fan, fanOut, 'float64').dataSync() as Float64Array
  const [own, one] = [draw(fanIn), draw(unit)]
  return (own[0] as number) / (one[0] as number)
}

export const initializerOperations: Readonly<Record<string, Operation>> = {
  calc_fan_in_and_out: (_, { params: p }) => {
    const { fanIn, fanOut } = hg.initializers.fans(p.shapes)
    return { value: { value: [fanIn, fanOut] } }
  },
  xavier_fan_in_: (_, { params: p }) => {
    const bound = boundOf(hg.initializers.lecunUniform(), p.shape, 3)
    return { inits: { value: [['uniform', p.shape, -bound, bound]] } }
  },
  init_params: (_, { params: p }) => {
    const bound = boundOf(hg.initializers.uniformFanIn(), p.shape, 1)
    return { weight_bound: { value: bound }, bias_bound: { value: bound } }
  },
  lambda_lr_schedule: (_, { params: p }) => {
    const schedule = hg.residualNetworkLR()
    return { value: { value: p.epochs.map((epoch: number) => schedule(1, epoch)) } }
  },
}
