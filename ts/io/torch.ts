/**
 * Tensors written by `torch.save` (PyTorch 1.6 and later): a zip archive of a pickle, which describes the tensors, and of their storages.
 *
 *   NAME/data.pkl | NAME/data/0, NAME/data/1, ... | NAME/byteorder | NAME/version
 *
 * A tensor is a view of a storage: offset, shape and strides, in elements. The pickle is parsed as data, see pickle.ts: it may name only
 * the constructors of tensors, parameters and dicts, and nothing is executed. The saved object may be nested; names are joined by dots,
 * like those of a state dict.
 */

import { DataError, describe } from '../core/errors.js'
import { checkPath } from './atomic.js'
import { elementCount } from './element-types.js'
import { FileReader } from './file-reader.js'
import { OpenArrays } from './open-arrays.js'
import {
  type Fail,
  NamedFunction,
  type PickleDialect,
  type Pickled,
  PickledObject,
  type PickleFunction,
  type PickleValue,
  readPickle,
  textOf,
} from './pickle.js'
import { type Layout, StoredArray, spanOf } from './stored-array.js'
import { type StoredType, storedBytes } from './stored-types.js'
import { broken, readZipDirectory, type ZipEntry } from './zip.js'
import { readZipMember, ZipMemberStore } from './zip-members.js'

/** Element types by the class of their storage, and by the name of untyped storages. */
const types: Readonly<Record<string, StoredType>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
}
const dtypes: Readonly<Record<string, StoredType>> = {
  float32: 'float32',
  float64: 'float64',
  float16: 'float16',
  bfloat16: 'bfloat16',
  int64: 'int64',
  int32: 'int32',
  int16: 'int16',
  int8: 'int8',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  bool: 'bool',
}
/** Unsupported storages and dtypes, and remedies. */
const unread = [
  'ComplexFloatStorage',
  'ComplexDoubleStorage',
  'complex64',
  'complex128',
  'float8_e4m3fn',
  'float8_e5m2',
]

/** Maximum length of a pickle in bytes: it holds only names and shapes. */
const longestPickle = 1 << 26

/** A storage, by its member of the archive. */
class Storage extends PickledObject {
  constructor(
    readonly key: string,
    /** Undefined for bytes whose type each tensor sets; null for unsupported numbers. */
    readonly type: StoredType | null | undefined,
    readonly typeName: string,
  ) {
    super()
  }
}

/** A view of a storage. */
class SavedTensor extends PickledObject {
  constructor(
    readonly storage: Storage,
    readonly type: StoredType | undefined,
    readonly typeName: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly steps: readonly number[],
  ) {
    super()
  }

  /** State of tensor subclasses and hooks is not data. */
  override setState(): void {}
}

/** A type as an argument. */
class NamedType extends PickledObject {
  constructor(readonly name: string) {
    super()
  }

  override get isValue(): boolean {
    return false
  }
}

const isType: PickleFunction = (_, fail) => {
  throw fail('it calls a type')
}
const lengths = (value: PickleValue | undefined): readonly number[] | undefined =>
  Array.isArray(value) && value.every((length) => Number.isSafeInteger(length) && (length as number) >= 0)
    ? (value as number[])
    : undefined

/** `_rebuild_tensor_v2(storage, offset, shape, strides, ...)`, and `_v3` with a dtype after them. */
function rebuilt(dtypeAt?: number): PickleFunction {
  return (args, fail) => {
    const [storage, offset] = args
    const [shape, steps] = [lengths(args[2]), lengths(args[3])]
    const isSound = Number.isSafeInteger(offset) && (offset as number) >= 0 && shape?.length === steps?.length
    if (!(storage instanceof Storage) || shape === undefined || steps === undefined || !isSound) {
      throw fail('a tensor is made of other arguments than PyTorch gives')
    }
    const dtype = dtypeAt === undefined ? undefined : args[dtypeAt]
    const name = dtype instanceof NamedFunction ? dtype.name.replace('torch ', '') : storage.typeName
    const type = dtype instanceof NamedFunction ? dtypes[name] : (storage.type ?? undefined)
    return new SavedTensor(storage, type, name, offset as number, shape, steps)
  }
}

const parameter: PickleFunction = ([data], fail) => {
  if (data instanceof SavedTensor) return data
  throw fail('a parameter is made of a value that is not a tensor')
}

/** An empty dict, or one of pairs. */
const dict: PickleFunction = ([pairs], fail) => {
  if (pairs === undefined) return new Map()
  if (pairs instanceof Map) return pairs
  if (!Array.isArray(pairs)) throw fail('a dict is made of values that are not pairs')
  return new Map(
    pairs.map((pair) => {
      const [key, value] = Array.isArray(pair) ? pair : []
      const name = textOf(key)
      if (name === undefined || value === undefined) throw fail('a dict is made of values that are not pairs')
      return [name, value] as const
    }),
  )
}

const named = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [`torch ${name}`, isType] as const))

/** The names in archives of tensors. */
const torchDialect: PickleDialect = {
  remedy: 'Save only tensors: torch.save({name: t.detach().cpu() for name, t in tensors.items()}, path)',
  functions: {
    ...named(Object.keys(types)),
    ...named(Object.keys(dtypes)),
    ...named(unread),
    'torch.storage UntypedStorage': isType,
    'torch UntypedStorage': isType,
    'torch._utils _rebuild_tensor_v2': rebuilt(),
    'torch._utils _rebuild_tensor_v3': rebuilt(6),
    'torch._utils _rebuild_parameter': parameter,
    'torch._utils _rebuild_parameter_with_state': parameter,
    'collections OrderedDict': dict,
    'torch Size': ([sizes]) => (Array.isArray(sizes) ? sizes : []),
    'torch device': () => new NamedType('device'),
  },
  persistent: storageOf,
}

