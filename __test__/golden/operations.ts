/** The operations of the golden files in our API. What has no entry here is reported as skipped. */

import { analysisOperations } from './analysis.js'
import { augmentation } from './augment.js'
import { estimatorOperations } from './estimators.js'
import type { Case } from './format.js'
import { hsicTrainingOperations } from './hsic-training.js'
import { initializerOperations } from './initializers.js'
import { layerOperations } from './layers.js'
import { extraLayerOperations } from './layers-extra.js'
import { lossOperations } from './losses.js'
import { extraLossOperations } from './losses-extra.js'
import { metricOperation } from './metrics.js'
import { neighborOperations } from './neighbors.js'
import type { Operation } from './operation.js'
import { optimizerOperations } from './optimizers.js'
import { tensorOperations } from './tensor-ops.js'
import { trajectory } from './trajectory.js'
import { vib } from './vib.js'

const byOp: Readonly<Record<string, Operation>> = {
  ...layerOperations,
  ...extraLayerOperations,
  ...estimatorOperations,
  ...neighborOperations,
  ...optimizerOperations,
  ...analysisOperations,
  ...hsicTrainingOperations,
  augment: augmentation,
  ib_trajectory: trajectory,
  vib,
}

/** The operation of a case, if there is one. */
export function operation(c: Case): Operation | undefined {
  const fn = String(c.params.fn)
  if (c.op === 'init_misc') return initializerOperations[fn]
  if (c.op === 'tensor') return tensorOperations[fn]
  if (c.op === 'loss' || c.op === 'classifier_loss') return lossOperations[fn]
  if (c.op === 'loss_extra') return extraLossOperations[fn]
  if (c.op === 'metric') return metricOperation(fn)
  return byOp[c.op]
}
