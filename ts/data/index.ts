/** Data: batches from arrays and files. */
export * from './activations/index.js'
export {
  ArrayDataset,
  type ArrayDatasetOptions,
  type ArrayInput,
  type ArraySource,
  type OrderOptions,
} from './array-dataset.js'
export {
  type Augmentation,
  augment,
  cutout,
  type FlipOptions,
  horizontalFlip,
  type MixupOptions,
  mixup,
  type NoiseOptions,
  type NormalizationOptions,
  noise,
  normalization,
  quarterTurns,
  type RandomCutoutOptions,
  type RandomShiftOptions,
  randomCrop,
  randomShift,
  verticalFlip,
} from './augment.js'
export {
  type CropOptions,
  type CutoutOptions,
  cropImages,
  cutoutImages,
  flipImages,
  type ImageAxis,
  mixSamples,
  normalizeImages,
  type PerChannel,
  type ShiftOptions,
  shiftImages,
  turnImages,
} from './augment-samples.js'
export { type AugmentedOptions, augmented } from './augmented.js'
export {
  type Cifar10Files,
  type Cifar100Files,
  type Cifar100Options,
  cifar10,
  cifar100,
  readCifar10,
  readCifar100,
} from './cifar.js'
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
export { type PrefetchOptions, prefetch } from './prefetch.js'
export type { SourceOptions } from './source-files.js'
export {
  type DatasetParts,
  type DivideOptions,
  type Fold,
  type KFoldOptions,
  kFold,
  type SplitDatasetOptions,
  splitDataset,
} from './splits.js'
export { type TreeBatch, TreeDataset, type TreeDatasetOptions, type TreeInput } from './tree-dataset.js'
export { type WorkerLoader, type WorkerLoaderOptions, workerLoader } from './worker-loader.js'
