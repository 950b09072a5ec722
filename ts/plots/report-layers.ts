/** Statistics of the layers of a network, for reports. */
import { layerStatistics } from '../analysis/layer-statistics.js'
import { spectrum } from '../analysis/spectrum.js'
import type { SampleData } from '../estimators/data.js'
import { numberText, tableHtml } from './report-html.js'

/** Activations of layers on the same samples, `[n, ...]` each, by name, input side first. */
export type LayerActivations = Readonly<Record<string, SampleData>>

/**
 * Moments, dead units and rank of each layer as a table, with the gradient norm of each if it is given.
 *
 * @throws as {@link layerStatistics}
 */
export async function layersHtml(
  activations: LayerActivations,
  gradientNorms: Readonly<Record<string, number>> | undefined,
): Promise<string> {
  const rows: string[][] = []
  for (const [layer, values] of Object.entries(activations)) {
    const found = await layerStatistics(values)
    const { effectiveRank } = await spectrum(values)
    rows.push([
      layer,
      String(found.unitMean.length),
      ...[found.mean, found.variance, found.meanAbs].map(numberText),
      ...[found.zeroShare, found.deadShare, found.constantShare, found.saturatedShare].map(percentText),
      numberText(effectiveRank),
      ...(gradientNorms === undefined ? [] : [numberText(gradientNorms[layer] ?? Number.NaN)]),
    ])
  }
  const head = [
    'layer',
    'units',
    'mean',
    'variance',
    'mean |h|',
    'zeros',
    'dead units',
    'constant units',
    'beyond 0.99',
    'effective rank',
    ...(gradientNorms === undefined ? [] : ['gradient norm']),
  ]
  return tableHtml(head, rows)
}

/** Caption of the columns of {@link layersHtml}. */
export function layersCaption(samples: string, hasGradients: boolean): string {
  return [
    `Activations h of ${samples}, in their own unit.`,
    'Mean, variance (over N) and mean |h| are over all entries; zeros and entries beyond 0.99 in absolute value are shares of them.',
    'Dead units give 0, constant units one value, on every sample.',
    'The effective rank is exp of the entropy of the normalized singular values of the centered activations (Roy and Vetterli 2007).',
    hasGradients
      ? "The gradient norm is the Euclidean length of the loss's gradient in the layer's weights, on the same samples in evaluation mode."
      : '',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ')
}

const percentText = (share: number) => `${Number((100 * share).toPrecision(3))} %`
