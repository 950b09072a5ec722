import { isPlainObject } from '../core/options.js'
import { Dense, type DenseOptions } from './dense.js'

/**
 * The readout of a network whose other layers were trained without back-propagation: a {@link Dense} layer with softmax, which `preTrainingLoop` does not
 * train and `postTrain` trains alone (format training, Ma, Lewis and Kleijn 2019, section 3).
 *
 *     model.add(new Dense(128, { activation: 'relu' })).add(new HSICOutput(10))
 *
 * `[batch, inputs]` to `[batch, units]`. The default of `activation` is 'softmax'.
 */
export class HSICOutput extends Dense {
  constructor(units: number, options: DenseOptions = {}) {
    super(units, withSoftmax(options), 'hsic_output')
  }
}

/** The options with the default activation; {@link Dense} refuses a value that is not a record of options. */
function withSoftmax(options: DenseOptions): DenseOptions {
  return options?.activation === undefined && isPlainObject(options)
    ? { ...options, activation: 'softmax' }
    : options
}
