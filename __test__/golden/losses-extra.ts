/** Further losses of the golden files in our API. */

import type { Tensor } from '../../ts/index.js'
import * as hg from '../../ts/index.js'
import type { Params } from './format.js'
import type { Operation, Tensors } from './operation.js'

type LossFunction = (inputs: Tensors, p: Params) => Tensor

const LOSSES: Readonly<Record<string, LossFunction>> = {
  sigmoid_focal: ({ input, target }, { reduction, alpha, gamma }) =>
    hg.sigmoidFocal(input as Tensor, target as Tensor, {
      reduction,
      gamma,
      ...(alpha === null ? {} : { alpha }),
    }),
  softmax_focal: ({ input, target, alpha }, { reduction, gamma }) =>
    hg.softmaxFocal(input as Tensor, target as Tensor, {
      reduction,
      gamma,
      ...(alpha === undefined ? {} : { alpha }),
    }),
  hinge: ({ input, target }, { reduction, margin }) =>
    hg.hinge(input as Tensor, target as Tensor, { reduction, margin }),
  squared_hinge: ({ input, target }, { reduction, margin }) =>
    hg.squaredHinge(input as Tensor, target as Tensor, { reduction, margin }),
  multi_margin: ({ input, target }, { reduction, margin, p }) =>
    hg.multiMargin(input as Tensor, target as Tensor, { reduction, margin, p }),
  cosine_similarity: ({ input, target }, { reduction }) =>
    hg.cosineDistance(input as Tensor, target as Tensor, { reduction }),
  cosine_embedding: ({ input1, input2, target }, { reduction, margin }) =>
    hg.cosineEmbedding(input1 as Tensor, input2 as Tensor, target as Tensor, { reduction, margin }),
  triplet_margin: ({ anchor, positive, negative }, { reduction, margin, p, swap, eps }) =>
    hg.tripletMargin(anchor as Tensor, positive as Tensor, negative as Tensor, {
      reduction,
      margin,
      p,
      swap,
      eps,
    }),
  nt_xent: ({ input1, input2 }, { reduction, temperature }) =>
    hg.ntXent(input1 as Tensor, input2 as Tensor, { reduction, temperature }),
  ctc: ({ input, target, input_lengths: inputs, target_lengths: targets }, p) =>
    hg.ctc(input as Tensor, target as Tensor, inputs as Tensor, targets as Tensor, {
      reduction: p.reduction,
      blank: p.blank,
      zeroInfinity: p.zero_infinity,
    }),
  poisson_nll: ({ input, target }, { reduction, log_input: logInput, full, eps }) =>
    hg.poissonNll(input as Tensor, target as Tensor, { reduction, logInput, full, eps }),
  gaussian_nll: ({ input, target, var: variance }, { reduction, full, eps }) =>
    hg.gaussianNll(input as Tensor, target as Tensor, variance as Tensor, { reduction, full, eps }),
}

export const extraLossOperations: Readonly<Record<string, Operation>> = Object.fromEntries(
  Object.entries(LOSSES).map(([name, f]) => [name, (inputs, { params }) => ({ y: f(inputs, params) })]),
)
