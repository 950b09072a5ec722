import type { Checks } from '../core/options.js'
import { type ActivationName, resolveActivation } from '../ops/activations.js'
import { type ActivationFunction, activation } from './checks.js'
import { Recurrent, type RecurrentOptions, type RecurrentWeights, recurrentChecks } from './recurrent.js'

/** Options of {@link LSTM} and {@link GRU}. */
export interface GatedOptions extends RecurrentOptions {
  /** Activation of the gates. Default 'sigmoid'. */
  recurrentActivation?: ActivationName | ActivationFunction
}

const checks: Checks<GatedOptions> = { ...recurrentChecks, recurrentActivation: activation }

/** Base of recurrent layers with gates: factors from 0 to 1 of the old state and the new input. */
export abstract class Gated<W extends RecurrentWeights = RecurrentWeights> extends Recurrent<
  W,
  GatedOptions
> {
  /** Activation of the gates. */
  protected readonly gate: ActivationFunction

  constructor(what: string, units: number, options: GatedOptions) {
    super(what, units, options, checks)
    this.gate = resolveActivation(this.options.recurrentActivation ?? 'sigmoid')
  }
}
