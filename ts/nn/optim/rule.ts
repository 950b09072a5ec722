import type { Tensor, TensorLike } from '../../ops/tensor.js'

/** The update of one parameter. All operations are elementwise, so a rule applies to every shape. */
export interface Rule {
  /** Names of the slots, of the parameter's shape, with their initial values. */
  readonly slots: Readonly<Record<string, number>>
  /** One step of one parameter. */
  step(input: RuleInput): RuleOutput
}

/** Input of one step. All tensors have the dtype of the parameter. */
export interface RuleInput {
  /** Gradient, shape of the parameter. */
  readonly grad: Tensor
  readonly param: Tensor
  /** Slot values before the step, shape of the parameter. */
  readonly slots: Readonly<Record<string, Tensor>>
  /** Number of this step, 1 for the first step; scalar. */
  readonly step: Tensor
  readonly learningRate: TensorLike
}

/** Result of one step: the parameter becomes `param + delta`. */
export interface RuleOutput {
  readonly delta: Tensor
  readonly slots: Record<string, Tensor>
}

/** The gradient with the derivative of `weightDecay / 2 * |param|^2` added. */
export function withWeightDecay(grad: Tensor, param: Tensor, weightDecay: number): Tensor {
  return weightDecay === 0 ? grad : grad.add(param.mul(weightDecay))
}

/** `rate * average + (1 - rate) * value`. */
export function decay(average: Tensor, value: Tensor, rate: number): Tensor {
  return average.mul(rate).add(value.mul(1 - rate))
}

/** `1 - rate^step`, accurate in float32 for rates near 1; the logarithm is taken in double precision. */
export function biasCorrection(rate: number, step: Tensor): Tensor {
  return rate === 0 ? step.mul(0).add(1) : step.mul(Math.log(rate)).expm1().neg()
}
