/** Data: batches from arrays and files. */
export {
  ArrayDataset,
  type ArrayDatasetOptions,
  type ArrayInput,
  type ArraySource,
  type OrderOptions,
} from './array-dataset.js'
export { DataGenerator, type DataGeneratorOptions, type SplitOptions } from './data-generator.js'
export type { Batch, BatchSource, Dataset } from './loader.js'
export { type MnistData, type MnistOptions, mnist } from './mnist.js'
export { type MnistFiles, type MnistFilesOptions, readMnist } from './mnist-files.js'
export { type TreeBatch, TreeDataset, type TreeInput } from './tree-dataset.js'
