/** Losses of classifiers whose targets are rows of scores or one-hot rows `[batch, classes]`. */

import { ArgumentError, ShapeError } from '../../core/errors.js'
import { above, type Checks, checkOptions, listOf, oneOf, orNull, whole } from '../../core/options.js'
import { idOf } from '../../core/tensor.js'
import { logSoftmax, softmax } from '../../ops/activations.js'
import type { Tensor } from '../../ops/tensor.js'
import { zeros } from '../../ops/tensor.js'
import { crossEntropy } from './cross-entropy.js'
import { checkSameShape } from './reduction.js'

/** Options of losses with a scalar result. */
export interface BatchLossOptions {
  /** Default 'mean'. */
  reduction?: 'mean' | 'sum'
}

const batchChecks: Checks<BatchLossOptions> = { reduction: oneOf('mean', 'sum') }

/** Cross-entropy of the class with the largest target entry. */
export function logitCrossEntropy(logits: Tensor, target: Tensor, options: BatchLossOptions = {}): Tensor {
  const given = checkOptions('logitCrossEntropy', options, batchChecks)
  checkSameShape('logitCrossEntropy', logits, target)
  return crossEntropy(logits, target.argMax(1), { ...given })
}

/** Cross-entropy with target probabilities, `-sum target log softmax(logits)`; mean or sum over the batch. */
export function softmaxAndCrossEntropy(
  logits: Tensor,
  target: Tensor,
  options: BatchLossOptions = {},
): Tensor {
  const given = checkOptions('softmaxAndCrossEntropy', options, batchChecks)
  checkSameShape('softmaxAndCrossEntropy', logits, target)
  return crossEntropy(logits, target, { ...given })
}

/** Options of {@link knowledgeDistillation}. */
export interface DistillationOptions {
  /** Softens both distributions; the loss is multiplied by its square so that gradients keep their scale. Default 2. */
  temperature?: number
  /** Class of `logits` of each column of the teacher; other classes have target probability 0. */
  targetMapping?: readonly number[] | null
}

const distillationChecks: Checks<DistillationOptions> = {
  temperature: above(0),
  targetMapping: orNull(listOf(whole(0))),
}

/**
 * Distillation loss (Hinton, Vinyals and Dean 2015):
 * `-T^2 mean over the batch of sum softmax(teacher / T) log softmax(logits / T)`.
 *
 * @param logits `[batch, classes]`; @param teacher `[batch, classes or targetMapping.length]`, logits too
 */
export function knowledgeDistillation(
  logits: Tensor,
  teacher: Tensor,
  options: DistillationOptions = {},
): Tensor {
  const given = checkOptions('knowledgeDistillation', options, distillationChecks)
  const { temperature = 2, targetMapping = null } = given
  idOf('knowledgeDistillation: logits', logits)
  idOf('knowledgeDistillation: teacher', teacher)
  if (targetMapping === null) checkSameShape('knowledgeDistillation', logits, teacher)
  const soft = softmax(teacher.div(temperature), -1)
  const target = targetMapping === null ? soft : spread(soft, targetMapping, logits)
  const logProbs = logSoftmax(logits.div(temperature), -1)
  return target
    .mul(logProbs)
    .sum(1)
    .mean()
    .mul(-(temperature ** 2))
}

/** Puts column j into column mapping[j] of a table as wide as `logits`. */
function spread(columns: Tensor, mapping: readonly number[], logits: Tensor): Tensor {
  const classes = logits.shape[1] as number
  if (columns.shape[1] !== mapping.length) {
    throw new ShapeError(
      `knowledgeDistillation: targetMapping has ${mapping.length} entries for a teacher of shape [${columns.shape}]; give one class per column`,
    )
  }
  if (mapping.some((index) => index >= classes)) {
    throw new ArgumentError(
      `knowledgeDistillation: targetMapping [${mapping}] must hold classes between 0 and ${classes - 1}`,
    )
  }
  const empty = zeros([columns.shape[0] as number, classes], { dtype: columns.dtype })
  return empty.indexAdd(1, [...mapping], columns)
}