/** The storage of an id such as ('storage', torch.FloatStorage, '0', 'cpu', 10). */
function storageOf(id: PickleValue, fail: Fail): Storage {
  const [kind, type, key] = Array.isArray(id) ? id : []
  const file = textOf(key)
  if (textOf(kind) !== 'storage' || !(type instanceof NamedFunction) || file === undefined) {
    throw fail('it refers to a value that is not a storage of PyTorch')
  }
  const name = type.name.split(' ')[1] as string
  if (name === 'UntypedStorage') return new Storage(file, undefined, name)
  return new Storage(file, types[name] ?? null, name)
}

/**
 * The lazy tensors of a `torch.save` file: tensors of a dict by name, of a list by index, a single one by the name 'data'. Nested names are
 * joined by dots. float16 and bfloat16 become float32, int8 and int16 int32.
 *
 * @throws IOError if the file cannot be read; DataError unless it is an archive of `torch.save` of only tensors and plain data, or if it is
 *   damaged
 */
export async function openTorch(path: string): Promise<OpenArrays> {
  checkPath('openTorch', path)
  return FileReader.use(path, async (file) => {
    const members = await torchMembers(file)
    const { pickle, root } = pickleOf(path, members)
    const bigEndian = await isBigEndian(file, members.get(`${root}byteorder`))
    const value = await readPickle(
      `${path}: '${pickle.name}'`,
      await readZipMember(file, pickle),
      torchDialect,
    )
    const opened = new OpenArrays()
    for (const [name, tensor] of tensorsIn(value)) {
      const what = `${path}: '${name}'`
      await opened.add(name, () => {
        const member = members.get(`${root}data/${tensor.storage.key}`)
        const layout = layoutOf(what, tensor, bigEndian)
        if (member === undefined)
          throw broken(path, `the storage ${tensor.storage.key} of '${name}' is missing`)
        return new StoredArray(what, new ZipMemberStore(file, member), layout)
      })
    }
    return opened
  })
}

/** Members by name. The errors for files of PyTorch before 1.6, and others, name the remedy. */
async function torchMembers(file: FileReader): Promise<Map<string, ZipEntry>> {
  const head = await file.bytes(0, Math.min(2, file.size))
  if (head[0] === 0x80) {
    throw new DataError(
      `${file.path} is of the old format of PyTorch, a bare pickle, which may run code and is not read; save it again as a zip archive: ` +
        'torch.save(torch.load(path, weights_only=True), path)',
    )
  }
  return new Map((await readZipDirectory(file)).map((entry) => [entry.name, entry]))
}

function pickleOf(path: string, members: ReadonlyMap<string, ZipEntry>): { pickle: ZipEntry; root: string } {
  const names = [...members.keys()]
  const name = names.find((one) => /^[^/]*\/data\.pkl$/.test(one))
  if (name === undefined) {
    const isNpz = names.length > 0 && names.every((one) => one.endsWith('.npy'))
    throw new DataError(
      `${path} is a zip archive, but not of torch.save: it has no data.pkl; ${isNpz ? 'it holds .npy files: name it .npz' : `it holds ${names.slice(0, 5).join(', ') || 'nothing'}`}`,
    )
  }
  const root = name.slice(0, -'data.pkl'.length)
  if (members.has(`${root}constants.pkl`)) {
    throw new DataError(
      `${path} is a program of TorchScript, which is not read; save its tensors: torch.save(torch.jit.load(path).state_dict(), 'w.pt')`,
    )
  }
  const pickle = members.get(name) as ZipEntry
  if (pickle.size > longestPickle) throw broken(path, `'${name}' claims ${pickle.size} bytes`)
  return { pickle, root }
}

async function isBigEndian(file: FileReader, member: ZipEntry | undefined): Promise<boolean> {
  if (member === undefined) return false
  if (member.size > 16) throw broken(file.path, `'${member.name}' claims ${member.size} bytes`)
  return (
    Buffer.from(await readZipMember(file, member))
      .toString('latin1')
      .trim() === 'big'
  )
}

/** Tensors in nested dicts and lists, by joined names. */
function* tensorsIn(value: Pickled, name = ''): Generator<[name: string, tensor: SavedTensor]> {
  const below = (key: string | number) => (name === '' ? `${key}` : `${name}.${key}`)
  if (value instanceof SavedTensor) yield [name === '' ? 'data' : name, value]
  else if (value instanceof Map) for (const [key, part] of value) yield* tensorsIn(part, below(key))
  else if (Array.isArray(value)) for (const [i, part] of value.entries()) yield* tensorsIn(part, below(i))
}

function layoutOf(what: string, tensor: SavedTensor, bigEndian: boolean): Layout {
  const { type, typeName, offset, shape, steps } = tensor
  if (type === undefined) {
    throw new DataError(
      `${what} has the element type ${describe(typeName)}, which is not supported; convert it: tensor.float(), or for complex numbers torch.view_as_real(tensor)`,
    )
  }
  if (Number.isNaN(elementCount(shape)) || !Number.isSafeInteger(spanOf({ shape, steps }))) {
    throw new DataError(`${what} has a shape beyond 2^53 elements; the file is damaged`)
  }
  return { type, bigEndian, shape, steps, start: offset * storedBytes(type) }
}
