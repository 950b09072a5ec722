/** The figures that commands write. */
import { join } from 'node:path'
import { ArgumentError } from '../core/errors.js'
import type { RunSet } from '../dynamics/run-set.js'
import { epochsPlot } from '../plots/epochs.js'
import { informationPlane } from '../plots/information-plane.js'
import type { Band } from '../plots/plane-scales.js'

/** Formats of a figure, by file extension. */
const pictureFormats = ['svg', 'png', 'pdf', 'html'] as const

/** Contents of the figures. */
export interface PictureOptions {
  readonly formats: readonly string[]
  readonly band: Band
}

/** Throws ArgumentError for another format. */
export function checkFormats(formats: readonly string[]): void {
  const odd = formats.find((one) => !(pictureFormats as readonly string[]).includes(one))
  if (odd === undefined) return
  throw new ArgumentError(`--format: given "${odd}", expected some of ${pictureFormats.join(', ')}`)
}

/** Draws the plane, and both measures by epoch if there are several, for each estimator; returns the paths of the files. */
export async function drawPictures(
  folder: string,
  runs: RunSet,
  { formats, band }: PictureOptions,
): Promise<string[]> {
  checkFormats(formats)
  const files: string[] = []
  for (const [evaluator, name] of runs.evaluators.entries()) {
    const ending = runs.evaluators.length === 1 ? '' : `-${name.toLowerCase().replace(/[^\w-]+/g, '-')}`
    const charts = {
      plane: informationPlane(runs, { evaluator, band }),
      ...(runs.epochs.length > 1 ? { epochs: epochsPlot(runs, { evaluator, band }) } : {}),
    }
    for (const [kind, chart] of Object.entries(charts)) {
      for (const format of formats) files.push(await chart.save(join(folder, `${kind}${ending}.${format}`)))
    }
  }
  return files
}
