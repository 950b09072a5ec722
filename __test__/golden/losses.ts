/** Losses of the golden files in our API. */

import type { Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation, Tensors } from './operation.js'

type LossFunction = (pred: Tensor, target: Tensor, p: Params, inputs: Tensors) => Tensor

/** A loss whose prediction is the input of that name. */
const lossOf =
  (name: 'input' | 'logits', f: LossFunction): Operation =>
  (inputs, c) => ({ y: f(inputs[name] as Tensor, inputs.target as Tensor, c.params, inputs) })

const loss = (f: LossFunction) => lossOf('input', f)
const classifier = (f: LossFunction) => lossOf('logits', f)

/** The shared options of losses of class indices; missing options have our defaults. */
function classOptions(p: Params, inputs: Tensors): hg.CrossEntropyOptions {
  return {
    reduction: p.reduction,
    ...(inputs.weight === undefined ? {} : { weight: inputs.weight }),
    ...(p.ignore_index === undefined ? {} : { ignoreIndex: p.ignore_index as number }),
    ...(p.label_smoothing === undefined ? {} : { labelSmoothing: p.label_smoothing as number }),
  }
}

export const lossOperations: Readonly<Record<string, Operation>> = {
  cross_entropy: loss((x, t, p, inputs) => hg.crossEntropy(x, t, classOptions(p, inputs))),
  nll: loss((x, t, p, inputs) => hg.nll(x, t, classOptions(p, inputs))),
  mse: loss((x, t, p) => hg.mse(x, t, { reduction: p.reduction })),
  l1: loss((x, t, p) => hg.l1(x, t, { reduction: p.reduction })),
  smooth_l1: loss((x, t, p) => hg.smoothL1(x, t, { reduction: p.reduction, beta: p.beta })),
  huber: loss((x, t, p) => hg.huber(x, t, { reduction: p.reduction, delta: p.delta })),
  bce: loss((x, t, p) => hg.bce(x, t, { reduction: p.reduction })),
  bce_with_logits: loss((x, t, p, { pos_weight: posWeight }) =>
    hg.bceWithLogits(x, t, { reduction: p.reduction, ...(posWeight === undefined ? {} : { posWeight }) }),
  ),
  kl_div: loss((x, t, p) => hg.klDiv(x, t, { reduction: p.reduction, logTarget: p.log_target })),
  kd: classifier((x, t, p) =>
    hg.knowledgeDistillation(x, t, { temperature: p.T, targetMapping: p.target_mapping }),
  ),
  softmax_and_cross_entropy: classifier((x, t, p) =>
    hg.softmaxAndCrossEntropy(x, t, { reduction: p.reduction_sum ? 'sum' : 'mean' }),
  ),
  logit_cross_entropy: classifier((x, t) => hg.logitCrossEntropy(x, t)),
  accuracy: classifier((x, t) => hg.accuracy(x, t)),
}
