/** The thread that chunks of Zarr are unpacked on, for zarr-codecs.ts. */
import { DataError } from '../core/errors.js'
import { serve } from '../core/helper-thread.js'
import { reason } from './atomic.js'
import { type Packed, unpacked } from './zarr-codecs.js'

serve<Packed, Uint8Array<ArrayBuffer>>(
  'unpacking a chunk',
  async (packed) => {
    try {
      const bytes = await unpacked(packed)
      // What lies in the memory of a codec cannot be moved.
      return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
    } catch (cause) {
      throw new DataError(reason(cause))
    }
  },
  (bytes) => [bytes.buffer],
)
