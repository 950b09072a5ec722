/** Data sets in four idx files: Fashion-MNIST, KMNIST, EMNIST, and custom ones. */

import { type Shape, showShape } from '../core/dtype.js'
import { DataError } from '../core/errors.js'
import { type Checks, checkOptions, flag, listOf, oneOf, text } from '../core/options.js'
import { type IdxSet, type IdxSource, readIdxSet } from './idx-files.js'
import { type ImageDatasets, type ImageSetOptions, imageDatasets, imageSetChecks } from './image-datasets.js'

/** The four files under their usual names, with the MD5 of the published, compressed files. */
function parts(md5: readonly [string, string, string, string]): IdxSet['parts'] {
  const source = (stem: string, samples: number, digits: string): IdxSource => ({
    stems: [stem],
    samples,
    checksum: { algorithm: 'md5', digits },
  })
  return {
    trainImages: source('train-images', 60_000, md5[0]),
    trainLabels: source('train-labels', 60_000, md5[1]),
    testImages: source('t10k-images', 10_000, md5[2]),
    testLabels: source('t10k-labels', 10_000, md5[3]),
  }
}

/** A loader like that of MNIST. */
function loaderOf(name: string, set: IdxSet, classNames: readonly string[]) {
  return async (options: ImageSetOptions = {}): Promise<ImageDatasets> => {
    const given = checkOptions(`${name}.load`, options, imageSetChecks)
    const { dataDir: root, verify = true } = given
    const { train, test } = await readIdxSet(set, { root, verify })
    return imageDatasets(train, test, { shape: [1, 28, 28], classNames }, given)
  }
}

const likeMnist = { imageShape: [28, 28], firstLabel: 0, classes: 10, again: 'fetch it again' } as const
const fourFiles =
  'train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz'

const clothes: IdxSet = {
  ...likeMnist,
  title: 'Fashion-MNIST',
  subfolders: ['fashion-mnist', 'FashionMNIST/raw'],
  remedy:
    `Fetch ${fourFiles} from data/fashion of https://github.com/zalandoresearch/fashion-mnist, put them into data/fashion-mnist, ` +
    'or give their folder as dataDir',
  parts: parts([
    '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
    '25c81989df183df01b3e8a0aad5dffbe',
    'bef4ecab320f06d8554ea6380940ec79',
    'bb300cfdad3c16e7a12a480ee83cd310',
  ]),
}

/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 and 10,000 images of clothes, 28 x 28 pixels, 10 classes.
 *
 *     const { train, validation, test, classNames } = await fashionMnist.load({ dataDir: 'data/fashion-mnist' })
 *
 * Files are searched for in `dataDir`; by default in `data` of the working folder and in `.cache/hyperglow` of the home folder; and in the
 * subfolders `fashion-mnist` and `FashionMNIST/raw`. Compressed files are compared with the published MD5.
 *
 * @throws IOError if the files are not found, with how to get them; DataError for invalid files
 */
export const fashionMnist = {
  load: loaderOf('fashionMnist', clothes, [
    'T-shirt/top',
    'trouser',
    'pullover',
    'dress',
    'coat',
    'sandal',
    'shirt',
    'sneaker',
    'bag',
    'ankle boot',
  ]),
} as const

const kana: IdxSet = {
  ...likeMnist,
  title: 'KMNIST',
  subfolders: ['kmnist', 'KMNIST/raw'],
  remedy:
    `Fetch ${fourFiles} from https://github.com/rois-codh/kmnist, put them into data/kmnist, ` +
    'or give their folder as dataDir',
  parts: parts([
    'bdb82020997e1d708af4cf47b453dcf7',
    'e144d726b3acfaa3e44228e80efcd344',
    '5c965bf0a639b31b8f53240b1b52f4d7',
    '7320c461ea6c1c855c0b718fb2a4b134',
  ]),
}

/**
 * KMNIST (Clanuwat et al. 2018): 60,000 and 10,000 cursive Japanese characters, 28 x 28 pixels, 10 classes.
 *
 *     const { train, validation, test } = await kmnist.load({ dataDir: 'data/kmnist' })
 *
 * Searched for and checked like {@link fashionMnist}, in the subfolders `kmnist` and `KMNIST/raw`.
 *
 * @throws as {@link fashionMnist}
 */
export const kmnist = {
  load: loaderOf('kmnist', kana, ['o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo']),
} as const

const range = (first: string, count: number) =>
  Array.from({ length: count }, (_, i) => String.fromCharCode(first.charCodeAt(0) + i))
const figures = range('0', 10)
const capitals = range('A', 26)
/** Lowercase letters whose shape differs from the uppercase letter. */
const ownShapes = [...'abdefghnqrt']
const merged = [...figures, ...capitals, ...ownShapes]

/** Classes of the splits of EMNIST, in the order of the labels, and the numbers of training and test samples. */
const splits = {
  balanced: { names: merged, firstLabel: 0, samples: [112_800, 18_800] },
  byclass: {
    names: [...figures, ...capitals, ...range('a', 26)],
    firstLabel: 0,
    samples: [697_932, 116_323],
  },
  bymerge: { names: merged, firstLabel: 0, samples: [697_932, 116_323] },
  digits: { names: figures, firstLabel: 0, samples: [240_000, 40_000] },
  letters: { names: range('a', 26), firstLabel: 1, samples: [124_800, 20_800] },
  mnist: { names: figures, firstLabel: 0, samples: [60_000, 10_000] },
} as const

