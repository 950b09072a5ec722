/** What every way to train can be told. */
import { type Check, type Checks, elsewhere, flag, listOf, signal, text, whole } from '../core/options.js'
import type { SaveDynamics } from '../dynamics/save.js'
import type { Callback } from './callbacks/callback.js'

/** Options of every way to train. */
export interface TrainOptions {
  /** Times that the data are gone through; with `initialEpoch` the number of the epoch to stop before. Default 1. */
  epochs?: number
  /**
   * Number of the first epoch, as callbacks, progress and schedules count; `epochs` then includes those before, as in Keras, and the history
   * goes on behind them. Default: 0, and a history of its own.
   */
  initialEpoch?: number
  callbacks?: readonly Callback[]
  /**
   * Ends training: the promise rejects with the signal's reason at once, however long a step, a callback, an evaluator or the data are
   * waited for. The steps under way, at most two, are finished by the device: whatever is asked of the model afterwards, weights or another
   * fit, comes after them. What callbacks and generators do after that concerns nobody: an iterator's `return` is called, but not waited for.
   * Dynamics of finished epochs stay readable.
   */
  signal?: AbortSignal
  /** Report progress on stderr. Default: only where that is a terminal. */
  verbose?: boolean
  /** Draw the losses after the last epoch: a path, or true for `loss.svg` in the working folder. Default false. */
  showPlot?: boolean | string
  /**
   * Write the dynamics to a folder during training; an earlier run that the folder holds is kept inside, see `saveDynamics` of models. Default: that
   * of the model.
   */
  saveDynamics?: string | SaveDynamics
  /**
   * Go on with the dynamics recorded before instead of starting anew: those of the last fit, or, for a model that was loaded, those in its
   * `saveDynamics` folder. Refused where layers, evaluators or their settings differ. Default false.
   */
  appendDynamics?: boolean
  /**
   * A checkpoint, or a folder whose checkpoint of most steps is taken: the run that wrote it goes on there, with the same bits as if it had
   * not been interrupted. Give the same data, options and callbacks. A folder that holds none, or is not there, begins the run. Default: none.
   */
  resume?: string
  /**
   * Parameters that training may leave as they are: all, or those at these paths and below. Others that no gradient reaches are
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
