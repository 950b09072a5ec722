/** Outputs, loss and metrics of a model in evaluation mode. */

import { allocate, sizeOf } from '../core/dtype.js'
import { ArgumentError, DataError } from '../core/errors.js'
import { isArrayData } from '../core/nested.js'
import { signal as anySignal, type Checks, checkOptions, isList, whole } from '../core/options.js'
import { evaluate, jit } from '../core/transforms.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayInput, readingInputs } from '../data/array-dataset.js'
import type { BatchSource } from '../data/loader.js'
import { checkArrayInput } from '../data/targets.js'
import { Tensor, tensor } from '../ops/tensor.js'
import { started } from './delivery.js'
import { type Feed, feedOf } from './feed.js'
import { firstUnsound } from './finite.js'
import { heldBy } from './held.js'
import { type Means, Meter } from './meter.js'
import type { Trainable } from './model.js'
import { adviseOnLoss, mismatch, outlineOf } from './outline.js'
import { Pipeline } from './pipeline.js'
import { evaluationStep, release, type StepResult } from './program.js'
import type { Evaluation } from './results.js'
import { printableEvaluation } from './results-text.js'
import { compiledOf, exclusively, stateOf } from './state.js'
import { SupervisedTask } from './supervised.js'
import { TargetRule } from './targets.js'
import type { Task } from './task.js'
import { Stop, unlessAborted } from './unless-aborted.js'

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /** For arrays; default 256. */
  batchSize?: number
  /** Ends the evaluation early; the promise rejects with its reason. */
  signal?: AbortSignal
}

/** Options of `predict`. */
export interface PredictOptions {
  /** Default 256. */
  batchSize?: number
  signal?: AbortSignal
}

const checks: Checks<EvaluateOptions & PredictOptions> = { batchSize: whole(1), signal: anySignal }

/** Means over all batches in evaluation mode. */
export async function measure<B>(
  task: Task<B>,
  feed: Feed<B>,
  seed: number,
  signal: AbortSignal | undefined,
  onBatch: (done: number) => void = () => {},
): Promise<Means> {
  const meter = new Meter(heldBy(task, task.record).device)
  const step = evaluationStep(task, feed, meter, seed)
  const take = (result: StepResult, index: number) => {
    release(result)
    onBatch(index + 1)
  }
  using stop = new Stop(signal)
  const pipeline = new Pipeline<StepResult>(take, release, signal, (error) => stop.fail(error))
  let batches = 0
  try {
    for await (const batch of feed.epoch(0, stop.signal)) {
      signal?.throwIfAborted()
      await pipeline.push(() => started(batch, step))
      batches++
    }
    await pipeline.drain()
    if (batches === 0) throw new DataError('there are no samples to evaluate; give at least one batch')
    const means = await unlessAborted(meter.means(), signal)
    if (means === undefined) throw nothingCounts('the data to evaluate')
    return means
  } finally {
    await pipeline.abandon()
    step.dispose()
    meter.dispose()
  }
}

/** The error for data whose labels all have weight 0. */
export function nothingCounts(data: string): DataError {
  return new DataError(
    `no label in ${data} counts: each is the ignoreIndex, or of a class or a sample of weight 0; look at labels, lossOptions, classWeight and sampleWeight`,
  )
}

/** Reads the arguments of `evaluate` behind the first: options of a dataset, or targets of arrays and options. */
export function evaluateArguments(
  second: ArrayInput | EvaluateOptions | undefined,
  third: EvaluateOptions = {},
): { isArrays: boolean; signal: AbortSignal | undefined; batchSize: number } {
  const isArrays =
    second instanceof Tensor || isList(second) || ArrayBuffer.isView(second) || isArrayData(second)
  const options = isArrays ? third : (second as EvaluateOptions | undefined)
  const given = checkOptions('evaluate', options, checks)
  const { signal, batchSize = 256 } = given
  if (!isArrays && given.batchSize !== undefined) {
    throw new ArgumentError(
      `evaluate: batchSize: given ${batchSize} for a dataset, which has its own batches; leave it out, or give arrays`,
    )
  }
  return { isArrays, signal, batchSize }
}

