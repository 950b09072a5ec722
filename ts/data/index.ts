/** Data: batches from arrays and files. */
export {
  ArrayDataset,
  type ArrayDatasetOptions,
  type ArrayInput,
  type ArraySource,
} from './array-dataset.js'
export { DataGenerator, type DataGeneratorOptions, type SplitOptions } from './data-generator.js'
export {
  type EmnistOptions,
  type EmnistSplit,
  emnist,
  fashionMnist,
  type IdxDatasetOptions,
  idxDataset,
  kmnist,
} from './idx-dataset.js'
export type { ImageDatasets, ImageSetOptions } from './image-datasets.js'
export type { Batch, BatchSource, Dataset } from './loader.js'
export { type MnistFiles, mnist, readMnist } from './mnist.js'
export type { SourceOptions } from './source-files.js'
