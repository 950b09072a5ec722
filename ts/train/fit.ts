import { DataError } from '../core/errors.js'
import { between, type Checks, checkOptions, flag, whole } from '../core/options.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayInput } from '../data/array-dataset.js'
import type { Network } from '../models/network.js'
import type { History } from './history.js'
import { outlineOf } from './outline.js'
import { compiledOf, exclusively } from './state.js'
import { TargetRule } from './targets.js'
import { checkTraining, type TrainOptions, trainChecks, trainLocked } from './training-loop.js'

/** Options of `fit`. */
export interface FitOptions extends TrainOptions {
  /** Samples in a batch; the last one keeps what is left. Default 32. */
  batchSize?: number
  /** Share of the samples, chosen at random, that validates: n - floor(n * (1 - share)). In [0, 1), default 0.2. */
  validationSplit?: number
  /** Give the training samples in another order every epoch; otherwise in that of the arrays. Default true. */
  shuffle?: boolean
}

const checks: Checks<FitOptions> = {
  ...trainChecks,
  batchSize: whole(1),
  validationSplit: between(0, 1, 'high'),
  shuffle: flag,
}

/** Makes datasets of arrays and trains on them. The seed of the model decides split and orders. */
export async function fitArrays(
  model: Network,
  x: ArrayInput,
  y: ArrayInput,
  options: FitOptions,
): Promise<History> {
  const given = checkOptions('fit', options, checks)
  const { batchSize, validationSplit = 0.2, shuffle = true, ...rest } = given
  const training = checkTraining(model, rest)
  return exclusively(model, 'fit', async () => {
    const { seed, inputShape, dtype } = model
    const targets = new TargetRule(compiledOf(model, 'fit'), outlineOf(model).outputShape)
    const data = await ArrayDataset.inTurns(x, y, {
      batchSize,
      shuffle,
      seed,
      inputShape,
      dtype,
      ...targets.datasetOptions(y),
      classes: rest.numClasses,
    })
    try {
      const [train, validation] = await inTurns(data.splitting(validationSplit))
      if (train.samples === 0) {
        throw new DataError(
          `fit: ${data.samples} samples with validationSplit ${validationSplit} leave none to train on; lower the split or give more samples`,
        )
      }
      const remark = given.validationSplit === undefined ? ' (validationSplit 0.2; Keras holds out none)' : ''
      return await trainLocked(
        model,
        train,
        validation.samples > 0 ? { ...training, validation } : training,
        `training on ${train.samples} samples, validating on ${validation.samples || 'none'}${remark}`,
      )
    } finally {
      data.dispose()
    }
  })
}
