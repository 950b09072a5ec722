/** CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 color images for training, 10,000 for tests, 32 x 32 pixels. */

import { type Checks, checkOptions, oneOf } from '../core/options.js'
import { hundredClasses, readCifarSet, tenClasses, withLabel } from './cifar-files.js'
import { type ImageDatasets, type ImageSetOptions, imageDatasets, imageSetChecks } from './image-datasets.js'
import { type SourceOptions, sourceChecks } from './source-files.js'

const names = (text: string): readonly string[] => text.split(' ')

const tenNames = names('airplane automobile bird cat deer dog frog horse ship truck')

const fineNames = names(
  'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle ' +
    'chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house ' +
    'kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange ' +
    'orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal ' +
    'shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger ' +
    'tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm',
)

const coarseNames = names(
  'aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture insects ' +
    'large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals ' +
    'non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2',
)

/** The pixels and labels of CIFAR-10. */
export interface Cifar10Files {
  /** Bytes `[n, 3, 32, 32]`: red, green, blue. */
  readonly trainImages: Uint8Array
  /** `[n]`, 0 to 9. */
  readonly trainLabels: Uint8Array
  readonly testImages: Uint8Array
  readonly testLabels: Uint8Array
  readonly classNames: readonly string[]
  /** The folder or archive that was read. */
  readonly source: string
}

/** The pixels and labels of CIFAR-100: `trainLabels` and `testLabels` are the fine labels, 0 to 99. */
export interface Cifar100Files extends Cifar10Files {
  /** `[n]`, 0 to 19. */
  readonly trainCoarseLabels: Uint8Array
  readonly testCoarseLabels: Uint8Array
  readonly coarseNames: readonly string[]
}

/**
 * Reads and checks CIFAR-10: the binary or the Python version, unpacked or in its archive (`cifar-10-binary.tar.gz`,
 * `cifar-10-python.tar.gz`). `dataDir` is a folder, or the path of an archive. The pickles of the Python version are never executed.
 *
 * @throws IOError if nothing is found, with the searched paths and how to get the files; DataError for invalid files
 */
export async function readCifar10(options: SourceOptions = {}): Promise<Cifar10Files> {
  const { dataDir, verify = true } = checkOptions('readCifar10', options, sourceChecks)
  const { train, test, source } = await readCifarSet(tenClasses, dataDir, verify)
  const [training, tests] = [withLabel(train, 0), withLabel(test, 0)]
  return {
    trainImages: training.images,
    trainLabels: training.labels,
    testImages: tests.images,
    testLabels: tests.labels,
    classNames: tenNames,
    source,
  }
}

/**
 * Reads and checks CIFAR-100, like {@link readCifar10} (`cifar-100-binary.tar.gz`, `cifar-100-python.tar.gz`).
 *
 * @throws as {@link readCifar10}
 */
export async function readCifar100(options: SourceOptions = {}): Promise<Cifar100Files> {
  const { dataDir, verify = true } = checkOptions('readCifar100', options, sourceChecks)
  const { train, test, source } = await readCifarSet(hundredClasses, dataDir, verify)
  return {
    trainImages: train.images,
    trainLabels: withLabel(train, 1).labels,
    trainCoarseLabels: withLabel(train, 0).labels,
    testImages: test.images,
    testLabels: withLabel(test, 1).labels,
    testCoarseLabels: withLabel(test, 0).labels,
    classNames: fineNames,
    coarseNames,
    source,
  }
}

const shape = [3, 32, 32] as const

async function loadTen(options: ImageSetOptions = {}): Promise<ImageDatasets> {
  const given = checkOptions('cifar10.load', options, imageSetChecks)
  const { dataDir, verify = true } = given
  const { train, test } = await readCifarSet(tenClasses, dataDir, verify)
  return imageDatasets(withLabel(train, 0), withLabel(test, 0), { shape, classNames: tenNames }, given)
}

/**
 * CIFAR-10 from local files, see {@link readCifar10}. Images are `[batch, 3, 32, 32]`, pixels from -1 to 1.
 *
 *     const { train, validation, test, classNames } = await cifar10.load({ dataDir: 'data/cifar-10-binary.tar.gz', batchSize: 128 })
 *
 * @throws as {@link readCifar10}
 */
export const cifar10 = { load: loadTen } as const

/** Options of {@link cifar100.load}. */
export interface Cifar100Options extends ImageSetOptions {
  /** Kind of labels: 'fine' (100 classes) or 'coarse' (20). Default 'fine'. */
  labels?: 'fine' | 'coarse'
}

const hundredChecks: Checks<Cifar100Options> = { ...imageSetChecks, labels: oneOf('fine', 'coarse') }

async function loadHundred(options: Cifar100Options = {}): Promise<ImageDatasets> {
  const given = checkOptions('cifar100.load', options, hundredChecks)
  const { dataDir, verify = true, labels = 'fine' } = given
  const { train, test } = await readCifarSet(hundredClasses, dataDir, verify)
  const [place, classNames] = labels === 'fine' ? [1, fineNames] : [0, coarseNames]
  return imageDatasets(withLabel(train, place), withLabel(test, place), { shape, classNames }, given)
}

/**
 * CIFAR-100 from local files, see {@link readCifar100}, with fine or coarse labels.
 *
 *     const { train, validation, test } = await cifar100.load({ dataDir: 'data', labels: 'coarse' })
 *
 * @throws as {@link readCifar10}
 */
export const cifar100 = { load: loadHundred } as const
