/** Probabilities of classes from scores that are over- or underconfident. */
import { literal } from '../core/create.js'
import { concat } from '../ops/index.js'
import type { Tensor } from '../ops/tensor.js'

/** Slopes to try for the scores (temperature scaling; Guo, Pleiss, Sun and Weinberger 2017). */
const slopes = [2, 1, 0.7, 0.5, 0.3, 0.15, 0.06, 0.02, 0.007] as const

/** Weights of the priors to try, besides 0.1, 1 and 3 samples of n: they bound the cost of a wrong class. Weight 1 is only the priors. */
const parts = [0.003, 0.01, 0.03, 0.1, 0.3, 1] as const

/**
 * Cross-entropy in nats of classes, summed over the samples; the scores of each sample were made without the sample:
 *
 *   q = (1 - e) softmax(s score + ln prior) + e prior
 *
 * with the slope s, the weight e and, of several classifiers, the classifier that are best on the other folds.
 *
 * @param rules scores `[n, classes]` of each classifier
 * @param members one-hot `[n, classes]`
 * @param priors of the classes in the other folds, `[n, classes]`, 0 for absent classes
 * @param inFold `[folds, n]`, 1 if a sample is in a fold
 */
export function calibratedLoss(
  rules: readonly Tensor[],
  members: Tensor,
  priors: Tensor,
  inFold: Tensor,
): Tensor {
  const n = members.shape[0] as number
  const mixed = Float64Array.from([0.1 / n, 1 / n, 3 / n, ...parts])
  const part = literal(mixed).expandDims(0)
  const ownPrior = priors.mul(members).sum(1).expandDims(1)
  // An absent class has no part in any sum.
  const logPriors = priors.maximum(1e-300).log().add(priors.equal(0).cast('float64').mul(-1e300))
  const own = (scores: Tensor) => scores.mul(members).sum(1)
  const losses = rules.flatMap((scores) =>
    slopes.map((slope) => {
      const logits = scores.mul(slope).add(logPriors)
      const right = own(scores).mul(slope).add(own(logPriors)).sub(logits.logSumExp(1)).exp().expandDims(1)
      return right.mul(part.neg().add(1)).add(ownPrior.mul(part)).log().neg()
    }),
  )
  const perFold = inFold.matmul(concat(losses, 1))
  const elsewhere = perFold.sum(0).sub(perFold)
  return perFold.takeAlong(elsewhere.argMin(1).cast('int32').expandDims(1), 1).sum()
}
