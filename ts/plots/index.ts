/**
 * Charts of what layers know: information planes, the measures by epoch, losses.
 *
 * A chart is a Vega-Lite specification. Drawing it as SVG, PNG or HTML needs the optional packages vega, vega-lite and
 * @resvg/resvg-js, which are loaded when the first chart is drawn.
 *
 * @module
 */
export type { AnimationOptions, PaperOptions, PngOptions } from './chart.js'
export { Chart } from './chart.js'
export type { CompareOptions, RunsSource } from './compare.js'
export { compare } from './compare.js'
export type { CoursesSource } from './courses.js'
export type { DynamicsLike, DynamicsSelection, DynamicsSource, StoredDynamics } from './dynamics.js'
export type { EpochsPlotOptions } from './epochs.js'
export { epochsPlot } from './epochs.js'
export type { InformationPlaneOptions } from './information-plane.js'
export { informationPlane } from './information-plane.js'
export type { LossHistory, LossPlotOptions } from './loss.js'
export { lossPlot } from './loss.js'
export type {
  CkaHeatmapOptions,
  MatrixOptions,
  SimilarityResult,
  SimilarityTable,
  SimilarityValues,
} from './matrix.js'
export { ckaHeatmap, matrix } from './matrix.js'
export type { InformationPlanePanelsOptions } from './panels.js'
export { informationPlanePanels } from './panels.js'
export type { Band } from './plane-scales.js'
export type { ReportHistory, ReportOptions } from './report.js'
export { report } from './report.js'
export type { LayerActivations } from './report-layers.js'
export type { EpochScaleKind } from './scale.js'
export type { ChartOptions, VegaLiteSpec } from './spec.js'
export type { DynamicsTableOptions } from './table.js'
export { dynamicsTable } from './table.js'
export type { ScaleKind } from './ticks.js'
