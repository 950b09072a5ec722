/** Recognition of files of other formats by their first bytes, and remedies. */

/** A file format and how to convert it. */
interface Foreign {
  readonly begins: string
  readonly is: string
  readonly remedy: string
}

const ofTorch =
  "in Python: from safetensors.torch import save_file; save_file(torch.load(path, weights_only=True), 'w.safetensors')"
const foreign: readonly Foreign[] = [
  {
    begins: 'PK\x03\x04',
    is: 'a zip archive, such as .npz files and those of torch.save',
    remedy: `read an .npz file with readNpz; of PyTorch, ${ofTorch}`,
  },
  { begins: 'PK\x05\x06', is: 'an empty zip archive', remedy: 'write it again: numpy.savez' },
  { begins: '\x93NUMPY', is: 'an array of NumPy', remedy: 'read it with readNpy' },
  { begins: '\x1f\x8b', is: 'compressed with gzip', remedy: 'decompress it first: gunzip' },
  {
    begins: '\x89HDF',
    is: 'an HDF5 file',
    remedy: "in Python: numpy.save('a.npy', h5py.File(path)['a'][()])",
  },
  { begins: 'GGUF', is: 'a GGUF file', remedy: 'convert it to safetensors first' },
  { begins: '\x80', is: 'a Python pickle, which may run code', remedy: `convert it: ${ofTorch}` },
  {
    begins: 'version https://git-lfs',
    is: 'a pointer of Git LFS and not the file itself',
    remedy: 'run: git lfs pull',
  },
  { begins: '<', is: 'a web page or XML', remedy: 'the download failed: fetch it again' },
  {
    begins: 'MATLAB',
    is: 'a MATLAB file',
    remedy: "in Python: numpy.save('a.npy', scipy.io.loadmat(path)['a'])",
  },
]

/** Maximum number of first bytes that are compared. */
export const foreignBytes = 32

/** What a file with these first bytes is, and the remedy, as text; undefined if it is not known. */
export function foreignFile(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.subarray(0, foreignBytes)).toString('latin1')
  const found = foreign.find(({ begins }) => text.startsWith(begins))
  return found === undefined ? undefined : `it is ${found.is}; ${found.remedy}`
}
