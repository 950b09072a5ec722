/** Augmentation of the golden files: a script of changes, with the numbers of each sample given. */

import type { Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Operation, Tensors } from './operation.js'

/** One line of a script. */
interface Step {
  readonly do: string
  readonly padding?: number
  readonly mode?: 'zero' | 'reflect' | 'replicate'
  readonly size?: number | [number, number]
  readonly fill?: number
}

const steps: Readonly<Record<string, (x: Tensor, given: Tensors, step: Step) => Tensor>> = {
  horizontal_flip: (x, { flip }) => hg.flipImages(x, flip as Tensor),
  pad_crop: (x, { offset }, { padding, mode, size }) =>
    hg.cropImages(x, offset as Tensor, {
      size: size as [number, number],
      padding: padding as number,
      mode: mode === 'zero' ? 'constant' : (mode as 'reflect'),
    }),
  shift: (x, { shift }, { fill }) => hg.shiftImages(x, shift as Tensor, { fill: fill as number }),
  cutout: (x, { center }, { size, fill }) =>
    hg.cutoutImages(x, center as Tensor, { size: size as number, fill: fill as number }),
  normalize: (x, { mean, std }) => hg.normalizeImages(x, mean as Tensor, std as Tensor),
}

export const augmentation: Operation = (inputs, { params }) => {
  const script = params.script as readonly Step[]
  const y = script.reduce((x, step) => {
    const change = steps[step.do]
    if (change === undefined) throw new Error(`there is no step ${step.do}`)
    return change(x, inputs, step)
  }, inputs.x as Tensor)
  return { y }
}