/** A split of EMNIST. */
export type EmnistSplit = keyof typeof splits

/** Options of {@link emnist.load}. */
export interface EmnistOptions extends ImageSetOptions {
  /**
   * Samples and classes: 'balanced' (47 classes), 'byclass' (62), 'bymerge' (47), 'digits' (10), 'letters' (26, labels from 0) or 'mnist'
   * (10). Default 'balanced'.
   */
  split?: EmnistSplit
  /** Return upright images; the files hold them with rows and columns exchanged. Default true. */
  upright?: boolean
}

const emnistChecks: Checks<EmnistOptions> = {
  ...imageSetChecks,
  split: oneOf('balanced', 'byclass', 'bymerge', 'digits', 'letters', 'mnist'),
  upright: flag,
}

async function loadEmnist(options: EmnistOptions = {}): Promise<ImageDatasets> {
  const given = checkOptions('emnist.load', options, emnistChecks)
  const { split = 'balanced', upright = true, dataDir: root, verify = true } = given
  const { names, firstLabel, samples } = splits[split]
  const source = (half: string, what: string, count: number): IdxSource => ({
    stems: [`emnist-${split}-${half}-${what}`],
    samples: count,
  })
  const set: IdxSet = {
    title: `EMNIST ${split}`,
    subfolders: ['emnist', 'gzip', 'emnist/gzip', 'EMNIST/raw'],
    remedy:
      `Fetch gzip.zip from https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip (MD5 58c8d27c78d21e728a6bc7b3cc06412e), unpack it into data/emnist, ` +
      'or give its folder as dataDir',
    again: 'fetch it again',
    imageShape: [28, 28],
    firstLabel,
    classes: names.length,
    parts: {
      trainImages: source('train', 'images', samples[0]),
      trainLabels: source('train', 'labels', samples[0]),
      testImages: source('test', 'images', samples[1]),
      testLabels: source('test', 'labels', samples[1]),
    },
  }
  const { train, test } = await readIdxSet(set, { root, verify })
  const form = { shape: [1, 28, 28], classNames: names, byColumns: upright }
  return imageDatasets(train, test, form, given)
}

/**
 * EMNIST (Cohen et al. 2017): handwritten digits and letters, 28 x 28 pixels, in six splits.
 *
 *     const { train, classNames } = await emnist.load({ split: 'letters', dataDir: 'data/emnist' })
 *
 * Searched for like {@link fashionMnist}, in the subfolders `emnist`, `gzip`, `emnist/gzip` and `EMNIST/raw`. There are no published
 * checksums of the single files; shapes, counts and labels are checked.
 *
 * @throws as {@link fashionMnist}
 */
export const emnist = { load: loadEmnist } as const

/** Options of {@link idxDataset.load}. */
export interface IdxDatasetOptions extends Omit<ImageSetOptions, 'verify'> {
  /** Name of each class, in the order of the labels. Default: the labels themselves. */
  classNames?: readonly string[]
}

const { verify: _, ...withoutVerify } = imageSetChecks
const idxChecks: Checks<IdxDatasetOptions> = { ...withoutVerify, classNames: listOf(text) }

async function loadIdx(options: IdxDatasetOptions = {}): Promise<ImageDatasets> {
  const given = checkOptions('idxDataset.load', options, idxChecks)
  const set: IdxSet = {
    title: 'the idx data set',
    subfolders: [],
    remedy: 'Give the folder of the four files as dataDir',
    again: '',
    imageShape: undefined,
    firstLabel: 0,
    classes: given.classNames?.length,
    parts: {
      trainImages: { stems: ['train-images'] },
      trainLabels: { stems: ['train-labels'] },
      testImages: { stems: ['t10k-images', 'test-images'] },
      testLabels: { stems: ['t10k-labels', 'test-labels'] },
    },
  }
  const { train, test, source } = await readIdxSet(set, { root: given.dataDir, verify: false })
  const largest = (most: number, label: number) => Math.max(most, label)
  const classes = Math.max(train.labels.reduce(largest, 0), test.labels.reduce(largest, 0)) + 1
  const classNames = given.classNames ?? Array.from({ length: classes }, (_, label) => `${label}`)
  return imageDatasets(train, test, { shape: withChannels(source, train.imageShape), classNames }, given)
}

/** Shape of an image with its channels first. */
function withChannels(source: string, shape: Shape): Shape {
  if (shape.includes(0)) {
    throw new DataError(`${source}: images of shape ${showShape(shape)} have no pixels; make the files again`)
  }
  return shape.length === 2 ? [1, ...shape] : shape
}

/**
 * A data set of bytes in four idx files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same with `t10k` or `test`, plain or
 * .gz. Images `[n, height, width]` get one channel; `[n, channels, height, width]` (idx4) and rows `[n, features]` (idx2) stay.
 *
 *     const { train, validation, test } = await idxDataset.load({ dataDir: 'my-data', classNames: ['cat', 'dog'] })
 *
 * @throws IOError if files are missing; DataError if they do not match
 */
export const idxDataset = { load: loadIdx } as const
