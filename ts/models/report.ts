/** Report on a model and its training. */
import { evaluate } from '../core/memory.js'
import { type Checks, checkOptions, elsewhere, signal, text, whole } from '../core/options.js'
import { tidy, valueAndGrad } from '../core/transforms.js'
import { inTurns } from '../core/turns.js'
import type { ActivationRun } from '../data/activations/types.js'
import { ArrayDataset, type ArrayInput, readingInputs } from '../data/array-dataset.js'
import type { ArrayData } from '../io/element-types.js'
import type { LazyArray } from '../io/lazy-array.js'
import type { Tensor } from '../ops/tensor.js'
import { type ReportOptions, report } from '../plots/report.js'
import { outlineOf } from '../train/outline.js'
import { compiledOf, exclusively, stateOf } from '../train/state.js'
import { alignedTarget } from '../train/supervised.js'
import { TargetRule } from '../train/targets.js'
import { activationsOf } from './activations.js'
import type { CompiledNetwork } from './compiled-network.js'
import { summarize } from './summary.js'

/** Options of a model's `report`. */
export interface ModelReportOptions extends Pick<ReportOptions, 'title' | 'configuration' | 'signal'> {
  /** Samples `[n, ...inputShape]` for statistics of the layers: means, variances, dead units, rank. */
  x?: ArrayInput
  /** Targets of the samples, as for `fit`. With them the report includes gradient norms of the layers. */
  y?: ArrayInput
  /** Maximum number of samples, from the first; default 500. */
  samples?: number
}

const checks: Checks<ModelReportOptions> = {
  title: text,
  configuration: elsewhere(),
  signal,
  x: elsewhere(),
  y: elsewhere(),
  samples: whole(2),
}

/** The public `report` of models. */
export async function reportModel(
  model: CompiledNetwork,
  folder: string,
  options: ModelReportOptions,
): Promise<string> {
  const { x, y, samples = 500, title, configuration, signal } = checkOptions('report', options, checks)
  const { history, dynamics } = stateOf(model).record
  const layers = x === undefined ? undefined : await layersOf(model, x, y, samples)
  return report(dynamics ?? null, folder, {
    title: title ?? `${model.constructor.name}: training report`,
    network: summarize(model),
    configuration: { ...configurationOf(model), ...configuration },
    ...(history === undefined ? {} : { history }),
    ...(signal === undefined ? {} : { signal }),
    ...layers,
  })
}

/** How the model was configured and trained. */
function configurationOf(model: CompiledNetwork): Record<string, unknown> {
  const { record, compiled } = stateOf(model)
  return {
    model: model.constructor.name,
    seed: model.seed,
    dtype: model.dtype,
    device: model.device,
    parameters: model.countParams(),
    ...(compiled === undefined
      ? {}
      : {
          loss: compiled.lossName ?? (compiled.loss.name || 'a function'),
          optimizer: compiled.optimizer.name,
          'optimizer options': {
            ...compiled.optimizer.options,
            learningRate: compiled.optimizer.learningRate,
          },
          metrics: compiled.metrics.map(({ name }) => name).join(', '),
        }),
    'epochs trained': record.epochs,
    'steps trained': record.steps,
  }
}

type LayersTold = Pick<ReportOptions, 'activations' | 'activationsOf' | 'gradientNorms'>

/** Statistics of the activations for the first samples and, with targets, gradient norms. */
async function layersOf(
  model: CompiledNetwork,
  x: ArrayInput,
  y: ArrayInput | undefined,
  most: number,
): Promise<LayersTold> {
  const { inputs, targets } = await readSamples(model, x, y, most)
  try {
    const activations = await activationsOfBatch(model, inputs)
    const gradientNorms =
      targets === undefined
        ? undefined
        : await exclusively(model, 'report', () => normsOf(model, inputs, targets))
    const count = inputs.shape[0] as number
    return {
      activations,
      activationsOf: `the first ${count} samples given, after ${stateOf(model).record.epochs} epochs, in evaluation mode`,
      ...(gradientNorms === undefined ? {} : { gradientNorms }),
    }
  } finally {
    inputs.dispose()
    targets?.dispose()
  }
}

/** Activations `[n, units]` by layer. */
async function activationsOfBatch(
  model: CompiledNetwork,
  inputs: Tensor,
): Promise<Record<string, ArrayData>> {
  using seen = await activationsOf(model, inputs, {})
  const run = seen.runs[0] as ActivationRun
  const found: Record<string, ArrayData> = {}
  for (const name of run.layers) {
    const { dtype, shape, data } = await (run.layer(run.epochs[0] as number, name) as LazyArray).read()
    const n = shape[0] as number
    found[name] = { dtype, shape: [n, data.length / n], data }
  }
  return found
}

async function readSamples(
  model: CompiledNetwork,
  x: ArrayInput,
  y: ArrayInput | undefined,
  most: number,
): Promise<{ inputs: Tensor; targets: Tensor | undefined }> {
  const { inputShape, dtype, device } = model
  if (y === undefined) {
    const all = await inTurns(readingInputs(x, dtype, inputShape, device))
    const taken = all.slice([0], [Math.min(most, all.shape[0] as number)])
    const inputs = taken.dtype === dtype ? taken : taken.cast(dtype)
    await evaluate(inputs)
    if (inputs !== taken) taken.dispose()
    all.dispose()
    return { inputs, targets: undefined }
  }
  const rule = new TargetRule(compiledOf(model, 'report'), outlineOf(model).outputShape)
  const options = { batchSize: most, inputShape, dtype, device, ...rule.datasetOptions(y) }
  const data = await ArrayDataset.inTurns(x, y, options)
  try {
    for await (const batch of data) {
      await evaluate({ x: batch.x, y: batch.y })
      return { inputs: batch.x, targets: batch.y }
    }
    throw new Error('a data set has a batch')
  } finally {
    data.dispose()
  }
}

/** Euclidean norm of the gradient of the loss with respect to the weights of each tracked layer, in evaluation mode. */
async function normsOf(model: CompiledNetwork, x: Tensor, y: Tensor): Promise<Record<string, number>> {
  const compiled = compiledOf(model, 'report')
  const norms = tidy(() => {
    const { grads } = valueAndGrad((weights: Record<string, Tensor>) => {
      const pass = model.pass({ weights, training: false, tracking: false })
      const { output } = model.forward(x, pass)
      return model.lossOf(pass, output, alignedTarget(compiled, y, output))
    }, model.trainableWeights)
    const found: Record<string, Tensor> = {}
    for (const [path, layer] of model.module.children) {
      const own = Object.entries(grads as Record<string, Tensor>).filter(([name]) =>
        name.startsWith(`${path}.`),
      )
      if (own.length === 0) continue
      const squares = own.map(([, grad]) => grad.square().sum())
      found[layer.name] = squares.reduce((sum, square) => sum.add(square)).sqrt()
    }
    return found
  })
  const values: Record<string, number> = {}
  for (const [layer, norm] of Object.entries(norms)) {
    values[layer] = Number((await norm.data())[0])
    norm.dispose()
  }
  return values
}