/** `evaluate` of models. */
export async function evaluateModel(
  model: Trainable,
  first: BatchSource | ArrayInput,
  second: ArrayInput | EvaluateOptions | undefined,
  third: EvaluateOptions = {},
): Promise<Evaluation> {
  const compiled = compiledOf(model, 'evaluate')
  const { isArrays, signal, batchSize } = evaluateArguments(second, third)
  return exclusively(model, 'evaluate', async () => {
    const { inputShape, dtype, device } = model
    const outline = outlineOf(model)
    const targets = new TargetRule(compiled, outline.outputShape)
    adviseOnLoss(compiled, outline)
    const data = isArrays
      ? await ArrayDataset.inTurns(first as ArrayInput, second as ArrayInput, {
          batchSize,
          inputShape,
          dtype,
          device,
          ...targets.datasetOptions(second as ArrayInput),
        })
      : (first as BatchSource)
    try {
      const feed = feedOf(data, { inputShape, dtype, device, targets })
      await unlessAborted(feed.prepare(), signal)
      const task = new SupervisedTask(model, { layers: outline.layers, classes: undefined }, 'evaluate')
      const { loss = Number.NaN, metrics } = await measure(task, feed, model.seed, signal)
      if (Number.isNaN(loss)) await explainNaN(model, compiled, mismatch(compiled, outline) !== undefined)
      return printableEvaluation({ loss, metrics })
    } finally {
      if (isArrays) (data as ArrayDataset).dispose()
    }
  })
}

const toldOfNaN = new WeakSet<object>()

/**
 * Checks the weights after a NaN loss.
 *
 * @param isTold whether a warning about the loss was given
 * @throws NumericalError if weights are NaN or infinite
 */
async function explainNaN(model: Trainable, compiled: object, isTold: boolean): Promise<void> {
  const bad = await firstUnsound({ ...model.weights, ...model.stateVariables })
  if (bad !== undefined)
    throw bad('evaluate', ', so there is no loss; load valid weights, or train the model again')
  if (isTold || toldOfNaN.has(compiled)) return
  toldOfNaN.add(compiled)
  process.emitWarning(
    'evaluate: the loss is NaN although all weights are finite: the outputs are too large, or such as the loss is not defined for',
    { type: 'HyperglowWarning', code: 'HYPERGLOW_NAN_LOSS' },
  )
}

/** `predict` of models. */
export async function predictModel(
  model: Trainable,
  given: ArrayInput,
  options: PredictOptions,
): Promise<Tensor> {
  checkArrayInput('predict', given, 'of a dataset give the inputs, batch by batch: predict(batch.x)')
  const { signal, batchSize = 256 } = checkOptions('predict', options, checks)
  return exclusively(model, 'predict', async () => {
    const { inputShape, dtype, device } = model
    const state = stateOf(model)
    state.predictor ??= jit((x: Tensor, rows: Tensor) => {
      const batch = x.take(rows)
      return model.forward(batch.dtype === dtype ? batch : batch.cast(dtype), model.pass({ tracking: false }))
        .output
    })
    const forward = state.predictor
    const { outputShape } = outlineOf(model)
    const width = sizeOf(outputShape)
    const x = await inTurns(readingInputs(given, dtype, inputShape, device))
    const count = x.shape[0] as number
    const all = allocate(dtype, count * width)
    const pipeline = new Pipeline<Tensor>(
      (output, index) => {
        all.set(output.dataSync() as never, index * batchSize * width)
        output.dispose()
      },
      (output) => output.dispose(),
      signal,
    )
    try {
      await evaluate(x)
      for (let start = 0; start < count; start += batchSize) {
        signal?.throwIfAborted()
        const size = Math.min(batchSize, count - start)
        const rows = Int32Array.from({ length: size }, (_, i) => start + i)
        await pipeline.push(() => forward(x, rows))
      }
      await pipeline.drain()
      return tensor(all, { shape: [count, ...outputShape], device })
    } finally {
      await pipeline.abandon()
      x.dispose()
    }
  })
}
