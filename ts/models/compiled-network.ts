/** What saving and reporting need of a network besides its layers: loss, metrics and evaluators. */
import type { AttachOptions } from '../dynamics/attachment.js'
import type { Estimator } from '../estimators/estimator.js'
import type { Layer } from '../layers/layer.js'
import type { LossName } from '../nn/losses/named.js'
import type { CompileOptions } from '../train/compile.js'
import type { Trainable } from '../train/model.js'
import type { Composition } from './composition.js'

/** A composition of layers that can be compiled; {@link Network} describes the members. */
export type CompiledNetwork = Composition &
  Trainable & {
    readonly lossName: LossName | undefined
    readonly metrics: readonly string[]
    compile(options: CompileOptions): unknown
    attachEvaluator(evaluator: Estimator, options: AttachOptions): unknown
    /** The further arguments of `add` for a layer. */
    addedWith?(layer: Layer): object | undefined
  }
