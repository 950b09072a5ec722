/** The thread on which chunks of Zarr are decompressed, for zarr-codecs.ts. */
import { DataError } from '../core/errors.js'
import { serve } from '../core/helper-thread.js'
import { reason } from './atomic.js'
import { type CompressedChunk, decompress } from './zarr-codecs.js'

serve<CompressedChunk, Uint8Array<ArrayBuffer>>(
  'decompressing a chunk',
  async (chunk) => {
    try {
      const bytes = await decompress(chunk)
      // A view of a codec's memory cannot be transferred.
      return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
    } catch (cause) {
      throw new DataError(reason(cause))
    }
  },
  (bytes) => [bytes.buffer],
)
