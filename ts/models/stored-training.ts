/** The training of a model in files: `compile` options, optimizers, evaluators. */
import { DataError, HyperglowError } from '../core/errors.js'
import { isList, isPlainObject } from '../core/options.js'
import type { Variable } from '../core/variable.js'
import type { AttachOptions } from '../dynamics/attachment.js'
import type { Estimator } from '../estimators/estimator.js'
import type { Plain } from '../nn/blueprint.js'
import { Optimizer } from '../nn/optim/optimizer.js'
import type { CompileOptions } from '../train/compile.js'
import { stateOf } from '../train/state.js'
import type { CompiledNetwork } from './compiled-network.js'
import {
  dataOf,
  isUnbuildable,
  type Make,
  settingsOf,
  type Unbuildable,
  unlessRefused,
} from './settings-data.js'

/** An optimizer of a stored model. */
export interface StoredOptimizer {
  readonly kind: string
  readonly learningRate: number
  /** Paths of the weights with state, in groups that were prepared together, in order. */
  readonly prepared: readonly (readonly string[])[]
}

/** The training of a stored model. */
export interface StoredTraining {
  /** The options of `compile`; null for a model that is not compiled. */
  readonly compile: Plain | Unbuildable
  /** The optimizers by the prefixes of their arrays' names. */
  readonly optimizers: Readonly<Record<string, StoredOptimizer>>
  /** The attached evaluators with their options. */
  readonly evaluators: readonly (Plain | Unbuildable)[]
}

/** The training of a model as data, with a reason for each part that cannot be written. */
export function describeTraining(model: CompiledNetwork): StoredTraining {
  const { compiledWith } = stateOf(model)
  const paths = new Map(Object.entries(model.weights).map(([path, variable]) => [variable, path]))
  const optimizers = [...model.ownOptimizers()].map(([key, optimizer]) => {
    const together = optimizer.preparedTogether()
    const prepared = together.map((group) => group.map((variable) => paths.get(variable) as string))
    return [key, { kind: optimizer.name, learningRate: optimizer.learningRate, prepared }] as const
  })
  return {
    compile: unlessRefused(() => (compiledWith === undefined ? null : dataOf('compile', compiledWith))),
    optimizers: Object.fromEntries(optimizers),
    evaluators: model.attachments.map(({ evaluator, on, every, initial, samples }, index) =>
      unlessRefused(() => {
        const where = `evaluator ${index + 1} (${evaluator.name})`
        if (on === 'probe') {
          throw new DataError(`${where} looks at a probe, whose samples the file does not hold`)
        }
        const options = { evaluateOn: on, every, initial, ...(on === 'epoch' ? { samples } : {}) }
        return dataOf(where, { evaluator, options })
      }),
    ),
  }
}

/**
 * Compiles a model as before, and attaches its evaluators.
 *
 * @param file for messages; @param make makes estimators
 * @throws DataError that names every part that cannot be restored, and says what to do; the caller then drops the model
 */
export function restoreTraining(
  file: string,
  model: CompiledNetwork,
  stored: StoredTraining,
  make: Make,
): void {
  checkForm(file, stored)
  const told = [stored.compile, ...stored.evaluators]
  const missing = told.filter(isUnbuildable).map(({ reason }) => reason)
  if (missing.length > 0) throw untold(file, missing.join('; '))
  try {
    for (const [index, data] of stored.evaluators.entries()) {
      const { evaluator, options } = settingsOf(`evaluator ${index + 1}`, data as Plain, make) as {
        evaluator: Estimator
        options: AttachOptions
      }
      const { samples, ...others } = options
      // Files of earlier versions have a number of samples for evaluators on batches too.
      const isOnEpochs = options.evaluateOn === 'epoch' && samples !== undefined
      model.attachEvaluator(evaluator, isOnEpochs ? options : others)
    }
    if (stored.compile === null) return
    const given = settingsOf('compile', stored.compile as Plain, make) as CompileOptions
    const { optimizer } = given
    // Before `compile`, which would create the state of all weights in one group.
    if (optimizer instanceof Optimizer) prepare(file, optimizer, model, stored.optimizers.optimizer)
    model.compile(given)
    for (const [key, own] of model.ownOptimizers()) prepare(file, own, model, stored.optimizers[key])
  } catch (error) {
    if (error instanceof HyperglowError) throw untold(file, error.message, error)
    throw error
  }
}

/** Prepares the weights in their stored groups and order. */
function prepare(
  file: string,
  optimizer: Optimizer,
  model: CompiledNetwork,
  stored: StoredOptimizer | undefined,
): void {
  const { weights } = model
  for (const group of stored?.prepared ?? []) {
    const own = group.map((path) => weights[path])
    if (own.some((variable) => variable === undefined)) {
      throw new DataError(
        `${file}: the optimizer has state of ${group.join(', ')}, which are not all weights`,
      )
    }
    optimizer.prepare(own as Variable[])
  }
}

function untold(file: string, reason: string, cause?: Error): DataError {
  return new DataError(
    `${file}: the training of the model cannot be restored: ${reason}. Load layers and weights alone, with load(path, { compile: false }); to go on training compile the model, attach its evaluators, and await model.load(path), which restores the state of the optimizer`,
    cause === undefined ? undefined : { cause },
  )
}

function checkForm(file: string, stored: StoredTraining): void {
  const { compile, optimizers, evaluators } = (stored ?? {}) as Partial<StoredTraining>
  const isSound =
    (compile === null || isPlainObject(compile)) &&
    isPlainObject(optimizers) &&
    Object.values(optimizers as object).every(isOptimizer) &&
    isList(evaluators) &&
    (evaluators as unknown[]).every((one) => isPlainObject(one))
  if (!isSound) throw new DataError(`${file} does not tell how the model was trained; save it again`)
}

function isOptimizer(stored: Partial<StoredOptimizer> | null): boolean {
  const { kind, learningRate, prepared } = stored ?? {}
  return (
    typeof kind === 'string' &&
    Number.isFinite(learningRate) &&
    isList(prepared) &&
    (prepared as unknown[]).every((group) => isList(group))
  )
}
