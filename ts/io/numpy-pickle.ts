/** Pickles that hold NumPy arrays of bytes, as in the files of CIFAR. */

import { sizeOf } from '../core/dtype.js'
import { type Fail, type PickleDialect, PickledObject, type PickleValue, textOf } from './pickle.js'

/** Bytes with a shape, in NumPy's form. */
export class PickledArray extends PickledObject {
  shape: readonly number[] = []
  data: Uint8Array = new Uint8Array(0)
  /** Whether the first axis is the fastest. */
  fortranOrder = false

  override setState(state: PickleValue, fail: Fail): void {
    if (!Array.isArray(state)) throw fail('it gives an array a state that is not a tuple')
    const [, shape, type, fortran, data] = state
    this.fill(shape, type, fortran === true, data, fail)
  }

  #isFilled = false

  override get isValue(): boolean {
    return this.#isFilled
  }

  /** Sets the contents of the array. */
  fill(shape: unknown, type: unknown, fortranOrder: boolean, data: unknown, fail: Fail): this {
    if (!(type instanceof ElementType) || !/^\|?u1$/.test(type.name)) {
      const name = type instanceof ElementType ? type.name : 'unknown'
      throw fail(
        `it holds an array of element type ${JSON.stringify(name)}, and only bytes (u1) are supported`,
      )
    }
    const isShape =
      Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length >= 0)
    const size = isShape ? sizeOf(shape as number[]) : -1
    if (!(data instanceof Uint8Array) || data.length !== size)
      throw fail('an array has other bytes than its shape')
    this.shape = shape as number[]
    this.data = data
    this.fortranOrder = fortranOrder
    this.#isFilled = true
    return this
  }
}

/** An element type of NumPy. */
class ElementType extends PickledObject {
  constructor(readonly name: string) {
    super()
  }

  /** The byte order, which bytes do not have. */
  override setState(): void {}

  override get isValue(): boolean {
    return false
  }
}

const array = () => new PickledArray()
const buffer = ([data, type, shape, order]: readonly PickleValue[], fail: Fail) =>
  new PickledArray().fill(shape, type, order === 'F', data, fail)

/** The names in pickles of NumPy arrays. */
export const numpyDialect: PickleDialect = {
  remedy: 'Fetch the file again, or save the data as .npy files',
  functions: {
    'numpy.core.multiarray _reconstruct': array,
    'numpy._core.multiarray _reconstruct': array,
    'numpy.core.numeric _frombuffer': buffer,
    'numpy._core.numeric _frombuffer': buffer,
    'numpy ndarray': (_, fail) => {
      throw fail('it calls the type of an array')
    },
    'numpy dtype': ([name], fail) => {
      const text = textOf(name)
      if (text === undefined) throw fail('it calls dtype with other arguments than plain data have')
      return new ElementType(text)
    },
    '_codecs encode': ([value, encoding], fail) => {
      if (typeof value === 'string' && /^latin-?1$/.test(textOf(encoding) ?? '')) {
        return new Uint8Array(Buffer.from(value, 'latin1'))
      }
      throw fail('it calls encode with other arguments than plain data have')
    },
  },
}
