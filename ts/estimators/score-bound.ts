import { NumericalError } from '../core/errors.js'
import { type Checks, oneOf } from '../core/options.js'
import type { Variable } from '../core/variable.js'
import { foldIn } from '../ops/random.js'
import type { Tensor } from '../ops/tensor.js'
import {
  type CriticValues,
  type CriticWeights,
  denseWeights,
  jointScores,
  separableScores,
} from './critic.js'
import type { Findings } from './details.js'
import type { InformationOptions } from './information.js'
import { TrainedEstimator, type TrainedOptions } from './trained.js'

/** Options of estimators whose network scores pairs of samples. */
export interface CriticOptions extends TrainedOptions {
  /** 'joint' (default): one network of x and y. 'separable': the inner product of a network of x and one of y. */
  critic?: 'joint' | 'separable'
}

/** Length of the two outputs that a separable critic multiplies. */
const embedding = 32

/**
 * A bound on information by a trained critic, a function of the scores of all pairs of a batch. At most the entropy of either side in the
 * samples, ln n if all rows differ: no lower bound with high confidence exceeds about that (McAllester and Stratos 2020).
 */
export abstract class ScoreBound<O extends object = object> extends TrainedEstimator<
  O & { critic?: 'joint' | 'separable' }
> {
  constructor(options: O & CriticOptions & InformationOptions, defaults: Required<O>, checks: Checks<O>) {
    type Own = O & { critic?: 'joint' | 'separable' }
    const critic = oneOf('joint', 'separable')
    super(options, { ...defaults, critic: 'joint' } as Required<Own>, { ...checks, critic } as Checks<Own>)
  }

  get #critic(): 'joint' | 'separable' {
    return (this.params as Required<CriticOptions>).critic
  }

  /** The estimate in nats. @param scores `[n, n]` */
  protected abstract ofScores(scores: Tensor): Tensor

  /**
   * The objective that training maximizes; by default the estimate. @param _memory the Variable that {@link memory} made for this training
   */
  protected objectiveOfScores(scores: Tensor, _memory: Variable | undefined): Tensor {
    return this.ofScores(scores)
  }

  protected weights(from: Tensor, dx: number, dy: number): CriticWeights {
    const { hidden } = this.params as Required<TrainedOptions>
    if (this.#critic === 'joint') return denseWeights('joint', from, dx + dy, hidden, 1)
    return {
      ...denseWeights('left', foldIn(from, 0), dx, hidden, embedding),
      ...denseWeights('right', foldIn(from, 1), dy, hidden, embedding),
    }
  }

  protected objective(values: CriticValues, x: Tensor, y: Tensor, memory: Variable | undefined): Tensor {
    return this.objectiveOfScores(this.#scores(values, x, y), memory)
  }

  protected bound(values: CriticValues, x: Tensor, y: Tensor): Tensor {
    return this.ofScores(this.#scores(values, x, y).cast('float64'))
  }

  /** A constant critic gives 0; an estimate far below means that training failed. */
  protected override note(nats: number, n: number, _block: number, findings: Findings): void {
    if (nats >= -Math.max(1, Math.log(n))) return
    throw new NumericalError(
      `${this.name}: the estimate is ${findings.withUnit(nats)}, far below the 0 of a constant critic, so training failed; ` +
        'take a smaller learningRate, more samples, or standardize: true for columns of very different size',
    )
  }

  #scores(values: CriticValues, x: Tensor, y: Tensor): Tensor {
    return this.#critic === 'joint' ? jointScores(values, x, y) : separableScores(values, x, y)
  }
}
