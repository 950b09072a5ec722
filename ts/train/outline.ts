/** The outline of a network: layers and output, from a pass that computes nothing. */

import { dryRun } from '../core/debug.js'
import { tidy } from '../core/transforms.js'
import { ActivatedLayer } from '../layers/activated.js'
import type { LossName } from '../nn/losses/named.js'
import { zeros } from '../ops/tensor.js'
import type { Compiled } from './compile.js'
import type { Trainable } from './model.js'

/** Layers and output of a network. */
export interface Outline {
  /** Names of the tracked layers. */
  readonly layers: string[]
  /** Shape of one output. */
  readonly outputShape: number[]
  /** The layer that computed the output and its activation; undefined for an unknown activation. */
  readonly last: { readonly name: string; readonly activation: string } | undefined
}

/** A network, as far as its outline needs it. */
type Outlined = Pick<Trainable, 'inputShape' | 'dtype' | 'segment' | 'pass' | 'forward'>

/** The outline of a network. */
export function outlineOf(model: Outlined): Outline {
  return tidy(() =>
    dryRun(() => {
      const x = zeros([2, ...model.inputShape], { dtype: model.dtype })
      const pass = model.pass({ tracking: true })
      const { output, hidden } = model.forward(x, pass)
      const names = hidden.map((h, index) => pass.nameOf(h) ?? `hidden_${index + 1}`)
      const layer = pass.producer(output)
      const isKnown = layer instanceof ActivatedLayer && layer.activationName !== 'custom'
      return {
        // In the segment 'origin' the last output is the target.
        layers: model.segment === 'origin' ? names.slice(0, -1) : names,
        outputShape: output.shape.slice(1),
        last: isKnown ? { name: layer.name, activation: layer.activationName } : undefined,
      }
    }),
  )
}

/** A loss's requirement of the last activation. */
interface Need {
  readonly what: string
  of(activation: string): boolean
  readonly remedy: string
}

/** Activations whose values are between 0 and 1. */
const squashed: readonly string[] = ['sigmoid', 'softmax', 'hardSigmoid']

const scoreOfSigns: Need = {
  what: 'scores of both signs, for the targets -1 and 1',
  of: (activation) => ![...squashed, 'relu', 'relu6', 'softplus'].includes(activation),
  remedy: "no activation or 'tanh', or the loss 'bce' with targets 0 and 1",
}

/** Requirements of losses of the last activation. 'poissonNll' takes rates or their logarithms, 'cosineDistance' any vectors. */
const needs: Partial<Record<LossName, Need>> = {
  bce: {
    what: 'probabilities in [0, 1]',
    of: (activation) => ['sigmoid', 'softmax'].includes(activation),
    remedy: "the activation 'sigmoid', or the loss 'bceWithLogits'",
  },
  bceWithLogits: {
    what: 'logits, any numbers',
    of: (activation) => !['sigmoid', 'softmax'].includes(activation),
    remedy: "no activation, or the loss 'bce'",
  },
  nll: {
    what: 'log-probabilities',
    of: (activation) => ['logSoftmax', 'logSigmoid'].includes(activation),
    remedy: "the activation 'logSoftmax', or the loss 'crossEntropy'",
  },
  klDiv: {
    what: 'log-probabilities',
    of: (activation) => ['logSoftmax', 'logSigmoid'].includes(activation),
    remedy: "the activation 'logSoftmax'",
  },
  crossEntropy: {
    what: 'scores, to which it applies softmax itself',
    of: (activation) => activation !== 'sigmoid',
    remedy: "the activation 'softmax' or none, or the loss 'bce'",
  },
  softmaxFocal: {
    what: 'scores, to which it applies softmax itself',
    of: (activation) => activation !== 'sigmoid',
    remedy: "the activation 'softmax' or none, or the loss 'bce'",
  },
  sigmoidFocal: {
    what: 'logits, to which it applies a sigmoid itself',
    of: (activation) => !squashed.includes(activation),
    remedy: 'no activation',
  },
  hinge: scoreOfSigns,
  squaredHinge: scoreOfSigns,
  multiMargin: {
    what: 'scores of classes, which have to differ by 1 and more',
    of: (activation) => !squashed.includes(activation),
    remedy: "no activation, or the loss 'crossEntropy'",
  },
}

/** The reason why the loss does not suit the last activation; undefined if it does, or for an unknown activation. */
export function mismatch({ lossName }: Pick<Compiled, 'lossName'>, { last }: Outline): string | undefined {
  const need = lossName && needs[lossName]
  if (last === undefined || need === undefined || need.of(last.activation)) return undefined
  return `'${lossName}' takes ${need.what}, and the last layer '${last.name}' has the activation '${last.activation}': give it ${need.remedy}`
}

const advised = new WeakSet<Compiled>()

/** Warns once for each `compile` that the loss does not suit the last activation. */
export function adviseOnLoss(compiled: Compiled, outline: Outline): void {
  const reason = mismatch(compiled, outline)
  if (reason === undefined || advised.has(compiled)) return
  advised.add(compiled)
  process.emitWarning(`the loss ${reason}`, { type: 'HyperglowWarning', code: 'HYPERGLOW_LOSS_ACTIVATION' })
}
