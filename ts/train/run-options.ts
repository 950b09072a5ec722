/** Options of all kinds of training. */
import { type Check, type Checks, elsewhere, flag, listOf, signal, text, whole } from '../core/options.js'
import type { SaveDynamics } from '../dynamics/save.js'
import type { Callback } from './callbacks/callback.js'

/** Options of all kinds of training. */
export interface TrainOptions {
  /** Number of epochs; with `initialEpoch` the number of the epoch to stop before. Default 1. */
  epochs?: number
  /**
   * Number of the first epoch, as callbacks, progress and schedules count; `epochs` then includes the epochs before, as in Keras, and the history
   * continues after them. Default: 0, and a new history.
   */
  initialEpoch?: number
  callbacks?: readonly Callback[]
  /**
   * Ends training: the promise rejects with the signal's reason at once, also during a long step, callback, evaluator or batch. The device
   * finishes the started steps, at most two: later reads of the weights and later fits come after them. Later results of callbacks and
   * generators are dropped: an iterator's `return` is called, but not awaited. Dynamics of finished epochs stay readable.
   */
  signal?: AbortSignal
  /** Report progress on stderr. Default: only if stderr is a terminal. */
  verbose?: boolean
  /** Plot the losses after the last epoch: a path, or true for `loss.svg` in the working folder. Default false. */
  showPlot?: boolean | string
  /**
   * Write the evaluators' values to a folder during training; the folder keeps an earlier run inside, see `saveDynamics` of models. Default: the
   * model's `saveDynamics`.
   */
  saveDynamics?: string | SaveDynamics
  /**
   * Append to the dynamics of the last fit instead of new dynamics, or, for a loaded model, to the dynamics in its `saveDynamics` folder.
   * Refused if layers, evaluators or their settings differ. Default false.
   */
  appendDynamics?: boolean
  /**
   * A checkpoint, or a folder, of which the checkpoint with the most steps is read: the run continues from it, with the same bits as without
   * interruption. Give the same data, options and callbacks. With a missing folder, or one without checkpoints, the run starts from the
   * beginning. Default: none.
   */
  resume?: string
  /**
   * Parameters that training may leave unchanged: all, or the parameters at these paths and below. Other parameters without a gradient are
   * refused. Default false.
   */
  allowUnused?: boolean | readonly string[]
}

const plotFile: Check<boolean | string> = {
  expected: 'true, false, or a path that ends in .svg, .png, .html or .vl.json',
  accepts: (value) =>
    typeof value === 'boolean' || (typeof value === 'string' && /\.(svg|png|html|vl\.json)$/i.test(value)),
}

const paths = listOf(text)
const unused: Check<boolean | readonly string[]> = {
  expected: 'true, false, or a list of paths such as ["layers.0"]',
  accepts: (value) => typeof value === 'boolean' || paths.accepts(value),
}

/** The checks of {@link TrainOptions}. */
export const trainChecks: Checks<TrainOptions> = {
  epochs: whole(1),
  initialEpoch: whole(0),
  callbacks: elsewhere(),
  signal,
  verbose: flag,
  showPlot: plotFile,
  saveDynamics: elsewhere(),
  appendDynamics: flag,
  resume: text,
  allowUnused: unused,
}
