/** What a trained model says: outputs, loss and metrics in evaluation mode. */

import { allocate, sizeOf } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { signal as anySignal, type Checks, checkOptions, isList, whole } from '../core/options.js'
import { evaluate, jit } from '../core/transforms.js'
import { inTurns } from '../core/turns.js'
import { ArrayDataset, type ArrayInput, readingInputs } from '../data/array-dataset.js'
import type { BatchSource } from '../data/loader.js'
import type { Network } from '../models/network.js'
import { Tensor, tensor } from '../ops/tensor.js'
import { type Feed, feedOf } from './feed.js'
import { adviseOnLoss, outlineOf } from './outline.js'
import { Pipeline } from './pipeline.js'
import { compiledOf, exclusively, stateOf } from './state.js'
import { evaluationStep, Meter, release, type StepResult } from './step.js'
import { TargetRule } from './targets.js'
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

/** Loss and metrics of all samples. */
export interface Evaluation {
  readonly loss: number
  /** By name. */
  readonly metrics: Readonly<Record<string, number>>
}

/** Splits means into the loss and the named metrics. */
export function named(model: Network, [loss = Number.NaN, ...values]: readonly number[]): Evaluation {
  return {
    loss,
    metrics: Object.fromEntries(model.metrics.map((name, index) => [name, values[index] as number])),
  }
}

/** Goes through all batches in evaluation mode and gives the means: loss, then metrics. */
export async function measure(
  model: Network,
  feed: Feed,
  epoch: number,
  signal: AbortSignal | undefined,
  onBatch: (done: number) => void = () => {},
): Promise<number[]> {
  const meter = new Meter(compiledOf(model, 'evaluate'), outlineOf(model).outputShape)
  const step = evaluationStep(model, feed, meter)
  const take = (result: StepResult, index: number) => {
    release(result)
    onBatch(index + 1)
  }
  using stop = new Stop(signal)
  const pipeline = new Pipeline<StepResult>(take, release, signal, (error) => stop.fail(error))
  let batches = 0
  try {
    for await (const batch of feed.epoch(epoch, stop.signal)) {
      try {
        signal?.throwIfAborted()
        await pipeline.push(() => step(batch.input))
        batches++
      } finally {
        batch.release()
      }
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

/** The error for data whose labels all weigh nothing. */
export function nothingCounts(data: string): DataError {
  return new DataError(
    `no label in ${data} counts: each is the ignoreIndex, or of a class of weight 0; look at labels and lossOptions`,
  )
}

/** The public `evaluate` of models. */
export async function evaluateModel(
  model: Network,
  first: BatchSource | ArrayInput,
  second: ArrayInput | EvaluateOptions | undefined,
  third: EvaluateOptions = {},
): Promise<Evaluation> {
  const compiled = compiledOf(model, 'evaluate')
  const isArrays = second instanceof Tensor || isList(second) || ArrayBuffer.isView(second)
  const options = isArrays ? third : (second as EvaluateOptions | undefined)
  const { signal, batchSize = 256 } = checkOptions('evaluate', options, checks)
  return exclusively(model, 'evaluate', async () => {
    const { inputShape, dtype } = model
    const outline = outlineOf(model)
    const targets = new TargetRule(compiled, outline.outputShape)
    adviseOnLoss(compiled, outline)
    const data = isArrays
      ? await ArrayDataset.inTurns(first as ArrayInput, second as ArrayInput, {
          batchSize,
          inputShape,
          dtype,
          ...targets.datasetOptions(second as ArrayInput),
        })
      : (first as BatchSource)
    try {
      const feed = feedOf(data, { inputShape, dtype, targets })
      await unlessAborted(feed.prepare(), signal)
      return named(model, await measure(model, feed, 0, signal))
    } finally {
      if (isArrays) (data as ArrayDataset).dispose()
    }
  })
}

/** The public `predict` of models. */
export async function predictModel(
  model: Network,
  given: ArrayInput,
  options: PredictOptions,
): Promise<Tensor> {
  const { signal, batchSize = 256 } = checkOptions('predict', options, checks)
  return exclusively(model, 'predict', async () => {
    const { inputShape, dtype } = model
    const state = stateOf(model)
    state.predictor ??= jit((x: Tensor, rows: Tensor) => {
      const batch = x.take(rows)
      return model.forward(batch.dtype === dtype ? batch : batch.cast(dtype), model.pass({ tracking: false }))
        .output
    })
    const forward = state.predictor
    const { outputShape } = outlineOf(model)
    const width = sizeOf(outputShape)
    const x = await inTurns(readingInputs(given, dtype, inputShape))
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
      return tensor(all, { shape: [count, ...outputShape] })
    } finally {
      await pipeline.abandon()
      x.dispose()
    }
  })
}
